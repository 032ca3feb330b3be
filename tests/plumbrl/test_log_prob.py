"""Stored log-probabilities: silent on the healthy, loud on planted faults, no trace left."""

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import FlattenExtractor

from plumbrl.adapters.sb3 import OnPolicyWatch
from plumbrl.oracles import check_log_probs
from plumbrl.snapshots import OnPolicyUpdate


def update(stored, now, step=64):
    zeros = np.zeros_like(stored)
    return OnPolicyUpdate(step, 0, stored, now, zeros, zeros, zeros, zeros)


def test_equal_passes_and_different_fails():
    stored = np.linspace(-5, 1, 40).reshape(10, 4)
    check, found = check_log_probs(update(stored, stored + 1e-5))
    assert (check.verdict, found) == ("passed", None)
    off = stored.copy()
    off[3, 2] += 0.1
    check, found = check_log_probs(update(stored, off))
    assert check.verdict == "failed"
    assert found.cause == "data.log-prob-mismatch"
    assert found.step == 64
    assert found.evidence[0].value == pytest.approx(1 / 40)
    assert found.evidence[1].value == pytest.approx(0.1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_fail(bad):
    stored = np.zeros((3, 2))
    now = stored.copy()
    now[0, 0] = bad
    assert check_log_probs(update(stored, now))[0].verdict == "failed"
    assert check_log_probs(update(now, stored))[0].verdict == "failed"
    assert check_log_probs(update(now, now))[0].verdict == "failed"


def first_check(model, steps=128):
    seen = []
    model.learn(steps, OnPolicyWatch(seen.append, updates=1))
    assert len(seen) == 1
    return check_log_probs(seen[0])[0].verdict


@pytest.mark.parametrize("algo", [PPO, A2C])
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_healthy_trainers_are_silent(algo, env):
    steps = {"n_steps": 32} | ({"batch_size": 32} if algo is PPO else {})
    assert first_check(algo("MlpPolicy", env, seed=0, device="cpu", **steps)) == "passed"


def test_healthy_on_dictionaries_and_many_environments():
    from ballbot import BallbotVectorEnv

    env = BallbotVectorEnv(8).to_sb3()
    model = PPO("MultiInputPolicy", env, n_steps=16, batch_size=64, seed=0, device="cpu")
    assert first_check(model) == "passed"


class Normalising(FlattenExtractor):
    """Batch statistics in the policy: another function in training than in collection."""

    def __init__(self, space):
        super().__init__(space)
        self.norm = torch.nn.BatchNorm1d(self.features_dim)

    def forward(self, observations):
        return self.norm(super().forward(observations))


class Dropping(FlattenExtractor):
    """Dropout in the policy."""

    def forward(self, observations):
        return torch.nn.functional.dropout(super().forward(observations), 0.5, self.training)


class ClippedBeforeStoring(PPO):
    """Overwrites stored actions by clipped ones: the classic mistake with Gaussian policies."""

    def collect_rollouts(self, env, callback, rollout_buffer, n_rollout_steps):
        add = rollout_buffer.add

        def clipped(obs, action, *rest):
            add(obs, np.clip(action, -0.5, 0.5), *rest)

        rollout_buffer.add = clipped
        return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)


@pytest.mark.parametrize("extractor", [Normalising, Dropping])
def test_layers_that_change_with_the_mode_are_found(extractor):
    model = PPO(
        "MlpPolicy", make_vec_env("Pendulum-v1", 4, seed=0), n_steps=64, batch_size=64, seed=0,
        device="cpu", policy_kwargs={"features_extractor_class": extractor},
    )  # fmt: skip
    assert first_check(model, 256) == "failed"


def test_actions_clipped_before_storing_are_found():
    model = ClippedBeforeStoring("MlpPolicy", "Pendulum-v1", n_steps=64, seed=0, device="cpu")
    assert first_check(model) == "failed"


@pytest.mark.parametrize("extractor", [FlattenExtractor, Dropping, Normalising])
def test_watching_leaves_no_trace(extractor):
    """Weights and layer buffers after training are the same with and without the watch."""
    ends = []
    for watched in (False, True):
        model = PPO(
            "MlpPolicy", make_vec_env("Pendulum-v1", 4, seed=1), n_steps=32, batch_size=64, seed=1,
            device="cpu", policy_kwargs={"features_extractor_class": extractor},
        )  # fmt: skip
        model.learn(256, OnPolicyWatch(lambda _: None) if watched else None)
        ends.append(model.policy.state_dict())
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
