"""Stable-Baselines3: from its rollout buffer to a snapshot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from plumbrl.snapshots import OnPolicyUpdate

Array = np.ndarray


class OnPolicyWatch(BaseCallback):
    """Hands every rollout over, just before its first gradient step, and leaves no trace.

    Training with and without the watch gives the same numbers: random state and the buffers of
    normalisation layers are put back.

    Args:
        receive: Called with each snapshot.
        updates: How many updates to look at, from the first on; None for all.
    """

    def __init__(
        self, receive: Callable[[OnPolicyUpdate], None], updates: int | None = None
    ) -> None:
        super().__init__()
        self._receive = receive
        self._updates = updates
        self._seen = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self._updates is None or self._seen < self._updates:
            assert isinstance(self.model, OnPolicyAlgorithm)
            self._receive(snapshot(self.model, self._seen))
        self._seen += 1


def snapshot(model: OnPolicyAlgorithm, update: int) -> OnPolicyUpdate:
    """Return the rollout that `model` is about to learn from.

    Args:
        model: An SB3 on-policy algorithm whose rollout buffer is full.
        update: Index of the update that follows.
    """
    buffer = model.rollout_buffer
    return OnPolicyUpdate(
        step=model.num_timesteps,
        update=update,
        log_probs=buffer.log_probs.copy(),
        log_probs_now=_log_probs_now(model, buffer),
        rewards=buffer.rewards.copy(),
        values=buffer.values.copy(),
        advantages=buffer.advantages.copy(),
        returns=buffer.returns.copy(),
    )


def _log_probs_now(model: OnPolicyAlgorithm, buffer: RolloutBuffer) -> Array:
    """Recompute the stored log-probabilities in training mode, step by step of the rollout."""
    rows = []
    with _untouched(model.policy):
        model.policy.set_training_mode(True)
        for t in range(buffer.buffer_size):
            actions = torch.as_tensor(buffer.actions[t], device=model.device)
            if isinstance(model.action_space, spaces.Discrete):
                actions = actions.long().flatten()
            _, log_prob, _ = model.policy.evaluate_actions(_observations(model, buffer, t), actions)
            rows.append(log_prob.cpu().numpy())
    return np.stack(rows)


def _observations(
    model: OnPolicyAlgorithm, buffer: RolloutBuffer, t: int
) -> torch.Tensor | dict[str, torch.Tensor]:
    if isinstance(buffer, DictRolloutBuffer):
        return {
            key: torch.as_tensor(part[t], device=model.device)
            for key, part in buffer.observations.items()
        }
    return torch.as_tensor(buffer.observations[t], device=model.device)


@contextmanager
def _untouched(policy: torch.nn.Module) -> Iterator[None]:
    """Compute without gradients and put random state, mode and layer buffers back."""
    kept = {name: buffer.clone() for name, buffer in policy.named_buffers()}
    training = policy.training
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        yield
        for name, buffer in policy.named_buffers():
            buffer.copy_(kept[name])
    policy.train(training)
