"""What a hand-written loop calls its numbers, and what they are called here."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from plumbrl.adapters.loop.arrays import array
from plumbrl.errors import UserError, unknown
from plumbrl.history import Facts
from plumbrl.logs.names import table
from plumbrl.logs.settings import facts_of

Numbers = dict[str, float]
OTHERS = {
    "v_loss": ("train/value_loss", 2.0),  # half a mean square
    "old_approx_kl": ("policy/kl_k1", 1.0),
    "clipfracs": ("train/clip_fraction", 1.0),
    "explained_var": ("train/explained_variance", 1.0),
    "clip_coef": ("train/clip_range", 1.0),
    "ent_coef": ("train/ent_coef", 1.0),
    "q_values": ("value/q_mean", 1.0),
}
"""Variables of CleanRL that its logs call otherwise."""
UNDEFINED = ("train/explained_variance",)
"""Not a number where nothing varies; that is no fault."""


def numbers_of(given: Mapping[str, Any]) -> Numbers:
    """Return numbers under their names here; of lists and arrays the mean.

    A name with a slash is taken as it is, one that nobody knows goes to ``train/``. Where two mean
    the same, the first is taken and the other keeps its own name.

    Raises:
        UserError: A value is no number.
    """
    found: Numbers = {}
    for name, value in given.items():
        if value is None:
            continue
        values = array(name, _plain(name, value))
        if not values.size:
            continue
        key, times = _key(name)
        if key in found:
            key, times = f"train/{name}", 1.0
        number = float(values.mean()) * times
        if not (number != number and key in UNDEFINED):
            found[key] = number
    return found


def first_broken(given: Mapping[str, Any]) -> str:
    """Return the first number that is NaN or infinite; empty if there is none.

    What takes time to look at is left out: lists, arrays, and tensors on a GPU.
    """
    for name, value in given.items():
        single = isinstance(value, float) or getattr(value, "ndim", 1) == 0
        if single and not getattr(value, "is_cuda", False):
            number = array(name, value).item()
            if not isfinite(number) and _key(name)[0] not in UNDEFINED:
                return name
    return ""


def facts_from(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> Facts:
    """Return what a loop says of itself.

    Args:
        settings: All its arguments, such as ``vars(args)``; what is of no use is left out.
        facts: Named one by one, by whatever name `logs/names.yaml` knows.

    Raises:
        UserError: A fact is not known by that name, or is of the wrong type.
    """
    names = table()["settings"]
    valid = {other for others in names.values() for other in others} | set(names)
    for key, value in facts.items():
        if key not in valid:
            raise unknown("setting", key, valid)
        ours = next(ours for ours, others in names.items() if key in (ours, *others))
        if value is not None and _alone(key, value) is None and ours != "per_env":
            raise UserError(f"{key}: {value!r} is not of the right type.")
    return facts_of({**settings, **facts})


def _alone(key: str, value: Any) -> Any:
    known = facts_of({key: value})
    return next((fact for fact in vars(known).values() if fact is not None), None)


def _key(name: str) -> tuple[str, float]:
    if "/" in name:
        return name, 1.0
    if name in OTHERS:
        return OTHERS[name]
    columns = table()["columns"]
    entry = next(
        (columns[key] for key in (name, f"losses/{name}", f"charts/{name}") if key in columns),
        f"train/{name}",
    )
    return (entry["to"], entry.get("times", 1.0)) if isinstance(entry, dict) else (entry, 1.0)


def _plain(name: str, value: Any) -> Any:
    """A list may hold tensors."""
    if isinstance(value, list | tuple) and any(hasattr(part, "detach") for part in value):
        return [float(array(name, part).mean()) for part in value]
    return value
