"""An audit survives whatever an environment does, and says in a sentence what it was not given."""

import json
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import plumbrl
from faults.misbehaving import WAYS, Misbehaves
from plumbrl.audits.oracle import named_oracle
from plumbrl.audits.run import audit
from plumbrl.cli.audit import joined, seconds_in
from plumbrl.errors import UserError


def names(report):
    return [f.cause for f in report.findings]


def own_failures(report):
    return [c for c in report.checks if "the audit itself failed" in c.reason]


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("way", WAYS)
def test_whatever_an_environment_does_ends_in_a_finding(way, env):
    report = audit(
        lambda: Misbehaves(gymnasium.make(env), way), name=way, budget=1.0, tiers=("reward",)
    )
    assert WAYS[way][1] in names(report)
    assert report.verdict == "BROKEN" and report.exit_code == 3
    assert not own_failures(report)


@pytest.mark.parametrize("after", [1_000, 1_700, 3_000])
@pytest.mark.parametrize("way", ["raises", "exits"])
def test_also_where_it_happens_late(way, after):
    report = audit(
        lambda: Misbehaves(gymnasium.make("CartPole-v1"), way, after), name=way, budget=20.0
    )
    assert WAYS[way][1] in names(report)
    assert sum(c.verdict == "passed" for c in report.checks) >= 2  # what was found before is kept


def test_a_hang_in_the_middle_keeps_the_budget():
    report = audit(
        lambda: Misbehaves(gymnasium.make("CartPole-v1"), "hangs", 1500), budget=3.0, name="hangs"
    )
    assert "environment.hangs" in names(report)


def test_prints_of_the_environment_do_not_reach_the_report(capfd):
    class Prints(gymnasium.Wrapper):
        def step(self, action):
            print("noise")
            return self.env.step(action)

    report = audit(lambda: Prints(gymnasium.make("CartPole-v1")), budget=5.0, tiers=("reward",))
    assert "noise" not in capfd.readouterr().out
    assert not [f for f in report.findings if f.severity == "error"]


def test_every_form_of_an_environment_is_taken():
    made = gymnasium.make("CartPole-v1")
    vector = lambda: SyncVectorEnv(  # noqa: E731
        [lambda: gymnasium.make("CartPole-v1")] * 3, autoreset_mode=AutoresetMode.SAME_STEP
    )
    for form in ("CartPole-v1", made, lambda: gymnasium.make("CartPole-v1"), vector):
        report = audit(form, budget=8.0)
        assert not own_failures(report)
        assert not [f for f in report.findings if f.severity == "error"], form
    assert any(c.name.startswith("vector:") and c.verdict == "passed" for c in report.checks)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (dict(env="CartPol-v1"), "did you mean 'CartPole-v1'"),
        (dict(env="no_such_module:Env-v0"), "no_such_module"),
        (dict(env=7), "takes an id"),
        (dict(env=lambda: 7), "not a Gymnasium environment"),
        (dict(env="CartPole-v1", gamma=1.5), "gamma"),
        (dict(env="CartPole-v1", budget=0), "budget"),
        (dict(env="CartPole-v1", seed=-1), "seed"),
        (dict(env="CartPole-v1", tiers=("rewards",)), "did you mean 'reward'"),
    ],
)
def test_bad_input_is_said_in_a_sentence(arguments, said):
    with pytest.raises(UserError, match=said):
        audit(**arguments)


def test_oracles_are_functions_of_observations_or_of_the_environment():
    with pytest.raises(UserError, match="module:function"):
        named_oracle("math")
    with pytest.raises(UserError, match="did you mean 'sin'"):
        named_oracle("math:sinn")
    with pytest.raises(UserError, match="no_such"):
        named_oracle("no_such:f")
    assert named_oracle("math:sin")(None)(0.0) == 0.0


def test_durations():
    assert [seconds_in(t) for t in ("30", "30s", "2m", "0.5h")] == [30, 30, 120, 1800]
    for text in ("", "s", "-1s", "0", "soon", "infs", "nan"):
        with pytest.raises(UserError, match="budget"):
            seconds_in(text)


def test_a_metric_where_lower_is_better_is_no_option():
    assert joined(["E-v0", "--metric", "-d", "--json"]) == ["E-v0", "--metric=-d", "--json"]
    for args in (["--metric", "--json"], ["--metric", "d", "-h"], ["--metric"]):
        assert joined(args) == args


def test_the_command_prints_json_and_the_function_is_public():
    done = subprocess.run(
        [sys.executable, "-m", "plumbrl", "audit", "CartPole-v1", "--budget", "20s", "--json"],
        capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["verdict"] == "HEALTHY", done.stdout
    assert plumbrl.audit is audit
    wrong = subprocess.run(
        [sys.executable, "-m", "plumbrl", "audit", "CartPol-v1"], capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "did you mean" in wrong.stderr


def test_the_ballbot_brings_its_own_oracle_and_vector():
    report = audit("ballbot:Ballbot-v0", budget=30.0, tiers=("task",))
    assert not own_failures(report)
    env = gymnasium.make("ballbot:Ballbot-v0")
    env.reset(seed=0)
    act = env.unwrapped.baselines()["balance"]
    for _ in range(150):  # random actions end an episode after about thirty
        _, _, terminated, *_ = env.step(np.asarray(act()))
        assert not terminated
    env.close()


def blind(observation):
    raise ZeroDivisionError("no gain")


def wide(observation):
    return np.zeros(7)


@pytest.mark.parametrize(
    ("oracle", "said"),
    [
        (lambda env: blind, "oracle cannot act.*ZeroDivisionError: no gain"),
        (lambda env: 1 / 0, "oracle cannot act.*ZeroDivisionError"),
        (lambda env: wide, "oracle returns"),
        (lambda env: lambda o: 5, "oracle returns"),
        (3, "oracle must be a function"),
        ("math", "module:function"),
    ],
)
def test_what_is_wrong_with_an_oracle_is_no_fault_of_the_environment(oracle, said):
    with pytest.raises(UserError, match=said):
        audit("CartPole-v1", oracle=oracle, budget=10.0)


def with_argument(size):
    return gymnasium.make("CartPole-v1")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "plumbrl.audits.restore:check_restor",
            "did you mean 'plumbrl.audits.restore:check_restore'",
        ),
        ("nothing like an id", "give an id, module:Env-v0 or module:function"),
        (with_argument, "called without arguments.*size"),
    ],
)
def test_what_is_no_environment_is_said(name, said):
    with pytest.raises(UserError, match=said):
        audit(name)
