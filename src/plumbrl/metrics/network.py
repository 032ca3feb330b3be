"""Whether a network can still learn: units that do nothing, features that collapse.

Activations are (n, units) of one layer on the same batch of states; convolutions are flattened by
the caller so that a unit is a channel. Without samples or with a NaN all are NaN.
"""

import numpy as np

from plumbrl.metrics.arithmetic import Array, double, mean, quiet


@quiet
def dormant_share(activations: Array, tau: float = 0.025) -> float:
    """Return the share of units whose mean activation is tiny against their layer's, in [0, 1].

    Unit i is dormant if mean(abs(h_i)) / mean over units(mean(abs(h))) <= tau. Healthy: below
    0.05. Above 0.25 and rising, the network loses the ability to learn: lower the replay ratio or
    the learning rate, or reset. A layer that is 0 throughout is all dormant: 1.

    Args:
        activations: After the non-linearity, (n, units).
        tau: Threshold of the score.

    Reference: G. Sokar et al., The dormant neuron phenomenon in deep RL (2023), definition 3.1.
    """
    h = double(activations)
    return np.nan if _unusable(h) else mean(dormant_units(h, tau))


@quiet
def dormant_units(activations: Array, tau: float = 0.025) -> Array:
    """Return which units are dormant by the definition of `dormant_share`, bool (units,).

    Args:
        activations: After the non-linearity, (n, units); a NaN makes no unit dormant.
        tau: Threshold of the score.
    """
    per_unit = np.abs(double(activations)).mean(axis=0)
    return per_unit <= tau * per_unit.mean()


def dead_share(activations: Array) -> float:
    """Return the share of units that are 0 on every sample, in [0, 1].

    For ReLU. Healthy: below 0.1. Above 0.5 most of the layer gets no gradient on these states: the
    learning rate is too high, or the inputs are not normalised. A batch of few or similar states
    shows units as dead that are not.

    Args:
        activations: After the non-linearity, (n, units).
    """
    h = double(activations)
    return np.nan if _unusable(h) else mean((h == 0).all(axis=0))


def saturated_share(activations: Array, limit: float = 0.97) -> float:
    """Return the share of tanh units with abs(h) > limit on more than 95 % of samples, in [0, 1].

    Healthy: below 0.1. Above 0.5 the layer acts as a few switches and passes hardly any gradient:
    inputs are not normalised, or weights have grown.

    Args:
        activations: After the tanh, (n, units).
        limit: Size above which its slope is below 1 - limit^2.
    """
    h = double(activations)
    return np.nan if _unusable(h) else mean((np.abs(h) > limit).mean(axis=0) > 0.95)


def effective_rank(features: Array, delta: float = 0.01) -> int | float:
    """Return how many directions hold all but `delta` of the features' singular values.

    The least k with sum of the k largest singular values >= (1 - delta) of the sum of all, in
    [0, min(n, units)]. Healthy: steady. Falling below 10 to 20 % of the width while errors rise,
    the features collapse. It cannot exceed the number of distinct samples. Features that are all 0
    have rank 0.

    Args:
        features: Of the last hidden layer, (n, units).
        delta: Share left out.

    Returns:
        A whole number; NaN if there are no features or some are not finite.

    Reference: A. Kumar et al., Implicit under-parameterization inhibits data-efficient deep RL
    (2021).
    """
    singular = _singular_values(features)
    if singular is None:
        return np.nan
    if not singular.any():
        return 0
    held = np.cumsum(singular) / singular.sum()
    # the sum of all may round to less than 1
    return min(int(np.searchsorted(held, 1 - delta)) + 1, len(singular))


def stable_rank(features: Array) -> float:
    """Return norm_F(features)^2 / norm_2(features)^2, in [1, min(n, units)].

    The sum of squared singular values over the largest of them; smooth where `effective_rank`
    jumps. Healthy: steady. Near 1, one direction (often the mean of the features) carries
    everything. NaN where features are all 0, not finite, or none.

    Args:
        features: Of the last hidden layer, (n, units).
    """
    singular = _singular_values(features)
    if singular is None or not singular.any():
        return np.nan
    return float(np.sum((singular / singular[0]) ** 2))


def _unusable(activations: Array) -> bool:
    """Return whether there is nothing to judge."""
    return not activations.size or bool(np.isnan(activations).any())


def _singular_values(features: Array) -> Array | None:
    """Return the singular values from the largest on; None where they are not defined."""
    x = double(features)
    if not x.size or not np.isfinite(x).all():
        return None
    return np.linalg.svd(x, compute_uv=False)
