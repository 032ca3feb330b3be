"""Pictures that environments draw, made small enough to keep."""

import io

import numpy as np

from plumbrl.errors import UserError
from plumbrl.replay.episode import Pictures

Array = np.ndarray
RATE = 30.0
"""Pictures per second, at most."""
SIDE = 480
"""Longest side of a kept picture, in pixels."""
BUDGET = 3_000_000
"""Bytes of an episode's pictures; beyond it every second one is dropped."""


class Album:
    """Collects pictures while an episode runs.

    Args:
        seconds: Of one step.
    """

    def __init__(self, seconds: float) -> None:
        self._stride = max(1, round(1 / (RATE * seconds)))
        self._kept: dict[int, bytes] = {}
        self._format = ""

    def wants(self, step: int, last: bool = False) -> bool:
        """Whether the picture before this step is to be kept."""
        return last or step % self._stride == 0

    def add(self, step: int, picture: Array) -> None:
        """Keep a picture.

        Args:
            step: That it was drawn before.
            picture: (H, W, 3) uint8.

        Raises:
            UserError: It is no picture, or Pillow is not installed.
        """
        picture = np.asarray(picture)
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise UserError("render() gives no picture of shape (H, W, 3) and type uint8.")
        self._format = self._format or _smaller(picture)
        self._kept[step] = encoded(picture, self._format)
        if sum(map(len, self._kept.values())) > BUDGET:
            self._stride *= 2
            self._kept = {s: f for s, f in self._kept.items() if s % self._stride == 0}

    def pictures(self) -> Pictures | None:
        """Return what was kept; None if nothing was."""
        if not self._kept:
            return None
        steps = sorted(self._kept)
        return Pictures(tuple(self._kept[s] for s in steps), np.array(steps))


def encoded(picture: Array, kind: str) -> bytes:
    """Return a picture (H, W, 3) uint8 as a file, scaled down to `SIDE`.

    Args:
        picture: It.
        kind: ``JPEG`` or ``PNG``.

    Raises:
        UserError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise UserError("pictures need Pillow: pip install 'plumbrl[plots]'.") from None
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 80} if kind == "JPEG" else {"optimize": True}))
    return out.getvalue()


def decoded(file: bytes) -> Array:
    """Return the picture in a file, (H, W, 3) uint8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def _smaller(picture: Array) -> str:
    return min(("PNG", "JPEG"), key=lambda kind: len(encoded(picture, kind)))
