"""`plumbrl diagnose` on real logs and real folders."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plumbrl.diagnosis import diagnose

LOGS = Path(__file__).parents[1] / "data/logs"
PUBLISHED = LOGS / "published_unaligned.csv"
"""Of the published configuration on the published wheels, stock MuJoCo: 1.5 million steps."""
OURS = LOGS / "ballbot_flat.csv"
"""Of `configs/train/ballbot_flat.yaml`, seed 0."""


def plumbrl(*args):
    command = [sys.executable, "-m", "plumbrl", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_published_training_does_not_learn_and_ours_does():
    published, ours = diagnose(PUBLISHED), diagnose(OURS)
    assert published.verdict == "NOT_LEARNING"
    assert published.exit_code == 3
    causes = [found.cause for found in published.findings]
    assert causes[0] == "configuration.clip-range-tiny"
    assert {"task.no-gain", "policy.does-not-change"} <= set(causes)
    assert ours.verdict == "HEALTHY"
    assert ours.exit_code == 0
    assert not [found for found in ours.findings if found.severity != "info"]


def test_prints_json_and_writes_a_page(tmp_path):
    page = tmp_path / "page.html"
    run = plumbrl("diagnose", PUBLISHED, "--json", "--html", page)
    assert run.returncode == 3, run.stderr
    report = json.loads(run.stdout)
    assert report["verdict"] == "NOT_LEARNING"
    assert report["findings"][0]["change"]["clip_range"] == "0.2"
    assert "Not learning" in page.read_text()
    assert page.stat().st_size < 2_000_000


def test_prints_the_verdict_for_people():
    run = plumbrl("diagnose", OURS)
    assert run.returncode == 0, run.stderr
    assert "HEALTHY" in run.stdout
    assert "silent" in run.stdout


def test_the_classic_rules_are_there_for_comparison():
    accused = {c.name for c in diagnose(OURS, rules="classic").checks if c.verdict != "skipped"}
    assert {"value broken", "clipping excessive"} <= accused


WRONG = {
    "missing": (lambda path: None, "no such file"),
    "empty": (lambda path: path.write_text(""), ""),
    "garbage": (lambda path: path.write_bytes(bytes(range(256)) * 9), ""),
    "header only": (lambda path: path.write_text("time/total_timesteps,train/loss\n"), ""),
    "no steps": (lambda path: path.write_text("a,b\n1,2\n3,4\n"), ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_log_gets_one_sentence(case, tmp_path):
    write, hint = WRONG[case]
    write(tmp_path / "log.csv")
    run = plumbrl("diagnose", tmp_path / "log.csv")
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert hint in run.stderr


@pytest.mark.parametrize("lines", [3, 40])
def test_a_torn_log_gets_an_answer(lines, tmp_path):
    text = "".join(OURS.read_text().splitlines(keepends=True)[:lines])
    (tmp_path / "log.csv").write_text(text[:-20])
    report = diagnose(tmp_path / "log.csv")
    assert report.verdict in ("INCONCLUSIVE", "NOT_CONVERGED", "HEALTHY")


def test_a_run_folder_may_lack_anything_but_a_log(tmp_path):
    shutil.copy(OURS, tmp_path / "progress.csv")
    for name in ("findings.jsonl", "checks.jsonl", "evaluations.jsonl"):
        (tmp_path / name).write_text('{"torn": \nnull\n[1]\n')
    assert diagnose(tmp_path).verdict == "HEALTHY"


def log_of(path, loss, others="1.5"):
    """A progress.csv of 30 rows whose losses are all the same."""
    lines = ["time/total_timesteps,rollout/ep_rew_mean,train/loss,train/value_loss,train/std"]
    lines += [f"{512 * i},{i % 3},{loss},{loss},{others}" for i in range(1, 31)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("word", ["nan", "NaN"])
def test_a_loss_that_never_was_a_number_breaks_a_run(word, tmp_path):
    report = diagnose(log_of(tmp_path / "progress.csv", word))
    assert (report.verdict, report.exit_code) == ("BROKEN", 3)
    found = report.findings[0]
    assert (found.cause, found.step) == ("optimiser.not-finite", 512)
    where = found.evidence[0].where
    assert where.startswith("train/loss, train/value_loss in every row")
    assert "cannot be told from this log" in where


def test_cells_that_are_empty_break_nothing(tmp_path):
    assert diagnose(log_of(tmp_path / "progress.csv", "")).verdict != "BROKEN"
    assert diagnose(log_of(tmp_path / "other.csv", "0.5", others="nan")).verdict != "BROKEN"


def test_a_learning_rate_that_is_far_too_high_is_the_first_cause_in_a_log(tmp_path):
    def causes(rate):
        lines = ["time/total_timesteps,rollout/ep_rew_mean,train/learning_rate,train/approx_kl"]
        lines += [f"{512 * i},{9 + i % 3},{rate},5.0" for i in range(1, 41)]
        (tmp_path / "progress.csv").write_text("\n".join(lines) + "\n")
        return [found.cause for found in diagnose(tmp_path / "progress.csv").findings]

    assert causes(0.3)[0] == "configuration.learning-rate-unusual"
    assert causes(3e-4)[0] == "policy.kl-too-large"
