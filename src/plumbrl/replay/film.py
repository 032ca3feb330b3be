"""A recorded episode as pictures for a video, drawn now from what was recorded."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.replay.episode import Episode
from plumbrl.replay.pictures import decoded
from plumbrl.replay.viewer import restored

Array = np.ndarray
Draw = Callable[[Any, Any], Array]
"""From MuJoCo's model and state to a picture (H, W, 3) uint8."""
FPS = 25
MARGIN = 8


def film(
    episode: Episode, draw: Draw | None = None, settings: Mapping[str, Any] | None = None
) -> Iterator[Array]:
    """Give pictures (H, W, 3) uint8, `FPS` a second of the episode, with time and return on them.

    Args:
        episode: With states or pictures.
        draw: How to draw a state; None: MuJoCo's own renderer, which needs a graphics library.
        settings: What to build the environment with, if no longer what the episode says.

    Raises:
        UserError: Of the episode nothing can be drawn.
    """
    sums = np.cumsum(episode.rewards)
    for step, picture in _pictures(episode, draw, settings):
        done = min(step, episode.steps)
        said = f"{done * episode.seconds:.2f} s   return {sums[max(done - 1, 0)]:.3g}"
        if step >= episode.steps:
            said += f"   {episode.cause.replace('_', ' ')}"
        yield lettered(picture, said)


def lettered(picture: Array, text: str) -> Array:
    """Return a picture with a line of text at its top; as it is where Pillow is missing."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        return picture
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    size = max(10, picture.shape[0] // 26)
    pen.text(
        (MARGIN, MARGIN), text, fill=(20, 24, 30), stroke_width=2, stroke_fill=(255, 255, 255),
        font_size=size,
    )  # fmt: skip
    return np.asarray(image)


def _pictures(
    episode: Episode, draw: Draw | None, settings: Mapping[str, Any] | None
) -> Iterator[tuple[int, Array]]:
    if episode.pictures is not None:
        yield from _kept(episode)
    elif episode.qpos is not None:
        yield from _drawn(episode, draw, settings)
    else:
        raise UserError("of this episode nothing can be drawn, so there is no video of it.")


def _moments(episode: Episode) -> list[int]:
    """Return the steps that are shown; the last one stands for a second."""
    count = max(2, round(episode.steps * episode.seconds * FPS))
    return [*np.linspace(0, episode.steps, count).round().astype(int).tolist()] + [
        episode.steps
    ] * FPS


def frames(episode: Episode) -> int:
    """Return of how many pictures the film of an episode consists."""
    return len(_moments(episode))


def _kept(episode: Episode) -> Iterator[tuple[int, Array]]:
    assert episode.pictures is not None
    for step in _moments(episode):
        row = int(np.searchsorted(episode.pictures.at, step, side="right")) - 1
        yield step, decoded(episode.pictures.files[max(row, 0)])


def _drawn(
    episode: Episode, draw: Draw | None, settings: Mapping[str, Any] | None
) -> Iterator[tuple[int, Array]]:
    with restored(episode, settings) as (model, data, put):
        draw = draw or _renderer(model)
        for step in _moments(episode):
            put(step)
            yield step, draw(model, data)


def _renderer(model: Any) -> Draw:
    """Return MuJoCo's own renderer."""
    import mujoco

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the sentence below says the same
            renderer = mujoco.Renderer(model, 480, 640)
    except Exception as error:  # every backend has exceptions of its own
        raise UserError(
            "a video of this environment needs a graphics library for MuJoCo (MUJOCO_GL=egl or "
            f"osmesa), which the page does without: {' '.join(str(error).split())[:160]}"
        ) from error

    def draw(_: Any, data: Any) -> Array:
        renderer.update_scene(data)
        return renderer.render()

    return draw
