"""Does the policy, or the value function, know only what it was trained on?"""

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Evidence, Finding
from plumbrl.history import History
from plumbrl.metrics.trends import mann_kendall

FEW = 8
ENOUGH = 256
"""Timesteps in a rollout: in shorter ones only the shortest episodes are complete."""
GAP = 0.4
"""Gap in explained variance, over the last third, from which on it is told."""


def overfitting_of(history: History) -> list[Finding]:
    """Return what is overfitted; needs evaluations, or held-out explained variance."""
    return [found for found in (_policy(history), _value(history)) if found is not None]


def _policy(history: History) -> Finding | None:
    """Returns in training go up while those of the evaluation go down, both significantly."""
    _, train = history.points("rollout/ep_rew_mean")
    steps, held_out = history.points("eval/mean_reward")
    if len(held_out) < FEW or len(train) < FEW:
        return None
    half = len(held_out) // 2
    rises = mann_kendall(train[len(train) // 2 :])
    falls = mann_kendall(held_out[half:])
    if not (rises[0] > 0 and rises[1] < 0.01 and falls[0] < 0 and falls[1] < 0.01):
        return None
    evidence = (
        Evidence("Kendall's tau of the evaluation, second half", falls[0], "not below 0"),
        Evidence("Kendall's tau of the training, second half", rises[0], "like the evaluation's"),
    )
    return finding("task.overfits", step=int(steps[half]), evidence=evidence, confidence=0.8)


def _value(history: History) -> Finding | None:
    """Compare explained variance on the value function's own targets and on new episodes."""
    if (history.facts.rollout or ENOUGH) < ENOUGH:
        return None
    steps, residual = history.points("value/residual_variance")
    _, held_out = history.points("value/explained_variance_held_out")
    third = min(len(residual), len(held_out)) // 3
    if third < FEW:
        return None
    own, new = 1 - float(np.median(residual[-third:])), float(np.median(held_out[-third:]))
    if own - new < GAP or own < 0.5 or new > 0.3:
        return None
    evidence = (
        Evidence("explained variance on its own targets", own, f"within {GAP} of the other"),
        Evidence("explained variance on episodes not yet trained on", new, "above 0.3"),
    )
    return finding("value.overfits", step=int(steps[-third]), evidence=evidence, confidence=0.5)
