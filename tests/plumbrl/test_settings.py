"""Settings that contradict one another are named; libraries' defaults are silent."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from plumbrl.adapters.sb3.settings import settings
from plumbrl.causes import catalogue
from plumbrl.oracles.replay_settings import REPLAY_RULES
from plumbrl.oracles.settings import RULES, check_settings
from plumbrl.snapshots.settings import Normaliser, Settings

BUDGET = 100_000
DISCRETE, CONTINUOUS = ("CartPole-v1", "Acrobot-v1"), ("Pendulum-v1", "MountainCarContinuous-v0")
HEALTHY = {
    PPO: (*DISCRETE, *CONTINUOUS),
    A2C: (*DISCRETE, *CONTINUOUS),
    SAC: CONTINUOUS,
    TD3: CONTINUOUS,
    DQN: (*DISCRETE, "MountainCar-v0"),
}


def make(algo, env, n_envs=1, seed=0, normalise=None, **arguments):
    venv = make_vec_env(env, n_envs, seed=seed) if isinstance(env, str) else env
    if normalise is not None:
        venv = VecNormalize(venv, **normalise)
    if issubclass(algo, SAC | TD3 | DQN):
        arguments = {"buffer_size": 10_000} | arguments  # the default allocates a million
    return algo("MlpPolicy", venv, seed=seed, device="cpu", **arguments)


def causes(found):
    return [finding.cause for _, finding in check_settings(found) if finding]


@pytest.mark.parametrize("n_envs", [1, 4])
@pytest.mark.parametrize(
    ("algo", "env"), [(a, e) for a, envs in HEALTHY.items() for e in envs], ids=str
)
def test_defaults_are_silent(algo, env, n_envs):
    judge = make_vec_env(env, 1, seed=1_000_000)
    found = settings(make(algo, env, n_envs), BUDGET, judge)
    assert causes(found) == []
    assert found.algo == algo.__name__
    checked = [check for check, _ in check_settings(found) if check.verdict == "passed"]
    assert len(checked) >= 8


def test_defaults_are_silent_with_normalisers():
    judge = VecNormalize(make_vec_env("CartPole-v1", 1, seed=99), training=False, norm_reward=False)
    found = settings(make(PPO, "CartPole-v1", 4, normalise={}), BUDGET, judge)
    assert causes(found) == []
    assert found.normaliser == Normaliser(True, True, True, 0.99)
    assert found.eval_seeds == (99,)


def test_defaults_are_silent_on_robots():
    from ballbot import BallbotVectorEnv

    env = BallbotVectorEnv(4, num_threads=1).to_sb3()
    model = PPO("MultiInputPolicy", env, n_steps=32, batch_size=64, seed=0, device="cpu")
    assert causes(settings(model, BUDGET)) == []


PLANTED = [
    ("R15", PPO, {"normalise": {"gamma": 0.9}}, "configuration.normaliser-gamma-differs"),
    ("N01 high", PPO, {"learning_rate": 3e-2}, "configuration.learning-rate-unusual"),
    ("N01 low", A2C, {"learning_rate": 7e-6}, "configuration.learning-rate-unusual"),
    ("N05", PPO, {"max_grad_norm": 1e-6}, "configuration.gradient-clip-tiny"),
    ("N14 short", PPO, {"gamma": 0.5}, "configuration.horizon-too-short"),
    ("N14 long", PPO, {"gamma": 0.99999}, "configuration.horizon-too-long"),
    ("clip range", PPO, {"clip_range": lambda left: 1e-4 * left}, "configuration.clip-range-tiny"),
    ("bonus", PPO, {"ent_coef": 2.0}, "configuration.entropy-bonus-large"),
    ("A18", A2C, {"ent_coef": -0.01}, "configuration.entropy-bonus-negative"),
    ("gamma", PPO, {"gamma": 1.01}, "configuration.discount-out-of-range"),
    ("lambda", PPO, {"gae_lambda": 9.5}, "configuration.discount-out-of-range"),
    ("ends at 0", PPO, {"learning_rate": lambda left: 3e-4 * max(0.0, 2 * left - 1)},
     "configuration.learning-rate-zero-early"),
    ("negative", PPO, {"learning_rate": lambda left: 3e-4 * (2 * left - 1)},
     "configuration.learning-rate-negative"),
    ("O01", DQN, {"tau": 0.0}, "configuration.target-never-updated"),
    ("O01 interval", DQN, {"target_update_interval": 10**6}, "configuration.target-never-updated"),
    ("O02", DQN, {"target_update_interval": 1}, "configuration.target-is-online"),
    ("O02 soft", SAC, {"tau": 1.0}, "configuration.target-is-online"),
    ("tau", TD3, {"tau": 5.0}, "configuration.tau-out-of-range"),
    ("O10 never", DQN, {"exploration_final_eps": 0.9}, "configuration.exploration-never-decays"),
    ("O10 slow", DQN, {"exploration_fraction": 10.0}, "configuration.exploration-never-decays"),
    ("O10 fast", DQN, {"exploration_fraction": 1e-4}, "configuration.exploration-decays-early"),
    ("O11", DQN, {"exploration_initial_eps": 0.0, "exploration_final_eps": 0.0},
     "configuration.exploration-missing"),
    ("O16 starts", SAC, {"learning_starts": BUDGET}, "configuration.learning-never-starts"),
    ("O16 late", TD3, {"learning_starts": 80_000}, "configuration.learning-starts-late"),
    ("O16 size", DQN, {"buffer_size": 500}, "configuration.replay-too-small"),
    ("O16 batch", SAC, {"buffer_size": 100}, "configuration.replay-too-small"),
    ("O16 freq", SAC, {"train_freq": 1000}, "configuration.replay-ratio-low"),
    ("N20", SAC, {"gradient_steps": 64}, "configuration.replay-ratio-high"),
    ("O20", SAC, {"target_entropy": 1.0}, "configuration.target-entropy-sign-flipped"),
    ("O20 other", SAC, {"target_entropy": 0.8}, "configuration.target-entropy-unreachable"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "algo", "arguments", "cause"), PLANTED, ids=[f"{p[0]}-{p[3]}" for p in PLANTED]
)
def test_planted_faults_are_named(name, algo, arguments, cause):
    found = settings(make(algo, HEALTHY[algo][0], **arguments), BUDGET)
    assert causes(found) == [cause]


@pytest.mark.parametrize(
    ("steps", "batch", "expected"),
    [
        (65, 64, ["configuration.minibatch-of-one"]),
        (100, 64, ["configuration.truncated-minibatch"]),
        (32, 64, []),
    ],
)
def test_minibatches_that_are_not_full_are_named(steps, batch, expected):
    """SB3 warns of all three; a rollout that is one minibatch is no fault."""
    with pytest.warns(UserWarning, match="truncated mini-batch"):
        model = make(PPO, "CartPole-v1", n_steps=steps, batch_size=batch)
    assert causes(settings(model, BUDGET)) == expected


def judged(eval_env, **arguments):
    return causes(settings(make(PPO, "CartPole-v1", 2, **arguments), BUDGET, eval_env))


def test_evaluation_that_differs_from_training_is_named():
    def plain():
        return make_vec_env("CartPole-v1", 1, seed=10_000)

    assert judged(plain(), normalise={}) == ["evaluation.observations-scaled-differently"]
    assert judged(plain(), normalise={"norm_obs": False}) == []
    frozen = VecNormalize(plain(), training=False, norm_reward=False)
    assert judged(frozen) == ["evaluation.observations-scaled-differently"]
    assert judged(frozen, normalise={}) == []
    scaled = VecNormalize(plain(), training=False)
    assert judged(scaled, normalise={}) == ["evaluation.rewards-scaled"]
    updated = VecNormalize(plain(), norm_reward=False)
    assert judged(updated, normalise={}) == ["evaluation.statistics-updated"]
    assert judged(VecNormalize(plain(), norm_obs=False, norm_reward=False)) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_shared_seeds_are_named_before_and_after_a_reset(seed):
    judge = make_vec_env("CartPole-v1", 1, seed=1)
    assert judged(judge, seed=seed) == ["evaluation.seeds-shared"]
    judge.reset()
    assert judged(judge, seed=seed) == ["evaluation.seeds-shared"]
    single = gymnasium.make("CartPole-v1")
    assert judged(single, seed=seed) == []
    single.reset(seed=1)
    assert judged(single, seed=seed) == ["evaluation.seeds-shared"]


def test_what_is_unknown_is_skipped_with_its_name():
    outcomes = check_settings(Settings(algo="mine"))
    assert {check.verdict for check, _ in outcomes} == {"skipped"}
    assert len(outcomes) == len(RULES) + len(REPLAY_RULES)
    for rule, (check, _) in zip((*RULES, *REPLAY_RULES), outcomes, strict=True):
        assert all(need in check.reason for need in rule.needs)


def test_a_schedule_that_refuses_to_be_asked_is_unknown():
    def schedule(left):
        if left < 0.5:
            raise RuntimeError("not yet")
        return 1e-3

    found = settings(make(PPO, "CartPole-v1", learning_rate=schedule), BUDGET)
    assert found.learning_rates is None
    assert causes(found) == []


def test_gamma_1_with_long_episodes_looks_too_far():
    found = Settings(algo="mine", gamma=1.0, episode_length=200.0)
    assert causes(found) == ["configuration.horizon-too-long"]


def test_schedules_that_end_with_the_training_are_silent():
    for rates in (np.linspace(1e-3, 0, 101), np.linspace(0, 1e-3, 101), np.full(2, 1e-4)):
        assert causes(Settings(algo="mine", learning_rates=rates)) == []


def test_settings_are_those_of_the_algorithm():
    dqn = settings(make(DQN, "CartPole-v1", 2, train_freq=8, gradient_steps=4), BUDGET)
    # 4 gradient steps per 8 steps of 2 environments; a target every 10 000 timesteps
    assert (dqn.updates_per_step, dqn.target_interval) == (0.25, 2500)
    assert (dqn.epsilon_start, dqn.epsilon_end, dqn.epsilon_fraction) == (1.0, 0.05, 0.1)
    often = {"target_update_interval": 10, "train_freq": 256, "gradient_steps": 128}
    # the target is due 25 times in 256 timesteps, but nothing has been learnt in between
    assert settings(make(DQN, "CartPole-v1", **often)).target_interval == 128
    sac = settings(make(SAC, "Pendulum-v1", gradient_steps=-1))
    assert (sac.updates_per_step, sac.target_entropy, sac.action_dimension) == (1.0, -1.0, 1)
    assert (sac.ent_coef, sac.total_timesteps) == (None, None)
    fixed = settings(make(SAC, "Pendulum-v1", ent_coef=0.1, target_entropy=1.0))
    assert (fixed.ent_coef, fixed.target_entropy) == (0.1, None)
    assert causes(fixed) == []
    episodic = settings(make(TD3, "Pendulum-v1", train_freq=(1, "episode")))
    assert episodic.updates_per_step is None
    ppo = settings(make(PPO, "CartPole-v1", 2, seed=7))
    assert (ppo.n_steps, ppo.num_envs, ppo.n_epochs, ppo.seeds) == (2048, 2, 10, (7, 8))
    assert ppo.episode_length == 500


@pytest.mark.parametrize("algo", [PPO, DQN])
def test_looking_leaves_no_trace(algo):
    ends = []
    judge = make_vec_env("CartPole-v1", 1)
    for looked in (False, True):
        model = make(algo, "CartPole-v1", 2, **({"n_steps": 64} if algo is PPO else {}))
        if looked:
            settings(model, 1000, judge)
        model.learn(256)
        if looked:
            assert settings(model).episode_length < 500  # now the mean of what was seen
        ends.append((model.policy.state_dict(), np.random.get_state()[1]))  # noqa: NPY002
    assert (ends[0][1] == ends[1][1]).all()
    for name, value in ends[0][0].items():
        assert torch.equal(value, ends[1][0][name]), name


def test_every_rule_can_fail_with_a_cause_of_the_catalogue():
    named = {cause for *_, cause in PLANTED}
    named |= {"configuration.minibatch-of-one", "configuration.truncated-minibatch"}
    assert named <= set(catalogue())


def test_settings_after_some_training_know_the_episodes():
    model = make(DQN, "CartPole-v1")
    model.learn(300)
    found = settings(model, BUDGET)
    assert 5 < found.episode_length < 100
    assert causes(found) == []
    assert causes(replace(found, gamma=0.9999)) == ["configuration.horizon-too-long"]
