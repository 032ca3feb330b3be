"""Kill a training at random moments, resume it, and compare with one that was never killed.

Every run is a process of its own, killed with SIGKILL. The resumed `progress.csv` must equal the
uninterrupted one in every column but those of time.
"""

import argparse
import csv
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "configs/train/ballbot_flat.yaml"
SMALL = ["--total_timesteps", "16384", "--num_envs", "8", "--eval.episodes", "4",
         "--env.kwargs.terrain.type", "perlin", "--env.kwargs.terrain.resolution", "65",
         "--save_seconds", "0.2"]  # fmt: skip


def start(root: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "plumbrl", "train", str(CONFIG), *SMALL, "--out", str(root)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def folder_of(root: Path) -> Path:
    while not (found := list(root.glob("*/*/*/config.yaml"))):
        time.sleep(0.02)
    return found[0].parent


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "progress.csv").open() as file:
        kept = (k for k in csv.DictReader(file))
        return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in kept]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, exact = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        run = start(root / "whole")
        folder = folder_of(root / "whole")
        begin = time.monotonic()
        run.wait()
        seconds, whole = time.monotonic() - begin, rows(folder)
        print(f"uninterrupted: {seconds:.1f} s from the run folder to the end, {len(whole)} rows")
        for attempt in range(options.kills):
            run = start(root / str(attempt))
            folder = folder_of(root / str(attempt))
            moment = rng.uniform(0, seconds)
            time.sleep(moment)
            run.send_signal(signal.SIGKILL)
            run.wait()
            done = folder / "progress.csv"
            logged = len(done.read_text().splitlines()) - 1 if done.exists() else 0
            again = [sys.executable, "-m", "plumbrl", "train", "--resume", str(folder)]
            subprocess.run(again, capture_output=True, check=False)
            same = rows(folder) == whole
            exact += same
            print(
                f"killed after {moment:5.1f} s, {logged:3d} rows: {'the same' if same else 'OTHER'}"
            )
    print(f"{exact} of {options.kills} resumed exactly")


if __name__ == "__main__":
    main()
