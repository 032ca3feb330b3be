"""What happened at the environments' edge, and what the replay buffer made of it."""

from collections import deque
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from plumbrl.adapters.sb3.on_policy import by_name
from plumbrl.snapshots.learning import fingerprint
from plumbrl.snapshots.replay import Array, DrawnRows, StoredTransitions, Transitions


class Recorder:
    """Copies transitions as they happen, before SB3 or the next step can change them.

    Args:
        model: The trainer, which has observed its first state.
        length: How many steps to keep.
    """

    def __init__(self, model: OffPolicyAlgorithm, length: int) -> None:
        self._model = model
        self._steps: deque[dict[str, Any]] = deque(maxlen=length)
        self._normaliser = model.get_vec_normalize_env()
        self.restart()
        self.ends = {"terminated": 0, "truncated": 0}

    def restart(self) -> None:
        """Forget everything: steps that follow those forgotten would not be the last stored."""
        self._steps.clear()
        self._last = self._original(self._model._last_obs)

    def record(self, local: dict[str, Any]) -> None:
        """Copy a step from the local variables of the loop that collects."""
        model, infos = self._model, local["infos"]
        dones = np.array(local["dones"], dtype=bool)
        limit = np.array([bool(info.get("TimeLimit.truncated")) for info in infos])
        following = self._original(local["new_obs"])
        next_obs, given = self._with_finals(following, dones, infos)
        self._steps.append(
            {
                "observations": self._last,
                "actions": np.array(local["actions"]),
                "next_observations": next_obs,
                "following": following,
                "rewards": self._original_rewards(local["rewards"]),
                "terminated": dones & ~limit,
                "truncated": dones & limit,
                "final_given": given,
                "warm_up": _must_be_random(model),
            }
        )
        self._last = following
        self.ends["terminated"] += int((dones & ~limit).sum())
        self.ends["truncated"] += int((dones & limit).sum())

    def transitions(self) -> tuple[Transitions, StoredTransitions] | None:
        """Return the last steps as they happened and as they are stored; None without any."""
        buffer = self._model.replay_buffer
        assert buffer is not None
        count = min(len(self._steps), buffer.size())
        if count == 0:
            return None
        steps = list(self._steps)[-count:]
        happened = Transitions(**{key: _stack([s[key] for s in steps]) for key in steps[0]})
        rows = (np.arange(-count, 0) + buffer.pos) % buffer.buffer_size
        kept = not buffer.optimize_memory_usage
        stored = StoredTransitions(
            observations=_rows(buffer.observations, rows),
            actions=buffer.actions[rows],
            next_observations=_rows(buffer.next_observations, rows) if kept else {},
            rewards=buffer.rewards[rows],
            dones=buffer.dones[rows],
            timeouts=buffer.timeouts[rows],
        )
        return happened, stored

    def _original(self, observations: Any) -> dict[str, Array]:
        if self._normaliser is not None:
            observations = self._normaliser.get_original_obs()
        return by_name(observations)

    def _original_rewards(self, rewards: Array) -> Array:
        if self._normaliser is not None:
            rewards = self._normaliser.get_original_reward()
        return np.array(rewards, dtype=np.float64)

    def _with_finals(
        self, following: dict[str, Array], dones: Array, infos: list[Any]
    ) -> tuple[dict[str, Array], Array]:
        """Put the last observations of ended episodes in place of the next ones' first."""
        given = np.ones(len(dones), dtype=bool)
        if not dones.any():
            return following, given
        next_obs = {key: part.copy() for key, part in following.items()}
        for i in np.flatnonzero(dones):
            final = infos[i].get("terminal_observation")
            given[i] = final is not None
            if final is not None:
                undo = self._normaliser.unnormalize_obs if self._normaliser else None
                for key, part in by_name(undo(final) if undo else final).items():
                    next_obs[key][i] = part
        return next_obs, given


