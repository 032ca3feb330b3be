"""Wrong formulas of the loss, by the cause that each names.

Every suspect gives n times the derivative of the loss by what the policy answered, (n,), as the
right formulas in `objective` do. The first that fits every minibatch explains what was found.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from plumbrl.oracles.objective import (
    BOUNDARY,
    Batches,
    bounds,
    entropy_gradient,
    normalised,
    policy_gradient,
    ratio,
    used_advantages,
    value_gradient,
)
from plumbrl.snapshots import Objective
from plumbrl.snapshots.on_policy import Array

Gradient = Callable[[Batches], Array]
Suspects = Iterator[tuple[str, Gradient]]
UNLIMITED = (-np.inf, np.inf)


def policy_suspects(o: Objective, found: Gradient) -> Suspects:
    """Yield wrong derivatives by log-probabilities.

    Args:
        o: What the trainer is configured to minimise.
        found: What was found; a few formulas need to know where it is 0.
    """

    def of(b: Batches, **changed: Any) -> Array:
        return policy_gradient(b, o, found(b), **changed)

    yield "policy.no-gradient", lambda b: np.zeros_like(b.returns)
    yield "policy.ratio-always-one", lambda b: of(b, ratios=np.ones_like(b.returns))
    yield "policy.loss-sign-flipped", lambda b: -policy_gradient(b, o, -found(b))
    yield "policy.loss-sign-flipped", lambda b: of(b, advantages=-used_advantages(b, o))
    yield "policy.sum-instead-of-mean", lambda b: b.n * policy_gradient(b, o, found(b) / b.n)
    if o.normalize_advantage:
        yield "policy.advantages-not-normalised", lambda b: of(b, advantages=b.advantages)
    else:
        yield (
            "policy.advantages-normalised",
            lambda b: of(b, advantages=normalised(b.advantages)),
        )
    weigh = normalised if o.normalize_advantage else np.asarray
    yield "policy.returns-as-advantages", lambda b: of(b, advantages=weigh(b.returns))
    yield "policy.broadcast", lambda b: _mean_over_pairs(b, o)
    yield from _clipping_suspects(o, found)


def _clipping_suspects(o: Objective, found: Gradient) -> Suspects:
    """Yield what differs from the right loss only in which samples are held back."""
    if o.clip_range is None:
        return
    in_log_space = (np.exp(-o.clip_range), np.exp(o.clip_range))

    def plain(b: Batches) -> Array:
        return policy_gradient(b, o, found(b), limits=UNLIMITED)

    def clipped_alone(b: Batches, low: float, high: float) -> Array:
        ratios = ratio(b, o)
        return np.where((ratios < low) | (ratios > high), 0.0, plain(b))

    yield "policy.clipping-ignored", plain
    yield (
        "policy.ratio-clipped-in-log-space",
        lambda b: policy_gradient(b, o, found(b), limits=in_log_space),
    )
    yield "policy.ratio-clipped-in-log-space", lambda b: clipped_alone(b, *in_log_space)
    yield "policy.minimum-forgotten", lambda b: clipped_alone(b, *bounds(o))
    yield (
        "policy.wrong-clip-range",
        lambda b: np.where((found(b) == 0) & (abs(ratio(b, o) - 1) > BOUNDARY), 0.0, plain(b)),
    )


def _mean_over_pairs(b: Batches, o: Objective) -> Array:
    """Every ratio meets every advantage: the mean over (n, n) depends on sums of advantages."""
    advantages, ratios, (low, high) = used_advantages(b, o), ratio(b, o), bounds(o)
    gains = np.where(ratios > high, 0.0, _mean(advantages.clip(min=0)))
    losses = np.where(ratios < low, 0.0, _mean(advantages.clip(max=0)))
    return -ratios * (gains + losses)


def value_suspects(o: Objective, found: Gradient) -> Suspects:
    """Yield wrong derivatives by values; arguments as for `policy_suspects`."""

    def of(b: Batches, **changed: Any) -> Array:
        return value_gradient(b, o, found(b), **changed)

    def flipped(b: Batches) -> Array:
        return -value_gradient(b, o, -found(b))

    def advantages(b: Batches) -> Array:
        return of(b, target=b.advantages)

    def scaled(b: Batches) -> Array:
        right = of(b)
        return right * _mean(found(b) * right) / np.maximum(_mean(right**2), np.finfo(float).tiny)

    yield "value.no-gradient", lambda b: np.zeros_like(b.returns)
    yield "value.loss-sign-flipped", flipped
    yield "value.coefficient-ignored", lambda b: of(b, weight=1.0)
    yield "value.coefficient-twice", lambda b: of(b, weight=o.vf_coef**2)
    yield "value.sum-instead-of-mean", lambda b: b.n * value_gradient(b, o, found(b) / b.n)
    yield "value.broadcast", lambda b: of(b, target=np.zeros_like(b.returns) + _mean(b.returns))
    yield "value.target-is-advantage", advantages
    yield (
        "value.target-is-advantage",
        lambda b: of(b, target=normalised(b.advantages)),
    )
    yield "value.target-is-old-value", lambda b: of(b, target=b.old_values)
    yield "value.wrong-clipping", lambda b: of(b, clipped=False)
    yield "value.wrong-clipping", lambda b: np.where(found(b) == 0, 0.0, of(b, clipped=False))
    yield "value.wrong-coefficient", scaled


def entropy_suspects(o: Objective, found: Gradient) -> Suspects:
    """Yield wrong derivatives by entropies; arguments as for `policy_suspects`."""

    def weighted(weight: float) -> Gradient:
        return lambda b: np.full_like(b.returns, -weight)

    yield "policy.entropy-sign-flipped", weighted(-o.ent_coef)
    yield "policy.entropy-ignored", weighted(0.0)
    yield "policy.entropy-coefficient-ignored", weighted(1.0)
    yield "policy.entropy-coefficient-twice", weighted(o.ent_coef**2)
    yield "policy.sum-instead-of-mean", lambda b: b.n * entropy_gradient(b, o)


def _mean(rows: Array) -> Array:
    """Of each minibatch, (M, 1)."""
    return rows.mean(axis=1, keepdims=True)
