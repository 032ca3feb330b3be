"""How often do the probes name the component at fault?

Planted faults that break no identity which the oracles could see: a hand-written loop of which
nothing can be recomputed, and SB3 with settings, networks and wrappers that are wrong. Prints one
line per fault, the confusion matrix of components, and the shares with 95 % intervals.
"""

import argparse
import json
import pickle
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import sqrt
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from faults import loop, probed
from plumbrl.probes.catalogue import problems
from plumbrl.probes.report import report
from plumbrl.probes.suite import run_suite
from plumbrl.probes.workers import run_here

KITS = {"loop": loop, "sb3": probed}
BUDGETS = {"SAC": 1.0, "TD3": 1.0}
"""Share of the usual timesteps that healthy trainers need for every probe; the others less."""
QUICK = 0.15
PATIENCE = 900.0
"""Seconds for a trial: timesteps decide, not how busy the machine is."""


def examine(kit, name, seeds, budget):
    """Probe one faulty trainer."""
    torch.set_num_threads(1)
    fault = next(f for f in KITS[kit].FAULTS if f.name == name)
    kind = getattr(fault, "kind", "discrete")
    inputs = getattr(fault, "inputs", "")
    budget = budget or BUDGETS.get(getattr(fault, "algo", ""), QUICK)
    only = [n for n in problems(kind) if n not in ("image", "memory") or n == inputs]
    make = KITS[kit].factory(fault)
    return run_suite(
        lambda tasks: run_here(make, tasks),
        only=only,
        kinds=(kind,),
        seeds=range(seeds),
        budget=budget,
        seconds=PATIENCE,
    )


def judged(kit, name, probed_trainer):
    """Return what is said of a faulty trainer."""
    fault = next(f for f in KITS[kit].FAULTS if f.name == name)
    found = report(name, probed_trainer)
    return {
        "kit": kit,
        "fault": name,
        "acceptable": fault.causes,
        "named": [f.cause for f in found.findings],
        "confidence": [round(f.confidence, 2) for f in found.findings],
        "verdict": found.verdict,
        "failed": sorted({r["probe"] for r in found.probes if r["verdict"] == "failed"}),
    }


def component(cause):
    return cause.partition(".")[0]


def interval(hits, n):
    """Wilson's 95 % interval of a share."""
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return f"{p:.0%} [{(middle - half) / scale:.0%}, {(middle + half) / scale:.0%}]"


def summary(rows):
    n = len(rows)
    top = [row["named"][0] if row["named"] else "nothing" for row in rows]
    right = [{component(c) for c in row["acceptable"]} for row in rows]
    shares = {
        "detected": sum(row["verdict"] == "BROKEN" for row in rows),
        "component first": sum(component(t) in r for t, r in zip(top, right, strict=True)),
        "component among three": sum(
            bool({component(c) for c in row["named"][:3]} & r)
            for row, r in zip(rows, right, strict=True)
        ),
        "cause first": sum(t in row["acceptable"] for t, row in zip(top, rows, strict=True)),
    }
    pairs = Counter(
        (component(row["acceptable"][0]), component(t)) for row, t in zip(rows, top, strict=True)
    )
    return {name: interval(hits, n) for name, hits in shares.items()}, pairs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--budget", type=float, help="share of the usual timesteps")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kits", nargs="+", default=list(KITS))
    parser.add_argument("--faults", nargs="+", default=[], help="only these")
    parser.add_argument("--out", type=Path, help="write what was said as JSON")
    parser.add_argument("--trials", type=Path, help="keep every trial, to judge them again")
    options = parser.parse_args()
    rows, kept = [], []
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = {
            pool.submit(examine, kit, fault.name, options.seeds, options.budget): (kit, fault.name)
            for kit in options.kits
            for fault in KITS[kit].FAULTS
            if not options.faults or fault.name in options.faults
        }
        for done in as_completed(waiting):
            row = judged(*waiting[done], done.result())
            rows.append(row)
            if options.trials:
                kept.append((*waiting[done], done.result()))
                options.trials.write_bytes(pickle.dumps(kept))
            good = row["named"][:1] and row["named"][0] in row["acceptable"]
            named = list(zip(row["named"], row["confidence"], strict=True))
            print(f"{'ok ' if good else '-- '} {row['kit']} {row['fault']:20s} {named}", flush=True)
            if options.out:
                options.out.write_text(json.dumps(rows, indent=1))
    shares, pairs = summary(rows)
    names = sorted({name for pair in pairs for name in pair})
    print(f"\n{'planted / named':16s}" + "".join(f"{name[:10]:>11s}" for name in names))
    for planted in sorted({planted for planted, _ in pairs}):
        print(f"{planted:16s}" + "".join(f"{pairs[planted, name] or '':>11}" for name in names))
    for name, share in shares.items():
        print(f"{name:24s} {share}")


if __name__ == "__main__":
    main()
