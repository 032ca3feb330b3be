"""The page of a run: verdict, findings, curves, episodes, checks, and its files."""

import os
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from plumbrl.dashboard.listing import Entry
from plumbrl.dashboard.parts import Page, Part, part
from plumbrl.dashboard.runs_page import moment, progress, state
from plumbrl.report.page.markup import Markup, joined, tag
from plumbrl.report.page.numbers import count

DOWNLOADS = ("progress.csv", "metrics.jsonl", "config.yaml", "manifest.json", "findings.jsonl",
             "checks.jsonl", "evaluations.jsonl", "evaluations.npz", "value_trace.json",
             "report.json", "report.html")  # fmt: skip
"""Files that are handed out; models are not, for they are large and better copied."""
EPISODES = (".html", ".npz")
FRAME = '<div data-slot="main">{main}</div>'
ALL_RUNS = tag("a", "All runs", href="/")
EARLY = "It is still training: this is the verdict on what was recorded so far."


def run_page(entry: Entry, verdict: str, body: Mapping[str, Markup], now: float) -> Page:
    """Return the page of a run.

    Args:
        entry: What the list says of it.
        verdict: In words, for the title.
        body: What `rendered` made of it: sections by name.
        now: Seconds since 1970.
    """
    more = {"Episodes": _episodes(entry), "Files": _files(entry)}
    shown = {**body, **{name: extra for name, extra in more.items() if extra}}
    order = [n for n in ("Verdict", "Findings", "Episodes", "Curves", "Checks", "Facts", "Files")
             if n in shown]  # fmt: skip
    parts = [part("state", "div", *_state(entry, now), class_="strip")]
    parts += [_part(name, shown[name]) for name in order]
    links = [ALL_RUNS, *(tag("a", name, href=f"#{name.lower()}") for name in order[1:])]
    title = f"{verdict}: {entry.run.label} · plumbrl"
    return Page(title, {"main": parts}, f"/run/{entry.run.id}/changes", joined(*links), FRAME)


def is_episode(name: str) -> bool:
    """Return whether a file of a run is an episode to replay."""
    return name.startswith("episodes/") and name.endswith(EPISODES)


def _part(name: str, content: Markup) -> Part:
    return part(name.lower() + "-part", "div", content)


def _state(entry: Entry, now: float) -> Sequence[object]:
    kind = entry.state(now)
    about = [entry.env, entry.algo, f"seed {entry.seed}" if entry.seed else ""]
    return (
        state(entry, now), tag("span", " · ".join(a for a in about if a), class_="dim"),
        tag("span", "step ", progress(entry), class_="steps"),
        tag("span", "written ", moment(entry.written), class_="dim"),
        tag("span", EARLY, class_="early") if kind == "running" else "",
    )  # fmt: skip


def _files(entry: Entry) -> Markup:
    known = [name for name in DOWNLOADS if name in entry.run.files]
    items = [
        tag("li", tag("a", name, href=f"/run/{entry.run.id}/files/{name}", download=True),
            tag("span", f" {_size(entry.run.files[name][1])}", class_="dim"))
        for name in known
    ]  # fmt: skip
    where = tag("p", "They lie in ", tag("code", entry.run.path), class_="dim")
    return _section("Files", joined(where, tag("ul", *items, class_="files")))


def _episodes(entry: Entry) -> Markup:
    names = sorted(name for name in entry.run.files if is_episode(name))
    if not names:
        return Markup()
    items = []
    for name in names:
        short = name.removeprefix("episodes/")
        address = f"/run/{entry.run.id}/episodes/{quote(os.fsencode(short))}"
        plays = name.endswith(".html")
        link = tag("a", short, href=address, download=not plays, target="_blank" if plays else None,
                   rel="noopener" if plays else None)  # fmt: skip
        size = _size(entry.run.files[name][1])
        said = f" {size}, opens in a new tab" if plays else f" {size}, recorded states"
        items.append(tag("li", link, tag("span", said, class_="dim")))
    return _section("Episodes", tag("ul", *items, class_="files"), "Episodes to replay")


def _section(name: str, content: Markup, title: str = "") -> Markup:
    """As `plumbrl.report.html.section`, which would load numpy."""
    head = tag("h2", title or name, id=f"{name.lower()}-title")
    return tag("section", head, content, id=name.lower(), aria_labelledby=f"{name.lower()}-title")


def _size(size: int) -> str:
    return f"{count(size / 1e3)} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
