"""The loss of PPO and A2C written out, and its derivatives by what the policy answered.

L = -mean(min(A r, A clip(r, 1 - c, 1 + c))) - c_H mean(H) + c_V mean((V' - R)^2), with the ratio
r = exp(log pi - log pi_old) (Schulman et al. 2017, equation 7) and V' the value, whose change may
be clipped likewise; A2C has -mean(A log pi) for the first term (Mnih et al. 2016). A loss of these
three outputs is known by its value and its derivatives, which tell the terms apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from plumbrl.snapshots import Evaluation, Minibatch, Objective
from plumbrl.snapshots.on_policy import Array

BOUNDARY = 1e-5
"""Closer to a clipping bound than this, rounding decides on which side a sample lies."""
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Batches:
    """`M` minibatches of `n` samples each, so that all are judged at once.

    Attributes:
        old_log_probs: As drawn, (M, n).
        old_values: As drawn, (M, n).
        advantages: As drawn, (M, n).
        returns: As drawn, (M, n).
        log_probs: As answered, (M, n).
        values: As answered, (M, n).
        entropies: As answered, (M, n); None if the distribution has no closed form.
        by_log_probs: n times the derivative of the loss found, (M, n).
        by_values: Likewise.
        by_entropies: Likewise; None without entropies.
        losses: Found, (M,); NaN where no call of `backward` was seen.
    """

    old_log_probs: Array
    old_values: Array
    advantages: Array
    returns: Array
    log_probs: Array
    values: Array
    entropies: Array | None
    by_log_probs: Array
    by_values: Array
    by_entropies: Array | None
    losses: Array

    @property
    def n(self) -> int:
        """Samples per minibatch."""
        return self.returns.shape[1]


def stack(minibatches: Iterable[Minibatch]) -> list[Batches]:
    """Return minibatches whose loss was differentiated, those of a size and kind together."""
    groups: dict[tuple[int, bool], list[tuple[Minibatch, Evaluation]]] = {}
    for batch in minibatches:
        found = batch.evaluation
        if found and (
            batch.losses or found.log_prob_gradients.any() or found.value_gradients.any()
        ):
            kind = len(batch.samples.returns), found.entropies is None
            groups.setdefault(kind, []).append((batch, found))
    return [_stacked(n, group) for (n, _), group in groups.items()]


def _stacked(n: int, group: list[tuple[Minibatch, Evaluation]]) -> Batches:
    def drawn(field: str) -> Array:
        return np.stack([getattr(batch.samples, field) for batch, _ in group])

    def answered(field: str) -> Array:
        return np.stack([getattr(evaluation, field) for _, evaluation in group])

    closed = group[0][1].entropies is not None
    return Batches(
        old_log_probs=drawn("log_probs"),
        old_values=drawn("values"),
        advantages=drawn("advantages"),
        returns=drawn("returns"),
        log_probs=answered("log_probs"),
        values=answered("values"),
        entropies=answered("entropies") if closed else None,
        by_log_probs=n * answered("log_prob_gradients"),
        by_values=n * answered("value_gradients"),
        by_entropies=n * answered("entropy_gradients") if closed else None,
        losses=np.array([sum(b.losses) if b.losses else np.nan for b, _ in group]),
    )


def normalised(advantages: Array) -> Array:
    """Return advantages (M, n) minus their mean, over their standard deviation (n - 1)."""
    if advantages.shape[1] < 2:
        return advantages
    deviation = advantages.std(axis=1, ddof=1, keepdims=True)
    return (advantages - advantages.mean(axis=1, keepdims=True)) / (deviation + 1e-8)


def used_advantages(b: Batches, objective: Objective) -> Array:
    """Return the advantages (M, n) as the objective weighs them."""
    return normalised(b.advantages) if objective.normalize_advantage else b.advantages


def ratio(b: Batches, objective: Objective) -> Array:
    """Return the importance ratio (M, n); 1 for the plain policy gradient, which has none."""
    if objective.clip_range is None:
        return np.ones_like(b.log_probs)
    return np.exp(b.log_probs - b.old_log_probs)


def bounds(objective: Objective) -> Bounds:
    """Return between what the ratio is clipped."""
    clip = np.inf if objective.clip_range is None else objective.clip_range
    return 1 - clip, 1 + clip


def policy_gradient(
    b: Batches,
    objective: Objective,
    found: Array,
    *,
    advantages: Array | None = None,
    ratios: Array | None = None,
    limits: Bounds | None = None,
) -> Array:
    """Return n times the derivative of the loss by log-probabilities, (M, n).

    Args:
        b: Minibatches.
        objective: What is minimised.
        found: What was found, (M, n); taken over where rounding decides.
        advantages: Instead of those that the objective weighs, (M, n).
        ratios: Instead of the importance ratio, (M, n).
        limits: Instead of the bounds between which ratios are clipped.
    """
    weights = used_advantages(b, objective) if advantages is None else advantages
    ratios = ratio(b, objective) if ratios is None else ratios
    low, high = limits or bounds(objective)
    # Without a closed form the entropy is estimated by -log pi, which adds its weight here.
    bonus = objective.ent_coef if b.entropies is None else 0.0
    held = ((weights > 0) & (ratios > high)) | ((weights < 0) & (ratios < low))
    unsure = np.minimum(abs(ratios - low), abs(ratios - high)) < BOUNDARY
    return np.where(unsure, found, np.where(held, 0.0, -weights * ratios) + bonus)


def value_gradient(
    b: Batches,
    objective: Objective,
    found: Array,
    *,
    target: Array | None = None,
    weight: float | None = None,
    clipped: bool = True,
) -> Array:
    """Return n times the derivative of the loss by values, (M, n).

    Args:
        b: Minibatches.
        objective: What is minimised.
        found: What was found, (M, n); taken over where rounding decides.
        target: Instead of the returns, (M, n).
        weight: Instead of the configured one.
        clipped: Whether the change of values is limited, if so configured.
    """
    clip, target = objective.clip_range_vf, b.returns if target is None else target
    gradient = 2 * (objective.vf_coef if weight is None else weight) * (b.values - target)
    if clip is None or not clipped:
        return gradient
    change = abs(b.values - b.old_values)
    unsure = abs(change - clip) < BOUNDARY * np.maximum(1, abs(b.values))
    return np.where(unsure, found, np.where(change > clip, 0.0, gradient))


def entropy_gradient(b: Batches, objective: Objective, _: Array | None = None) -> Array:
    """Return n times the derivative of the loss by entropies, (M, n)."""
    return np.full_like(b.returns, -objective.ent_coef)


def terms(b: Batches, objective: Objective) -> Array:
    """Return the three terms whose sum is the loss, (3, M): policy, entropy, values."""
    weights, (low, high), clip = (
        used_advantages(b, objective),
        bounds(objective),
        objective.clip_range,
    )
    ratios, limit = ratio(b, objective), objective.clip_range_vf
    gain = np.minimum(weights * ratios, weights * np.clip(ratios, low, high))
    values = b.values
    if limit is not None:
        values = b.old_values + np.clip(values - b.old_values, -limit, limit)
    return np.stack(
        [
            -(weights * b.log_probs if clip is None else gain).mean(axis=1),
            -objective.ent_coef
            * (-b.log_probs if b.entropies is None else b.entropies).mean(axis=1),
            objective.vf_coef * ((b.returns - values) ** 2).mean(axis=1),
        ]
    )
