"""Exact identities: every planted fault is named in the first rollout, healthy runs are silent."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from faults.on_policy import FAULTS, BatchNorm, Dropout, make_model
from plumbrl.adapters.sb3 import OnPolicyWatch
from plumbrl.causes import catalogue
from plumbrl.oracles import check_log_probs, check_transitions, check_update
from plumbrl.oracles.advantages import gae


def first_update(model):
    seen = []
    model.learn(model.n_steps * model.n_envs, OnPolicyWatch(seen.append, updates=1))
    (update,) = seen
    return update


def verdicts(model):
    outcomes = check_update(first_update(model))
    return [check.verdict for check, _ in outcomes], [f for _, f in outcomes if f]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("algo", [PPO, A2C])
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1"])
def test_healthy_trainers_are_silent(algo, env, seed):
    assert verdicts(make_model(env, algo=algo, seed=seed)) == (["passed"] * 4, [])


def test_healthy_with_normalisers():
    venv = VecNormalize(make_vec_env("CartPole-v1", 4, env_kwargs={"max_episode_steps": 12}))
    model = PPO("MlpPolicy", venv, n_steps=64, batch_size=64, seed=0, device="cpu")
    assert verdicts(model) == (["passed"] * 4, [])


def test_healthy_on_dictionaries_of_many_robots():
    from ballbot import BallbotVectorEnv

    env = BallbotVectorEnv(8, episode_seconds=0.2).to_sb3()
    model = PPO("MultiInputPolicy", env, n_steps=30, batch_size=60, seed=0, device="cpu")
    assert verdicts(model) == (["passed"] * 4, [])


def test_healthy_in_every_update():
    seen = []
    model = make_model()
    model.learn(5 * 200, OnPolicyWatch(seen.append))
    assert [u.update for u in seen] == list(range(5))
    for update in seen:
        assert all(check.verdict == "passed" for check, _ in check_update(update))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
@pytest.mark.parametrize("seed", range(2))
def test_planted_faults_are_named_in_the_first_rollout(fault, seed):
    _, findings = verdicts(make_model(fault.env, fault.buffer, fault.extractor, seed=seed))
    assert findings, "not noticed"
    assert findings[0].cause in fault.causes
    assert findings[0].confidence == 1.0
    assert findings[0].evidence[0].value > 0


def test_every_named_cause_is_in_the_catalogue():
    for fault in FAULTS:
        assert set(fault.causes) <= set(catalogue())


def slow_gae(rewards, values, terminated, truncated, finals, last, gamma, gae_lambda):
    """One environment, from the definition: the lambda-weighted mean of n-step advantages."""
    n = len(rewards)
    advantages = []
    for t in range(n):
        total, weight = 0.0, 1.0
        for k in range(t, n):
            following = values[k + 1] if k + 1 < n else last
            if terminated[k]:
                following = 0.0
            elif truncated[k]:
                following = finals[k]
            total += weight * (rewards[k] + gamma * following - values[k])
            weight *= gamma * gae_lambda
            if terminated[k] or truncated[k]:
                break
        advantages.append(total)
    return advantages


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 25), st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_gae_agrees_with_its_definition(n, seed, gamma, gae_lambda):
    rng = np.random.default_rng(seed)
    rewards, values, finals = rng.normal(size=(3, n, 2))
    ended = rng.random((n, 2)) < 0.3
    terminated = ended & (rng.random((n, 2)) < 0.5)
    truncated = ended & ~terminated
    last = rng.normal(size=2)
    got = gae(rewards, values, terminated, truncated, finals, last, gamma, gae_lambda)
    for b in range(2):
        columns = (x[:, b] for x in (rewards, values, terminated, truncated, finals))
        expected = slow_gae(*columns, last[b], gamma, gae_lambda)
        np.testing.assert_allclose(got[:, b], expected, atol=1e-9)


def test_gae_by_hand():
    """Two steps, a terminal state, one more step: gamma 0.5, lambda 1, all values 1."""
    column = np.array([[0.0], [1.0], [2.0]])
    end = np.array([[False], [True], [False]])
    never, ones = np.zeros((3, 1), bool), np.ones((3, 1))
    got = gae(column, ones, end, never, 0 * ones, np.array([4.0]), 0.5, 1.0)
    # step 2: 2 + 0.5 * 4 - 1 = 3; step 1: 1 - 1 = 0; step 0: 0 + 0.5 * 1 - 1 + 0.5 * 0 = -0.5
    np.testing.assert_allclose(got[:, 0], [-0.5, 0.0, 3.0])
    got = gae(column, ones, never, end, 6 * ones, np.array([4.0]), 0.5, 1.0)
    # truncated: step 1 is 1 + 0.5 * 6 - 1 = 3, step 0 is -0.5 + 0.5 * 3 = 1
    np.testing.assert_allclose(got[:, 0], [1.0, 3.0, 3.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["log_probs", "log_probs_now", "values", "advantages", "returns"])
def test_numbers_that_are_none_fail_and_break_nothing(bad, field):
    update = first_update(make_model())
    broken = getattr(update, field).copy()
    broken[3, 1] = bad
    outcomes = check_update(dataclasses.replace(update, **{field: broken}))
    assert "failed" in [check.verdict for check, _ in outcomes]
    assert all(f.evidence for _, f in outcomes if f)


def test_without_a_recording_the_rest_says_why_it_is_skipped():
    update = dataclasses.replace(first_update(make_model()), recorded=None)
    check, found = check_transitions(update)
    assert (check.verdict, found) == ("skipped", None)
    assert "record" in check.reason
    assert check_log_probs(update)[0].verdict == "passed"


@pytest.mark.parametrize("extractor", [None, Dropout, BatchNorm])
def test_watching_leaves_no_trace(extractor):
    """Weights and layer buffers after training are the same with and without the watch."""
    ends = []
    for watched in (False, True):
        model = make_model("Pendulum-v1", extractor=extractor, seed=1)
        model.learn(600, OnPolicyWatch(lambda _: None) if watched else None)
        ends.append(model.policy.state_dict())
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
