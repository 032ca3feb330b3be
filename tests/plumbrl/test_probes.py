"""The suite: healthy trainers pass, every probe catches a mutant, users read sentences."""

import io
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from stable_baselines3 import DQN

import plumbrl
from faults import loop, probed
from long_runs import LONG
from plumbrl.adapters.sb3.factories import ready
from plumbrl.causes import catalogue
from plumbrl.errors import UserError
from plumbrl.probes.catalogue import BASIC, problems
from plumbrl.probes.cleared import CLEARS, cleared
from plumbrl.probes.localise import localise
from plumbrl.probes.patterns import untried
from plumbrl.probes.solve import Rule, solve
from plumbrl.probes.suspects import suspects
from plumbrl.probes.trial import run_trial
from plumbrl.probes.workers import Task, run_apart
from plumbrl.report.probes import print_probes

ROOT = Path(__file__).parents[2]
LOOPS = {fault.name: fault for fault in loop.FAULTS}
PROBED = {fault.name: fault for fault in probed.FAULTS}


def trial(make, name, kind="discrete", seed=0, budget=0.15, **options):
    return run_trial(make, problems(kind)[name], seed, budget=budget, **options)


WHOLE = ("PPO", "DQN", "SAC")
"""Trainers put through every probe; their relatives only where they differ, unless asked."""


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["PPO", "A2C", "DQN", "SAC", "TD3"])
def test_healthy_trainers_pass(algo):
    report = plumbrl.probe(f"sb3:{algo}", basic=not (LONG or algo in WHOLE), seeds=(3,))
    assert report.verdict == "HEALTHY", [r for r in report.probes if r["verdict"] == "failed"]
    assert report.exit_code == 0 and not report.ranked
    assert {r["probe"] for r in report.probes if r["verdict"] == "passed"} >= set(BASIC)
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
    assert any(r.cause in fault.causes and probe in r.explains for r in ranked)


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


def without_values(make):
    """A trainer that can only be asked what it would do."""

    class Silent:
        def __init__(self, envs, seed, gamma):
            trainer = make(envs, seed, gamma)
            self.train, self.action = trainer.train, trainer.action

    return Silent


def named_first(probed):
    """Return the causes of the highest probability."""
    ranked = localise(probed)
    top = ranked[0].probability
    return {r.cause for r in ranked if r.probability > 0.99 * top}


def outcomes(make, names, budget=0.15, seed=0):
    problem = problems("discrete")
    return [(problem[n], trial(make, n, budget=budget, seed=seed)) for n in names]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "cause"),
    [(0.3, "optimiser.diverges"), (1e-5, "optimiser.learning-rate-too-low")],
)
def test_too_high_a_learning_rate_is_not_called_too_low(rate, cause):
    make = ready("PPO")
    found = outcomes(
        lambda envs, seed, gamma: make(envs, seed, gamma, learning_rate=rate),
        ["observation", "delay", "observation-action"],
    )
    assert [t.verdict for _, t in found] == ["failed"] * 3
    assert named_first(found) == {cause}


@pytest.mark.slow
def test_a_flipped_advantage_is_named_of_a_trainer_without_values():
    """Rules that say nothing about a probe are not refuted by it."""
    names = ["action", "observation-action", "credit", "exploration"]
    found = outcomes(without_values(loop.factory(LOOPS["advantage sign"])), names)
    assert {t.verdict for _, t in found} == {"failed"}
    assert named_first(found) == {"data.advantage-sign-flipped", "data.reward-sign-flipped"}
    healthy = outcomes(without_values(loop.healthy.make_trainer), names[:2])
    assert {t.verdict for _, t in healthy} == {"passed"}
    assert not localise(healthy)


def test_identities_that_held_tell_a_blind_network_from_shuffled_data():
    blind = outcomes(probed.factory(PROBED["blind"]), ["observation", "observation-action"])
    assert {t.verdict for _, t in blind} == {"failed"}
    held = {check.name for _, t in blind for check, _ in t.identities if check.verdict == "passed"}
    before = {r.cause: r.probability for r in localise(blind)}
    after = {r.cause: r.probability for r in localise(blind, held)}
    assert before["data.shuffled"] == pytest.approx(before["network.ignores-input"])
    assert after["data.shuffled"] < 0.1 * after["network.ignores-input"]


