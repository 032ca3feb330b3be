"""The run folder: atomic, never overwritten, no secrets."""

import json

import numpy as np
import pytest
import yaml

from plumbrl.causes import finding
from plumbrl.runs import RunFolder


def make(tmp_path, name="a name/with: odd parts"):
    return RunFolder.create(tmp_path, "Ballbot-v0", "PPO", name, 3)


def test_layout_and_names(tmp_path):
    folder = make(tmp_path)
    parts = folder.path.relative_to(tmp_path).parts
    assert parts[:2] == ("Ballbot-v0", "PPO")
    assert parts[2].endswith("_a-name-with-odd-parts_s3")
    assert (folder.path / "checkpoints").is_dir()


def test_two_runs_in_the_same_second_do_not_meet(tmp_path):
    paths = {make(tmp_path).path for _ in range(5)}
    assert len(paths) == 5


def test_manifest_says_what_is_needed_and_no_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2-secret")
    folder = make(tmp_path)
    folder.write_manifest(env="Ballbot-v0", seeds={"master": 3})
    text = (folder.path / "manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["schema"] == 1
    assert manifest["seeds"] == {"master": 3}
    assert manifest["packages"]["gymnasium"]
    assert "hunter2" not in text


def test_writes_are_atomic(tmp_path, monkeypatch):
    folder = make(tmp_path)
    folder.write_text("config.yaml", "old: 1\n")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        folder.write_text("config.yaml", "new: 2\n")
    assert (folder.path / "config.yaml").read_text() == "old: 1\n"


def test_lines_are_appended_and_stay_json(tmp_path):
    folder = make(tmp_path)
    folder.append_line("metrics.jsonl", {"step": 1, "loss": float("nan"), "list": [np.inf, 2]})
    folder.add_finding(finding("task.below-baseline", step=7, evidence=()), "evaluation")
    record = json.loads((folder.path / "metrics.jsonl").read_text())
    assert record == {"step": 1, "loss": None, "list": [None, 2]}
    found = json.loads((folder.path / "findings.jsonl").read_text())
    assert found["raised"] == 7
    assert found["cause"] == "task.below-baseline"


def test_config_is_readable_yaml(tmp_path):
    folder = make(tmp_path)
    folder.write_config({"seed": 3, "env": {"id": "x"}})
    assert yaml.safe_load((folder.path / "config.yaml").read_text())["env"] == {"id": "x"}
