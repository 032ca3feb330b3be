"""The fault benchmark: how often is the component named, and how often is a healthy run accused?

    python benchmarks/faults --suite quick            # minutes; part of the tests
    python benchmarks/faults --suite full --seeds 5   # hours; goes on where it was stopped
    python benchmarks/faults --kits training --only "*reward*"

Plants faults in environments, rewards, data, losses, networks and settings, runs what a user would
run, and scores what is said. Writes one line per case and seed, and a summary.
"""

import argparse
import datetime
import fnmatch
import json
import os
import platform
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from cases import Case, cases
from stages import one
from table import misses, summary, text

KITS = ("update", "audit", "probe", "training", "program")
QUICK = {"update": 14, "audit": 16, "probe": 27, "training": 13, "program": 14}
"""Of the quick suite: every so many cases of a kit."""
QUICKEST = "ppo-cartpole"
"""The pair of the quick suite's trainings."""
PACKAGES = ("stable-baselines3", "gymnasium", "torch", "numpy", "mujoco")


def chosen(suite: str, kits: list[str], only: str, half: str) -> list[Case]:
    """Return the cases to run, the quick ones first."""
    found = []
    for kit in KITS:
        mine = [case for case in cases().values() if case.kit == kit]
        found += _quick(mine, kit) if suite == "quick" else mine
    return [
        case for case in found
        if case.kit in kits and fnmatch.fnmatch(case.id, only) and half in ("both", case.half)
    ]  # fmt: skip


def _quick(mine: list[Case], kit: str) -> list[Case]:
    """Return some faults of a kit, and a clean twin."""
    if kit == "training":
        mine = [case for case in mine if case.id.endswith(QUICKEST)]
    faults = [case for case in mine if case.family != "healthy"]
    clean = [case for case in mine if case.family == "healthy"]
    return faults[:: QUICK[kit]] + clean[:: QUICK[kit]]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="plumbrl-bench faults", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--suite", choices=["quick", "full"], default="quick")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--kits", nargs="+", choices=KITS, default=list(KITS))
    parser.add_argument("--only", default="*", help="cases whose id matches, such as '*gamma*'")
    parser.add_argument("--half", choices=["both", "development", "evaluation"], default="both")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/faults.jsonl"))
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder in which trainings stay, so that a later "
        "run with a new --out only judges them again",
    )
    parser.add_argument("--results", type=Path, help="write the summary and rows as JSON")
    parser.add_argument("--score", action="store_true", help="run nothing; score what --out holds")
    parser.add_argument("--list", action="store_true", help="say which cases there are")
    options = parser.parse_args()
    wanted = chosen(options.suite, options.kits, options.only, options.half)
    if options.list:
        print("\n".join(f"{case.id}  {', '.join(case.causes)}" for case in wanted))
        return
    if not wanted:
        parser.error(f"no case matches {options.only!r}; --list says which there are")
    rows = _run(wanted, options)
    found = summary(rows)
    print("\nmissed:", *misses(rows), sep="\n  ")
    print(f"\n{text(found)}")
    if options.results:
        _write(options.results, found, rows, options)


def _run(wanted: list[Case], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run what is not in the file yet; return the rows of everything wanted."""
    seeds, out = options.seeds, options.out
    ids = {case.id for case in wanted}
    rows = [row for row in _read(out) if row["case"] in ids and row["seed"] < seeds]
    done = {(row["case"], row["seed"]) for row in rows}
    todo = [(c.id, s) for s in range(seeds) for c in wanted if (c.id, s) not in done]
    todo = [] if options.score else todo
    out.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(one, *pair, options.keep): pair for pair in todo}
        for k, future in enumerate(as_completed(waiting), 1):
            row = future.result()
            rows.append(row)
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            said = row.get("error") or ", ".join(row["named"][:3]) or "nothing"
            good = row["named"][:1] and row["named"][0] in row["acceptable"]
            print(f"{k}/{len(todo)} {'ok' if good else '--'} {row['case']} s{row['seed']} "
                  f"{row['seconds']:.0f}s: {said}", flush=True)  # fmt: skip
    return rows


def _read(out: Path) -> list[dict[str, Any]]:
    if not out.exists():
        return []
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for line in out.read_text().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # torn by an interruption
        rows[row["case"], row["seed"]] = row
    return list(rows.values())


def _write(file: Path, found: dict[str, Any], rows: list[dict[str, Any]], options: Any) -> None:
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    facts = {"date": datetime.date.today().isoformat(), "suite": options.suite,
             "seeds": options.seeds, "versions": versions}  # fmt: skip
    rows = sorted(rows, key=lambda row: (row["case"], row["seed"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(facts | {"summary": found, "rows": rows}, indent=1))
    print(f"written to {file}")


if __name__ == "__main__":
    main()
