"""On-policy algorithms: from the rollout to a snapshot."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from plumbrl.adapters.sb3.untouched import untouched
from plumbrl.snapshots import OnPolicyUpdate, Recorded

Array = np.ndarray
T = TypeVar("T")
Observations = dict[str, Array]
ROWS = 4096
"""Observations that are evaluated at a time: hidden layers of more leave the processor's cache."""
ENTRIES = 1 << 22
"""Numbers in them at most, so that images need no more memory than a minibatch of them."""


class OnPolicyWatch(BaseCallback):
    """Records what happens, hands rollouts over before their first gradient step, leaves no trace.

    Training with and without the watch gives the same numbers: random state and the buffers of
    normalisation layers are put back.

    Args:
        receive: Called with each snapshot.
        updates: How many updates to look at, from the first on; None for all.

    Attributes:
        failure: Why it stopped watching; empty if it did not.
    """

    def __init__(
        self, receive: Callable[[OnPolicyUpdate], None], updates: int | None = None
    ) -> None:
        super().__init__()
        self._receive = receive
        self._updates = updates
        self._seen = 0
        self._steps: list[dict[str, Any]] = []
        self.failure = ""

    @property
    def _watching(self) -> bool:
        more = self._updates is None or self._seen < self._updates
        return more and not self.failure

    def _on_rollout_start(self) -> None:
        self._steps = []

    def _on_step(self) -> bool:
        if self._watching:
            model = cast(OnPolicyAlgorithm, self.model)
            self._guarded(lambda: self._steps.append(_record_step(model, self.locals)))
        return True

    def _on_rollout_end(self) -> None:
        if self._watching:
            taken = self._guarded(self._snapshot)
            if taken is not None:
                self._receive(taken)
        self._seen += 1

    def _snapshot(self) -> OnPolicyUpdate:
        model = cast(OnPolicyAlgorithm, self.model)
        return snapshot(model, self._seen, _recorded(model, self._steps, self.locals))

    def _guarded(self, look: Callable[[], T]) -> T | None:
        """An error of the watch ends the watch, not the training."""
        try:
            return look()
        except Exception as error:
            self.failure = f"watching failed: {type(error).__name__}: {error}"
            return None


def snapshot(
    model: OnPolicyAlgorithm, update: int, recorded: Recorded | None = None
) -> OnPolicyUpdate:
    """Return the rollout that `model` is about to learn from.

    Args:
        model: An SB3 on-policy algorithm whose rollout buffer is full.
        update: Index of the update that follows.
        recorded: What really happened, if it was watched.
    """
    buffer = model.rollout_buffer
    values_now, log_probs_now = _recomputed(model, buffer)
    return OnPolicyUpdate(
        step=model.num_timesteps,
        update=update,
        gamma=model.gamma,
        gae_lambda=model.gae_lambda,
        observations=by_name(buffer.observations),
        actions=buffer.actions.copy(),
        log_probs=buffer.log_probs.copy(),
        values=buffer.values.copy(),
        advantages=buffer.advantages.copy(),
        returns=buffer.returns.copy(),
        log_probs_now=log_probs_now,
        values_now=values_now,
        recorded=recorded,
    )


def _record_step(model: OnPolicyAlgorithm, local: dict[str, Any]) -> dict[str, Any]:
    """Copy a step before SB3 changes it: it adds the bootstrap to the rewards in place."""
    dones, infos = np.array(local["dones"], dtype=bool), local["infos"]
    truncated = np.array(
        [
            done and bool(info.get("TimeLimit.truncated"))
            for done, info in zip(dones, infos, strict=True)
        ]
    )
    finals = [info.get("terminal_observation") for info in infos]
    return {
        "observations": by_name(model._last_obs),  # type: ignore[arg-type]
        "actions": np.array(local["actions"]),
        "rewards": np.array(local["rewards"], dtype=np.float64),
        "values": local["values"].detach().cpu().numpy().reshape(-1).astype(np.float64),
        "terminated": dones & ~truncated,
        "truncated": truncated,
        "final_values": _final_values(model, truncated, finals),
        "episode_starts": np.array(model._last_episode_starts, dtype=bool),
    }


def _recorded(
    model: OnPolicyAlgorithm, steps: list[dict[str, Any]], local: dict[str, Any]
) -> Recorded:
    stacked = {
        key: np.stack([step[key] for step in steps]) for key in steps[0] if key != "observations"
    }
    names = steps[0]["observations"]
    observations = {key: np.stack([s["observations"][key] for s in steps]) for key in names}
    with untouched(model.policy):
        model.policy.set_training_mode(False)
        tensor, _ = model.policy.obs_to_tensor(local["new_obs"])
        last = model.policy.predict_values(tensor).cpu().numpy().reshape(-1).astype(np.float64)
    return Recorded(observations=observations, last_values=last, **stacked)


def _final_values(model: OnPolicyAlgorithm, truncated: Array, finals: list[Any]) -> Array:
    values = np.zeros(len(truncated))
    if not truncated.any():
        return values
    with untouched(model.policy):
        model.policy.set_training_mode(False)
        for i in np.flatnonzero(truncated):
            if finals[i] is not None:
                tensor, _ = model.policy.obs_to_tensor(finals[i])
                values[i] = float(model.policy.predict_values(tensor))
    return values


def _recomputed(model: OnPolicyAlgorithm, buffer: RolloutBuffer) -> tuple[Array, Array]:
    """Recompute values and log-probabilities in training mode, many rows at a time."""
    shape = buffer.actions.shape[:2]
    observations = {key: _rows(part) for key, part in named_parts(buffer.observations).items()}
    actions = _rows(buffer.actions)
    values, log_probs = [], []
    with untouched(model.policy):
        model.policy.set_training_mode(True)
        for rows in _chunks(observations):
            value, log_prob = _evaluated(
                model, {key: part[rows] for key, part in observations.items()}, actions[rows]
            )
            values.append(value.cpu().numpy().reshape(-1))
            log_probs.append(log_prob.cpu().numpy())
    return np.concatenate(values).reshape(shape), np.concatenate(log_probs).reshape(shape)


def _chunks(observations: Observations) -> Iterator[slice]:
    """Yield parts of nearly equal size: a single row has no batch statistics."""
    rows = len(next(iter(observations.values())))
    width = sum(part[0].size for part in observations.values())
    count = -(-rows // min(max(ENTRIES // max(width, 1), 1), ROWS))
    edges = np.linspace(0, rows, count + 1, dtype=int)
    yield from (slice(*edge) for edge in itertools.pairwise(edges))


def _evaluated(
    model: OnPolicyAlgorithm, observations: Observations, actions: Array
) -> tuple[torch.Tensor, torch.Tensor]:
    given = torch.as_tensor(actions, device=model.device)
    if isinstance(model.action_space, spaces.Discrete):
        given = given.long().flatten()
    seen = {k: torch.as_tensor(part, device=model.device) for k, part in observations.items()}
    value, log_prob, _ = model.policy.evaluate_actions(seen.get("", seen), given)  # type: ignore[arg-type]
    return value, log_prob


def _rows(array: Array) -> Array:
    return array.reshape(-1, *array.shape[2:])


def named_parts(observations: Array | dict[str, Array]) -> Observations:
    """Return observations by name, the name empty for plain arrays; nothing is copied."""
    return observations if isinstance(observations, dict) else {"": observations}


def by_name(observations: Array | dict[str, Array]) -> Observations:
    """Return copies of observations by name, the name empty for plain arrays."""
    return {key: np.array(part) for key, part in named_parts(observations).items()}
