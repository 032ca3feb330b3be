"""What is stored must be what happened: observations, actions and episode starts, step by step."""

import numpy as np

from plumbrl.oracles.compare import Difference, Outcome, difference, failed, passed, skipped
from plumbrl.snapshots import OnPolicyUpdate

TOLERANCE = 1e-6
"""Storing is copying; float64 observations may be stored as float32."""
Array = np.ndarray


def check_transitions(update: OnPolicyUpdate) -> Outcome:
    """Compare stored observations and actions with a recording made at the environment's edge."""
    name = "stored transitions against what happened"
    recorded = update.recorded
    if recorded is None:
        return skipped(name, "the adapter could not record the environment's steps")
    parts = {"actions": (update.actions, recorded.actions)}
    for key, stored in update.observations.items():
        label = f"observations[{key!r}]" if key else "observations"
        parts[label] = (stored, recorded.observations[key])
    compared, worst = 0, 0.0
    for what, (stored, expected) in parts.items():
        gap = per_step(stored, expected)
        if gap.wrong.any():
            cause = observation_cause(stored, expected) if "observ" in what else "data.wrong-action"
            return failed(
                name, cause, gap, what=what, tolerance=TOLERANCE, step=update.step,
                update=update.update,
            )  # fmt: skip
        compared, worst = compared + gap.wrong.size, max(worst, gap.worst)
    return passed(name, compared, worst)


def per_step(stored: Array, expected: Array) -> Difference:
    """A step is wrong if any of its entries is."""
    gap = difference(stored.reshape(expected.shape), expected, TOLERANCE)
    steps = np.asarray(gap.wrong.reshape(*expected.shape[:2], -1).any(axis=2))
    return Difference(steps, gap.worst)


def observation_cause(stored: Array, expected: Array) -> str:
    """Tell a shift by one step from a shuffle from anything else."""
    stored = stored.reshape(expected.shape)
    shift = difference(stored[:-1], expected[1:], TOLERANCE).wrong
    if len(stored) > 2 and shift.mean() < 0.05:
        return "data.next-observation-stored"
    rows = len(stored) * stored.shape[1]
    ours, theirs = (np.sort(x.reshape(rows, -1), axis=0) for x in (stored, expected))
    if not difference(ours, theirs, TOLERANCE).wrong.any():
        return "data.shuffled"
    return "data.wrong-observation"
