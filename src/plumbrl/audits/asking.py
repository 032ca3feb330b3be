"""Ask an environment one look after another, whatever it does meanwhile."""

import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from plumbrl.audits import subject as subjects
from plumbrl.audits.contract import FORM, check_contract
from plumbrl.audits.subject import Subject
from plumbrl.audits.tier import Look
from plumbrl.errors import UserError
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped
from plumbrl.timeout import TimedOutError, time_limit

RUNS = "the environment runs"
FIRST = Look(FORM, check_contract)
PATIENCE = 1.0
"""Seconds that a look may take beyond the budget."""
HOME = Path(subjects.__file__).parent
OWN_FAILURE = "the audit itself failed"
STDLIB = sysconfig.get_paths()["stdlib"]


def ask(subject: Subject, looks: list[Look]) -> Iterator[tuple[str, list[Outcome]]]:
    """Yield a name and no outcomes when a look begins, and its outcomes when it ends.

    Raises:
        UserError: The subject cannot be audited as it was asked for.
    """
    over = ""
    for look in (FIRST, *looks):
        if over:
            yield look.name, [skipped(look.name, over)]
            continue
        yield look.name, []
        outcomes, over = _asked(look, subject, look is FIRST)
        yield look.name, outcomes


def _asked(look: Look, subject: Subject, first: bool) -> tuple[list[Outcome], str]:
    """Return the outcomes, and why nothing more is to be asked; empty if more is."""
    if subject.budget.over:
        return [skipped(look.name, "the budget was spent; a larger --budget decides")], ""
    try:
        with time_limit(subject.budget.left + PATIENCE):
            outcomes = look.ask(subject)
    except UserError:
        raise
    except TimedOutError as error:
        return _hung(look, error, subject)
    except Exception as error:
        return _raised(look, error, first)
    failed = first and outcomes[0][0].verdict == "failed"
    return outcomes, "the environment does not return what it says" if failed else ""


def _hung(look: Look, error: TimedOutError, subject: Subject) -> tuple[list[Outcome], str]:
    place = _outside(error)
    if place is None:
        return [skipped(look.name, "it took longer than the budget; a larger --budget decides")], ""
    return [hangs(f"{place} did not return while asking: {look.name}")], "the environment hangs"


def hangs(reason: str) -> Outcome:
    """Return the outcome for an environment that does not return."""
    return found(RUNS, "environment.hangs", reason, Evidence("calls that returned late", 1, "0"))


def _raised(look: Look, error: Exception, first: bool) -> tuple[list[Outcome], str]:
    said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(
        ": "
    )
    place = _outside(error)
    if place is None:
        return [(Check(look.name, "inconclusive", f"{OWN_FAILURE}: {said}"), None)], ""
    evidence = Evidence("exceptions", 1, "0", "", place)
    outcome = found(RUNS, "environment.raises", f"{said} in {place}", evidence)
    return [outcome], "the environment raises an exception at once" if first else ""


def _outside(error: BaseException) -> str | None:
    """Return file and line of the innermost frame of somebody else's; None if there is none.

    What numpy raises when the audit calls it is the audit's own.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [k for k, f in enumerate(frames) if HOME in Path(f.filename).parents]
    beyond = [
        f for f in frames[max(ours, default=-1) + 1 :]
        if "/plumbrl/" not in f.filename.replace("\\", "/")
    ]  # fmt: skip
    if not beyond or _is_numpy(beyond[0].filename):
        return None
    users = [f for f in beyond if not _is_library(f.filename)]
    frame = (users or beyond)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} ({frame.name})"


def _is_library(file: str) -> bool:
    return "site-packages" in file or file.startswith((STDLIB, "<"))


def _is_numpy(file: str) -> bool:
    return "numpy" in Path(file).parts
