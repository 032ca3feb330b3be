"""What off-policy actors are trained with: their loss, their log-probabilities, their entropy."""

from collections.abc import Iterator
from math import log, pi

import numpy as np

from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Array, Outcome, difference, failed, found, passed, skipped
from plumbrl.snapshots.off_policy import ActorLoss, OffPolicyUpdate, SquashedSample

LOSS_TOLERANCE = 2e-5
"""Relative to the largest term of the mean; float32 rounding gives about 1e-6."""
LOG_PROB_TOLERANCE = 1e-3
"""Away from saturation SB3's 1e-6 inside the logarithm changes it by 5e-5 per dimension."""
SATURATED = 0.99
"""Larger actions are left out: there 1 - a^2 has lost its digits in float32."""
NARROW = 1e-4
"""Deviations smaller than this, relative to the sample, are left out for the same reason."""


@np.errstate(invalid="ignore", over="ignore")
def check_actor_loss(update: OffPolicyUpdate) -> Outcome:
    """Recompute the actor's loss: mean(alpha log pi - min Q) for SAC, -mean(Q_1) for TD3.

    The mean of critics, or the first alone, is accepted: libraries differ there. A mismatch is
    explained, if possible, by the one change of the formula that reproduces it.
    """
    name = "loss of the actor recomputed"
    seen = [step.actor for step in update.gradient_steps if step.actor is not None]
    if not seen:
        return skipped(name, update.unseen or "there is no actor, or its loss was not seen")
    losses = np.array([actor.loss for actor in seen])
    size = np.array([max(1.0, *(abs(x).max() for x in _terms(actor))) for actor in seen])
    size = np.nan_to_num(size, nan=1.0, posinf=1.0)
    formulas = list(zip(*(_formulas(actor) for actor in seen), strict=True))
    gaps = [
        difference(losses / size, np.array([v for _, v in f]) / size, LOSS_TOLERANCE)
        for f in formulas
    ]
    fits = (f[0][0] for f, gap in zip(formulas, gaps, strict=True) if not gap.wrong.any())
    cause = next(fits, "policy.wrong-loss")
    if not cause:
        return passed(name, len(seen), min(gap.worst for gap in gaps))
    return failed(
        name, cause, gaps[0], what="losses", tolerance=LOSS_TOLERANCE, step=update.step,
        update=update.update,
    )  # fmt: skip


@np.errstate(invalid="ignore", over="ignore")
def check_squashed_log_probs(update: OffPolicyUpdate) -> Outcome:
    """Compare log-probabilities of squashed actions with the change of variables, in float64.

    log pi(a) = log N(u; mu, sigma) - sum_i log(1 - tanh(u_i)^2) for a = tanh(u) (Haarnoja et al.
    2018, appendix C).
    """
    name = "log-probabilities of squashed actions recomputed"
    seen = [step.squashed for step in update.gradient_steps if step.squashed is not None]
    if not seen:
        return skipped(name, update.unseen or "no action of a squashed Gaussian was seen")
    clear = [_clear(sample) for sample in seen]
    if not any(rows.any() for rows in clear):
        return skipped(name, "every action is saturated, or its deviation vanishes")
    reported = np.concatenate([s.log_probs[rows] for s, rows in zip(seen, clear, strict=True)])
    formulas = [
        [(cause, values[rows]) for cause, values in _densities(sample)]
        for sample, rows in zip(seen, clear, strict=True)
    ]
    joined = [(f[0][0], np.concatenate([v for _, v in f])) for f in zip(*formulas, strict=True)]
    gap = difference(reported, joined[0][1], LOG_PROB_TOLERANCE)
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    fits = (c for c, v in joined if not difference(reported, v, LOG_PROB_TOLERANCE).wrong.any())
    return failed(
        name, next(fits, "policy.wrong-log-prob"), gap, what="log-probabilities",
        tolerance=LOG_PROB_TOLERANCE, step=update.step, update=update.update,
    )  # fmt: skip


def check_target_entropy(update: OffPolicyUpdate) -> Outcome:
    """Compare the target entropy with the largest there is on [-1, 1]^d: d log 2, if uniform."""
    name = "target entropy within reach"
    if update.target_entropy is None or update.action_low is None:
        return skipped(name, "the entropy coefficient is not tuned")
    largest = update.action_low.size * log(2)
    if update.target_entropy < largest:
        return passed(name, 1, 0.0)
    told = f"no policy has more than {largest:.3g}; {update.target_entropy:.3g} is asked for"
    asked = Evidence("target entropy", update.target_entropy, f"below {largest:.3g}", "nat")
    return found(name, "configuration.target-entropy-unreachable", told, asked, step=update.step)


def _terms(actor: ActorLoss) -> tuple[Array, Array]:
    none = np.zeros(len(actor.q_values))
    entropy = none if actor.log_probs is None else actor.alpha * actor.log_probs
    return actor.q_values, entropy


def _formulas(actor: ActorLoss) -> Iterator[tuple[str, float]]:
    """Yield causes with the loss each would give; the empty ones are no fault."""
    q_values, entropy = _terms(actor)
    least, cost = q_values.min(axis=1), entropy.mean()
    for value in (least, q_values[:, 0], q_values.mean(axis=1)):
        yield "", cost - value.mean()
    for value in (least, q_values[:, 0], q_values.mean(axis=1)):
        yield "policy.entropy-term-missing", -value.mean()
        yield "policy.entropy-sign-flipped", -cost - value.mean()
        yield "policy.objective-sign-flipped", cost + value.mean()
        yield "policy.objective-sign-flipped", value.mean() - cost
    yield "policy.optimistic-loss", cost - q_values.max(axis=1).mean()


def _clear(sample: SquashedSample) -> Array:
    """Return the rows (n,) in which float32 has digits enough; NaN counts as such."""
    saturated = abs(np.tanh(sample.gaussian)) > SATURATED
    narrow = sample.log_std < np.log(NARROW * np.maximum(1.0, abs(sample.gaussian)))
    return np.asarray(~(saturated | narrow).any(axis=1))


def _densities(sample: SquashedSample) -> Iterator[tuple[str, Array]]:
    """Yield causes with the log-probabilities each would give, the right ones first."""
    u, mean, log_std = (
        x.astype(np.float64) for x in (sample.gaussian, sample.mean, sample.log_std)
    )
    gaussian = -0.5 * ((u - mean) / np.exp(log_std)) ** 2 - log_std - 0.5 * log(2 * pi)
    jacobian = 2 * (log(2) - u - np.logaddexp(0, -2 * u))
    yield "", (gaussian - jacobian).sum(axis=1)
    yield "policy.tanh-correction-missing", gaussian.sum(axis=1)
    yield "policy.tanh-correction-sign-flipped", (gaussian + jacobian).sum(axis=1)
    yield "policy.log-prob-not-summed", (gaussian - jacobian).mean(axis=1)
    at_action = np.tanh(u)
    density = -0.5 * ((at_action - mean) / np.exp(log_std)) ** 2 - log_std - 0.5 * log(2 * pi)
    yield "policy.log-prob-of-squashed-action", (density - jacobian).sum(axis=1)
    yield "policy.log-prob-of-squashed-action", density.sum(axis=1)
