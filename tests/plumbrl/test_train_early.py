"""A training that ends early says why, with a report and an exit code of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TESTS = Path(__file__).parents[1]


def train(folder, *flags):
    config = {
        "env": {"id": "broken:BrokenReward-v0"}, "num_envs": 2, "total_timesteps": 4000,
        "watch_every": 128, "eval": {"episodes": 2, "every": 0}, "out": str(folder),
        "normalize_reward": False, "normalize_observation": False,
        "algo": {"name": "PPO", "net_arch": [8], "kwargs": {"n_steps": 64, "batch_size": 64}},
    }  # fmt: skip
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "plumbrl", "train", str(path), *flags]
    env = os.environ | {"PYTHONPATH": str(TESTS)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


@pytest.mark.parametrize(("flags", "code"), [((), 1), (("--stop-on-error",), 4)])
def test_what_is_no_number_ends_in_a_report(flags, code, tmp_path):
    run = train(tmp_path, *flags, "--json")
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    report = json.loads(run.stdout)
    assert report["verdict"] == "BROKEN"
    assert report["findings"][0]["cause"] == "reward.not-finite"
    assert "reward of environment" in report["findings"][0]["evidence"][0]["where"]
    (folder,) = tmp_path.glob("*/*/*")
    assert (folder / "report.html").is_file()
    assert json.loads((folder / "report.json").read_text()) == report


def test_without_the_watch_there_are_no_metrics(tmp_path):
    run = train(tmp_path, "--no-watch", "--env.id", "CartPole-v1", "--total_timesteps", "500")
    assert run.returncode in (0, 3), run.stderr
    (folder,) = tmp_path.glob("*/*/*")
    assert not (folder / "metrics.jsonl").exists()
    checks = json.loads((folder / "report.json").read_text())["checks"]
    assert ("numbers of the training", "skipped") in {(c["name"], c["verdict"]) for c in checks}
