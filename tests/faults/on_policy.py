"""Faulty on-policy trainers: Stable-Baselines3 with one mistake each, and what must be said of it.

Every fault is injected where a programmer would make it: in the rollout buffer or in the policy.
"""

from dataclasses import dataclass

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import VecEnvWrapper


class RawRewards(VecEnvWrapper):
    """Remembers rewards and infos as the environment gave them."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        obs, rewards, dones, infos = self.venv.step_wait()
        self.raw, self.infos, self.reset_obs = rewards.copy(), infos, obs
        return obs, rewards, dones, infos


class SignFlipped(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        self.advantages = -self.advantages


class EndsIgnored(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        starts = self.episode_starts.copy()
        self.episode_starts[:] = 0
        super().compute_returns_and_advantage(last_values, np.zeros_like(dones))
        self.episode_starts = starts


class EndsLate(RolloutBuffer):
    """Uses the flag of the step before: 'began an episode' is read as 'ended one'."""

    def compute_returns_and_advantage(self, last_values, dones):
        starts = self.episode_starts.copy()
        self.episode_starts[1:] = starts[:-1]
        self.episode_starts[0] = 0
        super().compute_returns_and_advantage(last_values, starts[-1])
        self.episode_starts = starts


class NoLastValue(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(torch.zeros_like(last_values), dones)


class GammaLambdaSwapped(RolloutBuffer):
    def __init__(self, *args, gamma, gae_lambda, **kwargs):
        super().__init__(*args, gamma=gae_lambda, gae_lambda=gamma, **kwargs)


class LambdaIgnored(RolloutBuffer):
    def __init__(self, *args, gae_lambda, **kwargs):
        super().__init__(*args, gae_lambda=1.0, **kwargs)


class GammaIgnored(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        gamma, self.gamma = self.gamma, 1.0
        super().compute_returns_and_advantage(last_values, dones)
        self.gamma = gamma


class OtherGamma(RolloutBuffer):
    def __init__(self, *args, gamma, **kwargs):
        super().__init__(*args, gamma=0.5 * gamma, **kwargs)


class ReturnsAreAdvantages(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        self.returns = self.advantages.copy()


class NormalisedBeforeReturns(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        self.advantages = (self.advantages - self.advantages.mean()) / self.advantages.std()
        self.returns = self.advantages + self.values


class NoTruncationBootstrap(RolloutBuffer):
    """Stores the environment's rewards without the value that SB3 adds at truncations."""

    env: RawRewards

    def add(self, obs, action, reward, episode_start, value, log_prob):
        super().add(obs, action, self.env.raw, episode_start, value, log_prob)


class ResetObservationBootstrapped(RolloutBuffer):
    """Bootstraps truncations with the value of the next episode's first observation."""

    env: RawRewards
    model: PPO

    def add(self, obs, action, reward, episode_start, value, log_prob):
        reward = self.env.raw.copy()
        with torch.no_grad():
            tensor, _ = self.model.policy.obs_to_tensor(self.env.reset_obs)
            values = self.model.policy.predict_values(tensor).numpy().reshape(-1)
        for i, info in enumerate(self.env.infos):
            if info.get("TimeLimit.truncated"):
                reward[i] += self.gamma * values[i]
        super().add(obs, action, reward, episode_start, value, log_prob)


class TerminalBootstrap(RolloutBuffer):
    """Adds the next value after true terminal states too."""

    env: RawRewards
    model: PPO

    def add(self, obs, action, reward, episode_start, value, log_prob):
        with torch.no_grad():
            tensor, _ = self.model.policy.obs_to_tensor(self.env.reset_obs)
            values = self.model.policy.predict_values(tensor).numpy().reshape(-1)
        reward = reward.copy()
        for i, info in enumerate(self.env.infos):
            if "terminal_observation" in info and not info["TimeLimit.truncated"]:
                reward[i] += self.gamma * values[i]
        super().add(obs, action, reward, episode_start, value, log_prob)


