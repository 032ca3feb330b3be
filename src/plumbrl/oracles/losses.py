"""The loss of every minibatch against a literal recomputation, term by term.

A trainer may compute its loss in any way; what counts is how it depends on what the policy
answered. So each term is judged by the derivatives that arrived there, and the sum by its value.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from plumbrl.oracles import objective as written
from plumbrl.oracles import wrong_losses
from plumbrl.oracles.compare import Array, Difference, Outcome, difference, failed, passed, skipped
from plumbrl.oracles.objective import Batches
from plumbrl.snapshots import Learning, Objective

TOLERANCE = 1e-4
"""Relative to the largest entry of a minibatch; float32 rounding gives about 1e-6."""
SMALLEST = 1e-30
"""Derivatives below it count as 0: float32 may have lost them, as ratios of policies far apart."""
Gradient = Callable[[Batches], Array]


@dataclass(frozen=True)
class Term:
    """A term of the loss, as the derivative by one of the policy's answers; arrays (M, n)."""

    what: str
    found: Gradient
    expected: Callable[[Batches, Objective, Array], Array]
    suspects: Callable[[Objective, Gradient], Iterable[tuple[str, Gradient]]]
    otherwise: str


POLICY = Term(
    "policy loss",
    found=lambda b: b.by_log_probs,
    expected=written.policy_gradient,
    suspects=wrong_losses.policy_suspects,
    otherwise="policy.wrong-loss",
)
VALUE = Term(
    "value loss",
    found=lambda b: b.by_values,
    expected=written.value_gradient,
    suspects=wrong_losses.value_suspects,
    otherwise="value.wrong-loss",
)
ENTROPY = Term(
    "entropy bonus",
    found=lambda b: np.zeros_like(b.returns) if b.by_entropies is None else b.by_entropies,
    expected=written.entropy_gradient,
    suspects=wrong_losses.entropy_suspects,
    otherwise="policy.wrong-entropy-bonus",
)


def check_policy_loss(learning: Learning) -> Outcome:
    """Compare the derivative by log-probabilities with the one of the configured objective."""
    return _check(learning, POLICY)


def check_value_loss(learning: Learning) -> Outcome:
    """Compare the derivative by values with the one of the configured objective."""
    return _check(learning, VALUE)


def check_entropy_bonus(learning: Learning) -> Outcome:
    """Compare the derivative by entropies with minus the configured weight."""
    if any(b.evaluation and b.evaluation.entropies is None for b in learning.minibatches):
        return skipped("entropy bonus recomputed", "the distribution has no closed-form entropy")
    return _check(learning, ENTROPY)


@np.errstate(invalid="ignore", over="ignore")
def check_loss(learning: Learning) -> Outcome:
    """Compare the loss itself: a term that does not depend on the policy's answers shows here."""
    name, objective = "loss recomputed", learning.objective
    batches = written.stack(b for b in learning.minibatches if b.losses)
    if objective is None or not batches:
        return skipped(name, _why_not(learning))
    closed = all(b.entropies is not None for b in batches)
    judged = (POLICY, VALUE, ENTROPY) if closed else (POLICY, VALUE)
    if any(_gap(batches, objective, term).wrong.any() for term in judged):
        return skipped(name, "a term of it is wrong already")
    terms = np.concatenate([written.terms(b, objective) for b in batches], axis=1)
    size = np.concatenate([_size(b, objective) for b in batches])
    found = np.concatenate([b.losses for b in batches])
    gap = difference(found / size, terms.sum(axis=0) / size, TOLERANCE)
    return _outcome(learning, name, gap, "losses", "policy.unknown-loss-term")


@np.errstate(invalid="ignore", over="ignore")  # a loss that is not finite is a mismatch
def _check(learning: Learning, term: Term) -> Outcome:
    name, objective = f"{term.what} recomputed", learning.objective
    batches = written.stack(learning.minibatches)
    if objective is None or not batches:
        return skipped(name, _why_not(learning))
    gap, cause = _gap(batches, objective, term), term.otherwise
    if gap.wrong.any():
        cause = _explain(batches, objective, term) or term.otherwise
    return _outcome(learning, name, gap, f"derivatives of the {term.what}", cause)


def _explain(batches: list[Batches], objective: Objective, term: Term) -> str | None:
    """Return the cause whose wrong formula gives exactly what was found."""
    for cause, formula in term.suspects(objective, term.found):
        if not _gap(batches, objective, term, formula).wrong.any():
            return cause
    return _not_finite(batches, term.found)


def _gap(
    batches: list[Batches], objective: Objective, term: Term, formula: Gradient | None = None
) -> Difference:
    """Compare relative to the largest entry of each minibatch: weights may be of any size."""
    ours, theirs = [], []
    for b in batches:
        found = term.found(b)
        expected = formula(b) if formula else term.expected(b, objective, found)
        largest = np.where(np.isfinite(expected), abs(expected), 0.0).max(axis=1, keepdims=True)
        scale = np.where(largest < SMALLEST, 1.0, largest)
        if term is POLICY:
            scale = scale * _rounding(b, objective)
        ours.append((found / scale).ravel())
        theirs.append((expected / scale).ravel())
    return difference(np.concatenate(ours), np.concatenate(theirs), TOLERANCE)


def _outcome(learning: Learning, name: str, gap: Difference, what: str, cause: str) -> Outcome:
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    return failed(
        name, cause, gap, what=what, tolerance=TOLERANCE, step=learning.step,
        update=learning.update,
    )  # fmt: skip


def _why_not(learning: Learning) -> str:
    if learning.unseen:
        return learning.unseen
    if learning.objective is None:
        return "the objective of this algorithm is not known"
    if not any(b.evaluation for b in learning.minibatches):
        return "the policy's answers to the minibatches were not seen"
    return "no call of backward was seen"


def _rounding(b: Batches, objective: Objective) -> Array:
    """How many times rounding may exceed its usual size, (M, 1): equal advantages are noise."""
    if not objective.normalize_advantage or b.n < 2:
        return np.ones((len(b.losses), 1))
    deviation = b.advantages.std(axis=1, ddof=1, keepdims=True) + 1e-8
    noise = 1e-6 * abs(b.advantages).max(axis=1, keepdims=True) / deviation
    return np.maximum(1.0, np.nan_to_num(noise) / TOLERANCE)


def _size(b: Batches, objective: Objective) -> Array:
    """Size of what is summed for the loss, at least 1, (M,): its rounding grows with it."""
    weighed = abs(written.used_advantages(b, objective) * written.ratio(b, objective)).max(axis=1)
    size = np.nan_to_num(np.maximum(weighed, abs(written.terms(b, objective)).max(axis=0)))
    return np.maximum(1.0, size) * _rounding(b, objective)[:, 0]


def _not_finite(batches: list[Batches], found: Gradient) -> str | None:
    """Name the one way in which finite samples give NaN: the deviation of a single advantage."""
    strange = [b.advantages[~np.isfinite(found(b)).all(axis=1)] for b in batches]
    alone = all(np.isfinite(advantages).all() for advantages in strange)
    count = sum(len(advantages) for advantages in strange)
    return "policy.advantages-normalised-alone" if count and alone else None
