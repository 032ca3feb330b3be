"""Score what was said of each case: one table per family, per kit and per algorithm."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from cases import component

Row = dict[str, Any]


def scored(row: Row) -> Row:
    """Return the row with what it is worth."""
    right = {component(cause) for cause in row["acceptable"]}
    parts = list(dict.fromkeys(component(cause) for cause in row["named"]))
    return row | {
        "detected": bool(row.get("detected") or row["named"]),
        "top1_component": bool(parts[:1]) and parts[0] in right,
        "top3_component": bool(set(parts[:3]) & right),
        "top1_cause": bool(row["named"]) and row["named"][0] in row["acceptable"],
    }


def counted(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Return rows of faults that count, and those of faults that did no harm.

    A fault in a whole training counts if it breaks an identity or if its run reaches less than the
    worst of its clean twins by more than a tenth of that; all faults of other kits were shown to
    differ in the tests that planted them.
    """
    rows = list(rows)
    clean: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["family"] == "healthy" and row.get("reached") is not None:
            clean.setdefault((row["algo"], row["task"]), []).append(row["reached"])
    faults = [row for row in rows if row["family"] != "healthy"]
    harmless = [row for row in faults if _harmless(row, clean.get((row["algo"], row["task"])))]
    return [row for row in faults if row not in harmless], harmless


def _harmless(row: Row, twins: list[float] | None) -> bool:
    if row["kit"] != "training" or row["exact"] or not twins or row.get("reached") is None:
        return False
    lowest = min(twins)
    return row["reached"] >= lowest - 0.1 * abs(lowest)


def shares(rows: list[Row]) -> dict[str, Any]:
    """Return each share with its 95 % interval."""
    from plumbrl.metrics.statistics import rate_interval

    found: dict[str, Any] = {}
    for key in ("detected", "top1_component", "top3_component", "top1_cause"):
        hits = sum(row[key] for row in rows)
        found[key] = _said(rate_interval(hits, len(rows))) if rows else None
    return found


def _said(interval: Any) -> list[float]:
    return [round(float(x), 4) for x in (interval.estimate, interval.low, interval.high)]


def summary(rows: Iterable[Row]) -> dict[str, Any]:
    """Return what the benchmark says in all, and by family, kit, algorithm and half."""
    from plumbrl.metrics.statistics import rate_interval

    rows = [scored(row) for row in rows if not row.get("error")]
    faults, harmless = counted(rows)
    clean = [row for row in rows if row["family"] == "healthy"]
    whole = shares(faults)
    alarms = rate_interval(sum(r["detected"] for r in clean), len(clean)) if clean else None
    exact = [row for row in faults if row["exact"]]
    return {
        "detection": whole["detected"],
        "top1_component": whole["top1_component"],
        "top3_component": whole["top3_component"],
        "top1_cause": whole["top1_cause"],
        "false_alarm_rate": _said(alarms) if alarms else None,
        "n_faults": len({row["case"] for row in faults}),
        "n_rows": len(faults),
        "n_healthy_rows": len(clean),
        "exact": shares(exact) | {"n": len(exact)},
        "median_seconds": _median([row["seconds"] for row in faults]),
        "harmless": sorted({row["case"] for row in harmless}),
        "by": {
            key: {
                name: shares([r for r in faults if r[key] == name])
                | {"n": sum(r[key] == name for r in faults)}
                for name in sorted({r[key] for r in faults})
            }
            for key in ("family", "kit", "algo", "half")
        },
        "classic_detection": _share(faults, lambda r: bool(r["classic"]), "training"),
        "classic_false_alarms": _share(clean, lambda r: bool(r["classic"]), "training"),
        "checkers_detection": _share(faults, lambda r: bool(r.get("checkers")), "audit"),
        "reliability": reliability(faults),
    }


def _median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def _share(rows: list[Row], hit: Callable[[Row], bool], kit: str) -> list[float] | None:
    from plumbrl.metrics.statistics import rate_interval

    chosen = [row for row in rows if row["kit"] == kit]
    return _said(rate_interval(sum(map(hit, chosen)), len(chosen))) if chosen else None


def reliability(rows: list[Row]) -> list[dict[str, Any]]:
    """Return how often the first cause is right, by the confidence it was given."""
    bins: dict[float, list[bool]] = {}
    for row in rows:
        if row["named"]:
            edge = min(int(row["confidence"][0] * 5), 4) / 5 if row["confidence"][0] < 1 else 1.0
            bins.setdefault(edge, []).append(row["top1_cause"])
    return [
        {"from": edge, "n": len(hits), "right": round(sum(hits) / len(hits), 3)}
        for edge, hits in sorted(bins.items())
    ]


def text(found: dict[str, Any]) -> str:
    """Return a summary as Markdown."""
    lines = [
        "| | faults | detected | component first | among three | cause first |",
        "|" + "---|" * 6,
    ]
    for key, groups in found["by"].items():
        for name, group in groups.items():
            lines.append(_line(f"{key}: {name or 'none'}", group["n"], group))
    whole = {"detected": found["detection"]} | found
    lines.append(_line("**all**", found["n_rows"], whole))
    lines.append(_line("exact", found["exact"]["n"], found["exact"]))
    said = "\n".join(lines)
    return (
        f"{said}\n\nfalse alarms: {_percent(found['false_alarm_rate'])} of "
        f"{found['n_healthy_rows']} healthy runs; {found['n_faults']} faults; not counted, "
        f"for they did no harm: {', '.join(found['harmless']) or 'none'}\n"
        f"classic rules: {_percent(found['classic_detection'])} of faulty trainings, "
        f"{_percent(found['classic_false_alarms'])} of healthy ones; checkers of Gymnasium and "
        f"SB3: {_percent(found['checkers_detection'])} of faulty environments\n"
    )


def _line(name: str, n: int, group: dict[str, Any]) -> str:
    keys = ("detected", "top1_component", "top3_component", "top1_cause")
    return f"| {name} | {n} | " + " | ".join(_percent(group[key]) for key in keys) + " |"


def _percent(interval: list[float] | None) -> str:
    if interval is None:
        return "none"
    share, low, high = interval
    return f"{share:.0%} [{low:.0%}, {high:.0%}]"


def misses(rows: Iterable[Row]) -> list[str]:
    """Return a line for each case that was missed, the same miss once."""
    said = Counter(
        f"{row['case']}: {', '.join(row['named'][:3]) or row.get('error') or 'nothing'}"
        for row in map(scored, rows) if row["family"] != "healthy" and not row["top1_component"]
    )  # fmt: skip
    return [f"{line} ({n} x)" for line, n in sorted(said.items())]
