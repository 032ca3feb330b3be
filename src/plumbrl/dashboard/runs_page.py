"""The first page: all runs, the verdict first."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from plumbrl.dashboard.judging import Judged, strayed
from plumbrl.dashboard.listing import Entry, State
from plumbrl.dashboard.parts import Page, Part, part
from plumbrl.report.page.markup import Markup, joined, tag
from plumbrl.report.page.numbers import count
from plumbrl.report.page.verdicts import MEANS, tone, words

MOST = 500
"""Runs in the list; a page of more is of no use."""
LATEST = 4e9
"""Seconds since 1970; files may claim to be of a year that no calendar has."""
TOGETHER = 8
"""Runs that can be compared; there are as many colours."""
FRAME = f"""<div data-slot="head">{{head}}</div>
<form action="/compare" method="get">
<table class="runs"><caption class="unseen">Runs, those that go on first, then the newest</caption>
<thead><tr><th scope="col"><span class="unseen">compare</span></th><th scope="col">verdict</th>
<th scope="col">run</th><th scope="col">first finding</th><th scope="col">timesteps</th>
<th scope="col">last written</th></tr></thead>
<tbody data-slot="rows">{{rows}}</tbody></table>
<p class="choice"><button id="compare" data-most="{TOGETHER}">Compare</button></p></form>"""
WORDS: dict[State, str] = {"running": "running", "ended": "ended", "quiet": "went quiet"}

Row = tuple[Entry, Judged | None]


def runs_page(rows: Iterable[Row], roots: Iterable[str], now: float) -> Page:
    """Return the list of runs.

    Args:
        rows: Runs and their verdicts, None where it is not known yet.
        roots: Folders they are in, in words.
        now: Seconds since 1970.
    """
    ordered = sorted(rows, key=lambda row: _place(row[0], now))
    head = part("head", "section", *_head(ordered, list(roots), now), class_="overview")
    shown = [_row(entry, judged, now) for entry, judged in ordered[:MOST]]
    return Page(f"{_runs(len(ordered))} · plumbrl", {"head": [head], "rows": shown},
                "/changes", Markup(), FRAME)  # fmt: skip


def chip(judged: Judged | None) -> Markup:
    """Return a verdict as a coloured word."""
    if judged is None:
        return tag("span", "judging …", class_="chip none")
    if not judged.verdict:
        return tag("span", "No verdict", class_="chip none")
    said = MEANS.get(judged.verdict)
    return tag("span", words(judged.verdict), class_=f"chip {tone(judged.verdict)}", title=said)


def moment(seconds: float) -> Markup:
    """Return a time that the browser tells as so long ago."""
    when = datetime.fromtimestamp(min(max(seconds, 0.0), LATEST), UTC)
    return tag(
        "time", when.astimezone().strftime("%Y-%m-%d %H:%M"), datetime=when.isoformat(),
        data_since=f"{seconds:.0f}", title=when.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
    )  # fmt: skip


def progress(entry: Entry) -> Markup:
    """Return how far a run has come, in numbers and, if its end is known, as a bar."""
    if entry.steps is None:
        return tag("span", "none yet", class_="dim")
    told = count(entry.steps)
    if not entry.total or entry.steps >= entry.total:
        return joined(told)
    bar = tag("progress", value=entry.steps, max=entry.total, aria_label=f"of {entry.total}")
    return joined(told, tag("span", f" of {count(entry.total)}", class_="dim"), bar)


def state(entry: Entry, now: float) -> Markup:
    """Return whether a run goes on."""
    kind = entry.state(now)
    return tag("span", WORDS[kind], class_=f"state {kind}")


def _place(entry: Entry, now: float) -> tuple[bool, float, str]:
    """Return where in the list: running ones keep their places, whichever wrote last."""
    running = entry.state(now) == "running"
    return not running, -(entry.started if running else entry.written), entry.run.id


def _head(rows: list[Row], roots: list[str], now: float) -> list[Markup]:
    where = tag("p", ", ".join(roots), class_="subject")
    if not rows:
        said = "As soon as one is written below this folder, it is shown here."
        return [where, tag("h1", "No runs yet"), tag("p", said, class_="lead")]
    verdicts = Counter(judged.verdict if judged else "?" for _, judged in rows)
    bad = sum(n for verdict, n in verdicts.items() if verdict in MEANS and tone(verdict) == "bad")
    running = sum(entry.state(now) == "running" for entry, _ in rows)
    title = _runs(len(rows))
    if bad:
        title = f"{bad} of {title} {'needs' if bad == 1 else 'need'} a look"
    elif verdicts["?"] == 0:
        title += ", none in trouble"
    told = [_counted(v, n) for v, n in sorted(verdicts.items(), key=lambda pair: _order(pair[0]))]
    told += [tag("li", tag("b", running), " still running")] if running else []
    more = f"The newest {MOST} of them are shown." if len(rows) > MOST else ""
    return [where, tag("h1", title), tag("ul", *told, class_="tally"), tag("p", more, class_="dim")]


def _counted(verdict: str, many: int) -> Markup:
    known = {"?": "being judged", "": "without a verdict"}
    said = known.get(verdict, words(verdict).lower())
    look = tone(verdict) if verdict in MEANS else "none"
    return tag("li", tag("b", many, class_=look), f" {said}")


def _order(verdict: str) -> int:
    return list(MEANS).index(verdict) if verdict in MEANS else len(MEANS)


def _runs(many: int) -> str:
    return "1 run" if many == 1 else f"{many} runs"


def _row(entry: Entry, judged: Judged | None, now: float) -> Part:
    run = entry.run
    if run.stray:
        judged = Judged("", strayed(run))
    about = " · ".join(
        text for text in (entry.env, entry.algo, f"seed {entry.seed}" if entry.seed else "") if text
    )
    box = tag(
        "input", type="checkbox", name_="run", value=run.id, aria_label=f"compare {run.label}"
    )
    cells = [
        tag("td", box, class_="pick"),
        tag("td", chip(judged), class_="verdict-cell"),
        tag("th", tag("a", run.label, href=f"/run/{run.id}"), tag("span", about, class_="dim"),
            scope="row"),
        tag("td", judged.said if judged else "", class_="said"),
        tag("td", progress(entry), class_="steps"),
        tag("td", state(entry, now), " ", moment(entry.written), class_="when-cell"),
    ]  # fmt: skip
    return part(f"run-{run.id}", "tr", *cells)
