"""Write frames as a video: GIF needs Pillow, MP4 the extra `video`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ballbot.errors import UserError


def write_video(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    """Write frames (H, W, 3) uint8 to a ``.gif`` or ``.mp4`` file.

    Raises:
        UserError: Another suffix, or the library for it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = {".gif": _write_gif, ".mp4": _write_mp4}.get(path.suffix.lower())
    if writer is None:
        raise UserError(f"a video is a .gif or .mp4 file; got {path.name!r}.")
    writer(path, frames, fps)


def _write_gif(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    try:
        from PIL import Image
    except ImportError:
        raise UserError("GIF needs Pillow: pip install 'plumbrl[plots]'.") from None
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0
    )


def _write_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise UserError("MP4 needs a writer: pip install 'plumbrl[video]'.") from None
    frames = iter(frames)
    first = next(frames)
    size = (first.shape[1], first.shape[0])
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=fps, macro_block_size=2)
    writer.send(None)
    writer.send(np.ascontiguousarray(first))
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
