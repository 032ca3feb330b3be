"""False failures and time of the probe suite on healthy trainers.

Every probe and every identity on every seed, for each algorithm, in processes; then the suite and
its five basic probes as a user runs them.
"""

import argparse
import json
import time
from collections import Counter

from plumbrl.probes import probe
from plumbrl.probes.catalogue import problems
from plumbrl.probes.suite import SECOND_KIND
from plumbrl.probes.target import load
from plumbrl.probes.workers import Task, run_apart

ALGORITHMS = ("PPO", "A2C", "DQN", "SAC", "TD3")
KINDS = {"PPO": ("discrete", "continuous"), "A2C": ("discrete", "continuous"), "DQN": ("discrete",)}


def tasks(algorithm, seeds):
    for kind in KINDS.get(algorithm, ("continuous",)):
        for name, problem in problems(kind).items():
            repeated = kind == "continuous" and algorithm in KINDS and name not in SECOND_KIND
            if not problem.hidden and not repeated:
                yield from (Task(kind, name, seed) for seed in range(seeds))


def healthy(algorithm, seeds, workers):
    trials = list(run_apart(load, f"sb3:{algorithm}", list(tasks(algorithm, seeds)), workers))
    verdicts = Counter(t.verdict for t in trials)
    wrong = [(t.probe, t.kind, t.seed, t.mistake) for t in trials if t.verdict != "passed"]
    identities = Counter(c.verdict for t in trials for c, _ in t.identities)
    broken = {c.name for t in trials for c, f in t.identities if f}
    return verdicts, wrong, identities, broken


def timed(algorithm, **options):
    begin = time.perf_counter()
    verdict = probe(f"sb3:{algorithm}", **options).verdict
    return verdict, time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--algorithms", nargs="+", default=ALGORITHMS)
    options = parser.parse_args()
    for algorithm in options.algorithms:
        verdicts, wrong, identities, broken = healthy(algorithm, options.seeds, options.workers)
        whole = timed(algorithm, workers=options.workers)
        basic = timed(algorithm, basic=True, workers=options.workers)
        print(
            f"{algorithm:4s} probes {dict(verdicts)} over {options.seeds} seeds,"
            f" identities {dict(identities)}; suite {whole[0]} in {whole[1]:.1f} s,"
            f" basic {basic[0]} in {basic[1]:.1f} s", flush=True,
        )  # fmt: skip
        for entry in wrong:
            print("   not passed:", json.dumps(entry))
        for name in sorted(broken):
            print("   identity broken:", name)


if __name__ == "__main__":
    main()
