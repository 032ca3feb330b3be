"""What a set of episodes amounts to: how often they succeed, how well they go, how they differ."""

from dataclasses import dataclass

import numpy as np

from plumbrl.metrics.episodes import Evaluation
from plumbrl.metrics.statistics import (
    Interval,
    interquartile_interval,
    mean_interval,
    paired_rate_difference,
    rate_interval,
)

Array = np.ndarray
DEFINITION = (
    "An episode fails if it ends in a terminal state (a fall); it succeeds otherwise. Where the "
    "environment itself reports is_success, that counts instead."
)


@dataclass(frozen=True)
class Outcome:
    """A policy's episodes in numbers, each with its 95 % interval.

    Attributes:
        policy: Its name.
        episodes: How many.
        success: Share that succeeded, see `DEFINITION`.
        failure: Share that ended in a terminal state without success.
        returns: Mean undiscounted return.
        interquartile_return: Its mean over the middle half of the episodes.
        steps: Mean length.
        causes: How often each cause ended an episode.
        metrics: Mean of every number the episodes report.
    """

    policy: str
    episodes: int
    success: Interval
    failure: Interval
    returns: Interval
    interquartile_return: Interval
    steps: Interval
    causes: dict[str, int]
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Difference:
    """How one policy's episodes differ from another's on the same seeds, paired by seed.

    Attributes:
        name: Whose.
        against: From whose.
        returns: Mean difference in return.
        success: Difference in success rate.
    """

    name: str
    against: str
    returns: Interval
    success: Interval


def succeeded(evaluation: Evaluation) -> Array:
    """Return which episodes succeeded, bool (n,); see `DEFINITION`."""
    reported = evaluation.metrics.get("is_success_at_end")
    if reported is None or np.isnan(reported).any():
        return ~np.asarray(evaluation.terminated, dtype=bool)
    return np.asarray(reported) > 0.5


def summarize(evaluation: Evaluation) -> Outcome:
    """Return a policy's episodes in numbers; metrics with a NaN among them are left out."""
    good = succeeded(evaluation)
    bad = np.asarray(evaluation.terminated, dtype=bool) & ~good
    n = len(good)
    whole = {k: v for k, v in evaluation.metrics.items() if np.isfinite(v).all()}
    return Outcome(
        evaluation.policy,
        n,
        rate_interval(int(good.sum()), n),
        rate_interval(int(bad.sum()), n),
        mean_interval(evaluation.returns),
        interquartile_interval([evaluation.returns]),
        mean_interval(evaluation.lengths),
        dict(evaluation.causes),
        {name: mean_interval(values) for name, values in whole.items()},
    )


def difference(one: Evaluation, other: Evaluation, name: str, against: str) -> Difference:
    """Compare two sets of episodes on the same seeds.

    Raises:
        ValueError: The seeds differ.
    """
    gain = one.gain_over(other)
    return Difference(name, against, gain, paired_rate_difference(succeeded(one), succeeded(other)))
