"""The suite: healthy trainers pass, every probe catches a mutant, users read sentences."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import plumbrl
from faults import loop, probed
from plumbrl.adapters.sb3.factories import ready
from plumbrl.causes import catalogue
from plumbrl.errors import UserError
from plumbrl.probes.catalogue import BASIC, problems
from plumbrl.probes.localise import localise
from plumbrl.probes.suspects import suspects
from plumbrl.probes.trial import run_trial
from plumbrl.probes.workers import Task, run_apart

ROOT = Path(__file__).parents[2]
LOOPS = {fault.name: fault for fault in loop.FAULTS}
PROBED = {fault.name: fault for fault in probed.FAULTS}


def trial(make, name, kind="discrete", seed=0, budget=0.15, **options):
    return run_trial(make, problems(kind)[name], seed, budget=budget, **options)


@pytest.mark.parametrize("algo", ["PPO", "A2C", "DQN", "SAC", "TD3"])
def test_healthy_trainers_pass_the_basic_probes(algo):
    report = plumbrl.probe(ready(algo), basic=True, seeds=(0, 1))
    assert report.verdict == "HEALTHY", report.findings
    assert report.exit_code == 0
    decided = [row for row in report.probes if row["verdict"] == "passed"]
    assert {row["probe"] for row in decided} == set(BASIC)
    assert not report.ranked


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["PPO", "A2C", "DQN", "SAC", "TD3"])
def test_healthy_trainers_pass_everything(algo):
    report = plumbrl.probe(f"sb3:{algo}", seeds=(3,))
    assert report.verdict == "HEALTHY", [r for r in report.probes if r["verdict"] == "failed"]
    identities = [c for c in report.checks if not c.name.startswith("probe ")]
    assert identities
    assert {c.verdict for c in identities} <= {"passed", "skipped"}


@pytest.mark.slow
def test_a_hand_written_loop_passes_and_is_measured():
    report = plumbrl.probe(loop.healthy.make_trainer, kinds=("discrete",), seeds=(0,))
    assert report.verdict == "HEALTHY"
    assert {r["probe"] for r in report.probes if r["verdict"] == "skipped"} == {
        "image", "dictionary", "memory",
    }  # fmt: skip
    effective = dict(report.effective)
    assert effective["gamma"] == pytest.approx(0.7, abs=0.03)
    assert effective["gae_lambda"] == pytest.approx(0.95, abs=0.12)


CAUGHT = [
    ("constant", loop, "terminal bootstrap"),
    ("observation", loop, "observations"),
    ("delay", loop, "gamma one"),
    ("action", loop, "advantage sign"),
    ("observation-action", loop, "no policy loss"),
    ("limit", loop, "truncation"),
    ("end-or-limit", loop, "reset bootstrap"),
    ("endless", loop, "rollout end"),
    ("ladder", loop, "gamma squared"),
    ("alias", loop, "lambda"),
    ("credit", loop, "advantage sign"),
    ("next-best", loop, "no policy loss"),
    ("vector", loop, "linear"),
    ("mixing", loop, "mixed"),
    ("negative", loop, "relu"),
    ("scale", loop, "tanh"),
    ("noise", loop, "clipped"),
    ("exploration", probed, "no epsilon"),
    ("dictionary", probed, "one input"),
    ("action-plane", probed, "one dimension"),
    ("action-range", probed, "unscaled"),
]


@pytest.mark.parametrize(("probe", "kit", "name"), CAUGHT, ids=[c[0] for c in CAUGHT])
def test_every_probe_catches_a_mutant(probe, kit, name):
    fault = {f.name: f for f in kit.FAULTS}[name]
    kind = getattr(fault, "kind", "discrete")
    found = trial(kit.factory(fault), probe, kind, seed=1)
    assert not found.mistake
    assert found.verdict == "failed"
    ranked = localise([(replace(problems(kind)[probe], gamma=found.gamma), found)])
    assert sum(r.probability for r in ranked) == pytest.approx(1.0)


def test_a_policy_that_remembers_nothing_fails_the_memory_probe():
    """A feed-forward policy that is declared recurrent."""

    def make_trainer(envs, seed, gamma):
        trainer = loop.Trainer(envs, seed, gamma)
        trainer.recurrent = True
        return trainer

    assert trial(make_trainer, "memory").verdict == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["terminal bootstrap", "gamma squared", "wrong optimiser", "relu"])
def test_the_mistake_is_named(name):
    fault = LOOPS[name]
    basics = [*BASIC, "limit", "end-or-limit", "endless", "ladder", "negative", "vector"]
    report = plumbrl.probe(
        loop.factory(fault), only=basics, kinds=("discrete",), seeds=(0,), budget=0.15
    )
    assert report.verdict == "BROKEN"
    assert report.exit_code == 3
    assert report.findings[0].cause in fault.causes
    assert report.findings[0].evidence
    assert dict(report.components)[report.findings[0].component] > 0.5


def test_identities_come_before_probabilities():
    """An advantage of the wrong sign inside SB3 is not inferred: it is seen."""
    from faults.on_policy import SignFlipped

    make = ready("PPO")
    report = plumbrl.probe(
        lambda envs, seed, gamma: make(envs, seed, gamma, rollout_buffer_class=SignFlipped),
        only=("action",), kinds=("discrete",), seeds=(0,), budget=0.1,
    )  # fmt: skip
    assert report.verdict == "BROKEN"
    assert report.findings[0].cause == "data.advantage-sign-flipped"
    assert report.findings[0].confidence == 1.0


def test_every_suspect_is_in_the_catalogue():
    passed = trial(ready("DQN"), "constant", budget=1.0)
    listed = {s.cause for s in suspects([(problems("discrete")["constant"], passed)])}
    assert listed <= set(catalogue())
    for fault in (*loop.FAULTS, *probed.FAULTS):
        assert set(fault.causes) <= set(catalogue()), fault.name


class Mute:
    def train(self, timesteps):
        pass


class Odd(Mute):
    def value(self, observations):
        return np.zeros(3)


def raising(env, seed):
    raise RuntimeError("no such layer")


def hanging(env, seed):
    time.sleep(60)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda env, seed: None, "returned None"),
        (lambda env, seed: object(), "no method train"),
        (lambda env, seed: Mute(), "cannot be used|not asked"),
        (lambda env, seed: Odd(), r"shape \(3,\) for 1 observations"),
        (raising, "RuntimeError: no such layer"),
        (hanging, "longer than 0.5 s"),
        (lambda env: None, "an environment and a seed"),
        ("sb3:PPPO", "did you mean 'PPO'"),
        ("PPO", "write sb3:PPO"),
        ("no_such_module:x", "no module 'no_such_module'"),
        ("json:dupms", "did you mean 'dumps'"),
        (3, "not a function"),
    ],
)
def test_mistakes_of_users_are_one_sentence(make, said):
    with pytest.raises(UserError, match=said) as caught:
        plumbrl.probe(make, basic=True, seconds=0.5)
    assert "\n" not in str(caught.value)


def forgetful(envs, seed, gamma):
    return loop.Trainer(envs, seed, 0.99)


def test_gamma_that_is_not_passed_on_is_said():
    with pytest.raises(UserError, match=r"given gamma 0\.5, but its trainer has gamma 0\.99"):
        plumbrl.probe(forgetful, only=("delay",), kinds=("discrete",), seeds=(0,))


def test_without_a_known_gamma_later_rewards_decide_nothing():
    class Silent:
        def __init__(self, envs, seed):
            self.trainer = loop.Trainer(envs, seed, 0.99)
            self.train, self.value = self.trainer.train, self.trainer.value

    def make_trainer(envs, seed):
        return Silent(envs, seed)

    assert trial(make_trainer, "delay").verdict == "skipped"
    assert "gamma is not known" in trial(make_trainer, "endless").reason
    assert trial(make_trainer, "constant").verdict == "passed"


def test_a_target_network_that_is_copied_rarely_is_not_accused():
    make = ready("DQN")

    def make_trainer(envs, seed, gamma):
        return make(envs, seed, gamma, target_update_interval=10_000)

    found = trial(make_trainer, "delay", budget=1.0)
    assert found.verdict == "skipped"
    assert "every 10000 timesteps" in found.reason
    assert trial(make_trainer, "constant", budget=1.0).verdict == "passed"


def test_an_action_outside_the_space_is_said():
    class Outside(loop.Trainer):
        def action(self, observations):
            return super().action(observations) + 10

    found = trial(Outside, "action")
    assert "none of the 2 actions" in found.mistake


def test_every_probe_is_documented():
    page = (ROOT / "docs" / "probes.md").read_text()
    for kind in ("discrete", "continuous"):
        assert all(f"| `{name}` |" in page for name in problems(kind))


def test_unknown_probes_are_refused_with_the_nearest():
    with pytest.raises(UserError, match="'ladder'"):
        plumbrl.probe(ready("DQN"), only=("lader",))


def dying(spec):
    def make_trainer(env, seed):
        os._exit(7)

    return make_trainer


def deaf(spec):
    """Hangs without listening to its time limit."""
    import signal

    def make_trainer(env, seed):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        time.sleep(60)

    return make_trainer


@pytest.mark.parametrize(("load", "said"), [(dying, "exit code 7"), (deaf, "did not answer")])
def test_a_process_that_dies_or_hangs_does_not_stop_the_rest(load, said, monkeypatch):
    monkeypatch.setattr("plumbrl.probes.workers.GRACE", 0.5)
    tasks = [Task("discrete", "constant", seed, seconds=0.5) for seed in range(3)]
    trials = list(run_apart(load, "x", tasks, workers=2))
    assert sorted(t.seed for t in trials) == [0, 1, 2]
    assert all(said in t.mistake and t.verdict == "inconclusive" for t in trials)


def run(*args, cwd=ROOT):
    command = [sys.executable, "-m", "plumbrl", "probe", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.mark.slow
def test_the_command_judges_and_exits():
    done = run("--algo", "sb3:DQN", "--basic", "--seeds", "0", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "HEALTHY"
    assert [row["probe"] for row in report["probes"]][:5] == list(BASIC)
    examples = ROOT / "examples"
    done = run("--algo", "hand_written_loop:make_trainer", "--only", "delay", cwd=examples)
    assert done.returncode == 0, done.stderr
    assert "HEALTHY" in done.stdout
    done = run("--algo", "hand_written_loop:make_trainr", cwd=examples)
    assert done.returncode == 2
    assert "make_trainer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [["--budget", "0"], ["--seconds", "-1"], ["--workers", "0"]])
def test_the_command_refuses_nonsense(args):
    done = run("--algo", "sb3:PPO", *args)
    assert done.returncode == 2
    assert args[0] in done.stderr
