"""The quick suite of the fault benchmark: a sample of every kit, as a regression test."""

import json
import subprocess
import sys

import pytest

REQUIRED = {"detection": 0.9, "top1_component": 0.75, "top3_component": 0.92}


@pytest.mark.slow
def test_faults_are_named_and_healthy_runs_are_not_accused(tmp_path):
    results = tmp_path / "results.json"
    command = [
        sys.executable, "-m", "plumbrl.cli.bench", "faults", "--suite", "quick", "--workers", "2",
        "--out", str(tmp_path / "rows.jsonl"), "--results", str(results),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = json.loads(results.read_text())
    assert [row["case"] for row in kept["rows"] if row.get("error")] == []
    found = kept["summary"]
    assert {row["kit"] for row in kept["rows"]} >= {"update", "audit", "probe", "training"}
    for name, least in REQUIRED.items():
        assert found[name][0] >= least, done.stdout
    assert found["exact"]["detected"][0] == 1.0, done.stdout
    assert found["n_healthy_rows"] >= 3
    assert found["false_alarm_rate"][0] == 0.0, done.stdout
