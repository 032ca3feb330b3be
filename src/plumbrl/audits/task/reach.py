"""Whether random actions ever meet a reward that says more than what acting costs."""

from contextlib import closing

import numpy as np

from plumbrl.audits.sample import Collector, Policy, Sample, random_policy
from plumbrl.audits.subject import Subject
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.metrics.statistics import rate_interval
from plumbrl.oracles.compare import Outcome, found

Array = np.ndarray
NAME = "random actions meet the reward"
STEPS = 40_000
"""Further random steps where nothing was met: a goal met once in a thousand episodes is met."""
HELD = 16
"""Steps for which an action is held in the last try: what needs momentum needs persistence."""
FEWEST = 100
"""Episodes without a reward that accuse the task where the budget left no time for all steps."""
EXPLAINED = 1e-6
"""Share of a reward's variance that may be left when actions explain it."""


def ask_reach(subject: Subject) -> list[Outcome]:
    """Act randomly until a reward is met that something else than the action decides.

    Where 100 episodes meet none, up to 40,000 further steps are taken, then as many in which each
    random action is held for 16 steps.
    """
    random = subject.random
    if not len(random):
        return [(Check(NAME, "inconclusive", "no step was taken"), None)]
    if not flat(random):
        return [(Check(NAME, "passed", _seen(random)), None)]
    more = _collected(subject, 1, 100_000)
    if not flat(more):
        return [(Check(NAME, "passed", f"{_met(more, random)}, none of {_count(random)}"), None)]
    held = _collected(subject, HELD, 200_000)
    return [judge_reach(random, more, held, [s for s in (subject.expert, subject.trained) if s])]


def judge_reach(random: Sample, more: Sample, held: Sample, able: list[Sample]) -> Outcome:
    """Judge samples of random actions of which the first two met nothing.

    Args:
        random: The baseline.
        more: Further random actions.
        held: Random actions, each held for some steps.
        able: Policies that may know how; if one meets the reward, it is there.
    """
    told = f"rewards say nothing but what acting costs in {_count(random)} and {_count(more)} more"
    episodes = len(random.episodes) + len(more.episodes)
    bound = rate_interval(0, max(episodes, 1)).high
    evidence = Evidence("episodes with a reward to learn from, upper end", bound, "above 0.05")
    if not flat(held):
        reason = f"{told}; with actions held for {HELD} steps, {_met(held, random)}"
        named = finding("task.hard-exploration", step=0, evidence=(evidence,), confidence=0.7)
        return Check(NAME, "inconclusive", reason), named
    if able and all(flat(sample) for sample in able):
        reason = (
            f"{told}, nor did the policies that were given meet any: the reward may be constant"
        )
        return Check(NAME, "inconclusive", reason), None
    if episodes < FEWEST and len(more) < STEPS:
        return Check(NAME, "inconclusive", f"{told}; a larger budget would look longer"), None
    return found(NAME, "task.needs-curriculum", told, evidence, confidence=0.85 if able else 0.65)


def flat(sample: Sample) -> bool:
    """Whether no episode was worth more than another, but for the cost of its actions.

    Rewards are then a function of the action alone, and either 0 or paid for episodes that all
    ended at the limit. Episodes of one step are never flat: there, the action is all there is.
    """
    if not np.isfinite(sample.rewards).all() or np.median(_lengths(sample)) <= 1:
        return False
    if not explained(sample.actions, sample.rewards):
        return False
    return not sample.terminated.any() or not sample.rewards.any()


def explained(actions: Array, rewards: Array) -> bool:
    """Whether actions (N, A) explain rewards (N,) but for a millionth of their variance.

    Compared with the best sum of a constant and of |a|, a and a^2 of every dimension; a single
    column of few whole numbers may also mean an index, with a reward of its own each.
    """
    if np.ptp(rewards) == 0:
        return True
    values = np.unique(actions)
    if actions.shape[1] == 1 and len(values) <= 64:
        basis = (actions == values).astype(float)
    else:
        basis = np.hstack([np.ones((len(actions), 1)), actions, actions**2, np.abs(actions)])
    if len(rewards) <= 2 * basis.shape[1]:
        return False
    fit = basis @ np.linalg.lstsq(basis, rewards, rcond=None)[0]
    return bool(np.var(rewards - fit) <= EXPLAINED * np.var(rewards))


def _collected(subject: Subject, hold: int, offset: int) -> Sample:
    seed = subject.seed + offset
    with closing(subject.make_env()) as env:
        collector = Collector(env, seed, holding(random_policy(env, seed), hold))
        return collector.run(STEPS, None, subject.budget.part(0.1)).sample()


def holding(policy: Policy, steps: int) -> Policy:
    """Return a policy that asks another one only at every `steps`-th step."""
    action, left = None, 0

    def act(observation: object) -> object:
        nonlocal action, left
        if left == 0:
            action, left = policy(observation), steps
        left -= 1
        return action

    return act


def _lengths(sample: Sample) -> Array:
    return np.array([e.stop - e.start for e in sample.episodes])


def _count(sample: Sample) -> str:
    return f"{len(sample.episodes)} episodes ({len(sample):,} steps)"


def _seen(sample: Sample) -> str:
    """Say how often an episode's return differs from the commonest."""
    returns = np.array([sample.rewards[e].sum() for e in sample.episodes]).round(9)
    counts = np.unique(returns, return_counts=True)[1]
    return _share(len(returns) - int(counts.max()), len(returns), "differ in return from the rest")


def _met(sample: Sample, baseline: Sample) -> str:
    """Say how often an episode meets what the flat baseline did not."""
    low, high = baseline.rewards.min(), baseline.rewards.max()
    news = (sample.rewards < low) | (sample.rewards > high)
    if baseline.rewards.any():
        news |= sample.terminated
    met = sum(bool(news[e].any()) for e in sample.episodes)
    return _share(met, len(sample.episodes), "meet one")


def _share(count: int, total: int, what: str) -> str:
    rate = rate_interval(count, total)
    return f"{count} of {total} episodes {what} [{rate.low:.1%}, {rate.high:.1%}]"
