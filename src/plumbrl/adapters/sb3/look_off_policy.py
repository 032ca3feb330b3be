"""Off-policy algorithms: the numbers of one update, on a draw of our own from the replay buffer."""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DQN, SAC, TD3

from plumbrl.adapters.sb3.critics import Learner, why_unseen
from plumbrl.adapters.sb3.facts import count_of
from plumbrl.adapters.sb3.on_policy import named_parts
from plumbrl.adapters.sb3.settings import clip_norm
from plumbrl.adapters.sb3.untouched import untouched
from plumbrl.adapters.steps import steps_of
from plumbrl.adapters.torch_layers import activations
from plumbrl.adapters.torch_layers import numbers as layer_numbers
from plumbrl.adapters.torch_update import UpdateWatch, first_not_finite
from plumbrl.metrics import value
from plumbrl.monitor import numbers as named
from plumbrl.snapshots.numbers import Draw, Steps

Array = np.ndarray
Numbers = dict[str, float]
SAMPLE = 256
"""Transitions drawn for a row of numbers."""
EPISODES = 32
"""Ended episodes whose return is compared with the Q-value at their start."""
NETWORKS = ("actor", "critic", "q_net", "quantile_net")
NEGLIGIBLE = 0.05
"""Weight of what follows a truncation, at most, for the return to count as known."""


