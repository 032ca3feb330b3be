"""Whether observations say all that decides what comes next, or the past says more."""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from plumbrl.audits.environment.regression import (
    FOLDS,
    features,
    folds,
    predicted,
    products,
    standardised,
)
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "observations say what decides the next"
PAST = 3
ROWS, FEWEST = 3000, 300
"""Rows that are fitted: at most, at least."""
SHARE, REDUCTION = 0.12, 0.65
"""What the past must add: share of the variance, and share of what the present leaves unexplained.
In 13 healthy environments no column reaches 0.1 and 0.6; without their velocities all do."""


@dataclass(frozen=True)
class Gain:
    """How much better the past predicts, by column of what is predicted.

    Attributes:
        now: Share of the variance that the present observation and action leave unexplained, (D,).
        past: The same with the steps before, (D,).
        wins: In how many folds the past is better by a fifth, (D,).
    """

    now: Array
    past: Array
    wins: Array

    @property
    def clear(self) -> Array:
        """Columns in which the past says far more, in every fold, bool (D,)."""
        added = self.now - self.past
        large = (added > SHARE) & (added > REDUCTION * self.now)
        return large & (self.wins == FOLDS)


def ask_memory(subject: Subject) -> list[Outcome]:
    """Return whether something that decides what comes next is not shown."""
    sample = subject.random
    if not len(sample) or "f" not in sample.kinds or len(sample.names) > 64:
        return [skipped(NAME, "observations are cells, images or scans, not a few measurements")]
    action = subject.spaces[1]
    gain = gain_of_past(sample, isinstance(action, spaces.Discrete), subject.seed)
    if gain is None:
        reason = f"fewer than {FEWEST} of {len(sample)} random steps have {PAST} steps before them"
        return [(Check(NAME, "inconclusive", f"{reason}; longer episodes decide"), None)]
    return [check_memory(gain, sample.names)]


def check_memory(gain: Gain, names: tuple[str, ...]) -> Outcome:
    """Judge by the column in which the past helps most."""
    added = np.where(gain.clear, gain.now - gain.past, -np.inf)
    worst = int(np.argmax(added if gain.clear.any() else gain.now - gain.past))
    reason = (
        f"{PAST} steps before lower the unexplained share of the change of {names[worst] or '0'} "
        f"from {gain.now[worst]:.0%} to {gain.past[worst]:.0%}"
    )
    if not gain.clear.any():
        return Check(NAME, "passed", f"{reason}, and no other by more"), None
    evidence = Evidence("unexplained by the present", float(gain.now[worst]), "next to 0")
    beside = Evidence("unexplained by the past too", float(gain.past[worst]), "no less")
    cause = "environment.observation-incomplete"
    return found(NAME, cause, reason, evidence, beside, confidence=0.85)


def gain_of_past(sample: Sample, choices: bool, seed: int = 0) -> Gain | None:
    """Return how much better earlier observations and actions predict the next observation.

    Args:
        sample: Transitions.
        choices: Whether actions are indices.
        seed: Of folds and random features.

    Returns:
        None where there are too few rows with a past.
    """
    rows = _rows(sample)
    if len(rows) < FEWEST:
        return None
    present = np.hstack([sample.observations, _encoded(sample.actions, choices)])
    targets = standardised((sample.next_observations - sample.observations)[rows])
    here = standardised(present[rows])
    past = standardised(np.hstack([present[rows - k] for k in range(1, PAST + 1)]))
    groups = folds(sample.episode[rows], seed)
    both, squares = np.hstack([here, past]), products(here)
    now, then = (
        _unexplained(np.hstack([features(x, seed), squares]), targets, groups) for x in (here, both)
    )
    return Gain(now.mean(axis=0), then.mean(axis=0), (then < 0.8 * now).sum(axis=0))


def _rows(sample: Sample) -> Array:
    both = (sample.observations, sample.next_observations)
    finite = np.all([np.isfinite(o).all(axis=1) for o in both], axis=0)
    known = np.array(finite)
    for k in range(1, PAST + 1):
        known[k:] &= finite[:-k]
    return np.flatnonzero(known & (sample.t >= PAST))[:ROWS]


def _encoded(actions: Array, choices: bool) -> Array:
    if not choices:
        return actions
    return (actions[:, :1] == np.unique(actions[:, 0])[None, :]).astype(float)


def _unexplained(inputs: Array, targets: Array, groups: Array) -> Array:
    """Return the share of variance that is left, by fold and column, (FOLDS, D), at most 1."""
    left = (targets - predicted(inputs, targets, groups)) ** 2
    shares = np.array([left[groups == fold].mean(axis=0) for fold in range(FOLDS)])
    return np.minimum(shares, 1.0)  # worse than the mean says nothing of what is missing
