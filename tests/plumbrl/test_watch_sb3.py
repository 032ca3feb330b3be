"""The watch on real SB3 trainings: it sees faults by the names rules read, and leaves no trace."""

from contextlib import ExitStack, nullcontext
from functools import cache

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

import plumbrl
from faults.on_policy import SignFlipped
from faults.on_policy import make_model as make_rollout
from plumbrl.adapters.sb3.look_off_policy import OffPolicyLook
from plumbrl.adapters.sb3.look_on_policy import OnPolicyLook
from plumbrl.adapters.sb3.rewards import Rewards
from plumbrl.adapters.sb3.watch_model import watch
from plumbrl.adapters.wrapping import wrapped
from plumbrl.diagnosis import diagnose
from plumbrl.logs import read
from plumbrl.monitor.monitor import AlertError
from plumbrl.rules import columns_of
from plumbrl.rules.table import rules_of

ON = {"n_steps": 64, "batch_size": 32, "n_epochs": 2}
OFF = {"learning_starts": 50, "batch_size": 32, "buffer_size": 1000}
SMALL = {"net_arch": [16]}
CASES = {
    "PPO": ("CartPole-v1", ON),
    "PPO continuous": ("Pendulum-v1", ON),
    "PPO with gSDE": ("Pendulum-v1", ON | {"use_sde": True}),
    "A2C": ("CartPole-v1", {"n_steps": 16}),
    "TRPO": ("CartPole-v1", {"n_steps": 64, "batch_size": 64}),
    "DQN": ("CartPole-v1", OFF),
    "QRDQN": ("CartPole-v1", OFF),
    "SAC": ("Pendulum-v1", OFF),
    "TD3": ("Pendulum-v1", OFF),
    "TQC": ("Pendulum-v1", OFF),
    "RecurrentPPO": ("CartPole-v1", ON),
    "RecurrentPPO continuous": ("Pendulum-v1", ON),
    "MaskablePPO": ("masked:Masked-v0", ON),
}


def make(name, envs=2, seed=0, wrapper=None, **changes):
    """Return a small model; making it seeds everything random."""
    env, settings = CASES[name]
    algorithm = getattr(sb3, name.split()[0], None) or getattr(sb3_contrib, name.split()[0])
    one = (lambda: wrapper(gymnasium.make(env))) if wrapper else env
    envs = make_vec_env(one, envs if "n_steps" in settings else 1, seed=seed)
    recurrent = name.startswith("Recurrent")
    sizes = SMALL | ({"lstm_hidden_size": 16} if recurrent else {})  # a copy: SB3 writes into it
    policy = "MlpLstmPolicy" if recurrent else "MlpPolicy"
    return algorithm(policy, envs, seed=seed, **settings | changes, policy_kwargs=sizes)


