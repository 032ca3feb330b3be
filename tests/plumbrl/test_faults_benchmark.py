"""The fault benchmark runs, scores what is said, and goes on where it was stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "faults"


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import table

    return table


def row(family, named, acceptable, **more):
    return {
        "case": f"{family}/{more.get('seed', 0)}{named}", "family": family, "kit": "update",
        "algo": "PPO", "task": "CartPole-v1", "acceptable": acceptable, "exact": True,
        "half": "evaluation", "seed": 0, "seconds": 1.0, "named": named, "classic": [],
        "confidence": [1.0] * len(named), "detected": bool(named),
    } | more  # fmt: skip


def test_scores(table):
    rows = [
        row("value", ["value.broadcast"], ["value.broadcast"]),
        row("value", ["value.wrong-loss"], ["value.broadcast"]),
        row("policy", ["data.shuffled", "policy.no-gradient"], ["policy.no-gradient"]),
        row("policy", [], ["policy.no-gradient"]),
        row("healthy", ["reward.scale"], []),
        row("healthy", [], [], seed=1),
    ]
    found = table.summary(rows)
    assert found["detection"][0] == 0.75
    assert found["top1_component"][0] == 0.5
    assert found["top3_component"][0] == 0.75
    assert found["top1_cause"][0] == 0.25
    assert found["false_alarm_rate"][0] == 0.5
    assert found["n_faults"] == 4
    assert "policy" in table.text(found)


def test_faults_that_do_no_harm_are_not_counted(table):
    def training(reached, **more):
        facts = {"kit": "training", "exact": False, "reached": reached}
        return row("optimiser", [], ["optimiser.no-step"]) | facts | more

    twin = training(400.0, family="healthy", case="healthy/ppo")
    rows = [twin, training(390.0, case="a"), training(20.0, case="b")]
    found = table.summary(rows)
    assert found["harmless"] == ["a"]
    assert found["n_faults"] == 1


@pytest.mark.slow
def test_the_command_names_planted_faults_and_goes_on(tmp_path):
    out, results = tmp_path / "rows.jsonl", tmp_path / "results.json"
    command = [
        sys.executable, "-m", "plumbrl.cli.bench", "faults", "--suite", "full", "--only",
        "*advantage-sign*", "--out", str(out), "--results", str(results), "--workers", "1",
    ]  # fmt: skip
    done = subprocess.run([*command, "--kits", "update"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = json.loads(results.read_text())
    assert kept["summary"]["top1_cause"][0] == 1.0
    assert {"detection", "top1_component", "top3_component", "false_alarm_rate", "n_faults"} <= set(
        kept["summary"]
    )
    again = subprocess.run([*command, "--kits", "update"], capture_output=True, text=True)
    assert "1/" not in again.stdout.split("missed")[0]  # nothing is run twice
    wrong = subprocess.run(
        [sys.executable, "-m", "plumbrl.cli.bench", "falts"], capture_output=True, text=True
    )
    assert wrong.returncode == 2 and "did you mean 'faults'" in wrong.stderr
