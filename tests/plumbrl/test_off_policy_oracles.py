"""Off-policy identities: every planted fault is named early, healthy runs are silent."""

import copy
import dataclasses

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import TQC
from stable_baselines3 import DDPG, DQN, SAC, TD3
from stable_baselines3.common.callbacks import CallbackList, CheckpointCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecNormalize

from faults.off_policy import FAULTS, make_model
from faults.off_policy_trainers import FaultyDQN
from plumbrl.adapters.sb3.off_policy import OffPolicyWatch
from plumbrl.causes import catalogue
from plumbrl.oracles.off_policy import check_off_policy_update

STEPS = 110
BROADCAST = "ignore:Using a target size"


def watch(model, steps=STEPS, **settings):
    seen = []
    model.learn(steps, OffPolicyWatch(seen.append, **settings))
    assert seen
    return seen


def judge(updates):
    outcomes = [outcome for update in updates for outcome in check_off_policy_update(update)]
    return [check for check, _ in outcomes], [f for _, f in outcomes if f]


def assert_silent(updates, skipped=()):
    checks, findings = judge(updates)
    assert not findings, findings[0]
    never = {c.name for c in checks} - {c.name for c in checks if c.verdict == "passed"}
    assert never == set(skipped)


ACTOR = {"loss of the actor recomputed", "log-probabilities of squashed actions recomputed"}
NOT_DQN = ACTOR | {
    "target entropy within reach", "scaling there and back", "actions of the warm-up are random",
}  # fmt: skip
NOT_TD3 = {"log-probabilities of squashed actions recomputed", "target entropy within reach"}
UNDESCRIBED = ACTOR | {
    "batches against the replay buffer",
    "operands of the critic's loss", "Q-values in the loss recomputed",
    "temporal-difference targets recomputed", "optimisers keep to their network",
    "every trainable parameter learns", "target networks against their update rule",
    "target entropy within reach",
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("algo", "skipped"), [(DQN, NOT_DQN), (SAC, ()), (TD3, NOT_TD3), (DDPG, NOT_TD3)]
)
def test_healthy_trainers_are_silent(algo, skipped, seed):
    """Episodes that end both ways, at a limit of nine steps or beyond the edge."""
    assert_silent(watch(make_model(algo, seed=seed)), skipped)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("algo", "env"), [(DQN, "CartPole-v1"), (SAC, "Pendulum-v1"), (TD3, "Pendulum-v1")]
)
def test_healthy_on_classical_tasks(algo, env, seed):
    _, findings = judge(watch(make_model(algo, env=env, limit=30, seed=seed)))
    assert not findings


VARIATIONS = {
    "n-step returns": (DQN, {"n_steps": 3}),
    "episodes between updates": (TD3, {"train_freq": (1, "episode"), "n_envs": 1}),
    "several gradient steps": (SAC, {"gradient_steps": 3, "target_update_interval": 2}),
    "state-dependent noise": (SAC, {"use_sde": True}),
    "fixed entropy coefficient": (SAC, {"ent_coef": 0.2}),
    "action noise": (TD3, {"action_noise": NormalActionNoise(np.zeros(2), 0.9 * np.ones(2))}),
    "one critic": (SAC, {"policy_kwargs": {"n_critics": 1}}),
    "shared features": (SAC, {"policy_kwargs": {"share_features_extractor": True}}),
    "memory saved": (
        SAC,
        {
            "optimize_memory_usage": True,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
        },
    ),
    "small buffer": (DQN, {"buffer_size": 90}),
    "soft target": (DQN, {"tau": 0.1, "target_update_interval": 2}),
}


@pytest.mark.parametrize("variation", VARIATIONS)
def test_healthy_variations_are_silent(variation):
    algo, settings = VARIATIONS[variation]
    _, findings = judge(watch(make_model(algo, **settings)))
    allowed = {"value.no-bootstrap-at-truncation"} if variation == "memory saved" else set()
    assert {f.cause for f in findings} <= allowed