def watched(model, steps, folder=None, **options):
    callback = watch(
        model, folder, total_timesteps=steps, every=options.pop("every", 128), **options
    )
    model.learn(steps, callback=callback)
    assert not callback.failure
    return callback


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", CASES)
def test_leaves_no_trace(name, tmp_path):
    plain = make(name).learn(300)
    seen = make(name)
    callback = watched(seen, 300, tmp_path)
    for mine, theirs in zip(plain.policy.parameters(), seen.policy.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    history = read(tmp_path)
    assert history.rows >= 2
    assert history.facts.algo == name.split()[0]
    assert np.isfinite(history["optimiser/update_ratio"]).all()
    assert callback.report().checks == diagnose(tmp_path).checks
    seen.save(tmp_path / "model.zip")  # nothing of the watch is in the model


@pytest.mark.parametrize("name", ["DQN", "SAC", "TD3"])
@pytest.mark.parametrize("learning_starts", [127, 128, 129, 150, 200])
def test_a_row_before_learning_begins_disturbs_nothing(name, learning_starts):
    """The row is due when nobody calls `train`, so that what stands before it must leave."""
    often = {"target_update_interval": 10} if name == "DQN" else {}
    model = make(name, learning_starts=learning_starts, **often)
    callback = watched(model, learning_starts + 40)
    assert not [check for check in callback.report().checks if check.verdict == "failed"]
    assert "train" not in vars(model)


@pytest.mark.parametrize("steps", [2, 3, 4, 5])
def test_a_learning_rate_that_ends_at_0_is_no_fault(steps):
    """The last step of the actor, and in a short training the only one, is of size 0."""
    model = make("TD3", learning_starts=60, policy_delay=2, learning_rate=lambda left: 1e-3 * left)
    callback = watched(model, 60 + steps)
    assert not [check for check in callback.report().checks if check.verdict == "failed"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_those_who_stand_before_a_function_may_leave_in_any_order(order):
    class Owner:
        def call(self, x):
            return [x]

    owner, stacks = Owner(), [ExitStack() for _ in range(3)]
    for i, stack in enumerate(stacks):
        stack.enter_context(wrapped(owner, "call", lambda original, x, i=i: [*original(x), i]))
    there = {0, 1, 2}
    for i in order:
        assert owner.call("x") == ["x", *sorted(there)]
        stacks[i].close()
        there -= {i}
    assert owner.call("x") == ["x"]
    assert "call" not in vars(owner)


@pytest.fixture(scope="module")
def recorded():
    """Names that real trainings write, of several algorithms together."""
    names = set()
    for name, steps in {
        "PPO": 1200,
        "PPO continuous": 1600,
        "SAC": 2600,
        "TD3": 500,
        "DQN": 900,
    }.items():
        model = make(name, envs=8, **({"gamma": 0.9} if name == "SAC" else {}))
        if name == "PPO continuous":  # observations normalised, as in most trainings
            env = sb3.common.vec_env.VecNormalize(make_vec_env("Pendulum-v1", 2, seed=0))
            model = sb3.PPO(
                "MlpPolicy", env, seed=0, policy_kwargs=dict(SMALL), **ON | {"n_steps": 256}
            )
        names |= set(columns_of(watched(model, steps)._monitor.history))
    return names


@pytest.mark.parametrize("rule", [*rules_of(), *rules_of("classic")], ids=lambda rule: rule.name)
def test_every_rule_reads_names_that_are_written(rule, recorded):
    missing = set(rule.needs) - recorded
    assert not missing


class BrokenReward(gymnasium.Wrapper):
    """A reward that is not a number, once."""

    def __init__(self, env):
        super().__init__(env)
        self.steps = 0

    def step(self, action):
        self.steps += 1
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, np.nan if self.steps == 300 else reward, terminated, truncated, info


class NoReward(gymnasium.Wrapper):
    """Nothing to learn: the same reward at every step of episodes of one length."""

    def step(self, action):
        observation, _, terminated, truncated, info = self.env.step(action)
        return observation, 1.0, terminated, truncated, info


class Ignored(gymnasium.ActionWrapper):
    """The first action for every other, or none at all."""

    def action(self, action):
        return np.zeros_like(action)


class Noisy(gymnasium.RewardWrapper):
    """A hundred times as much noise as reward."""

    rng = np.random.default_rng(0)

    def reward(self, reward):
        return float(reward + 1000 * self.rng.normal())


class OneIsHuge(gymnasium.ObservationWrapper):
    """Kilometres beside metres per second."""

    def observation(self, observation):
        return observation * np.array([10_000, *np.ones(len(observation) - 1)], np.float32)


class EndsAfterThree(gymnasium.Wrapper):
    """Ends episodes after three steps, which a Monitor inside does not see."""

    def reset(self, **kwargs):
        self.steps = 0
        return self.env.reset(**kwargs)

    def step(self, action):
        self.steps += 1
        observation, reward, _, truncated, info = self.env.step(action)
        return observation, reward, self.steps == 3, truncated, info


def shared_critics(model):
    model.policy.critic.q_networks[1] = model.policy.critic.q_networks[0]
    target = model.policy.critic_target
    target.q_networks[1] = target.q_networks[0]


def nearly_deterministic(model):
    with torch.no_grad():
        model.policy.log_std.fill_(-6)


ASKED = ("PPO", "RecurrentPPO", "RecurrentPPO continuous", "MaskablePPO")


@pytest.mark.parametrize("name", ASKED)
def test_a_policy_that_did_not_change_answers_as_it_did(name):
    """It is asked with the masks, or with the memory, that it had when it acted."""
    model = make(name, learning_rate=0.0)
    history = watched(model, 600)._monitor.history
    assert history.rows >= 4
    assert np.abs(history["policy/ratio_max"] - 1).max() < 1e-4
    assert np.abs(history["policy/kl_k3"]).max() < 1e-6
    assert np.allclose(history["value/residual_variance"][0], 1, atol=0.3)


@pytest.mark.parametrize("name", ASKED)
def test_a_policy_that_changed_is_asked_again(name):
    history = watched(make(name, learning_rate=3e-3, n_epochs=4), 1300)._monitor.history
    assert "policy/ess" in history
    seen, logged = history["policy/kl_k3"], history["train/approx_kl"]
    assert (seen > 1e-5).all()
    assert 0.3 < np.median(seen) / np.median(logged) < 5


def test_entropy_is_relative_to_what_masks_allow():
    history = watched(make("MaskablePPO"), 600)._monitor.history
    assert history["policy/entropy_relative"][0] == pytest.approx(1, abs=0.01)  # of 3, not of 4


@pytest.mark.parametrize(
    "name", [pytest.param("RecurrentPPO", marks=pytest.mark.slow), "MaskablePPO"]
)
def test_a_collapse_is_seen_with_masks_and_with_memory(name, tmp_path):
    healthy = watched(make(name, learning_rate=3e-3, n_epochs=8), 4000, tmp_path / "healthy")
    assert not [f for f in healthy.report().findings if f.severity != "info"]
    faulty = make(name)
    with torch.no_grad():  # the first action that is allowed, always
        faulty.policy.action_net.weight.zero_()
        faulty.policy.action_net.bias[:] = -30.0 * torch.arange(len(faulty.policy.action_net.bias))
    found = watched(faulty, 2500, tmp_path / "faulty").report().findings
    assert "policy.entropy-collapsed" in {f.cause for f in found}


def nothing(model):
    """Nothing is broken by hand."""


FAULTS = {
    "learning rate far too high": (
        "PPO", {"learning_rate": 3.0}, nothing, None, {"policy.kl-too-large"}),
    "learning rate of nothing": (
        "PPO", {"learning_rate": 1e-12}, nothing, None, {"optimiser.steps-vanish"}),
    "policy without noise": (
        "PPO continuous", {}, nearly_deterministic, None, {"policy.entropy-collapsed"}),
    "one critic for two": ("SAC", {}, shared_critics, None, {"value.twins-identical"}),
    "no reward": ("PPO continuous", {}, nothing, NoReward, {"reward.constant"}),
    "clip range of nothing": (
        "PPO", {"clip_range": 0.005, "learning_rate": 1e-5}, nothing, None,
        {"configuration.clip-range-tiny"}),
}  # fmt: skip
FAULTS |= {
    "actions ignored": ("PPO", {}, nothing, Ignored, {"environment.action-ignored"}),
    "actions ignored, from replay": ("SAC", {}, nothing, Ignored, {"environment.action-ignored"}),
    "actions ignored by a Q-network": (
        "DQN", {}, nothing, Ignored, {"environment.action-ignored"}),
    "noise for reward": ("PPO continuous", {}, nothing, Noisy, {"reward.random"}),
    "one huge observation": (
        "PPO", {"n_steps": 256}, nothing, OneIsHuge, {"environment.observation-scales-differ"}),
    "one huge observation, from replay": (
        "SAC", {}, nothing, OneIsHuge, {"environment.observation-scales-differ"}),
    "episodes of three steps": (
        "PPO continuous", {}, nothing, EndsAfterThree, {"environment.episodes-end-at-once"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """What is found in healthy trainings, each done once: a function of a case and its steps."""

    @cache
    def causes(name, steps):
        folder = tmp_path_factory.mktemp("healthy")
        watched(make(name), steps, folder)
        return {found.cause for found in diagnose(folder).findings}

    return causes


class NoNumberOnce(gymnasium.ObservationWrapper):
    """Shows NaN after a hundred steps."""

    seen = 0

    def observation(self, observation):
        self.seen += 1
        return observation * np.nan if self.seen == 100 else observation


@pytest.mark.parametrize("name", ["PPO", "SAC"])
def test_an_observation_that_is_no_number_is_named_before_it_ends_the_training(name, tmp_path):
    model = make(name, envs=1, wrapper=NoNumberOnce)
    with pytest.raises(ValueError, match="nan"):  # SB3's own, at the next action
        model.learn(300, callback=watch(model, tmp_path / "run", sinks=()))
    report = diagnose(tmp_path / "run")
    assert report.verdict == "BROKEN"
    assert report.findings[0].cause == "environment.observation-not-finite"


@pytest.mark.parametrize("name", ["PPO", "SAC"])
@pytest.mark.parametrize("normalised", [False, True])
def test_episodes_that_nobody_reports_are_counted(name, normalised, tmp_path):
    env, settings = CASES[name]
    venv = make_vec_env(env, 1, seed=0, wrapper_class=EndsAfterThree)
    venv = VecNormalize(venv) if normalised else venv
    model = getattr(sb3, name)("MlpPolicy", venv, seed=0, policy_kwargs=dict(SMALL), **settings)
    watched(model, 400, tmp_path)
    history = read(tmp_path)
    assert (history.points("rollout/ep_len_mean")[1] == 3).all()
    returns = history.points("rollout/ep_rew_mean")[1]
    assert (returns == 3).all() if name == "PPO" else (returns < -1).all()


def test_episodes_that_are_reported_are_not_counted_twice(tmp_path):
    model = make("PPO")
    watched(model, 400, tmp_path)
    reported = np.mean([episode["l"] for episode in model.ep_info_buffer])
    assert read(tmp_path).points("rollout/ep_len_mean")[1][-1] == pytest.approx(reported)


def test_rewards_are_told_from_the_values_of_cut_episodes():
    seen = Rewards()
    assert seen.numbers == {}
    for _ in range(3):
        seen.tell(np.zeros(4))
    assert seen.numbers == {"data/rewarded": 0.0, "data/reward_varies": 0.0}
    resumed = Rewards(seen.seen)
    resumed.tell(np.array([0.0, 0.0, 0.5, 0.0]))
    assert resumed.numbers == {"data/rewarded": 1.0, "data/reward_varies": 1.0}
    same = Rewards()
    same.tell(-np.ones(4))
    assert same.numbers == {"data/rewarded": 1.0, "data/reward_varies": 0.0}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_named_through_the_real_path(fault, tmp_path, healthy):
    name, changes, breaks, wrapper, expected = FAULTS[fault]
    steps = 6000 if name.startswith("PPO") else 1500
    faulty = make(name, wrapper=wrapper, **changes)
    breaks(faulty)
    live = watched(faulty, steps, tmp_path / "faulty")
    report = diagnose(tmp_path / "faulty")
    causes = {found.cause for found in report.findings}
    assert expected <= causes
    assert expected <= {found.cause for found in live._monitor.findings}
    assert not expected & healthy(name, steps)
    assert report.exit_code == 3


def test_what_is_no_number_is_traced_to_where_it_was_seen_first(tmp_path):
    model = make("PPO", wrapper=BrokenReward)
    callback = watch(model, tmp_path, total_timesteps=2000, every=128)
    with pytest.raises(ValueError, match=r"Normal|Categorical|constraint|invalid"):
        model.learn(2000, callback=callback)
    report = diagnose(tmp_path)
    (found,) = [f for f in callback._monitor.findings if f.cause == "reward.not-finite"]
    assert found.evidence[0].where.startswith("reward of environment")
    assert found.step in (599, 600)  # the 300th step of two environments
    assert report.verdict == "BROKEN"
    assert report.findings[0].cause == "reward.not-finite"


def test_stops_at_the_first_error_if_asked(tmp_path):
    model = make("PPO", wrapper=BrokenReward)
    callback = watch(model, tmp_path, total_timesteps=2000, every=128, stop_on_error=True)
    with pytest.raises(AlertError, match=r"reward\.not-finite"):
        model.learn(2000, callback=callback)
    assert model.num_timesteps < 1000


@pytest.mark.parametrize(("name", "look"), [("PPO", OnPolicyLook), ("SAC", OffPolicyLook)])
def test_an_error_of_the_watch_does_not_end_the_training(name, look, monkeypatch):
    def fail(*_):
        raise RuntimeError("ours")

    monkeypatch.setattr(look, "finish", fail)
    model = make(name)
    callback = watch(model, total_timesteps=500, every=128)
    model.learn(500, callback=callback)
    assert model.num_timesteps >= 500
    assert callback.failure == "watching failed: RuntimeError: ours"


@pytest.mark.parametrize("stop", [False, True])
def test_identities_are_checked_in_the_first_update(tmp_path, stop):
    model, said = make_rollout("CartPole-v1", SignFlipped), []
    callback = watch(
        model, tmp_path / "broken", total_timesteps=600, sinks=(said.append,), stop_on_error=stop
    )
    with pytest.raises(AlertError) if stop else nullcontext():
        model.learn(600, callback=callback)
    assert [f.cause for f in said][:1] == ["data.advantage-sign-flipped"]
    assert model.num_timesteps <= (400 if stop else 600)
    for report in (callback.report(), diagnose(tmp_path / "broken")):
        assert report.verdict == "BROKEN"
        assert report.findings[0].cause == "data.advantage-sign-flipped"
    healthy = make_rollout("CartPole-v1")
    callback = watch(healthy, tmp_path / "healthy", total_timesteps=600)
    healthy.learn(600, callback=callback)
    assert not callback.findings
    passed = [c for c in callback.report().checks if c.verdict == "passed"]
    assert len(passed) > 20
    assert callback.report().checks == diagnose(tmp_path / "healthy").checks


def test_an_error_of_an_identity_does_not_end_the_training(monkeypatch):
    def fail(*_):
        raise RuntimeError("ours")

    monkeypatch.setattr("plumbrl.adapters.sb3.verifier.check_update", fail)
    monkeypatch.setattr("plumbrl.adapters.sb3.learning._Recorder.learning", fail)
    model = make("PPO")
    callback = watch(model, total_timesteps=300)
    monkeypatch.setattr("plumbrl.adapters.sb3.on_policy._record_step", fail)
    model.learn(300, callback=callback)
    assert model.num_timesteps >= 300
    assert "ours" in callback.failure


def test_weights_that_are_none_at_the_start_are_named(tmp_path):
    model = make("PPO")
    with torch.no_grad():
        model.policy.action_net.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="nan"):
        model.learn(200, callback=watch(model, tmp_path, total_timesteps=200, sinks=()))
    report = diagnose(tmp_path)
    assert report.verdict == "BROKEN"
    assert "action_net.weight" in str(report.findings[0].evidence)


def test_is_public():
    assert plumbrl.watch is watch
    assert plumbrl.diagnose is diagnose


def test_a_full_disk_ends_the_watch_not_the_training(monkeypatch):
    def full(*_):
        raise OSError("no space left")

    model = make("PPO")
    callback = watch(model, total_timesteps=500, every=128)
    monkeypatch.setattr(callback._monitor, "row", full)
    model.learn(500, callback=callback)
    assert model.num_timesteps >= 500
    (check,) = [c for c in callback.report().checks if c.name == "the watch"]
    assert check.verdict == "inconclusive"
    assert "no space left" in check.reason


class Jumping(gymnasium.ObservationWrapper):
    """Numbers that are all elsewhere after 600 steps."""

    seen = 0

    def observation(self, observation):
        self.seen += 1
        return observation + np.float32(5 * (self.seen > 600))


class Part(gymnasium.ObservationWrapper):
    """The same observations as one part of a dictionary."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Dict({"all": env.observation_space})

    def observation(self, observation):
        return {"all": observation}


@pytest.mark.parametrize("named", [False, True])
def test_a_normaliser_that_moves_is_seen(named):
    moved = {}
    for wrapper in (lambda env: env, Jumping):
        part = Part if named else lambda env: env
        one = lambda w=wrapper, p=part: p(w(gymnasium.make("Pendulum-v1")))  # noqa: E731
        venv = VecNormalize(make_vec_env(one, 1, seed=0))
        policy = "MultiInputPolicy" if named else "MlpPolicy"
        model = sb3.PPO(policy, venv, seed=0, policy_kwargs=SMALL, **ON)
        rows = watched(model, 1024)._monitor.history
        moved[wrapper] = rows["data/normaliser_drift"]
    still, jumping = (values[np.isfinite(values)] for values in moved.values())
    assert jumping[-1] > 3 * still[-1]
    assert len(still) >= 6