class Beginnings:
    """Remembers how episodes began, and the discounted return that followed.

    Args:
        gamma: Discount factor.
        num_envs: Environments.
    """

    def __init__(self, gamma: float, num_envs: int) -> None:
        self._gamma = gamma
        self._open: list[Any] = [None] * num_envs
        self._sums, self._weights = np.zeros(num_envs), np.ones(num_envs)
        self.ended: deque[tuple[Any, Array, float]] = deque(maxlen=EPISODES)

    def step(
        self, observations: Any, actions: Array, rewards: Array, dones: Array, infos: Any
    ) -> None:
        """Take a step of all environments.

        Args:
            observations: Before the step, (B, ...), or a dictionary of such.
            actions: As the replay buffer gets them, (B, ...).
            rewards: (B,).
            dones: (B,).
            infos: SB3's, one per environment.
        """
        for i in np.flatnonzero(self._weights == 1.0).tolist():
            if self._open[i] is None:
                self._open[i] = (_row(observations, i), np.array(actions[i]))
        self._sums += self._weights * rewards
        self._weights *= self._gamma
        for i in np.flatnonzero(dones):
            truncated = bool(infos[i].get("TimeLimit.truncated"))
            if self._open[i] is not None and (not truncated or self._weights[i] < NEGLIGIBLE):
                self.ended.append((*self._open[i], float(self._sums[i])))
            self._open[i], self._sums[i], self._weights[i] = None, 0.0, 1.0

    def save(self) -> dict[str, Any]:
        """Return everything, plain data."""
        return {
            "open": list(self._open),
            "sums": self._sums.copy(),
            "weights": self._weights.copy(),
            "ended": list(self.ended),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from an earlier part of the training."""
        self._open = list(saved["open"])
        self._sums, self._weights = saved["sums"].copy(), saved["weights"].copy()
        self.ended.extend(tuple(one) for one in saved["ended"])


class OffPolicyLook:
    """Looks at one call of `train` of an off-policy algorithm.

    Args:
        model: The algorithm, with transitions in its replay buffer.
        beginnings: Of episodes; None if they are not known in the networks' own scale.
        seed: Of the draw.
    """

    def __init__(self, model: Any, beginnings: Beginnings | None, seed: int) -> None:
        self._model, self._beginnings = model, beginnings
        self._rng = np.random.default_rng([seed, model.num_timesteps])
        self.numbers: Numbers = {}
        self.not_finite = ""
        self._learner = None if why_unseen(model) else Learner(model)
        named_networks = {name: getattr(model, name, None) for name in NETWORKS}
        self._networks = {k: v for k, v in named_networks.items() if v is not None}
        self._update = UpdateWatch(
            {k: _trainable(v) for k, v in self._networks.items()},
            clip=clip_norm(model),
            batch_size=model.batch_size,
        )

    def watching(self) -> AbstractContextManager[None]:
        """Look while the update runs."""
        return self._update.watching()

    def finish(self, seconds: float) -> None:
        """Take the numbers of the update that is over, and of the networks it made."""
        model = self._model
        tensors = {
            f"{n}.{k}": p for n, m in self._networks.items() for k, p in _trainable(m).items()
        }
        bad = first_not_finite(tensors)
        self.not_finite = self._update.first_bad or (f"weights: {bad}" if bad else "")
        steps = max(self._update.steps // max(1, len(self._networks)), 1)
        self.numbers["time/learner_per_second"] = steps * model.batch_size / seconds
        self.numbers["data/staleness"] = model.replay_buffer.size() / 2 * model.n_envs
        if bad:
            self.numbers["data/non_finite"] = 1.0
            return
        self.numbers |= named.known(self._update.numbers())
        with untouched(model.policy):
            model.policy.set_training_mode(False)
            self._look()

    def _look(self) -> None:
        batch = self._drawn()
        policy = self._model.policy
        with activations(policy) as found:
            draw = self._draw(batch)
        if not np.isfinite(draw.q_values).all():
            self.not_finite = self.not_finite or "Q-values of stored transitions"
            self.numbers["data/non_finite"] = 1.0
            return
        self.numbers |= named.of_draw(draw) | layer_numbers(found)
        self.numbers |= named.of_steps(self._steps(batch))
        if self._learner is not None:
            followed = [_array(t) for t in self._learner.followed().values()]
            following = [_array(t) for t in self._learner.following().values()]
            self.numbers |= named.known({"value/target_lag": value.distance(followed, following)})

    def _draw(self, batch: Any) -> Draw:
        model = self._model
        q_values = self._q(batch.observations, batch.actions)
        actions, log_probs, std = self._acted(batch.observations)
        q_begin, returns = self._episodes()
        return Draw(
            rewards=_array(batch.rewards).ravel(),
            terminal=_array(batch.dones).ravel() > 0,
            q_values=q_values,
            targets=self._targets(batch),
            gamma=model.gamma,
            actions=actions,
            log_probs=log_probs,
            std=std,
            alpha=0.0 if self._learner is None else self._learner.alpha(),
            episode_q=q_begin,
            episode_returns=returns,
        )

    def _steps(self, batch: Any) -> Steps | None:
        before, after = _parts(batch.observations), _parts(batch.next_observations)
        count = count_of(self._model.action_space)
        return steps_of(before, _array(batch.actions), _array(batch.rewards), after, count)

    def _drawn(self) -> Any:
        """Draw transitions; the global random state is put back."""
        buffer = self._model.replay_buffer
        rows = self._rng.integers(0, buffer.size(), SAMPLE)
        with _numpy_untouched():
            return buffer._get_samples(rows, env=self._model._vec_normalize_env)

    def _q(self, observations: Any, actions: torch.Tensor) -> Array:
        """Return Q by each critic, (n, C); of quantile critics the mean."""
        model = self._model
        if self._learner is not None:
            return _array(self._learner.q_values(observations, actions))
        if hasattr(model, "quantile_net"):
            quantiles = model.quantile_net(observations)
            index = actions.long().unsqueeze(1).expand(-1, quantiles.shape[1], 1)
            return _array(quantiles.gather(2, index).squeeze(2).mean(1, keepdim=True))
        answer = model.critic(observations, actions)
        stacked = torch.cat(answer, dim=1) if isinstance(answer, tuple) else answer
        return _array(stacked.mean(2) if stacked.ndim == 3 else stacked)

    def _targets(self, batch: Any) -> Array | None:
        """One-step targets of DQN, SAC, TD3; of others, they cannot be computed here."""
        model, learner = self._model, self._learner
        if learner is None:
            return None
        if isinstance(model, DQN):
            following = model.q_net_target(batch.next_observations).max(1).values
        elif isinstance(model, SAC):
            actions, log_probs = model.actor.action_log_prob(batch.next_observations)
            q = torch.cat(model.critic_target(batch.next_observations, actions), 1).min(1).values
            following = q - learner.alpha() * log_probs
        elif isinstance(model, TD3):
            actions = model.actor_target(batch.next_observations)
            following = torch.cat(model.critic_target(batch.next_observations, actions), 1)
            following = following.min(1).values
        else:
            return None
        rewards, dones = batch.rewards.ravel(), batch.dones.ravel()
        return _array(rewards + (1 - dones) * model.gamma * following)

    def _acted(self, observations: Any) -> tuple[Array | None, Array | None, Array | None]:
        """Return actions of the policy, their log-probabilities, and the noise before squashing."""
        actor = getattr(self._model, "actor", None)
        if actor is None:
            return None, None, None
        if not hasattr(actor, "action_log_prob"):
            return _array(actor(observations)), None, None
        actions, log_probs = actor.action_log_prob(observations)
        spread = actor.action_dist.distribution.stddev  # of the answer just given; also with gSDE
        return _array(actions), _array(log_probs), _array(spread.expand_as(actions))

    def _episodes(self) -> tuple[Array | None, Array | None]:
        ended = [] if self._beginnings is None else list(self._beginnings.ended)
        if len(ended) < 5:
            return None, None
        observations, actions, returns = zip(*ended, strict=True)
        if isinstance(observations[0], dict):
            return None, None
        seen = torch.as_tensor(np.stack(observations), device=self._model.device)
        given = torch.as_tensor(np.stack(actions), device=self._model.device)
        return self._q(seen, given.reshape(len(given), -1))[:, 0], np.array(returns)


def _trainable(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _parts(observations: Any) -> dict[str, Array]:
    tensors: Any = named_parts(observations)
    return {key: part.detach().cpu().numpy() for key, part in tensors.items()}


def _row(observations: Any, i: int) -> Any:
    if isinstance(observations, dict):
        return {key: np.array(part[i]) for key, part in observations.items()}
    return np.array(observations[i])


def _array(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float64)


@contextmanager
def _numpy_untouched() -> Iterator[None]:
    state = np.random.get_state()  # noqa: NPY002 (SB3's buffers draw from it)
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
