"""Published faulty programs, rebuilt: what is listed exists, and some of it is run."""

import sys
from pathlib import Path

import pytest

import plumbrl
from plumbrl.causes import catalogue

FOLDER = Path(__file__).parents[1] / "benchmarks" / "faults"


@pytest.fixture
def programs(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from programs import catalogue as found

    yield found
    for name in [name for name in sys.modules if name.split(".")[0] == "programs"]:
        del sys.modules[name]


def test_the_catalogue_is_whole(programs):
    assert [p.source for p in programs.DRLINTER] == [f"DRLinter {n}" for n in range(1, 16)]
    assert len({p.source for p in programs.LABELLED}) == 27
    assert len({p.name for p in (*programs.PROGRAMS, *programs.CLEAN)}) == 15 + 27 + 6
    for program in programs.PROGRAMS:
        assert program.what and program.causes, program.name
        assert set(program.causes) <= set(catalogue()), program.name
    assert all(not program.causes for program in programs.CLEAN)


def said_of(programs, source, folder):
    from programs.run import report

    every = (*programs.PROGRAMS, *programs.CLEAN)
    program = next(p for p in every if source in (p.source, p.name))
    found, went = report(program, 0, folder)
    return program, found, went


@pytest.mark.parametrize("source", ["DRLinter 11", "DRLinter 14", "tensorforce 669"])
def test_programs_that_fail_at_once_are_named(programs, source, tmp_path):
    program, found, _ = said_of(programs, source, tmp_path)
    assert found.verdict == "BROKEN"
    assert found.findings[0].cause in program.causes


@pytest.mark.slow
@pytest.mark.parametrize("source", ["DRLinter 12", "SO 53802453", "SO 47643678"])
@pytest.mark.filterwarnings("ignore:.*even though this environment has already.*")
def test_programs_are_named(programs, source, tmp_path):
    program, found, went = said_of(programs, source, tmp_path)
    assert went["by"] == "watch"
    assert found.findings[0].cause in program.causes


@pytest.mark.slow
def test_the_clean_loop_learns_and_is_not_accused(programs, tmp_path):
    _, found, went = said_of(programs, "clean-DQN", tmp_path)
    assert [f.cause for f in found.findings if f.severity != "info"] == []
    assert went["reached"] > 60  # random actions last 22 steps
    names = {check.name: check.verdict for check in plumbrl.diagnose(tmp_path / "run").checks}
    assert names["batches against what happened"] == "passed"
    assert names["gradient of the loss as the optimiser gets it"] == "passed"
