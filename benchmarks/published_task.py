"""The published task without learning: what a controller that sees nothing gets for it.

Survival alone is worth 80, so a return says little without this table beside it. Same robot,
ground, reward, control rate and seeds as `configs/train/ballbot_paper_2.yaml` is judged on.
"""

import argparse

import gymnasium
import numpy as np

import ballbot  # noqa: F401  # registers the environment
from ballbot.controllers import BalanceController
from plumbrl.training.evaluate import evaluate

SPEEDS = (0.0, 0.1, 0.15, 0.2, 0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1_000_000)
    options = parser.parse_args()
    seeds = options.seed + np.arange(options.episodes)
    print("m/s asked  return [95 %]             upright  m/s reached")
    for speed in SPEEDS:
        env = gymnasium.make_vec(
            "ballbot:Ballbot-v0", options.episodes, robot="paper", control_hz=50,
            terrain={"type": "perlin"}, reward={"type": "directional"},
        )  # fmt: skip
        controller = BalanceController(env.unwrapped.robots, np.array([0.0, speed]))
        found = evaluate("balance", env, lambda _, act=controller.act: act(), seeds)
        upright = 1 - found.terminated.mean()
        reached = found.metrics["speed_along_target"].mean()
        print(f"{speed:9.2f}  {found.return_interval()!s:24s}  {upright:6.0%}  {reached:8.2f}")
        env.close()


if __name__ == "__main__":
    main()
