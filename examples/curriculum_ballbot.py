"""A ballbot that learns on flat ground first, then on soft and at last on standard rolling ground.

Run `python curriculum_ballbot.py` in this folder; a million timesteps take about an hour. Each
environment rises to the next level when four of five of its last 20 episodes passed without a fall.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from plumbrl import Curriculum

LEVELS: dict[str, dict[str, Any]] = {
    "flat": {"type": "flat"},
    "soft": {"type": "perlin", "level": "easy", "height_spread": 1.0},
    "standard": {"type": "perlin", "level": "standard"},
}


def stayed_up(info: Mapping[str, Any], _: float) -> bool:
    """Whether the episode ended at its time limit, not by a fall."""
    return info["termination"] == "max_steps"


def make_curriculum(seconds: float = 8.0, window: int = 20) -> gymnasium.Env:
    """Return a ballbot on the first level.

    Args:
        seconds: Time limit of an episode.
        window: Episodes over which success is counted.
    """
    makers: list[Callable[[], gymnasium.Env]] = [
        partial(gymnasium.make, "ballbot:Ballbot-v0", terrain=ground, episode_seconds=seconds)
        for ground in LEVELS.values()
    ]
    return Curriculum(makers, promote_at=0.8, demote_at=0.2, window=window, success=stayed_up)


class Levels(BaseCallback):
    """Prints how many environments are on each level whenever that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.reached: Counter[str] = Counter()

    def _on_step(self) -> bool:
        names = list(LEVELS)
        now = Counter(names[info["curriculum_level"]] for info in self.locals["infos"])
        if now != self.reached:
            self.reached = now
            told = ", ".join(f"{now[name]} on {name} ground" for name in names)
            print(f"{self.num_timesteps:>9,} timesteps: {told}", flush=True)
        return True


def main(timesteps: int, envs: int, seed: int, seconds: float, window: int) -> Counter[str]:
    """Train, and return how many environments ended on which level."""
    make = partial(make_curriculum, seconds, window)
    venv = VecNormalize(make_vec_env(make, envs, seed))
    model = PPO(
        "MultiInputPolicy", venv, seed=seed, device="cpu", n_steps=64, gamma=0.98, n_epochs=5,
        batch_size=16 * envs, learning_rate=1e-3, target_kl=0.03,
        policy_kwargs={"net_arch": [64, 64], "log_std_init": -0.5},
    )  # fmt: skip
    levels = Levels()
    model.learn(timesteps, callback=levels)
    venv.close()
    return levels.reached


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--timesteps", type=int, default=1_000_000)
    parser.add_argument("--envs", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--window", type=int, default=20)
    main(**vars(parser.parse_args()))
