"""`plumbrl profile`: a planted slow part is named, and what is healthy is not."""

import json
import sys
import time

import gymnasium
import numpy as np
import pytest
import torch

from plumbrl.cli import main
from plumbrl.profiling.advice import Advice, _within, amdahl, bottleneck
from plumbrl.profiling.clock import Clock, OutOfTimeError
from plumbrl.profiling.environment import profile_environment
from plumbrl.profiling.experiments import try_settings
from plumbrl.profiling.learner import profile_training
from plumbrl.profiling.times import Times, growth, growth_within, spikes
from plumbrl.report.profile import print_profile
from plumbrl.training.config import AlgoSection, EnvSection, TrainConfig
from plumbrl.training.profiled import profile

SLEEP = 0.001


class SlowSensor(gymnasium.ObservationWrapper):
    def observation(self, observation):
        read_slowly()
        return observation


class QuickSensor(SlowSensor):
    def observation(self, observation):
        return observation


class Hoarder(gymnasium.Wrapper):
    """Takes longer with every step, and remembers more."""

    def __init__(self, env, forgets=False):
        super().__init__(env)
        self.count, self.forgets, self.kept = 0, forgets, []

    def reset(self, **kwargs):
        self.count = 0 if self.forgets else self.count
        return super().reset(**kwargs)

    def step(self, action):
        self.count += 1
        end = time.perf_counter() + 2e-5 * self.count
        while time.perf_counter() < end:
            pass
        return super().step(action)


def read_slowly():
    time.sleep(SLEEP)


def register(name, wrapper):
    def make(render_mode=None, **kwargs):
        return wrapper(gymnasium.make("Pendulum-v1").unwrapped)

    gymnasium.register(name, make, max_episode_steps=200)


register("SlowSensor-v0", SlowSensor)
register("QuickSensor-v0", QuickSensor)


def measured(make, seconds=1.0):
    return profile_environment(lambda mode: make(), seconds)


def pendulum():
    return gymnasium.make("Pendulum-v1")


def test_self_times_leave_out_watched_calls_inside():
    class Outer:
        def work(self):
            time.sleep(0.02)
            inner.work()

    class Inner:
        def work(self):
            time.sleep(0.04)

    outer, inner = Outer(), Inner()
    with Clock() as clock:
        clock.watch(outer, "work", "outer")
        clock.watch(inner, "work", "inner")
        clock.watch(inner, "absent", "absent")
        outer.work()
    assert clock.calls == {"outer": 1, "inner": 1}
    assert 0.02 <= clock.seconds["outer"] < 0.04 <= clock.seconds["inner"]
    assert not vars(outer) and not vars(inner)
    with Clock() as clock:
        clock.watch(inner, "work", "inner")
        clock.ignore(outer, "work")
        outer.work()
    assert not clock.calls


def test_a_clock_puts_back_what_a_class_and_an_object_had():
    before = torch.Tensor.backward
    tensor = torch.ones(1, requires_grad=True)
    with pytest.raises(OutOfTimeError), Clock(deadline=0.0) as clock:
        clock.watch(torch.Tensor, "backward", "backward")
        tensor.sum().backward()
    assert torch.Tensor.backward is before


def test_a_slow_sensor_is_named_and_a_quick_one_is_not():
    slow = measured(lambda: SlowSensor(pendulum()))
    quick = measured(lambda: QuickSensor(pendulum()))
    assert bottleneck(slow.layers)[0] == "SlowSensor"
    assert slow.layers["SlowSensor"] > 0.8 > 0.3 > quick.layers["QuickSensor"]
    assert slow.functions[0].name == "read_slowly" and "test_profile.py" in slow.functions[0].where
    assert "read_slowly" not in {f.name for f in quick.functions}
    assert slow.step.p50 > SLEEP > quick.step.p50
    assert sum(quick.layers.values()) == pytest.approx(1)


def test_a_slow_reset_does_not_count_as_a_step():
    class SlowReset(gymnasium.Wrapper):
        def reset(self, **kwargs):
            time.sleep(0.01)
            return super().reset(**kwargs)

    found = measured(lambda: SlowReset(gymnasium.make("CartPole-v1")))
    assert found.reset.p50 > 0.01 > found.step.p99
    assert found.layers["SlowReset"] < 0.3


def test_growing_steps_are_told_and_steady_ones_are_not():
    slower = measured(lambda: Hoarder(pendulum()))
    assert any("steps become slower" in note for note in slower.notes)
    short = gymnasium.wrappers.TimeLimit
    within = measured(lambda: short(Hoarder(pendulum(), forgets=True), 30), 2.0)
    assert any("late in an episode" in note for note in within.notes)
    steady = measured(lambda: QuickSensor(pendulum()))
    assert not any("slower" in n or "late in" in n or "memory" in n for n in steady.notes)


