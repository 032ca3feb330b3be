"""Time to draw a long log: 100,000 rows and 30 columns, thinned to pixels and not.

Run with `python benchmarks/plotting.py`. The claim: read and drawn in at most 3 seconds, and no
spike is lost.
"""

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from plumbrl.logs import read
from plumbrl.plots import lines
from plumbrl.plots.figures import training_figure

ROWS, LIMIT = 100_000, 3.0
NAMES = (
    "rollout/ep_rew_mean", "rollout/ep_len_mean", "reward/a", "reward/b", "reward/c", "term/fall",
    "term/limit", "train/approx_kl", "train/clip_fraction", "train/explained_variance",
    "train/value_loss", "train/policy_gradient_loss", "train/entropy_loss", "train/std",
    "train/learning_rate", "eval/mean_reward",
)  # fmt: skip
COLUMNS = ("time/total_timesteps", *NAMES, *(f"other/{i}" for i in range(29 - len(NAMES))))


def log(path):
    values = np.abs(np.random.default_rng(0).normal(size=(ROWS, len(COLUMNS))))
    values[:, 0] = 64 * np.arange(1, ROWS + 1)
    np.savetxt(path, values, "%.6g", ",", header=",".join(COLUMNS), comments="")


def seconds(work):
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def unthinned(work):
    """Do work with every point drawn."""
    thinned = lines.envelope
    lines.envelope = lambda x, y: (x, y)
    try:
        return seconds(work)
    finally:
        lines.envelope = thinned


def turn(folder, kind):
    reading, history = seconds(lambda: read(folder / "progress.csv"))
    thin, whole = folder / f"thin.{kind}", folder / f"whole.{kind}"
    drawing, _ = seconds(lambda: training_figure(history, "", thin))
    every, _ = unthinned(lambda: training_figure(history, "", whole))
    together = reading + drawing
    sizes = [path.stat().st_size / 1e6 for path in (thin, whole)]
    print(
        f"  {kind}: reading {reading:.2f} s + drawing {drawing:.2f} s = {together:.2f} s "
        f"({'within' if together <= LIMIT else 'OVER'} {LIMIT:g} s); every point "
        f"{every:.2f} s ({every / drawing:.1f}x); {sizes[0]:.1f} instead of {sizes[1]:.1f} MB"
    )


def main():
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of matplotlib, where every point is drawn
        folder = Path(name)
        log(folder / "progress.csv")
        training_figure(read(folder / "progress.csv"), "", folder / "warm.png")
        print(f"{ROWS:,} rows x {len(COLUMNS)} columns, processor time")
        for kind in ("png", "svg"):
            turn(folder, kind)


if __name__ == "__main__":
    main()
