"""Writes `metrics.md` and `alerts.md` from what the program itself reads: docs/generate.py."""

from itertools import groupby
from pathlib import Path
from textwrap import fill

from plumbrl.causes import catalogue
from plumbrl.diagnosis.diagnose import LONG
from plumbrl.history import Facts
from plumbrl.metrics.catalogue import Described, described
from plumbrl.report.page.numbers import number
from plumbrl.rules.derived import NOISE, SHORTFALL, SMOOTH
from plumbrl.rules.table import WINDOW, Band, Entry, bands, limit_of, table

HERE = Path(__file__).parent
FAMILIES = {"on-policy": Facts(algo="PPO"), "off-policy": Facts(algo="SAC", buffer_size=1)}
"""A run of each family, for limits that differ between them."""
LOOKS = {
    "value": "{}",
    "size": "size of {}",
    "growth": f"{{}} over the median of the {WINDOW} rows before",
    "start": "{} at the start",
    "share of start": "{} over what it was at the start",
    "median": f"median of the last {WINDOW} rows of {{}}",
}
METRICS = """# Every number that is recorded

What the watch, the trainer and the logs of others write, by the name under which it stands in
`metrics.jsonl`, in `progress.csv` and on the page of a report. What is not defined at a row is
left out, never replaced by 0. How the numbers come about is told in [watching.md](watching.md),
which alerts read them in [alerts.md](alerts.md). A unit of 1 is a pure number; "return" and
"reward" are those of the task, as the learner sees them.

"measured" stands for percentiles of solved Stable-Baselines3 runs (PPO on CartPole, Acrobot,
Pendulum, LunarLander; SAC on Pendulum), "Jones" for A. Jones, Debugging RL (2021).
"""
ALERTS = f"""# Every alert

An alert is a condition on the [recorded numbers](metrics.md); what becomes of alerts in a verdict
is told in [watching.md](watching.md). They stand below by the cause that they accuse, with what to
do about it.

- **Rows in a row**: a condition has to hold in so many rows without interruption; what comes and
  goes more quickly is not raised. A training writes about 400 rows at most.
- **Warm-up**: an alert is silent for the given share of the training, where its length is known,
  and in the first three rows. One that applies "from the start" has no warm-up.
- **Fine**: a run is fine while it has learned and holds what it learned. It has learned when its
  best return so far (a median of {SMOOTH} rows) lies above that of random actions, or of its first
  rows, by {NOISE:g} times its noise; it holds that while no more than {SHORTFALL:.0%} of the gain
  is lost. Deterministic policies, large gradients and poor fits are healthy then, so that most
  alerts are silent: they apply "unless fine".
- **Cleared**: an alert is cleared for good once its condition has been gone, up to the end, for as
  many rows as it took to raise it. It is still told, but only as a note unless it held in more than
  {LONG:.0%} of the rows.
- **Bands**: limits that depend on scale are multiples of what runs that solve their task show,
  apart for on-policy and off-policy algorithms: see [the bands](#bands-of-healthy-runs).

An alert needs its columns; where they are missing, the report says so among its checks.
"""
CLASSIC = """## The published fixed thresholds

`--rules classic` applies these instead, as they were published, for comparison: in a single row,
from the start, whether the run is fine or not. Healthy runs raise some of them. Two columns are
made from others: `classic/entropy` is the negative of `train/entropy_loss`,
`classic/return_abs_max` the larger size of `value/target_min` and `value/target_max`.
"""


def main() -> None:
    """Write both files."""
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8", newline="\n")


def pages() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {"metrics.md": metrics(), "alerts.md": alerts()}


def metrics() -> str:
    """Return what is recorded, a table for each group."""
    grouped = groupby(described().items(), key=lambda item: item[0].partition("/")[0])
    return "\n".join([METRICS, *(_group(name, list(items)) for name, items in grouped)])


def _group(name: str, items: list[tuple[str, Described]]) -> str:
    rows = [[f"`{key}`", d.what, d.unit, d.healthy, d.source] for key, d in items]
    return f"## {name}\n\n{_table(['name', 'what it is', 'unit', 'healthy', 'source'], rows)}"


