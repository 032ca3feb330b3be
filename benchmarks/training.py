"""The whole learning loop against plain SB3 on `SubprocVecEnv`: same task, same hyperparameters.

Both sides are PPO of Stable-Baselines3 with the settings of `configs/train/ballbot_flat.yaml`, only
fewer environments, since each of the other side's is a process. Rounds alternate between the two;
the ratio of each round is taken, and the median with its range is printed. Then where the time of
our loop goes, and how far it is from stepping the same robots without learning anything.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize

from plumbrl.training.config_file import load_config
from plumbrl.training.session import Session
from plumbrl.training.stopwatch import PARTS

CONFIG = Path(__file__).parents[1] / "configs/train/ballbot_flat.yaml"


def ours(changes: dict[str, object]) -> Session:
    session = Session(load_config(CONFIG, changes))
    session.model.learn(session.model.n_steps * session.config.num_envs)  # compiles, warms up
    return session


def plain(session: Session) -> PPO:
    """The same hyperparameters on processes, as SB3's documentation has it."""
    config, model = session.config, session.model
    kwargs = dict(config.env.kwargs) | {"config": config.env.config}
    venv = make_vec_env(
        config.env.id, config.num_envs, 0, env_kwargs=kwargs, vec_env_cls=SubprocVecEnv
    )
    venv = VecNormalize(venv, gamma=model.gamma)
    again = PPO(
        "MultiInputPolicy", venv, policy_kwargs=model.policy_kwargs, device="cpu",
        **config.algo.kwargs,
    )  # fmt: skip
    again.learn(model.n_steps * config.num_envs)
    return again


def speed(model: PPO, updates: int) -> float:
    steps = updates * model.n_steps * model.n_envs
    begin = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    return steps / (time.perf_counter() - begin)


def bare(session: Session, seconds: float) -> float:
    """Steps of the same robots per second when nobody learns."""
    venv = session.stopwatch._env.venv
    actions = 0.1 * np.random.default_rng(0).standard_normal((session.config.num_envs, 3))
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        venv.step(actions)
        done += session.config.num_envs
    return done / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--num_envs", type=int, default=16)
    options = parser.parse_args()
    rollout = 4096 // options.num_envs
    session = ours({"num_envs": options.num_envs, "algo.kwargs.n_steps": rollout})
    other = plain(session)
    print(f"{os.cpu_count()} cores, {options.num_envs} robots, flat, 100 Hz, torch threads 1")
    pairs = [
        (speed(session.model, options.updates), speed(other, options.updates))
        for _ in range(options.rounds)
    ]
    ratios = sorted(a / b for a, b in pairs)
    print(f"ours          {np.median([a for a, _ in pairs]):8,.0f} steps/s")
    print(f"SubprocVecEnv {np.median([b for _, b in pairs]):8,.0f} steps/s")
    print(f"ratio         {np.median(ratios):8.1f} [{ratios[0]:.1f}, {ratios[-1]:.1f}]")
    other.get_env().close()
    steps = options.updates * rollout * options.num_envs
    session.model.learn(steps, session.stopwatch, reset_num_timesteps=False)
    split = session.stopwatch.split
    total = sum(split.values())
    print("our time:     " + "  ".join(f"{name} {split[name] / total:.0%}" for name in PARTS))
    alone = bare(session, 3.0)
    share = steps / total / alone
    print(f"stepping only {alone:8,.0f} steps/s; learning reaches {share:.2f} of it")


if __name__ == "__main__":
    main()
