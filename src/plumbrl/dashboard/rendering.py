"""What takes time: runs read, judged and drawn. It is called in the workshop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from plumbrl.dashboard.folders import Run
from plumbrl.dashboard.judging import Judged, reason, strayed
from plumbrl.dashboard.listing import Entry
from plumbrl.dashboard.parts import Page
from plumbrl.report.page.markup import Markup, tag
from plumbrl.report.page.verdicts import words

MOST = 200
"""Points of a curve: enough for its width here, and half of what a report has that is kept."""


@dataclass(frozen=True)
class Drawn:
    """What is on the page of a run.

    Attributes:
        verdict: In words.
        body: Sections by name.
    """

    verdict: str
    body: Mapping[str, Markup]


def drawn(run: Run) -> Drawn:
    """Read, judge and draw a run; what goes wrong is said in a sentence."""
    # Loaded here: the server knows this function, and is to stay without numpy.
    from plumbrl.diagnosis import diagnose_with
    from plumbrl.logs import read
    from plumbrl.report.html import sections
    from plumbrl.runs.value_trace import read_trace

    if run.stray:
        return undrawn(strayed(run), run)
    try:
        history = read(run.path)
        report = diagnose_with(history, run.path)
        shown = replace(report, subject=run.label)
        body = sections(shown, history, trace=read_trace(run.path), most=MOST)
    except Exception as error:
        return undrawn(reason(error, run), run)
    return Drawn(words(report.verdict), body)


def undrawn(said: str, run: Run) -> Drawn:
    """Return a page that only says why there is nothing on it."""
    parts = (
        tag("p", run.label, class_="subject"), tag("h1", "No verdict", id="verdict"),
        tag("p", said, class_="lead"),
    )  # fmt: skip
    shown = tag("section", *parts, class_="verdict unsure", aria_labelledby="verdict")
    return Drawn("No verdict", {"Verdict": shown})


def compared(rows: Sequence[tuple[Entry, Judged | None]], address: str) -> Page:
    """Read and draw runs beside each other.

    Args:
        rows: From two to eight runs, and their verdicts if they are known.
        address: Of the changes to the page.
    """
    from plumbrl.dashboard.compare_page import Compared, compare_page, short_names
    from plumbrl.dashboard.outcomes import outcome_of, settings_of
    from plumbrl.logs import read

    runs = []
    names = short_names([entry.run.label for entry, _ in rows])
    for (entry, judged), name in zip(rows, names, strict=True):
        path, history, settings, outcome = entry.run.path, None, {}, None
        try:
            history = None if entry.run.stray else read(path)
        except Exception:  # the page of the run says what is wrong with it
            history = None
        if not entry.run.stray:
            settings, outcome = settings_of(path, history), outcome_of(path, history)
        runs.append(Compared(entry, name, judged, history, settings, outcome))
    return compare_page(runs, address)