def drawn_rows(model: OffPolicyAlgorithm, batch: Any, rows: Array) -> DrawnRows | None:
    """Return a batch beside the rows it was drawn from; None if it is more than a selection."""
    buffer: Any = model.replay_buffer
    if isinstance(buffer, NStepReplayBuffer | HerReplayBuffer) or buffer.optimize_memory_usage:
        return None
    normaliser = model.get_vec_normalize_env()
    there = [rows[:, None], np.arange(buffer.n_envs)[None]]
    held = [_at(part, *there) for part in (buffer.observations, buffer.next_observations)]
    held = [buffer._normalize_obs(part, normaliser) for part in held]
    dones, timeouts = buffer.dones[*there], buffer.timeouts[*there]
    drawn = (batch.observations, batch.next_observations, batch.actions)
    return DrawnRows(
        drawn=tuple(_fingerprints(part, 1) for part in drawn),
        held=tuple(_fingerprints(part, 2) for part in (*held, buffer.actions[*there])),
        drawn_rewards=batch.rewards.cpu().numpy().reshape(-1),
        held_rewards=buffer._normalize_reward(buffer.rewards[*there], normaliser),
        drawn_dones=batch.dones.cpu().numpy().reshape(-1),
        held_dones=dones * (1 - timeouts),
        ended=dones,
    )


def normaliser_round_trip(model: OffPolicyAlgorithm) -> dict[str, tuple[Array, Array]]:
    """Normalise the last observation and undo it, where no value was clipped; in units of scale."""
    normaliser = model.get_vec_normalize_env()
    if normaliser is None or not normaliser.norm_obs:
        return {}
    there = normaliser.normalize_obs(normaliser.get_original_obs())
    back, known = by_name(normaliser.unnormalize_obs(there)), _statistics(normaliser)
    trips = {}
    for key, original in by_name(normaliser.get_original_obs()).items():
        if key not in known:
            continue
        scale = np.abs(known[key].mean) + np.sqrt(known[key].var + normaliser.epsilon)
        inside = np.abs(by_name(there)[key]) < normaliser.clip_obs
        pair = (back[key] / scale)[inside], (original / scale)[inside]
        trips[f"normalised observations {key}".strip()] = pair
    return trips


def action_round_trip(model: OffPolicyAlgorithm) -> dict[str, tuple[Array, Array]]:
    """Bring a grid of actions into the environment's scale and back."""
    if not isinstance(model.action_space, spaces.Box):
        return {}
    grid = np.linspace(-1.0, 1.0, 9)[(slice(None),) + (None,) * len(model.action_space.shape)]
    scaled = np.broadcast_to(grid, (9, *model.action_space.shape)).astype(np.float32)
    return {"actions": (model.policy.scale_action(model.policy.unscale_action(scaled)), scaled)}


def _statistics(normaliser: VecNormalize) -> dict[str, Any]:
    known = normaliser.obs_rms
    return known if isinstance(known, dict) else {"": known}


def _must_be_random(model: OffPolicyAlgorithm) -> Array:
    """Whether the action just taken had to be uniform; SB3 has counted its step already."""
    early = model.num_timesteps - model.n_envs < model.learning_starts
    return np.array(early and model.action_noise is None and not model.use_sde_at_warmup)


def _at(stored: Any, rows: Array, envs: Array) -> Any:
    if isinstance(stored, dict):
        return {key: part[rows, envs] for key, part in stored.items()}
    return stored[rows, envs]


def _fingerprints(part: Any, axes: int) -> Array:
    """Return one number per row of tensors or arrays whose first `axes` axes count rows."""
    parts = [np.asarray(x) for x in (part.values() if isinstance(part, dict) else [part])]
    shape = parts[0].shape[:axes]
    return fingerprint(*(x.reshape(int(np.prod(shape)), -1) for x in parts)).reshape(shape)


def _stack(parts: list[Any]) -> Any:
    if isinstance(parts[0], dict):
        return {key: np.stack([part[key] for part in parts]) for key in parts[0]}
    return np.stack(parts)


def _rows(stored: Any, rows: Array) -> dict[str, Array]:
    if isinstance(stored, dict):
        return {key: part[rows] for key, part in stored.items()}
    return {"": stored[rows]}
