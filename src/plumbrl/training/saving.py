"""Write a model with the normaliser it needs beside it; every file whole or not at all."""

from pathlib import Path
from typing import Any

from plumbrl.runs.files import whole
from plumbrl.training.normalizer import Normalizer


def save_model(model: Any, path: Path) -> None:
    """Write an SB3 zip, and what its observations must be normalised with.

    Beside ``best_model.zip`` come ``best_normalizer.npz``, which is plain numbers, and
    ``best_vecnormalize.pkl``, which is what SB3 itself loads.

    Args:
        model: SB3's.
        path: Of the zip.
    """
    with whole(path) as temporary:
        model.save(temporary, exclude=_stand_ins(model))
    normalizer = model.get_vec_normalize_env()
    if normalizer is None:
        return
    named = path.stem.replace("model", "{}")
    Normalizer.of(normalizer).save(path.with_name(named.format("normalizer") + ".npz"))
    with whole(path.with_name(named.format("vecnormalize") + ".pkl")) as temporary:
        normalizer.save(str(temporary))


def _stand_ins(model: Any) -> list[str]:
    """Return the methods that something else stands before for a while, to watch them."""
    return [name for name in vars(model) if callable(getattr(type(model), name, None))]
