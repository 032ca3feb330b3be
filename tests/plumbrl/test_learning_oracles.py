"""From the rollout to the weights: every planted fault is named, healthy updates are silent."""

import dataclasses

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecNormalize

from faults.learning import FAULTS, make_learner
from faults.mistaken import FaultyA2C, FaultyPPO
from learners import BOX, Constant, Spaces, complaints, healthy, watched
from plumbrl.causes import catalogue
from plumbrl.oracles import check_learning
from plumbrl.snapshots import fingerprint


def findings(model, updates=1):
    outcomes = check_learning(watched(model, updates)[-1])
    failed = [check for check, _ in outcomes if check.verdict == "failed"]
    found = [f for _, f in outcomes if f]
    assert len(failed) == len(found)
    return found


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.name}, {f.algo.__name__}")
@pytest.mark.parametrize("seed", range(2))
def test_planted_faults_are_named_in_their_first_update(fault, seed):
    found = findings(make_learner(fault, seed=seed), fault.updates)
    assert found, "not noticed"
    assert found[0].cause in fault.causes
    assert found[0].evidence


def test_a_layer_that_is_not_used_is_named():
    model = healthy()
    model.policy.unused = torch.nn.Linear(2, 2)
    model.policy.optimizer.add_param_group({"params": model.policy.unused.parameters()})
    assert [f.cause for f in findings(model)] == ["network.no-gradient"]


def test_dead_units_are_named():
    model = healthy(policy_kwargs={"activation_fn": torch.nn.ReLU})
    with torch.no_grad():
        model.policy.mlp_extractor.policy_net[0].bias.fill_(-100.0)
    assert [f.cause for f in findings(model)] == ["network.zero-gradient"]


def test_every_named_cause_is_in_the_catalogue():
    for fault in FAULTS:
        assert set(fault.causes) <= set(catalogue())


@pytest.mark.parametrize("algo", [FaultyPPO, FaultyA2C])
def test_the_faulty_learners_are_healthy_without_their_mistakes(algo):
    assert complaints(watched(make_learner(algo=algo))[0]) == {}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1"])
@pytest.mark.parametrize("algo", [PPO, A2C])
def test_healthy_trainers_are_silent(algo, env, seed):
    for learning in watched(healthy(env, algo, seed=seed), updates=2):
        assert complaints(learning) == {}


def test_ratios_that_float32_loses_break_nothing():
    """A policy thrown far away makes whole minibatches of ratios too small for it."""
    for learning in watched(healthy("Pendulum-v1", PPO, seed=0, learning_rate=0.3), updates=2):
        assert complaints(learning) == {}


SETTINGS = {
    "defaults": {"ent_coef": 0.0},
    "values clipped": {"clip_range_vf": 0.05},
    "not normalised": {"normalize_advantage": False},
    "odd batches": {"batch_size": 64},
    "separate extractors": {"policy_kwargs": {"share_features_extractor": False}},
    "fast": {"learning_rate": 3e-2, "n_epochs": 10},
    "schedule": {"learning_rate": lambda left: 1e-3 * (left + 0.5), "clip_range": lambda _: 0.1},
    "SGD": {"policy_kwargs": {"optimizer_class": torch.optim.SGD}},
}


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_healthy_with_every_setting(env, settings):
    model = healthy(env, **settings)
    for learning in watched(model, updates=2):
        assert complaints(learning) == {}


@pytest.mark.parametrize("seed", range(3))
def test_healthy_when_the_kl_limit_ends_the_update(seed):
    model = healthy(seed=seed, target_kl=1e-3, learning_rate=1e-2)
    (learning,) = watched(model)
    assert 0 < len(learning.optimiser_steps) < len(learning.minibatches) < 16
    assert complaints(learning) == {}


def test_healthy_with_normalisers():
    venv = VecNormalize(make_vec_env("CartPole-v1", 4, env_kwargs={"max_episode_steps": 12}))
    model = PPO("MlpPolicy", venv, n_steps=64, batch_size=64, seed=0, device="cpu")
    assert complaints(watched(model)[0]) == {}


SPACES = {
    "many discrete actions": (BOX, spaces.MultiDiscrete([2, 3])),
    "binary actions": (BOX, spaces.MultiBinary(2)),
    "discrete observations": (spaces.Discrete(5), spaces.Discrete(2)),
    "double precision": (spaces.Box(-1, 1, (3,), np.float64), spaces.Box(-1, 1, (1,), np.float64)),
    "dictionary": (spaces.Dict({"b": BOX, "a": spaces.Discrete(3)}), spaces.Discrete(3)),
}


@pytest.mark.parametrize("algo", [PPO, A2C])
@pytest.mark.parametrize("both", SPACES.values(), ids=SPACES)
def test_healthy_on_every_space(both, algo):
    policy = "MultiInputPolicy" if isinstance(both[0], spaces.Dict) else "MlpPolicy"
    model = healthy(lambda: Monitor(Spaces(*both)), algo, policy)
    assert complaints(watched(model)[0]) == {}


def test_healthy_with_state_dependent_noise_says_what_it_cannot_see():
    policy = {"squash_output": True}
    model = healthy("Pendulum-v1", use_sde=True, sde_sample_freq=4, policy_kwargs=policy)
    reasons = complaints(watched(model)[0])
    assert reasons == {"entropy bonus recomputed": "the distribution has no closed-form entropy"}


def test_a_learning_rate_of_zero_is_no_fault():
    model = healthy(learning_rate=lambda left: 1e-3 * left)
    reasons = complaints(watched(model)[0])
    assert list(reasons.values()) == ["the learning rate is 0 in this update"]


def test_equal_advantages_are_no_fault():
    """Normalising rounding errors gives anything; the checks must not call that wrong."""
    (learning,) = watched(healthy(env=lambda: Monitor(Constant()), gae_lambda=0.0, gamma=0.0))
    assert not [check for check, _ in check_learning(learning) if check.verdict == "failed"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("field", ["advantages", "returns", "log_probs", "values"])
def test_numbers_that_are_none_break_no_check(field, bad):
    (learning,) = watched(healthy())
    batch = learning.minibatches[0]
    broken = getattr(batch.samples, field).copy()
    broken[3] = bad
    samples = dataclasses.replace(batch.samples, **{field: broken})
    minibatches = (dataclasses.replace(batch, samples=samples), *learning.minibatches[1:])
    outcomes = check_learning(dataclasses.replace(learning, minibatches=minibatches))
    assert outcomes[0][1].cause == "data.minibatch-altered"


def test_fingerprints_are_equal_for_equal_rows_only():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5000, 7))
    assert len(np.unique(fingerprint(rows))) == 5000
    np.testing.assert_array_equal(fingerprint(rows), fingerprint(rows.astype(np.float32)))
    np.testing.assert_array_equal(fingerprint(rows[::-1]), fingerprint(rows)[::-1])
    assert (fingerprint(rows[:, ::-1]) != fingerprint(rows)).all()
    zero, minus_zero = fingerprint(np.array([[0.0], [-0.0]]))
    assert zero == minus_zero
