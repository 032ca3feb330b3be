"""Time of `plumbrl diagnose` on a long log: 100,000 rows and 19 columns with all their digits.

Run with `python benchmarks/diagnose.py [--rounds 5] [--log FILE]`. The claim: at most 2 seconds of
wall time, the start of the process included. Processor time is printed too, for machines that are
busy with something else.
"""

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS, LIMIT = 100_000, 2.0
NAMES = (
    "time/total_timesteps", "time/iterations", "time/time_elapsed", "time/fps",
    "rollout/ep_rew_mean", "rollout/ep_len_mean", "eval/mean_reward", "eval/mean_ep_length",
    "train/approx_kl", "train/clip_fraction", "train/clip_range", "train/entropy_loss",
    "train/explained_variance", "train/learning_rate", "train/loss", "train/n_updates",
    "train/policy_gradient_loss", "train/std", "train/value_loss",
)  # fmt: skip


def log(path: Path) -> None:
    """Write what a run that learns would log; evaluations only in some rows."""
    rng = np.random.default_rng(0)
    at = np.arange(ROWS)
    values = {name: rng.gamma(4, 0.01, size=ROWS) for name in NAMES}
    values |= {
        "time/total_timesteps": 2048 * (at + 1),
        "time/iterations": at + 1,
        "train/n_updates": 10 * at,
        "rollout/ep_rew_mean": 300 * (1 - np.exp(-at / 2e4)) + rng.normal(size=ROWS),
        "train/entropy_loss": -2 + at / ROWS + 0.01 * rng.normal(size=ROWS),
        "rollout/ep_len_mean": 200 + rng.normal(size=ROWS),
        "train/learning_rate": 3e-4 * (1 - at / ROWS),
        "train/explained_variance": 1 - rng.gamma(4, 0.01, size=ROWS),
    }
    values["eval/mean_reward"] = values["rollout/ep_rew_mean"] + 5
    columns = [values[name].tolist() for name in NAMES]
    for i, name in enumerate(NAMES):
        if name.startswith("eval/"):
            columns[i] = ["" if row % 10 else cell for row, cell in enumerate(columns[i])]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([NAMES, *zip(*columns, strict=True)])


def seconds(path: Path) -> tuple[float, float]:
    """Return wall and processor time of one diagnosis."""
    before, begin = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "plumbrl", "diagnose", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - begin, os.times()
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    spent = after.children_user + after.children_system
    return wall, spent - before.children_user - before.children_system


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--log", type=Path, help="this one instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.log or Path(folder) / "progress.csv"
        if options.log is None:
            log(path)
        rounds = [seconds(path) for _ in range(options.rounds)]
    for i, name in enumerate(("wall", "processor")):
        times = [each[i] for each in rounds]
        low, middle, high = min(times), statistics.median(times), max(times)
        print(f"{name} time {middle:.2f} s [{low:.2f}, {high:.2f}], {options.rounds} rounds")
    print("within" if statistics.median(w for w, _ in rounds) <= LIMIT else "OVER", f"{LIMIT:g} s")


if __name__ == "__main__":
    main()
