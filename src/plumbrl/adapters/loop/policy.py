"""What a hand-written loop knows of its policy, and what follows from it."""

from typing import Any

import numpy as np

from plumbrl.adapters.loop.arrays import array
from plumbrl.history import Facts
from plumbrl.metrics import policy
from plumbrl.monitor.numbers import known
from plumbrl.snapshots.numbers import Bounds

Array = np.ndarray
Numbers = dict[str, float]


def space_of(space: Any) -> tuple[dict[str, int], Bounds | None]:
    """Return the size of a Gymnasium action space as facts, and the bounds of a continuous one."""
    if hasattr(space, "low") and hasattr(space, "high") and space.dtype.kind == "f":
        low, high = (np.asarray(end, dtype=np.float64).ravel() for end in (space.low, space.high))
        return {"action_dims": len(low)}, Bounds(low, high)
    return ({"actions": int(space.n)} if hasattr(space, "n") else {}), None


def of_ratio(log_ratio: Any) -> Numbers:
    """Return how far a policy moved.

    Args:
        log_ratio: New minus old log-probability of any samples.
    """
    logs = array("log_ratio", log_ratio).ravel()
    low, high = policy.ratio_extremes(logs)
    numbers = {
        "policy/kl_k1": policy.kl_k1(logs),
        "policy/kl_k3": policy.kl_k3(logs),
        "train/approx_kl": policy.kl_k3(logs),
        "policy/ess": policy.effective_sample_size(logs),
        "policy/ratio_min": low,
        "policy/ratio_max": high,
    }
    return known(numbers)


def of_noise(std: Array, bounds: Bounds | None) -> Numbers:
    """Return how wide a Gaussian policy is.

    Args:
        std: Standard deviation of its noise by dimension, (A,).
        bounds: Of the actions; None if unknown.
    """
    numbers = {
        "train/std": float(std.mean()),
        "policy/std_min": float(std.min()),
        "policy/std_max": float(std.max()),
    }
    if bounds is not None and len(std) == len(bounds.low):
        widths = policy.relative_width(std, bounds.low, bounds.high)
        widths = widths[np.isfinite(widths)]
        if len(widths):
            numbers["policy/entropy_relative"] = float(widths.mean())
            numbers["policy/entropy_relative_min"] = float(widths.min())
    return numbers


def with_entropy(row: Numbers, facts: Facts) -> Numbers:
    """Return a row with the entropy of discrete actions in SB3's sign, and relative to the largest.

    Loops differ in the sign of what they call entropy loss; this entropy is never negative.
    """
    loss, actions = row.get("train/entropy_loss"), facts.actions
    if loss is None or actions is None or actions < 2:
        return row
    relative = {"policy/entropy_relative": abs(loss) / float(np.log(actions))}
    return {**relative, **row, "train/entropy_loss": -abs(loss)}
