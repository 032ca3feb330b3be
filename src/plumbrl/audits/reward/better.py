"""Which of two policies did better, by what they earned and by what else their episodes show."""

from dataclasses import dataclass

import numpy as np

from plumbrl.audits.reward.task_metric import episode_metric
from plumbrl.audits.sample import Sample

Array = np.ndarray


@dataclass(frozen=True)
class Gain:
    """A difference of means with its 95 % interval (Welch's, by the normal distribution).

    Attributes:
        mean: Of the first minus the second sample.
        half: Half the width of the interval.
        spread: Pooled deviation of single values.
    """

    mean: float
    half: float
    spread: float

    @property
    def up(self) -> bool:
        """Whether the first is clearly larger."""
        return self.mean - self.half > 0

    @property
    def down(self) -> bool:
        """Whether the first is clearly smaller."""
        return self.mean + self.half < 0

    def __str__(self) -> str:
        return f"{self.mean:+.4g} ± {self.half:.2g}"


def gain(first: Array, second: Array) -> Gain | None:
    """Return the difference of means; None where a sample has fewer than two values."""
    if min(len(first), len(second)) < 2:
        return None
    variances = first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)
    spread = float(np.sqrt((first.var() + second.var()) / 2))
    return Gain(float(first.mean() - second.mean()), float(2 * np.sqrt(variances)), spread)


def does_better(random: Sample, policy: Sample, metric: str) -> float:
    """Return how sure it is that a policy does the task, whatever it returns, in [0, 1].

    By the metric where there is one, else by the ends of episodes: 0 if it does the task no better
    than random actions, 0.6 if nothing tells, at least 0.85 if something speaks for it.

    Args:
        random: Of random actions.
        policy: Of the policy.
        metric: As for `episode_metric`.
    """
    ours, theirs = episode_metric(random, metric), episode_metric(policy, metric)
    if ours is not None and theirs is not None:
        done = gain(theirs, ours)
        return 0.95 if done is not None and done.up else 0.0
    longer = gain(policy.lengths.astype(float), random.lengths.astype(float))
    ends, expected = terminates(policy), terminates(random)
    if longer is not None and expected > 0.9:  # random actions fail, most likely
        return 0.9 if longer.up else 0.0
    return 0.85 if ends > expected + 0.5 else 0.6


def terminates(sample: Sample) -> float:
    """Return the share of finished episodes that were terminated; NaN where none is finished."""
    return float(np.mean([sample.terminated[e.stop - 1] for e in sample.finished]))
