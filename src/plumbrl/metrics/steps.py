"""What single steps say of an environment: whether actions do anything, what rewards depend on.

Arrays are of n steps: observations and next_observations (n, D), actions (n, A), of discrete ones
a column per action. With a NaN, or with too few steps for the columns, all are NaN.
"""

import numpy as np
from scipy.special import fdtrc

from plumbrl.metrics.arithmetic import Array, double, equal_shapes, quiet

LEVELS = 10
"""Different values from which on a column is a measurement, not a flag."""
FEWEST = 256
"""Steps from which on standard deviations are those of the task, not of a moment of it."""
USUAL = 0.5
"""Share of steps with one and the same reward from which on rewards are sparse."""


@quiet
def observation_spread(observations: Array) -> float:
    """Return the largest standard deviation over the smallest of those columns that vary.

    At least 1. Healthy: below 100, of robots up to 140; 1 to 3 behind a normaliser. From 300 on a
    network hardly sees the smaller ones. Columns of at most 10 different values are left out: a
    flag that is rarely set has a tiny spread. NaN if fewer than two columns are left, and for fewer
    than 256 steps, in which slow numbers hardly move.
    """
    x = double(observations)
    if len(x) < FEWEST or not np.isfinite(x).all():
        return np.nan
    spread = np.array([c.std() for c in x.T if len(np.unique(c)) > LEVELS])
    spread = spread[spread > 1e-9]
    return float(spread.max() / spread.min()) if len(spread) > 1 else np.nan


@quiet
def action_chance(observations: Array, actions: Array, next_observations: Array) -> float:
    """Return the probability that actions without any effect would explain as much, in [0, 1].

    The least p-value over columns of the observation, times their number: F-test of a linear
    regression of the change on observation and action against the same without action. Healthy: 0
    but for rounding, in all of Gymnasium's classic and MuJoCo tasks that were tried. Above 0.001
    for long, actions reach nothing that one step shows: they are ignored, or act later. A policy
    that is no straight line of what it sees brings it down to some thousandths. NaN where nothing
    changes.

    Raises:
        ValueError: Shapes of the observations differ.
    """
    equal_shapes(observations=observations, next_observations=next_observations)
    before = _standardised(double(observations))
    change = double(next_observations) - double(observations)
    return _chance(change, _with_constant(before), double(actions))


@quiet
def reward_chance(
    observations: Array, actions: Array, next_observations: Array, rewards: Array
) -> float:
    """Return the probability that rewards by chance alone would be explained as well, in [0, 1].

    F-test of a linear regression on observation, action, next observation and their squares.
    Healthy: 0 but for rounding. Above 0.05 for long, rewards are noise to whoever sees only the
    observations. NaN where more than half of the rewards are one and the same.

    Args:
        observations: (n, D).
        actions: (n, A).
        next_observations: (n, D).
        rewards: (n,).
    """
    paid = double(rewards).ravel()
    _, counts = np.unique(paid, return_counts=True)
    if not len(paid) or counts.max() > USUAL * len(paid):
        return np.nan
    parts = [double(p) for p in (observations, actions, next_observations)]
    seen = _standardised(np.hstack(parts))
    return _chance(paid[:, None], np.ones((len(paid), 1)), np.hstack([seen, seen**2]))


def _chance(outcome: Array, known: Array, added: Array) -> float:
    """Return the least p-value of added columns over the columns of an outcome, times their number.

    Args:
        outcome: (n, K).
        known: (n, I), the regression without.
        added: (n, J).
    """
    if not all(np.isfinite(part).all() for part in (outcome, known, added)):
        return np.nan
    basis = _basis(known)
    outcome, added = (part - basis @ (basis.T @ part) for part in (outcome, added))
    new = _basis(added)
    left = len(outcome) - basis.shape[1] - new.shape[1]
    total = np.square(outcome).sum(axis=0)
    moved = total > 1e-18
    if left < len(outcome) / 3 or not moved.any() or not new.shape[1]:
        return np.nan
    explained = np.square(new.T @ outcome).sum(axis=0)[moved]
    rest = np.maximum(total[moved] - explained, 1e-12 * total[moved])
    p = fdtrc(new.shape[1], left, explained / new.shape[1] / (rest / left))
    return float(min(1.0, p.min() * len(p)))


def _basis(columns: Array) -> Array:
    """Return orthonormal columns that span the same; those that others make up are left out."""
    size = np.linalg.norm(columns, axis=0)
    kept = columns[:, size > 1e-9] / size[size > 1e-9]
    # the eigenvectors of k x k products take a tenth of the time of the n x k decomposition
    squares, directions = np.linalg.eigh(kept.T @ kept)
    real = squares > 1e-8
    return kept @ directions[:, real] / np.sqrt(squares[real])


def _standardised(x: Array) -> Array:
    spread = x.std(axis=0)
    moving = spread > 1e-9
    return (x[:, moving] - x[:, moving].mean(axis=0)) / spread[moving]


def _with_constant(x: Array) -> Array:
    return np.hstack([np.ones((len(x), 1)), x])
