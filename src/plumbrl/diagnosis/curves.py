"""Classes of loss curves, as one looks at them: healthy, unstable, not learning."""

from typing import Literal

import numpy as np

from plumbrl.findings import Check
from plumbrl.history import History
from plumbrl.metrics.trends import mann_kendall

CurveClass = Literal["healthy", "unstable", "not learning", "unclear"]
LOSSES = ("train/value_loss", "train/policy_gradient_loss", "train/loss", "train/critic_loss",
          "train/actor_loss", "train/entropy_loss")  # fmt: skip
FEW = 20
FLAT = 0.01
"""A curve whose quartiles are closer than this share of its median has not moved."""
ZIGZAG = 1.7
"""Root mean square of the differences over the standard deviation: noise alone gives 1.41."""


def classify(values: np.ndarray) -> CurveClass:
    """Return the class of a curve.

    Healthy: it moves, and does not just jump to and fro. Unstable: it alternates more than noise
    would, or grows tenfold in its last third. Not learning: it does not move at all.

    Args:
        values: Finite, in order, (n,); fewer than 20 are unclear.
    """
    if len(values) < FEW:
        return "unclear"
    values = values / max(float(np.abs(values).max()), 1e-300)  # squares must not overflow
    low, middle, high = np.percentile(values, [25, 50, 75])
    if high - low <= FLAT * abs(middle) or not values.std() > 0:
        return "not learning"
    zigzag = float(np.sqrt(np.mean(np.diff(values) ** 2)) / values.std())
    third = len(values) // 3
    grows = np.median(np.abs(values[-third:])) > 10 * np.median(np.abs(values[:third]))
    if zigzag > ZIGZAG or (grows and mann_kendall(np.abs(values))[1] < 0.01):
        return "unstable"
    return "healthy"


def curve_checks(history: History) -> list[Check]:
    """Return a line for each loss that was logged; they inform, and decide nothing."""
    checks = []
    for key in LOSSES:
        values = history.points(key)[1]
        values = values[np.isfinite(values)]
        if len(values):
            known = classify(values)
            verdict = {"healthy": "passed", "unclear": "skipped"}.get(known, "inconclusive")
            checks.append(Check(f"curve of {key}", verdict, known))  # type: ignore[arg-type]
    return checks
