"""One gradient step of DQN, SAC or TD3, seen from its batch to the next one's."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution

from plumbrl.adapters.sb3.critics import Learner
from plumbrl.adapters.sb3.untouched import untouched
from plumbrl.snapshots.off_policy import (
    ActorLoss,
    Array,
    GradientStep,
    OptimiserEffect,
    SquashedSample,
    TargetNetworks,
    TDTargets,
)
from plumbrl.snapshots.replay import DrawnRows

Tensor = torch.Tensor
ROWS = 256
"""Rows of a batch in which sampled actions are kept: they are all of a kind."""


@dataclass
class _Loss:
    prediction: Tensor
    target: Tensor
    carries_gradient: bool


@dataclass
class _Sample:
    observations: Any
    actions: Tensor
    log_probs: Tensor
    learns: bool


@dataclass
class Look:
    """What is seen of one gradient step; `close` makes a snapshot of it.

    Attributes:
        learner: Networks of the trainer.
        batch: What the replay buffer returned.
        drawn: The same beside the rows of the buffer it was drawn from.
        gamma: Discount factor of batches that bring none.
        index: Of the gradient step within its update.
    """

    learner: Learner
    batch: Any
    drawn: DrawnRows | None
    gamma: float
    index: int
    next_actions: Tensor | None = None
    _samples: list[_Sample] = field(default_factory=list)
    _squashed: SquashedSample | None = None
    _losses: list[_Loss] = field(default_factory=list)
    _values: tuple[Tensor, Tensor, Tensor] | None = None
    _random: bool = False
    _actor: ActorLoss | None = None
    _effects: list[OptimiserEffect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._alpha, self._clock = self.learner.alpha(), self.learner.clock()
        self._actor_due = self.learner.actor_due()
        self._before = _copies(self.learner.trainable())
        self._trained = _arrays(self.learner.followed())
        self._target_before = _arrays(self.learner.following())

    def saw_critic(self, observations: Any, actions: Tensor) -> None:
        """Note the actions that a critic was asked about."""
        if _same(observations, self.batch.next_observations):
            self.next_actions = actions.detach()

    def saw_sample(self, observations: Any, actions: Tensor, log_probs: Tensor) -> None:
        """Note actions that the actor drew, with their log-probabilities."""
        sample = _Sample(
            observations, actions.detach(), log_probs.detach().reshape(-1), actions.requires_grad
        )
        self._samples.append(sample)
        dist = self.learner.networks["actor"].action_dist
        if isinstance(dist, SquashedDiagGaussianDistribution) and dist.gaussian_actions is not None:
            normal = dist.distribution
            parts = (dist.gaussian_actions, normal.mean, normal.stddev.log(), sample.log_probs)
            self._squashed = SquashedSample(*(_array(part[:ROWS]) for part in parts))

    def saw_loss(self, prediction: Tensor, target: Tensor) -> None:
        """Note a regression in which a critic takes part; its operands may be swapped."""
        if target.requires_grad and not prediction.requires_grad:
            prediction, target = target, prediction
        trained = {id(t) for t in self.learner.networks[self.learner.critic].parameters()}
        learning = _leaves(prediction) & trained
        if not learning or prediction.numel() != self.batch.rewards.numel():
            return
        if not self._losses:
            self._evaluate()
        self._losses.append(_Loss(prediction, target, bool(_leaves(target) & learning)))

    def saw_backward(self, loss: Tensor) -> None:
        """Note the actor's loss, while the networks are those it was computed with."""
        if "actor" not in self.learner.networks:
            return
        actor, leaves = self.learner.networks["actor"], _leaves(loss)
        if loss.numel() != 1 or not leaves & {id(t) for t in actor.parameters()}:
            return
        observations = self.batch.observations
        sample = self._sample_of(observations, learns=True)
        with untouched(self.learner.model.policy):
            actions = sample.actions if sample else actor(observations)
            q_values = self.learner.q_values(observations, actions)
        log_probs = _array(sample.log_probs) if sample else None
        self._actor = ActorLoss(float(loss.detach()), _array(q_values), log_probs, self._alpha)

    def before_step(self) -> None:
        """Remember every parameter before an optimiser moves some."""
        self._at_step = _copies(self._watched())

    def after_step(self, optimiser: torch.optim.Optimizer) -> None:
        """Note which parameters an optimiser moved."""
        now = self._watched()
        moved = {n for n, old in self._at_step.items() if not torch.equal(old, now[n])}
        gradients = {
            name: float("nan") if tensor.grad is None else float(tensor.grad.abs().max())
            for name, tensor in self.learner.trainable().items()
        }
        name = self.learner.optimisers.get(id(optimiser), "")
        rate = max(float(group["lr"]) for group in optimiser.param_groups)
        self._effects.append(OptimiserEffect(name, rate, frozenset(moved), gradients))
        self._trained = _arrays(self.learner.followed())

    def close(self) -> GradientStep:
        """Return what was seen; the next gradient step is about to begin."""
        now, learner = self.learner.trainable(), self.learner
        interval, unit = learner.interval()
        due = {"critic", "ent_coef", "q_net"} | ({"actor"} if self._actor_due else set())
        target = TargetNetworks(
            trained=self._trained,
            online=_arrays(learner.followed()),
            before=self._target_before,
            after=_arrays(learner.following()),
            due=self._target_due(),
            tau=float(learner.model.tau),
            interval=interval,
            unit=unit,
        )
        return GradientStep(
            batch=self.drawn,
            td=self._td(),
            actor=None if self._random else self._actor,
            squashed=self._squashed,
            optimiser_steps=tuple(self._effects),
            changed={n: not torch.equal(old, now[n]) for n, old in self._before.items()},
            due=frozenset(due),
            target=target,
        )

    def _target_due(self) -> int:
        if "actor" in self.learner.targets:
            return int(self._actor_due)
        return self.learner.target_due(self._clock, self.index)

    def _watched(self) -> dict[str, Tensor]:
        targets = {f"target:{n}": t for n, t in self.learner.following().items()}
        return {**self.learner.trainable(), **targets}

    def _sample_of(self, observations: Any, *, learns: bool) -> _Sample | None:
        """Return the sample for observations: where these equal the next ones, by its gradient."""
        same = [s for s in reversed(self._samples) if _same(s.observations, observations)]
        return min(same, key=lambda s: s.learns != learns, default=None)

    def _evaluate(self) -> None:
        """Recompute Q-values with the parameters that the loss was computed with."""
        if self.next_actions is None and not self.learner.over_actions:
            return
        learner, batch, critic = self.learner, self.batch, self.learner.critic
        with untouched(learner.model.policy):
            values = learner.q_values(batch.observations, batch.actions)
            again = learner.q_values(batch.observations, batch.actions)
            target, online = (
                learner.next_values(networks[critic], batch.next_observations, self.next_actions)
                for networks in (learner.targets, learner.networks)
            )
        self._values = values, target, online
        self._random = not torch.equal(values, again)

    def _td(self) -> TDTargets | None:
        if not self._losses or self._values is None or self._random:
            return None
        batch, sample = self.batch, self._sample_of(self.batch.next_observations, learns=False)
        discounts = getattr(batch, "discounts", None)
        rewards = _array(batch.rewards).reshape(-1)
        gammas = np.full(len(rewards), self.gamma) if discounts is None else _array(discounts)
        losses = self._losses
        return TDTargets(
            rewards=rewards,
            dones=_array(batch.dones).reshape(-1),
            discounts=gammas.reshape(-1),
            targets=np.stack([_array(x.target).reshape(-1) for x in losses]),
            predictions=np.stack([_array(x.prediction).reshape(-1) for x in losses]),
            shapes=tuple((tuple(x.prediction.shape), tuple(x.target.shape)) for x in losses),
            carries_gradient=any(x.carries_gradient for x in losses),
            q_values=_array(self._values[0]),
            next_target=_array(self._values[1]),
            next_online=_array(self._values[2]),
            next_log_probs=_array(sample.log_probs) if sample else None,
            alpha=self._alpha,
            over="actions" if self.learner.over_actions else "critics",
        )


def _leaves(tensor: Tensor) -> set[int]:
    """Return the ids of the tensors that a gradient of `tensor` would flow into."""
    if tensor.grad_fn is None:
        return {id(tensor)} if tensor.requires_grad else set()
    found, seen, stack = set(), {tensor.grad_fn}, [tensor.grad_fn]
    while stack:
        node = stack.pop()
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found.add(id(leaf))
        following = [n for n, _ in node.next_functions if n is not None and n not in seen]
        seen.update(following)
        stack.extend(following)
    return found


def _same(left: Any, right: Any) -> bool:
    if left is right:
        return True
    tensors = isinstance(left, Tensor) and isinstance(right, Tensor)
    return tensors and left.shape == right.shape and torch.equal(left, right)


def _copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Array]:
    return {name: _array(tensor) for name, tensor in tensors.items()}


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy().copy()
