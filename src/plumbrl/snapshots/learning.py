"""One update of an on-policy trainer: what entered the loss, and what came out of it.

Observations and actions are kept as fingerprints, one number per row: an update draws every sample
several times, and copies of images would not fit into memory.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from plumbrl.snapshots.on_policy import Array

ROWS = 1 << 22
"""Entries hashed at a time, so that a rollout of images needs no second copy of itself."""


@dataclass(frozen=True)
class Samples:
    """`n` rows of a rollout, or of a minibatch drawn from it.

    Attributes:
        observations: `fingerprint` of the observations, (n,).
        actions: `fingerprint` of the actions, (n,).
        log_probs: Log-probabilities at the time of collection, (n,).
        values: Value estimates at the time of collection, (n,).
        advantages: Before any normalisation, (n,).
        returns: Value targets, (n,).
    """

    observations: Array
    actions: Array
    log_probs: Array
    values: Array
    advantages: Array
    returns: Array


@dataclass(frozen=True)
class Evaluation:
    """What the policy answered for a minibatch of `n`, and how the loss depends on each answer.

    Attributes:
        observations: `fingerprint` of the observations it was asked about, (n,).
        actions: `fingerprint` of the actions it was asked about, (n,).
        log_probs: (n,).
        values: (n,).
        entropies: (n,); None if the distribution has no closed form.
        log_prob_gradients: Derivative of the loss by each log-probability, (n,); 0 where no
            gradient flows.
        value_gradients: Derivative by each value, likewise.
        entropy_gradients: Derivative by each entropy, likewise; None without entropies.
    """

    observations: Array
    actions: Array
    log_probs: Array
    values: Array
    entropies: Array | None
    log_prob_gradients: Array
    value_gradients: Array
    entropy_gradients: Array | None


@dataclass(frozen=True)
class Minibatch:
    """A minibatch in the order in which it was drawn.

    Attributes:
        samples: What was drawn.
        evaluation: What the policy answered; None if it was not asked where it could be seen.
        losses: Scalars on which `backward` was called; empty after an early stop.
    """

    samples: Samples
    evaluation: Evaluation | None
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Objective:
    """The loss that the trainer is configured to minimise.

    Attributes:
        clip_range: Of the importance ratio; None for the plain policy gradient of A2C.
        clip_range_vf: Of the change of values; None for no clipping.
        ent_coef: Weight of the entropy bonus.
        vf_coef: Weight of the squared error of values.
        normalize_advantage: Whether advantages are normalised over a minibatch.
    """

    clip_range: float | None
    clip_range_vf: float | None
    ent_coef: float
    vf_coef: float
    normalize_advantage: bool


@dataclass(frozen=True)
class Broadcast:
    """An elementwise operation that made (n, n) out of (n,) and (n, 1).

    Attributes:
        operation: Its name, such as ``sub``.
        shapes: Of the two operands.
        operands: Names of the known tensors that they are, or were computed from; fields of
            `Samples` and `Evaluation`, those of the minibatch with the prefix ``old_`` if both
            have them.
    """

    operation: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    operands: frozenset[str]


@dataclass(frozen=True)
class OptimiserStep:
    """Euclidean norms over all trainable parameters of the policy, around one optimiser step.

    Attributes:
        stale_norm: Of the gradients that were there before the first backward pass since the
            previous step; 0 if they were cleared.
        gradient_norm: After the last backward pass, before anything was clipped.
        step_norm: Of the gradients that the optimiser used.
        learning_rates: Of its parameter groups.
        epsilons: What it adds to the denominator (Adam, RMSprop), of its groups; may be empty.
    """

    stale_norm: float
    gradient_norm: float
    step_norm: float
    learning_rates: tuple[float, ...]
    epsilons: tuple[float, ...]


@dataclass(frozen=True)
class ParameterChange:
    """What the update did to one trainable tensor.

    Attributes:
        name: As the policy calls it.
        change: Largest absolute difference between before and after.
        gradient: Largest norm of its gradient at any step; None if it never had one.
        held: Whether an optimiser that made a step holds it.
    """

    name: str
    change: float
    gradient: float | None
    held: bool


@dataclass(frozen=True)
class Learning:
    """One update, from the rollout to the changed parameters.

    Attributes:
        step: Timesteps collected so far, summed over environments.
        update: Index of this update, from 0.
        rollout: What was there to learn from when the update began.
        previous: The rollout of the update before, if it was seen.
        minibatches: In the order in which they were drawn.
        n_epochs: How often each sample must be used; None if unknown.
        stops_early: Whether the trainer may stop before that (a limit on the KL divergence).
        objective: None if the trainer's objective is not known.
        max_grad_norm: Gradients must be clipped to it; None if they need not.
        learning_rate: That the trainer is configured with now; None if unknown.
        broadcasts: Suspicious operations while the loss was computed.
        optimiser_steps: In order; empty if no optimiser made one.
        optimisers: How many optimisers made a step.
        parameters: Every trainable tensor.
        unseen: Why the update could not be watched to its end; empty if it was.
        interrupted: The error that ended the update before its time; empty if none did.
    """

    step: int
    update: int
    rollout: Samples
    previous: Samples | None
    minibatches: tuple[Minibatch, ...]
    n_epochs: int | None
    stops_early: bool
    objective: Objective | None
    max_grad_norm: float | None
    learning_rate: float | None
    broadcasts: tuple[Broadcast, ...]
    optimiser_steps: tuple[OptimiserStep, ...]
    optimisers: int
    parameters: tuple[ParameterChange, ...]
    unseen: str = ""
    interrupted: str = ""


def fingerprint(*parts: Array) -> Array:
    """Return one number per row, equal for equal rows.

    Args:
        parts: Arrays (n, ...) that make up a row together; compared in single precision, which
            is what learners compute in.

    Returns:
        (n,), unsigned; two different rows collide with a probability below 2**-32.
    """
    rows = len(parts[0])
    total = np.zeros(rows, np.uint64)
    for index, part in enumerate(parts):
        flat = np.asarray(part).reshape(rows, -1)
        width = max(flat.shape[1], 1)
        weights = _weights(index, width)
        chunk = max(ROWS // width, 1)
        for start in range(0, rows, chunk):
            single = flat[start : start + chunk].astype(np.float32) + np.float32(0)  # no -0
            total[start : start + chunk] += single.view(np.uint32).astype(np.uint64) @ weights
    return total


@cache
def _weights(index: int, width: int) -> Array:
    return np.random.default_rng(index).integers(2**63, size=width, dtype=np.uint64) | 1
