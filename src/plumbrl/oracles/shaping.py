"""Shaping must be potential-based, or it moves the optimum.

F = gamma phi(s') - phi(s) with phi(terminal) = 0, so that over an episode of k steps
sum of gamma^t F_t = -phi(s_0) where it terminated, gamma^k phi(s_k) - phi(s_0) where it was
truncated. With potentials every step is compared. With states only, the potentials are solved for:
wherever a state occurs again there is one equation more than there are unknowns.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from plumbrl.findings import Check
from plumbrl.metrics.returns import ended
from plumbrl.oracles.compare import Difference, Outcome, difference, failed, passed, skipped
from plumbrl.snapshots.shaping import ShapingRollout

Array = np.ndarray
NAME = "shaping rewards are differences of potentials"
TOLERANCE = 1e-5
"""Relative to the largest potential: float32 rewards differ by about 1e-7 of it."""
MOST_STATES = 400
"""More unknown potentials than this are not solved for; the first episodes are taken."""


@dataclass(frozen=True)
class Formula:
    """One way to compute shaping, right or wrong.

    Attributes:
        cause: What it is called; empty for the right one.
        gamma: Factor of the next potential.
        terminal: Whether the potential after a terminal state is kept, not 0.
        truncated: Whether the potential after a truncation is kept.
        reset: Whether the potential after an end is that of the next episode's first observation.
        sign: Of the whole.
    """

    cause: str
    gamma: float
    terminal: bool = False
    truncated: bool = True
    reset: bool = False
    sign: int = 1


def formulas(gamma: float) -> Iterator[Formula]:
    """Yield the right formula, then wrong ones; those with one mistake before those with two."""
    yield Formula("", gamma)
    yield Formula("reward.shaping-not-zero-at-terminal", gamma, terminal=True)
    yield Formula("reward.shaping-not-zero-at-terminal", gamma, terminal=True, reset=True)
    yield Formula("reward.shaping-without-gamma", 1.0)
    yield Formula("reward.shaping-zero-at-truncation", gamma, truncated=False)
    yield Formula("reward.shaping-of-reset-observation", gamma, reset=True)
    yield Formula("reward.shaping-sign-flipped", gamma, sign=-1)
    yield Formula("reward.shaping-without-gamma", 1.0, terminal=True)
    yield Formula("reward.shaping-without-gamma", 1.0, truncated=False)
    yield Formula("reward.shaping-without-gamma", 1.0, terminal=True, reset=True)


def check_shaping(rollout: ShapingRollout) -> Outcome:
    """Compare shaping rewards with the right formula; a mismatch is explained by a wrong one."""
    if not rollout.shaping.size:
        return skipped(NAME, "the rollout is empty")
    with np.errstate(invalid="ignore"):  # infinities fail the comparison, and break nothing
        if rollout.potentials is not None:
            return _check_potentials(rollout)
        if rollout.states is not None:
            return _check_states(rollout)
    return skipped(NAME, "neither potentials nor states are known")


def _check_potentials(rollout: ShapingRollout) -> Outcome:
    assert rollout.potentials is not None
    finals = rollout.final_potentials
    if finals is None:
        return skipped(NAME, "the potentials of episodes' last observations are not known")
    now, following = rollout.potentials[:-1], rollout.potentials[1:]
    scale = _scale(rollout.potentials)

    def gap_of(formula: Formula) -> Difference:
        after = np.where(_keeps(formula, rollout), _after(formula, rollout, following, finals), 0.0)
        expected = formula.sign * (formula.gamma * after - now)
        return difference(rollout.shaping / scale, expected / scale, TOLERANCE)

    right, *wrong = formulas(rollout.gamma)
    gap = gap_of(right)
    if not gap.wrong.any():
        return passed(NAME, gap.wrong.size, gap.worst * scale)
    named = (formula.cause for formula in wrong if not gap_of(formula).wrong.any())
    return _failed(rollout, next(named, ""), Difference(gap.wrong, gap.worst * scale))


def _check_states(rollout: ShapingRollout) -> Outcome:
    """Solve for the potentials that fit best; what remains shows that none fit."""
    if rollout.final_states is None:
        return skipped(NAME, "the states in which episodes ended are not known")
    short = _within_limit(rollout)
    right, *wrong = formulas(short.gamma)
    gap, surplus = _fit(right, short)
    if surplus == 0:
        return Check(NAME, "inconclusive", "no state was seen twice, so any shaping fits"), None
    if not gap.wrong.any():
        return passed(NAME, gap.wrong.size, gap.worst)
    named = (f.cause for f in wrong if f.sign > 0 and _explains(f, short))
    return _failed(rollout, next(named, ""), gap)


def _explains(formula: Formula, rollout: ShapingRollout) -> bool:
    """A formula with so many unknowns that it fits anything explains nothing."""
    gap, surplus = _fit(formula, rollout)
    return surplus > 0 and not gap.wrong.any()


def _fit(formula: Formula, rollout: ShapingRollout) -> tuple[Difference, int]:
    """Return how far the best potentials are off, and by how many equations they are checked."""
    assert rollout.states is not None
    assert rollout.final_states is not None
    now, following = rollout.states[:-1].ravel(), rollout.states[1:]
    after = _after(formula, rollout, following, rollout.final_states).ravel()
    keeps = _keeps(formula, rollout).ravel()
    seen = np.unique(np.concatenate([now, after[keeps]]))
    rows = np.arange(now.size)
    matrix = np.zeros((now.size, len(seen)))
    matrix[rows, np.searchsorted(seen, now)] -= 1.0
    np.add.at(
        matrix, (rows[keeps], np.searchsorted(seen, after[keeps])), formula.gamma
    )  # a state may follow itself
    stored = rollout.shaping.ravel().astype(np.float64)
    if not np.isfinite(stored).all():
        return difference(stored, np.zeros_like(stored), 0.0), now.size
    solution, _, rank, _ = np.linalg.lstsq(matrix, stored, rcond=None)
    scale = _scale(solution)
    gap = difference(stored / scale, matrix @ solution / scale, TOLERANCE)
    return Difference(gap.wrong, gap.worst * scale), now.size - int(rank)


def _scale(potentials: Array) -> float:
    """Return the largest potential: where it cancels, its rounding error stays."""
    finite = np.abs(potentials[np.isfinite(potentials)])
    return float(finite.max(initial=1.0))


def _keeps(formula: Formula, rollout: ShapingRollout) -> Array:
    """Where the potential after the step counts."""
    terminated = np.asarray(rollout.terminated, bool)
    truncated = np.asarray(rollout.truncated, bool) & ~terminated
    kept = np.where(truncated, formula.truncated, True)
    return np.where(terminated, formula.terminal, kept).astype(bool)


def _after(formula: Formula, rollout: ShapingRollout, following: Array, finals: Array) -> Array:
    if formula.reset:
        return following
    return np.where(ended(rollout.terminated, rollout.truncated), finals, following)


def _within_limit(rollout: ShapingRollout) -> ShapingRollout:
    """Return the first steps, so few that they hold `MOST_STATES` states at most."""
    assert rollout.states is not None
    assert rollout.final_states is not None
    both = np.concatenate([rollout.states.ravel(), rollout.final_states.ravel()])
    if len(np.unique(both)) <= MOST_STATES:
        return rollout
    steps = max(1, MOST_STATES // (2 * rollout.shaping.shape[1]))
    return replace(
        rollout,
        shaping=rollout.shaping[:steps],
        terminated=rollout.terminated[:steps],
        truncated=rollout.truncated[:steps],
        states=rollout.states[: steps + 1],
        final_states=rollout.final_states[:steps],
    )


def _failed(rollout: ShapingRollout, cause: str, gap: Difference) -> Outcome:
    return failed(
        NAME, cause or "reward.shaping-not-potential-based", gap, what="shaping rewards",
        tolerance=TOLERANCE, step=rollout.step, update=rollout.update,
    )  # fmt: skip
