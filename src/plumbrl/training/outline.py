"""What must agree between two spaces for a policy to fit, also if one is known from text only."""

from typing import Any

import numpy as np


def outline(space: Any, bounds: bool) -> Any:
    """Return what must agree between two spaces.

    Args:
        space: A Gymnasium space, or the `Inert` one of a pickle.
        bounds: Whether the bounds of a box must agree too.
    """
    kind = type(space).__name__
    if kind == "Dict":
        return {key: outline(part, bounds) for key, part in sorted(space.spaces.items())}
    if kind == "Discrete":
        return (kind, int(space.n), int(getattr(space, "start", 0)))
    if kind == "Box":
        shape = tuple(space._shape)
        limits = (np.asarray(space.low).tolist(), np.asarray(space.high).tolist())
        return (kind, shape, *limits) if bounds else (kind, shape)
    sizes = getattr(space, "nvec", getattr(space, "n", ()))
    return (kind, np.asarray(sizes).tolist())


def said(found: Any) -> str:
    """Return an outline in words, shortened to one line."""
    if isinstance(found, dict):
        text = ", ".join(f"{key}: {said(part)}" for key, part in found.items())
    elif found[0] == "Box":
        limits = f" from {found[2]} to {found[3]}" if len(found) > 2 else ""
        text = f"Box{found[1]}{limits}"
    else:
        text = f"{found[0]}({found[1]})"
    return text if len(text) < 160 else text[:157] + "..."
