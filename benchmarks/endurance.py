"""24 hours of simulated time over 64 robots: memory stays flat, steps do not get slower.

python benchmarks/endurance.py [--hours 24]
"""

import argparse
import time
from pathlib import Path

import numpy as np

from ballbot import BallbotVectorEnv
from ballbot.controllers import BalanceController

N = 64
PARTS = 12


def memory_mib():
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    args = parser.parse_args()
    env = BallbotVectorEnv(N, terrain={"type": "perlin"})
    env.reset(seed=0)
    controller = BalanceController(env.robots, np.array([0.0, 0.2]))
    per_part = round(args.hours * 3600 * env.config.control_hz / N / PARTS)
    print("part  simulated hours  memory MiB  us per step and robot  episodes  diverged")
    episodes = diverged = 0
    for part in range(PARTS + 1):  # part 0 warms up
        begin = time.perf_counter()
        for _ in range(per_part if part else 500):
            *_, terminated, truncated, info = env.step(controller.act())
            ended = np.flatnonzero(terminated | truncated)
            if len(ended):
                controller.reset(ended)
                episodes += len(ended)
                diverged += list(info["final_info"]["termination"][ended]).count("diverged")
        each = (time.perf_counter() - begin) / (per_part if part else 500) / N
        hours = part * per_part * N / env.config.control_hz / 3600
        print(
            f"{part:4d}  {hours:15.1f}  {memory_mib():10.1f}  {1e6 * each:21.2f}"
            f"  {episodes:8d}  {diverged:8d}",
            flush=True,
        )


if __name__ == "__main__":
    main()
