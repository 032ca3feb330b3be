"""The vocabulary: reports say the same on the console and as JSON."""

import json

import pytest

from plumbrl.causes import catalogue, finding
from plumbrl.errors import UserError
from plumbrl.findings import Check, Evidence, Report, most_severe

COMPONENTS = {"environment", "reward", "data", "policy", "value", "optimiser", "network",
              "configuration", "evaluation", "task"}  # fmt: skip


def example():
    evidence = (Evidence("largest difference", 0.5, "at most 0.001", "nat", "update 0"),)
    return finding("data.log-prob-mismatch", step=128, evidence=evidence)


def test_report_as_json_has_the_agreed_shape():
    checks = (Check("a", "passed"), Check("b", "failed", "because"))
    report = Report("run", "BROKEN", (example(),), checks)
    data = json.loads(report.to_json())
    assert data["schema"] == 1
    assert data["verdict"] == "BROKEN"
    (found,) = data["findings"]
    assert found["cause"] == "data.log-prob-mismatch"
    assert found["component"] == "data"
    assert found["evidence"][0] == {
        "name": "largest difference", "value": 0.5, "expected": "at most 0.001", "unit": "nat",
        "where": "update 0",
    }  # fmt: skip
    assert found["remedy"]
    assert data["checks"][1] == {"name": "b", "verdict": "failed", "reason": "because"}


def test_exit_code_is_3_only_when_a_check_failed():
    assert (
        Report("run", "HEALTHY", (), (Check("a", "passed"), Check("b", "skipped"))).exit_code == 0
    )
    assert Report("run", "BROKEN", (), (Check("a", "failed"),)).exit_code == 3


def test_every_cause_is_complete():
    for cause in catalogue().values():
        assert cause.component in COMPONENTS
        for text in (cause.what, cause.shows, cause.remedy):
            assert text.endswith(".")
            assert len(text) > 30


def test_unknown_cause_names_the_nearest():
    with pytest.raises(UserError, match=r"data\.log-prob-mismatch"):
        finding("data.logprob-mismatch", step=0, evidence=())


def test_most_severe_reads_errors_first():
    error = example()
    info = finding("task.below-baseline", step=0, evidence=())
    assert most_severe([info, error]) is error
    assert most_severe([]) is None