class NextObservation(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        self.observations[:-1] = self.observations[1:].copy()


class Shuffled(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        order = np.random.default_rng(0).permutation(self.buffer_size)
        self.observations = self.observations[order]


class Aliased(RolloutBuffer):
    """Every stored observation is a view of the same array: all equal the last one."""

    def compute_returns_and_advantage(self, last_values, dones):
        super().compute_returns_and_advantage(last_values, dones)
        self.observations[:] = self.observations[-1]


class ClippedAction(RolloutBuffer):
    def add(self, obs, action, *rest):
        super().add(obs, np.clip(action, -0.3, 0.3), *rest)


class ScaledAction(RolloutBuffer):
    def add(self, obs, action, *rest):
        super().add(obs, 2 * action, *rest)


class HalvedLogProb(RolloutBuffer):
    """The mean instead of the sum over two action dimensions."""

    def add(self, obs, action, reward, episode_start, value, log_prob):
        super().add(obs, action, reward, episode_start, value, 0.5 * log_prob)


class ValueOfStepBefore(RolloutBuffer):
    def compute_returns_and_advantage(self, last_values, dones):
        self.values[1:] = self.values[:-1].copy()
        super().compute_returns_and_advantage(last_values, dones)


class BatchNorm(FlattenExtractor):
    """Batch statistics in the policy: another function in training than in collection."""

    def __init__(self, space):
        super().__init__(space)
        self.norm = torch.nn.BatchNorm1d(self.features_dim)

    def forward(self, observations):
        return self.norm(super().forward(observations))


class Dropout(FlattenExtractor):
    def forward(self, observations):
        return torch.nn.functional.dropout(super().forward(observations), 0.5, self.training)


@dataclass(frozen=True)
class Fault:
    """A fault, and the causes that may be named first.

    Attributes:
        name: For reports.
        causes: Acceptable diagnoses; the first finding must be one of them.
        buffer: Faulty rollout buffer, if that is where it sits.
        extractor: Faulty features extractor, if that is where it sits.
        env: Environment it shows in.
    """

    name: str
    causes: tuple[str, ...]
    buffer: type[RolloutBuffer] | None = None
    extractor: type[FlattenExtractor] | None = None
    env: str = "CartPole-v1"


LOG_PROB = ("data.log-prob-mismatch",)
FAULTS = [
    Fault("advantage sign", ("data.advantage-sign-flipped",), SignFlipped),
    Fault("ends ignored", ("data.episode-ends-ignored",), EndsIgnored),
    Fault("ends one step late", ("data.episode-ends-late",), EndsLate),
    Fault("no last value", ("value.no-bootstrap-at-rollout-end",), NoLastValue),
    Fault("no truncation value", ("value.no-bootstrap-at-truncation",), NoTruncationBootstrap),
    Fault("reset value", ("data.reset-observation-bootstrapped",), ResetObservationBootstrapped),
    Fault("terminal value", ("value.bootstrap-at-terminal",), TerminalBootstrap),
    Fault("gamma and lambda", ("configuration.gamma-lambda-swapped",), GammaLambdaSwapped),
    Fault("lambda ignored", ("configuration.lambda-ignored",), LambdaIgnored),
    Fault("gamma ignored", ("configuration.gamma-ignored",), GammaIgnored),
    Fault("another gamma", ("data.wrong-advantage",), OtherGamma),
    Fault("returns", ("data.wrong-return",), ReturnsAreAdvantages),
    Fault("normalised too early", ("data.wrong-advantage",), NormalisedBeforeReturns),
    Fault("next observation", ("data.next-observation-stored",), NextObservation),
    Fault("shuffled", ("data.shuffled",), Shuffled),
    Fault("aliased", ("data.wrong-observation",), Aliased),
    Fault("clipped action", ("data.wrong-action",), ClippedAction, env="Pendulum-v1"),
    Fault("scaled action", ("data.wrong-action",), ScaledAction, env="Pendulum-v1"),
    Fault("halved log-prob", LOG_PROB, HalvedLogProb, env="Pendulum-v1"),
    Fault("value of the step before", ("data.value-mismatch",), ValueOfStepBefore),
    Fault("batch norm", LOG_PROB, extractor=BatchNorm),
    Fault("dropout", LOG_PROB, extractor=Dropout),
]


def make_model(env="CartPole-v1", buffer=None, extractor=None, seed=0, algo=PPO, **settings):
    """Return a trainer on four environments with short episodes, faulty or healthy."""
    limit = {"max_episode_steps": 12}  # both terminal states and truncations in every rollout
    venv = RawRewards(make_vec_env(env, 4, seed=seed, env_kwargs=limit))
    batch = {"batch_size": 50} if algo is PPO else {}
    policy = {"features_extractor_class": extractor} if extractor else {}
    model = algo(
        "MlpPolicy", venv, n_steps=50, gamma=0.97, gae_lambda=0.9, seed=seed, device="cpu",
        rollout_buffer_class=buffer, policy_kwargs=policy, **batch, **settings,
    )  # fmt: skip
    if buffer:
        buffer.env, buffer.model = venv, model
    return model