def test_growth_of_numbers():
    rng = np.random.default_rng(0)
    flat = rng.gamma(20, 1, 1000)
    assert growth(flat) is None and spikes(flat) is None
    assert growth(flat * np.linspace(1, 2, 1000)) == pytest.approx(1.7, abs=0.2)
    assert growth(np.where(np.arange(1000) % 100 == 99, 1e4, flat)) is None  # rare long ones
    assert growth(flat[:50]) is None
    ages = np.tile(np.arange(100), 10)
    assert growth_within(flat * (1 + ages / 50), ages) == pytest.approx(2.4, abs=0.4)
    assert growth(flat * (1 + ages / 50)) is None
    assert spikes(np.where(np.arange(1000) % 100 == 99, 1e4, flat))[0] == pytest.approx(0.01)


def test_times_are_numpys():
    times = Times.of(np.array([0.001, 0.003]))
    assert (times.count, times.mean, times.std, times.p50) == (2, 0.002, 0.001, 0.002)
    assert times.per_second == pytest.approx(500)


def test_amdahl():
    assert amdahl(0.5) == pytest.approx(1.0)
    assert amdahl(0.5, 2) == pytest.approx(1 / 3)
    assert amdahl(0.0) == 0 and amdahl(1.0) == float("inf")
    assert amdahl(0.5, 0.5) < 0


def test_a_bottleneck_is_a_part_or_a_group():
    learner = {"learner/a": 0.2, "learner/b": 0.2, "learner/c": 0.2, "environment/x": 0.4}
    assert bottleneck(learner) == ("learner", pytest.approx(0.6))
    assert bottleneck({"environment/x": 0.6, "learner/y": 0.4}) == ("environment/x", 0.6)
    assert bottleneck({f"{k}": 0.2 for k in range(5)}) is None
    assert bottleneck({}) is None


QUICKLY = {"n_steps": 64, "batch_size": 32, "n_epochs": 4}
"""An update that fits into seconds on a busy machine."""


def config(env, name="PPO", kwargs=QUICKLY):
    algo = {"name": name, "kwargs": kwargs}
    return TrainConfig(env=EnvSection(id=env), num_envs=2, algo=AlgoSection(net_arch=(8,), **algo))


def test_a_training_in_a_slow_environment(capsys):
    slow = profile(config("SlowSensor-v0"), 3)
    assert slow.bottleneck[0] == "environment/SlowSensor"
    first = slow.advice[0]
    assert isinstance(first, Advice) and first.changes == ""
    assert {a.what for a in slow.advice} & {"halve what SlowSensor takes"}
    said = json.loads(slow.to_json())
    assert said["bottleneck"]["part"] == "environment/SlowSensor"
    assert said["training"]["per_second"] == pytest.approx(slow.training.per_second)
    assert sum(slow.training.groups.values()) == pytest.approx(1)
    for width in (40, 60, 80, 120):
        print_at(slow, width)
        assert max(map(len, capsys.readouterr().out.splitlines())) <= width


def print_at(found, width):
    from rich.console import Console

    print_profile(found, Console(width=width))


def test_a_training_in_a_quick_one_is_held_up_by_its_learner():
    quick = profile(config("QuickSensor-v0"), 3)
    assert quick.bottleneck[0].startswith("learner")
    assert not any("QuickSensor" in a.what for a in quick.advice)
    assert any(a.basis == "measured" and a.changes == "learning" for a in quick.advice)
    assert quick.memory["peak"] >= quick.memory["training"] > 0


@pytest.mark.parametrize("name", ["SAC", "A2C", "TRPO"])
def test_other_algorithms(name):
    kwargs = {} if name == "SAC" else {"n_steps": 64}
    found = profile(config("QuickSensor-v0", name=name, kwargs=kwargs), 2)
    assert found.training.groups["learner"] > 0.01
    assert found.training.calls["policy/inference"] > 0
    assert found.training.timesteps > 0


def test_without_time_the_training_is_left_out():
    slow = profile(config("SlowSensor-v0"), 0.001)
    assert slow.training is None and "no time was left" in slow.notes[-1]
    assert slow.bottleneck[0] == "SlowSensor"


def test_an_algorithm_that_does_not_fit_is_a_note():
    found = profile(config("CartPole-v1", name="SAC"), 2)
    assert found.training is None and "no training was measured" in found.notes[-1]
    assert found.bottleneck[0] == "CartPoleEnv"