def alerts() -> str:
    """Return every alert with its condition, by cause, and the bands that limits rest on."""
    entries = table()
    accused = dict.fromkeys(entry.cause for entry in entries.values())
    told = [
        _cause(cause, {k: e for k, e in entries.items() if e.cause == cause}) for cause in accused
    ]
    return "\n".join([ALERTS, *told, CLASSIC + "\n" + _classic(), _bands()])


def _cause(cause: str, entries: dict[str, Entry]) -> str:
    known = catalogue()[cause]
    rows = [
        [_name(key), condition(e), _applies(e), _expected(e), e.reason]
        for key, e in entries.items()
    ]
    words = f"{known.what} **What to do:** {known.remedy}"
    head = ["alert", "raised when", "applies", "a healthy run", "why this limit"]
    return f"## {cause}\n\n{fill(words, 100)}\n\n{_table(head, rows)}"


def _classic() -> str:
    rows = [
        [_name(key), f"{_subject(e)} is {_limits(e)}", f"`{e.cause}`", catalogue()[e.cause].what]
        for key, e in table("classic").items()
    ]
    return _table(["alert", "raised when", "accuses", "which is"], rows)


def _bands() -> str:
    keys = sorted({key for family in bands().values() for key in family})
    rows = [[f"`{key}`", *(_band(family, key) for family in FAMILIES)] for key in keys]
    said = "Measured by `benchmarks/healthy.py --bands` on runs that solve their task."
    return f"## Bands of healthy runs\n\n{said}\n\n{_table(['metric', *FAMILIES], rows)}"


def _band(family: str, key: str) -> str:
    ends = bands().get(family, {}).get(key)
    return f"{number(ends['low'])} to {number(ends['high'])}" if ends else ""


def condition(entry: Entry) -> str:
    """Return when an alert is raised, in words."""
    besides = [f"`{key}` is above {number(x)}" for key, x in entry.and_above.items()]
    besides += [f"`{key}` is below {number(x)}" for key, x in entry.and_below.items()]
    rows = "in one row" if entry.persist == 1 else f"for {entry.persist} rows in a row"
    whole = [f"{_subject(entry)} is {_limits(entry)}", *besides]
    return f"{' while '.join(whole)}, {rows}"


def _applies(entry: Entry) -> str:
    late = f"after {entry.warm_up:.0%} of the training" if entry.warm_up else "from the start"
    fine = "unless fine" if entry.unless_fine else "fine or not"
    return "; ".join([*_only(entry), late, fine])


def _subject(entry: Entry) -> str:
    name = f"`{entry.metric}`" + (f" / `{entry.over}`" if entry.over else "")
    return LOOKS[entry.look].format(name)


def _limits(entry: Entry) -> str:
    sides = {"above": entry.above, "below": entry.below}
    return " or ".join(
        f"{side} {_limit(limit, entry)}" for side, limit in sides.items() if limit is not None
    )


def _limit(limit: float | Band, entry: Entry) -> str:
    if not isinstance(limit, Band):
        return number(limit)
    said = f"{limit.times:g} times the {limit.of} end of the band"
    said += "" if limit.least is None else f", at least {number(limit.least)}"
    said += "" if limit.most is None else f", at most {number(limit.most)}"
    return f"{said}, which is {_resolved(entry, limit)}"


def _resolved(entry: Entry, limit: float | Band | None) -> str:
    """Return what a limit comes down to in each family that the alert is for."""
    families = [name for name in FAMILIES if entry.family in (None, name)]
    found = {name: number(limit_of(limit, entry.metric, FAMILIES[name])) for name in families}
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    return " or ".join(f"{value} ({name})" for name, value in found.items())


def _only(entry: Entry) -> list[str]:
    """Return what an alert is confined to."""
    who = [", ".join(entry.algos)] if entry.algos else []
    who += [entry.family] if entry.family else []
    who += [f"{entry.actions} actions"] if entry.actions else []
    return who + ([f"rollouts of {entry.rollout} timesteps or more"] if entry.rollout else [])


def _name(key: str) -> str:
    """Return the name by which a report tells of an alert."""
    return key.replace("-", " ")


def _expected(entry: Entry) -> str:
    limit = entry.above if entry.above is not None else entry.below
    return entry.expected.format(limit=_resolved(entry, limit))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join(f"| {' | '.join(c.replace('|', '&#124;') for c in row)} |" for row in lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
