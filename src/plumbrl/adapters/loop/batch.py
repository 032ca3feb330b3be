"""A batch of a hand-written Q-learner, before the optimiser's step: recomputed exactly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from plumbrl.adapters.loop.arrays import array
from plumbrl.findings import Check
from plumbrl.oracles.compare import Outcome
from plumbrl.oracles.td_targets import check_loss_operands, check_predictions, check_td_targets
from plumbrl.snapshots.off_policy import (
    GradientStep,
    OffPolicyUpdate,
    TargetNetworks,
    TDTargets,
)

Array = np.ndarray
Tensor = torch.Tensor
RANDOM = (torch.nn.modules.dropout._DropoutNd, torch.nn.modules.batchnorm._BatchNorm)
"""Layers whose answers change, or that change, when they are asked."""


@dataclass(frozen=True)
class Batch:
    """What a loop says of a batch of `n` transitions.

    Attributes:
        observations: As the network gets them, (n, ...).
        actions: Indices, (n,).
        rewards: (n,).
        next_observations: (n, ...).
        terminal: Whether nothing follows, (n,).
        targets: As they enter the loss.
        predictions: What they are compared with.
    """

    observations: Tensor
    actions: Tensor
    rewards: Array
    next_observations: Tensor
    terminal: Array
    targets: Tensor
    predictions: Tensor

    @classmethod
    def of(cls, given: Mapping[str, Any], like: Tensor) -> "Batch":
        """Return what a loop said, on the device of a network's tensor."""

        def tensor(name: str) -> Tensor:
            return torch.as_tensor(given[name]).to(like.device)

        def numbers(name: str) -> Array:
            return array(name, given[name]).ravel()

        return cls(
            tensor("observations").to(like.dtype), tensor("actions").reshape(-1).long(),
            numbers("rewards"), tensor("next_observations").to(like.dtype), numbers("terminal"),
            tensor("targets"), tensor("predictions"),
        )  # fmt: skip


def can_be_asked(network: torch.nn.Module) -> bool:
    """Whether asking a network changes nothing, and gives the same answer twice."""
    return not any(isinstance(part, RANDOM) and part.training for part in network.modules())


def recomputed(
    batch: Batch, online: torch.nn.Module, target: torch.nn.Module | None, gamma: float, at: int
) -> list[Outcome]:
    """Compare predictions and targets with those of the networks.

    Without a target network, targets of the trained one are what is expected.

    Args:
        batch: Of a gradient step that has not been made.
        online: Network that is trained; gives (n, A).
        target: The one that targets come from; None if there is none.
        gamma: Discount factor.
        at: Index of the gradient step.
    """
    update = _update(_td(batch, online, target or online, gamma), gamma, at)
    checks: tuple[Callable[[OffPolicyUpdate], Outcome], ...]
    checks = (check_loss_operands, check_predictions, check_td_targets)
    return [check(update) for check in checks]


def _td(
    batch: Batch, online: torch.nn.Module, target: torch.nn.Module, gamma: float
) -> TDTargets:  # fmt: skip
    with torch.no_grad():
        rows = torch.arange(len(batch.actions), device=batch.actions.device)
        q = online(batch.observations)[rows, batch.actions]
        following = [_numpy(net(batch.next_observations)) for net in (target, online)]
    shapes = ((tuple(batch.predictions.shape), tuple(batch.targets.shape)),)
    return TDTargets(
        rewards=batch.rewards,
        dones=(batch.terminal > 0).astype(np.float64),
        discounts=np.full(len(batch.rewards), gamma),
        targets=_numpy(batch.targets).reshape(1, -1),
        predictions=_numpy(batch.predictions).reshape(1, -1),
        shapes=shapes,
        carries_gradient=flows(batch.targets, online),
        q_values=_numpy(q)[:, None],
        next_target=following[0],
        next_online=following[1],
        next_log_probs=None,
        alpha=0.0,
        over="actions",
    )


def flows(values: Tensor, online: torch.nn.Module) -> bool:
    """Return whether a gradient of values reaches a network."""
    if not values.requires_grad:
        return False
    trained = [p for p in online.parameters() if p.requires_grad]
    parts = torch.autograd.grad(values.sum(), trained, retain_graph=True, allow_unused=True)
    return any(part is not None and bool(part.any()) for part in parts)


def _update(td: TDTargets, gamma: float, at: int) -> OffPolicyUpdate:
    still = TargetNetworks({}, {}, {}, {}, 0, 1.0, 0, "")
    step = GradientStep(None, td, None, None, (), {}, frozenset(), still)
    return OffPolicyUpdate(
        step=0, update=at, gamma=gamma, gradient_steps=(step,), unseen="", happened=None,
        stored=None, action_low=None, action_high=None, round_trips={}, sampled_ages=None, rows=0,
        target_entropy=None,
    )  # fmt: skip


def not_asked(name: str, why: str) -> Outcome:
    """Return the outcome of a look that was not possible."""
    return Check(name, "skipped", why), None


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().double().cpu().numpy()
