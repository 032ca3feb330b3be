"""Whether the oracle's actions arrive as they were meant: tried turned round and exchanged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, cast

import numpy as np
from gymnasium import spaces

from plumbrl.audits.budget import Budget
from plumbrl.audits.environment.baselines import Gain, gain, scores
from plumbrl.audits.environment.opposites import sides
from plumbrl.audits.reward.better import does_better
from plumbrl.audits.sample import Policy, Sample, collect
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

NAME = "actions act in the direction they should"
EPISODES, STEPS = 5, 8000
"""Of each mapping that is tried."""
MORE = 1.2
"""Gain of the right mapping over loss without it, at least."""
ENDS = 0.85
"""Of `does_better`, where it goes by the ends of episodes alone."""
EITHER = 0.5
"""Confidence where only returns speak: a reward turned round would look the same."""


@dataclass(frozen=True)
class Mapping:
    """What may have become of an action on its way.

    Attributes:
        name: In words.
        cause: That it would be.
        back: From the action that is meant to the one that must be given.
    """

    name: str
    cause: str
    back: Callable[[Any], Any]


def ask_mapping(subject: Subject) -> list[Outcome]:
    """Return whether the oracle succeeds with its actions turned round, and only then."""
    if subject.oracle is None or subject.expert is None:
        reason = "no oracle was given; one that acts in the right direction decides"
        return [(Check(NAME, "inconclusive", reason), None)]
    chance, meant = (scores(s, subject.metric) for s in (subject.random, subject.expert))
    own = gain(meant, chance)
    if own is None:
        return [skipped(NAME, "too few episodes of the oracle ended")]
    if own.clear:
        return [(Check(NAME, "passed", f"the oracle gains {own} on random actions"), None)]
    budget = subject.budget.part(0.4)
    best = _best(subject, chance, own, budget)
    if best is None:
        how = "as it is; time was too short to map it" if budget.over else "however it is mapped"
        return [(Check(NAME, "inconclusive", f"the oracle gains {own}, {how}"), None)]
    mapping, tried, sure = best
    same = "; a reward turned round would look the same" if sure == EITHER else ""
    reason = f"the oracle gains {own}; with {mapping.name}, {tried}{same}"
    evidence = Evidence("gain of the oracle, mapped", tried.interval.estimate, "no gain")
    return [found(NAME, mapping.cause, reason, evidence, confidence=sure)]


def _best(
    subject: Subject, chance: dict[int, float], own: Gain, budget: Budget
) -> tuple[Mapping, Gain, float] | None:
    """Return the surest mapping, then the one that gains most, and how sure it is."""
    best = None
    for mapping in mappings(subject.spaces[1]):
        if budget.over:
            break
        acted = _mapped(subject, mapping, budget)
        tried = gain(scores(acted, subject.metric), chance)
        if tried is None or not tried.clear:
            continue
        sure = _sure(tried, own, does_better(subject.random, acted, subject.metric))
        rank = sure, tried.interval.estimate
        if sure and (best is None or rank > (best[2], best[1].interval.estimate)):
            best = mapping, tried, sure
    return best


def _sure(tried: Gain, own: Gain, better: float) -> float:
    """Return the confidence in a mapping; 0 if a reward turned round explains it more easily.

    An end may be a failure as well as the goal, so it must go with a gain that is large enough.

    Args:
        tried: What the mapped oracle gains.
        own: What it gains as it is.
        better: What `does_better` says of the mapped oracle.
    """
    # Where the reward is turned round instead, the oracle loses more than can be gained.
    large = tried.interval.estimate >= MORE * max(0.0, -own.interval.estimate)
    if better > ENDS or (large and better >= ENDS):
        return 0.9
    return EITHER if large or better >= ENDS else 0.0


def _mapped(subject: Subject, mapping: Mapping, budget: Budget) -> Sample:
    policy: list[Policy] = []

    def make_env() -> Any:
        env = subject.make_env()
        assert subject.oracle is not None
        policy[:] = [cast(Policy, subject.oracle(env))]
        return env

    class Mapped:
        def __call__(self, observation: Any) -> Any:
            return mapping.back(policy[0](observation))

        def reset(self) -> None:
            getattr(policy[0], "reset", lambda: None)()

    return collect(
        make_env, steps=STEPS, policy=Mapped(), episodes=EPISODES, seed=subject.seed,
        budget=budget,
    )  # fmt: skip


def mappings(space: spaces.Space) -> Iterator[Mapping]:
    """Yield what may have become of an action: the likeliest first."""
    if isinstance(space, spaces.Discrete):
        yield from _of_choices(space)
    elif isinstance(space, spaces.Box) and len(space.shape) == 1:
        yield from _of_numbers(space)


def _of_choices(space: spaces.Discrete) -> Iterator[Mapping]:
    n, start = int(space.n), int(space.start)
    reverse = tuple(range(n))[::-1]
    orders = [reverse]
    if n <= 4:
        orders += [p for p in permutations(range(n)) if p not in (reverse, tuple(range(n)))]
    else:
        orders += [_swapped(n, a, b) for a, b in combinations(range(min(n, 6)), 2)]
    for order in orders:
        flipped = order == reverse
        cause = "environment.action-sign-flipped" if flipped else "environment.action-permuted"
        name = "choices in reverse" if flipped else f"choices in the order {order}"

        def back(action: Any, order: tuple[int, ...] = order) -> int:
            return start + order[int(action) - start]

        yield Mapping(name, cause, back)


def _of_numbers(space: spaces.Box) -> Iterator[Mapping]:
    n, (low, high) = space.shape[0], sides(space)
    subsets = [tuple(range(n))] + ([(k,) for k in range(n)] if n > 1 else [])
    for subset in subsets:
        which = np.isin(np.arange(n), subset)
        name = "all signs turned" if which.all() else f"the sign of action {subset[0]} turned"

        def turned(action: Any, which: np.ndarray = which) -> Any:
            return np.where(which, low + high - np.asarray(action), action).astype(space.dtype)

        yield Mapping(name, "environment.action-sign-flipped", turned)
    for order in _orders(n):

        def back(action: Any, order: tuple[int, ...] = order) -> Any:
            return np.asarray(action)[list(order)]

        yield Mapping(f"actions in the order {order}", "environment.action-permuted", back)


def _orders(n: int) -> list[tuple[int, ...]]:
    if n < 2:
        return []
    if n <= 3:
        return [p for p in permutations(range(n)) if p != tuple(range(n))]
    turned = (*range(1, n), 0)
    return [
        turned[::-1],
        turned,
        *(_swapped(n, a, b) for a, b in combinations(range(min(n, 6)), 2)),
    ]


def _swapped(n: int, a: int, b: int) -> tuple[int, ...]:
    order = list(range(n))
    order[a], order[b] = b, a
    return tuple(order)
