"""A few consecutive gradient steps of an off-policy trainer, and the replay they drew from."""

from dataclasses import dataclass
from typing import Literal

from plumbrl.snapshots.on_policy import Array
from plumbrl.snapshots.replay import DrawnRows, StoredTransitions, Transitions

Tensors = dict[str, Array]
"""Parameters by name, ``network.tensor``."""


@dataclass(frozen=True)
class TDTargets:
    """Targets of a batch of `n` transitions as they entered the loss, and their ingredients.

    `C` is the number of critics (1 for DQN); `M` is the number of actions for DQN, else `C`.

    Attributes:
        rewards: (n,).
        dones: Whether the learner takes the next state for terminal, (n,).
        discounts: Of the next value: gamma, or gamma to the power of the steps summed, (n,).
        targets: (L, n) for the `L` losses that a critic takes part in.
        predictions: The Q-values compared with them, (L, n).
        shapes: Shapes of prediction and target in each loss.
        carries_gradient: Whether a gradient flows through a target into what the loss trains.
        q_values: Q of the batch's observations and actions, recomputed, (n, C).
        next_target: Values of the next state by the target network, (n, M).
        next_online: The same by the network that is trained, (n, M).
        next_log_probs: Log-probability of the next action, where the target has an entropy
            term, (n,).
        alpha: Weight of the entropy term.
        over: What the next value is taken over: the best of actions or the least of critics.
    """

    rewards: Array
    dones: Array
    discounts: Array
    targets: Array
    predictions: Array
    shapes: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    carries_gradient: bool
    q_values: Array
    next_target: Array
    next_online: Array
    next_log_probs: Array | None
    alpha: float
    over: Literal["actions", "critics"]


@dataclass(frozen=True)
class ActorLoss:
    """The loss of the actor on a batch, and its ingredients.

    Attributes:
        loss: As it was differentiated.
        q_values: Of the actor's actions by the critics of that moment, (n, C).
        log_probs: Of these actions, where the loss has an entropy term, (n,).
        alpha: Weight of the entropy term.
    """

    loss: float
    q_values: Array
    log_probs: Array | None
    alpha: float


@dataclass(frozen=True)
class SquashedSample:
    """Actions of a tanh-squashed Gaussian of `A` dimensions with the log-probability reported.

    Attributes:
        gaussian: Samples before squashing, (n, A).
        mean: Of the Gaussian, (n, A).
        log_std: Logarithm of its standard deviation, (n, A).
        log_probs: As reported, (n,).
    """

    gaussian: Array
    mean: Array
    log_std: Array
    log_probs: Array


@dataclass(frozen=True)
class OptimiserEffect:
    """What one step of an optimiser did.

    Attributes:
        network: The one it is there for; empty if unknown.
        learning_rate: Largest of its groups.
        moved: Names of the tensors that changed in it, targets with the prefix ``target:``.
        gradients: Largest absolute gradient of each trainable tensor; NaN where there is none.
    """

    network: str
    learning_rate: float
    moved: frozenset[str]
    gradients: dict[str, float]


@dataclass(frozen=True)
class TargetNetworks:
    """Parameters of target networks and of those they follow, under the target's names.

    Attributes:
        trained: Online parameters after the optimisers were done.
        online: Online parameters when the next gradient step began.
        before: Target parameters when this gradient step began.
        after: Target parameters when the next one began.
        due: How many updates were due in between.
        tau: Its rate; 1 copies.
        interval: Updates are due every so many `unit`.
        unit: Of the interval.
    """

    trained: Tensors
    online: Tensors
    before: Tensors
    after: Tensors
    due: int
    tau: float
    interval: int
    unit: str


@dataclass(frozen=True)
class GradientStep:
    """A gradient step, from the sampling of its batch to the next one's.

    Attributes:
        batch: Rows that were drawn; None if they could not be seen, or rewards were summed.
        td: Targets of the critic; None if they could not be seen.
        actor: Loss of the actor; None where there is none or it could not be seen.
        squashed: Actions sampled by a squashed Gaussian actor.
        optimiser_steps: In the order in which they were made.
        changed: For each trainable tensor whether it changed in this gradient step.
        due: Networks that have to learn in this gradient step.
        target: What became of the target networks.
    """

    batch: DrawnRows | None
    td: TDTargets | None
    actor: ActorLoss | None
    squashed: SquashedSample | None
    optimiser_steps: tuple[OptimiserEffect, ...]
    changed: dict[str, bool]
    due: frozenset[str]
    target: TargetNetworks


@dataclass(frozen=True)
class OffPolicyUpdate:
    """Consecutive gradient steps of an off-policy trainer.

    Attributes:
        step: Timesteps collected when the first of them began, summed over environments.
        update: Index of the first of them, counted in gradient steps since training began.
        gamma: Discount factor that the trainer is configured with.
        gradient_steps: In order; empty if they could not be seen.
        unseen: Why something could not be seen; empty if everything was.
        happened: What really happened in the steps stored last.
        stored: What the replay buffer holds for them.
        action_low: Lower bounds of a continuous action, None for others.
        action_high: Upper bounds.
        round_trips: Pairs (there and back, original) that must be equal, by name, each (m, ...).
        sampled_ages: Age of each sampled row over the number of rows, in (0, 1], 1 the oldest,
            (draws,); None if it could not be seen.
        rows: Number of rows in the buffer.
        target_entropy: That the entropy coefficient is tuned to, if it is.
    """

    step: int
    update: int
    gamma: float
    gradient_steps: tuple[GradientStep, ...]
    unseen: str
    happened: Transitions | None
    stored: StoredTransitions | None
    action_low: Array | None
    action_high: Array | None
    round_trips: dict[str, tuple[Array, Array]]
    sampled_ages: Array | None
    rows: int
    target_entropy: float | None
