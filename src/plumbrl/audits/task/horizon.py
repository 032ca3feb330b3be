"""Whether the discount factor looks as far ahead as the reward is away."""

from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.audits.task.gap import clearly_better
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found

Array = np.ndarray
NAME = "the discount factor looks as far as the reward is away"
TOO_FAR = 3.0
"""How many horizons away a reward is as good as gone: its weight is below exp(-3) = 5 %."""
FEWEST = 3


@dataclass(frozen=True)
class Delay:
    """After how many steps an episode first learns something.

    Attributes:
        steps: One per episode, (n,); infinite where it never did.
        at_limit: Whether that was the last step of a truncated episode, bool (n,).
    """

    steps: Array
    at_limit: Array

    @property
    def met(self) -> Array:
        """The finite ones."""
        return self.steps[np.isfinite(self.steps)]

    @property
    def only_at_limit(self) -> bool:
        """Whether no episode learned anything before the limit."""
        return bool(self.at_limit[np.isfinite(self.steps)].all())


def ask_horizon(subject: Subject) -> list[Outcome]:
    """Compare 1 / (1 - gamma) with the time to the first reward that is not like the others."""
    expert, trained = subject.expert, subject.trained
    if expert is None and clearly_better(trained, subject.random):
        expert = trained
    knows = expert is not None
    sample = expert if expert is not None else subject.random
    return [judge_horizon(sample, subject.gamma, knows, subject.rollout)]


def judge_horizon(sample: Sample, gamma: float, knows: bool, rollout: int | None = None) -> Outcome:
    """Judge a sample.

    Args:
        sample: Episodes.
        gamma: Discount factor in [0, 1].
        knows: Whether the policy knows the way: random actions may take longer than needed, so
            that they accuse nobody, unless rewards come at the limit only, whatever is done.
        rollout: Steps between updates, if known; only said.
    """
    horizon = 1 / (1 - gamma) if gamma < 1 else inf
    delay = first_news(sample)
    if len(delay.met) < FEWEST:
        few = f"a reward unlike the others came in {len(delay.met)} of {len(delay.steps)} episodes"
        return Check(NAME, "inconclusive", f"{few}, too few to say how far away it is"), None
    wait = float(np.median(delay.met))
    reason = _said(wait, horizon, sample, knows, rollout)
    if wait <= TOO_FAR * horizon:
        return Check(NAME, "passed", reason), None
    if not knows and not delay.only_at_limit:
        return Check(NAME, "inconclusive", f"{reason}; an oracle may be faster"), None
    needed = 1 - 1 / wait
    evidence = (
        Evidence("steps to the first reward unlike the others", wait, f"at most {3 * horizon:.0f}"),
        Evidence("discount factor", gamma, f"about {needed:.4f}"),
    )
    return found(NAME, "task.horizon-too-short", reason, *evidence, confidence=0.7)


def first_news(sample: Sample) -> Delay:
    """Return after how many steps each episode meets a reward unlike the commonest, or terminates.

    Where no value makes up half of the rewards, there is news at every step; where the commonest is
    0, an end without a reward is none.
    """
    common = _commonest(sample.rewards)
    news = np.ones(len(sample), dtype=bool) if common is None else sample.rewards != common
    news |= sample.terminated & (common != 0)
    steps, at_limit = [], []
    for episode in sample.episodes:
        found_at = np.flatnonzero(news[episode])
        steps.append(found_at[0] + 1.0 if len(found_at) else inf)
        last = len(found_at) > 0 and episode.start + found_at[0] == episode.stop - 1
        at_limit.append(bool(last and sample.truncated[episode.stop - 1]))
    return Delay(np.array(steps), np.array(at_limit, dtype=bool))


def _commonest(rewards: Array) -> float | None:
    values, counts = np.unique(rewards, return_counts=True)
    return float(values[counts.argmax()]) if counts.max() >= len(rewards) / 2 else None


def _said(wait: float, horizon: float, sample: Sample, knows: bool, rollout: int | None) -> str:
    who = "of a policy that knows the way" if knows else "of random actions"
    ahead = f"{horizon:.0f} steps ahead" if isfinite(horizon) else "without end"
    lengths = [e.stop - e.start for e in sample.episodes]
    told = (
        f"gamma looks {ahead}; the first reward unlike the others comes after {wait:.0f} steps "
        f"{who}, episodes last {np.median(lengths):.0f}"
    )
    if rollout is not None and rollout < wait:
        told += f"; rollouts of {rollout} steps end before, so values must carry it"
    return told