class Named(gym.ObservationWrapper):
    """The same observations as a dictionary."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gym.spaces.Dict(
            {"at": env.observation_space, "twice": env.observation_space}
        )

    def observation(self, observation):
        return {"at": observation, "twice": 2 * observation}


@pytest.mark.parametrize("named", [False, True])
def test_healthy_with_normalisers_and_dictionaries(named):
    def one():
        env = gym.make("Pendulum-v1", max_episode_steps=20)
        return Named(env) if named else env

    venv = VecNormalize(make_vec_env(one, 3, seed=0))
    policy = "MultiInputPolicy" if named else "MlpPolicy"
    model = SAC(policy, venv, learning_starts=120, batch_size=64, seed=0, device="cpu",
                policy_kwargs={"net_arch": [32]})  # fmt: skip
    updates = watch(model, 300)
    assert_silent(updates, ())
    assert any("normalised" in name for name in updates[-1].round_trips)


def test_double_dqn_is_accepted_and_said():
    checks, findings = judge(watch(make_model(FaultyDQN, "Double DQN")))
    assert not findings
    assert any("Double DQN" in check.reason for check in checks)


def test_a_random_network_is_skipped_with_the_reason():
    class Dropout(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.dropout(x, 0.5, self.training)

    model = make_model(SAC)
    model.critic.qf0.insert(1, Dropout())
    model.critic_target.qf0.insert(1, Dropout())
    checks, findings = judge(watch(model))
    assert not findings
    (reason,) = {c.reason for c in checks if c.name.startswith("temporal")}
    assert "random" in reason


def test_another_kind_of_target_is_skipped_with_the_reason():
    model = make_model(TQC)
    updates = watch(model)
    assert_silent(updates, UNDESCRIBED)
    assert "TQC" in updates[0].unseen


@pytest.mark.filterwarnings(BROADCAST)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.algo.__name__} {f.name}")
@pytest.mark.parametrize("seed", range(2))
def test_planted_faults_are_named_early(fault, seed):
    model = make_model(
        fault.algo, fault.name, fault.wrapper, seed=seed, **copy.copy(fault.settings)
    )
    _, findings = judge(watch(model))
    assert findings, "not noticed"
    assert findings[0].cause in fault.causes
    assert findings[0].confidence >= 0.9
    assert findings[0].evidence


def test_every_named_cause_is_in_the_catalogue():
    for fault in FAULTS:
        assert set(fault.causes) <= set(catalogue())


@pytest.mark.parametrize(("rested", "accused"), [("actor", True), ("both", False)])
def test_a_network_that_never_learns_is_told_from_a_schedule_that_has_ended(rested, accused):
    model = make_model(TD3)
    model._update_learning_rate = lambda optimizers: None  # SB3 gives all the same rate
    for part in (model.actor, model.critic) if rested == "both" else (model.actor,):
        part.optimizer.param_groups[0]["lr"] = 0.0
    _, findings = judge(watch(model))
    assert ("optimiser.no-update" in {f.cause for f in findings}) == accused


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["targets", "rewards", "next_target", "predictions", "discounts"])
def test_numbers_that_are_none_fail_and_break_nothing(bad, field):
    update = watch(make_model(SAC))[0]
    first = update.gradient_steps[0]
    broken = getattr(first.td, field).copy()
    broken.flat[3] = bad
    td = dataclasses.replace(first.td, **{field: broken})
    steps = (dataclasses.replace(first, td=td), *update.gradient_steps[1:])
    checks, _ = judge([dataclasses.replace(update, gradient_steps=steps)])
    assert "failed" in [check.verdict for check in checks]


@pytest.mark.parametrize("algo", [DQN, SAC, TD3])
@pytest.mark.parametrize("updates", [8, None])
def test_watching_leaves_no_trace(algo, updates):
    """Weights, random state and attributes are the same with and without the watch."""
    ends = []
    for watched in (False, True):
        model = make_model(algo, seed=1)
        model.learn(STEPS, OffPolicyWatch(lambda _: None, updates) if watched else None)
        own = [set(vars(x)) for x in (model, model.replay_buffer, *model.policy.modules())]
        legacy = np.random.get_state()[1]  # noqa: NPY002 - SB3 draws from it
        random = torch.get_rng_state(), legacy, model.policy.training
        ends.append(
            (model.policy.state_dict(), own, random, [m.training for m in model.policy.modules()])
        )
    (weights, own, random, modes), (others, *rest) = ends
    assert all(torch.equal(weight, others[name]) for name, weight in weights.items())
    assert rest[0] == own
    assert torch.equal(random[0], rest[1][0])
    assert (random[1] == rest[1][1]).all()
    assert rest[2] == modes


def test_a_model_saved_while_watched_does_not_contain_the_watch(tmp_path):
    model = make_model(DQN)
    save = CheckpointCallback(20, str(tmp_path))
    model.learn(STEPS, CallbackList([OffPolicyWatch(lambda _: None, None), save]))
    (first, *_) = sorted(tmp_path.iterdir())
    assert "train" not in vars(DQN.load(first))


def test_an_error_of_the_watch_ends_the_watch_not_the_training():
    model = make_model(SAC)
    seen = []
    watcher = OffPolicyWatch(seen.append)
    watcher._begin_step = lambda batch: batch.no_such_thing
    model.learn(STEPS, watcher)
    assert model.num_timesteps >= STEPS
    assert "no_such_thing" in seen[-1].unseen
    checks, findings = judge(seen)
    assert not findings
    assert {c.verdict for c in checks} <= {"skipped", "passed"}