class Slow:
    """Counts time in a model of one's own: one update that is far too long."""

    n_envs, n_steps, batch_size, n_epochs, num_timesteps = 1, 8, 4, 50, 0

    def __init__(self):
        self.env = self.policy = self.rollout_buffer = Plain()
        self.policy.optimizer = Plain()

    def learn(self, timesteps, reset_num_timesteps):
        self.num_timesteps += timesteps
        self.train()

    def train(self):
        for _ in range(100):
            self.policy.optimizer.step()


class Plain:
    def step(self):
        time.sleep(0.01)


def test_an_update_that_is_cut_off_is_scaled_up():
    found = profile_training(Slow(), 0.3)
    assert "estimated from" in found.notes[0]
    assert found.parts["learner/optimiser"] * 8 / 1000 == pytest.approx(100 * 0.0105, rel=0.2)
    assert found.calls["learner/optimiser"] * 8 / 1000 == pytest.approx(100)


def test_the_ballbot_has_parts_and_a_limit():
    env = EnvSection(
        id="ballbot:Ballbot-v0",
        kwargs={"terrain": {"type": "perlin"}, "cameras": {"enabled": True}},
    )
    found = profile(TrainConfig(env=env, num_envs=4), 5)
    parts = found.environment.layers
    assert {"physics", "cameras", "reward", "observation"} <= parts.keys()
    assert found.environment.reset_layers["terrain"] > 0.1
    assert found.environment.physics_steps > 0 and 0 < found.environment.of_physics < 1
    assert {"environment/physics", "environment/cameras"} <= found.training.parts.keys()
    assert found.environment.render is not None


def test_cameras_that_take_time_are_advised_on_and_others_are_not():
    assert ["pixels" in a.what for a in _within({"environment/cameras": 0.4})] == [True]
    assert not any("pixels" in a.what for a in _within({"environment/physics": 0.9}))


def test_settings_are_put_back():
    from plumbrl.training.algorithms import build_model
    from plumbrl.training.envs import make_training_env

    given = config("QuickSensor-v0", kwargs={"n_steps": 64, "batch_size": 32, "target_kl": 1e-9})
    venv = make_training_env(given, 0)[0]
    model = build_model(given, venv)
    model.learn(128)
    threads = torch.get_num_threads()
    tried = try_settings(model, 1.5)
    assert {e.group for e in tried} >= {"policy", "learner"}
    assert (model.batch_size, model.target_kl) == (32, 1e-9)
    assert torch.get_num_threads() == threads and "predict" not in vars(model.policy)
    venv.close()


def test_the_budget_is_kept(capsys):
    begin = time.perf_counter()
    assert run("SlowSensor-v0", "--budget", "3s", "--json", "--num_envs=2") == 0
    spent = time.perf_counter() - begin
    said = json.loads(capsys.readouterr().out)
    assert spent < 6 and said["seconds"] < 4
    assert said["environment"]["step"]["p50"] > SLEEP


def run(*args):
    with pytest.raises(SystemExit) as end:
        main(["profile", *args])
    return end.value.code


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["Pendulm-v1"], "Pendulum"),
        (["nowhere.yaml"], "Cannot read nowhere.yaml"),
        (["Pendulum-v1", "--budget", "soon"], "--budget must be a time"),
        (["Pendulum-v1", "--budget", "0"], "--budget must be a time"),
        (["Pendulum-v1", "--num_env", "2"], "did you mean 'num_envs'"),
        (["Pendulum-v1", "--algo.name", "PPP"], "did you mean"),
    ],
)
def test_a_wrong_value_is_said(args, hint, capsys):
    assert run(*args) == 2
    text = capsys.readouterr().err
    assert hint in text and "Traceback" not in text


OWN = """
import gymnasium
from gymnasium.envs.classic_control import PendulumEnv

def make():
    return PendulumEnv()

gymnasium.register("Own-v0", PendulumEnv, max_episode_steps=200)
"""


def test_a_module_in_the_current_folder_is_found(tmp_path, monkeypatch, capsys):
    (tmp_path / "own_pendulum.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    assert run("own_pendulum:Own-v0", "--budget", "1s", "--num_envs", "1", "--json") == 0
    assert "environment" in json.loads(capsys.readouterr().out)
    assert run("own_pendulum:make", "--budget", "1s") == 2
    assert "no functions" in capsys.readouterr().err
    assert run("own_pendulum:mke", "--budget", "1s") == 2
    assert "no functions" not in capsys.readouterr().err
