"""Shaping that an environment names must be the difference of some potential."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from plumbrl.audits.reward.prediction import chunks, discrete, fit, standardised, transitions
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped
from plumbrl.oracles.shaping import NAME, check_shaping
from plumbrl.snapshots.shaping import ShapingRollout

Array = np.ndarray
Potential = Callable[[Array], float]
TERM = "shaping"
FEWEST = 300
EXACT, FITS, FAILS = 0.01, 0.1, 0.5
"""Variance of the shaping that a difference of potentials may leave to pass; that any function of
both states may, and a difference of potentials must leave, for the shaping to have no potential."""


def ask(subject: Subject) -> list[Outcome]:
    """Ask whether the term ``shaping`` of the reward, if there is one, keeps the optimum."""
    return [check_loops(subject.random, subject.gamma)]


def check_loops(sample: Sample, gamma: float, potential: Potential | None = None) -> Outcome:
    """Check that the term ``shaping`` of a reward pays nothing for running in circles.

    With a potential, or where states are labels that occur again, this is exact. Otherwise smooth
    potentials, 0 after terminal states, are fitted, which sees gross mistakes only, not a forgotten
    gamma near 1.

    Args:
        sample: Whose terms hold ``shaping``.
        gamma: Discount of the trainer.
        potential: phi of a flattened observation, (D,); None if unknown.
    """
    shaping = sample.terms.get(TERM)
    if shaping is None:
        return skipped(NAME, "infos hold no reward_shaping, nor reward_terms with shaping")
    if not shaping.any() or len(shaping) < 2:
        return skipped(NAME, "the shaping is 0 at every step")
    if potential is not None or discrete(sample):
        return check_shaping(rollout(sample, gamma, potential))
    return check_smooth(sample, gamma)


def rollout(sample: Sample, gamma: float, potential: Potential | None = None) -> ShapingRollout:
    """Return a sample as the rollout of one environment, (N, 1).

    Args:
        sample: Whose terms hold ``shaping``.
        gamma: Discount of the trainer.
        potential: phi of a flattened observation; None labels equal observations alike.
    """
    seen = np.concatenate([sample.observations, sample.next_observations])
    if potential is None:
        numbers = np.unique(seen, axis=0, return_inverse=True)[1].ravel().astype(float)
    else:
        numbers = np.array([float(potential(row)) for row in seen])
    now, after = numbers[: len(sample), None], numbers[len(sample) :, None]
    path = np.concatenate([now, after[-1:]])
    bare = ShapingRollout(
        shaping=sample.terms[TERM][:, None], terminated=sample.terminated[:, None],
        truncated=sample.truncated[:, None], gamma=gamma,
    )  # fmt: skip
    if potential is None:
        return replace(bare, states=path, final_states=after)
    return replace(bare, potentials=path, final_potentials=after)


def check_smooth(sample: Sample, gamma: float) -> Outcome:
    """Fit a smooth potential, and any smooth function of both states, to the shaping."""
    rows = chunks(np.isfinite(sample.terms[TERM]))
    values = sample.terms[TERM][rows]
    if len(rows) < FEWEST or np.ptp(values) == 0:
        return skipped(NAME, f"{len(rows)} steps with shaping that varies; {FEWEST} would do")
    left = _left_by_potentials(sample, rows, gamma)
    both = np.column_stack([transitions(sample, rows), sample.terminated[rows]])
    free = fit(both, values).unexplained
    reason = f"smooth potentials leave {left:.1%} of the shaping, any smooth function {free:.1%}"
    if free < FITS and left > FAILS:
        evidence = (
            Evidence("variance left by potentials", left, "0"),
            Evidence("variance left by any function of both states", free, "0"),
        )
        return found(NAME, "reward.shaping-not-potential-based", reason, *evidence, confidence=0.8)
    if left < EXACT:
        return Check(NAME, "passed", reason), None
    return Check(NAME, "inconclusive", f"{reason}; a potential would tell exactly"), None


def _left_by_potentials(sample: Sample, rows: Array, gamma: float) -> float:
    both = np.concatenate([sample.observations[rows], sample.next_observations[rows]])
    scaled = standardised(both)
    waves = np.random.default_rng(0).normal(size=(scaled.shape[1], 100))
    waves /= np.sqrt(max(scaled.shape[1], 1))
    basis = np.column_stack([scaled, scaled**2, np.cos(scaled @ waves), np.sin(scaled @ waves)])
    basis = np.column_stack([np.ones(len(basis)), basis])
    goes_on = ~sample.terminated[rows, None]
    design = gamma * basis[len(rows) :] * goes_on - basis[: len(rows)]
    values = sample.terms[TERM][rows]
    weights, *_ = np.linalg.lstsq(design, values, rcond=1e-8)
    return float(np.mean((values - design @ weights) ** 2) / values.var())