def test_what_identities_clear_exists():
    names = set()
    for algo, kind in (("PPO", "discrete"), ("SAC", "continuous")):
        found = trial(ready(algo), "observation-action", kind)
        names |= {check.name for check, _ in found.identities}
    for needed, causes in CLEARS:
        assert names >= set(needed)
        assert set(causes) <= set(catalogue())
        assert cleared(needed) >= set(causes)
        assert not cleared(())


def test_q_of_untried_actions_may_be_wrong_without_exploration():
    found = trial(probed.factory(PROBED["no epsilon"]), "credit")
    problem = problems("discrete")["credit"]
    assert found.verdict == "failed"
    assert untried(problem, found)
    other = trial(probed.factory(PROBED["relu q"]), "negative")
    assert other.verdict == "failed"
    assert not untried(problems("discrete")["negative"], other)


def test_drawn_targets_scatter():
    problem = problems("discrete")["observation"]
    np.testing.assert_allclose(solve(problem, gae_lambda=0, rule=Rule(belongs="any")).scatter, 1)
    np.testing.assert_allclose(solve(problem, gae_lambda=0).scatter, 0)


def shown(report, encoding="utf-8"):
    """Return what a console of an encoding shows of a report."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_probes(report, Console(file=file, width=200))
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def healthy_dqn():
    return plumbrl.probe(DQN, only="delay", seeds=(0,))


def test_a_bare_class_and_a_bare_name_are_understood(healthy_dqn):
    assert healthy_dqn.verdict == "HEALTHY"
    assert {row["probe"] for row in healthy_dqn.probes} == {"delay", "constant"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_console_can_show_a_report(healthy_dqn, encoding):
    text = shown(healthy_dqn, encoding)
    assert "HEALTHY" in text
    assert ("✓" if encoding == "utf-8" else "+") in text
    assert "?" not in text


def test_updates_that_were_not_looked_at_are_said(healthy_dqn):
    skipped = {c.name: c.reason for c in healthy_dqn.checks if c.verdict == "skipped"}
    assert "'observation-action' only" in skipped["identities of the updates"]
    report = plumbrl.probe(DQN, only="observation-action", seeds=(0,))
    assert "identities of the updates" not in {c.name for c in report.checks}
    assert "identities of the updates" not in shown(report)


def test_one_line_for_all_probes_that_cannot_be_asked_alike():
    make = without_values(loop.healthy.make_trainer)
    report = plumbrl.probe(make, only=("constant", "observation", "scale"), seeds=(0,))
    text = shown(report)
    assert text.count("cannot be asked") == 1
    assert "constant, observation, scale: the trainer cannot be asked" in text


@pytest.mark.slow
def test_a_verdict_that_is_not_clear_says_so():
    options = {"kinds": ("discrete",), "seeds": (0,), "budget": 0.15}
    make = loop.factory(LOOPS["terminal bootstrap"])
    text = shown(plumbrl.probe(make, only="constant", **options))
    assert "not clear which mistake: " in text
    assert "value.bootstrap-at-terminal (31%) or data.episode-ends-ignored (31%)" in text
    text = shown(plumbrl.probe(make, only=("constant", "scale", "limit"), **options))
    assert "most probably at fault is the value part" in text


def test_an_input_probe_that_takes_too_long_is_not_called_unsuited():
    found = trial(hanging, "vector", seconds=0.2), trial(hanging, "image", seconds=0.2)
    assert [t.verdict for t in found] == ["inconclusive", "inconclusive"]
    assert trial(raising, "image").verdict == "skipped"


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
        (raising, r"test_probes\.py:\d+ in raising: RuntimeError: no such layer"),
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


@pytest.mark.parametrize(
    ("load", "said", "grace"), [(dying, "exit code 7", 60.0), (deaf, "did not answer", 0.5)]
)
def test_a_process_that_dies_or_hangs_does_not_stop_the_rest(load, said, grace, monkeypatch):
    monkeypatch.setattr("plumbrl.probes.workers.GRACE", grace)
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
