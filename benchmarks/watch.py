"""What the watch costs, side by side in one run: training with it over training without.

    python benchmarks/watch.py [--rounds 8] [--only ppo-cartpole ...] [--processor] [--no-first]
    python benchmarks/watch.py --inside      # the share of its own code instead

Two copies of a model train in turns on the same machine, one of them under watch; the ratio of
their times is taken round by round. Printed are the median and the range of the middle half.
`--processor` takes processor time instead of wall time, for machines that are busy with something
else.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_util import make_vec_env

from plumbrl.adapters.sb3.watch import Watch
from plumbrl.adapters.sb3.watch_model import watch
from plumbrl.adapters.torch_update import UpdateWatch

TOTAL = 100_000
"""Timesteps the watched training says it will last: it sets how often there is a row."""


def ppo_cartpole() -> Any:
    """2048 x 8 samples an update, networks of 64 x 64."""
    return PPO("MlpPolicy", make_vec_env("CartPole-v1", 8, seed=0), n_steps=2048, seed=0)


def ppo_ballbot() -> Any:
    """The same on the robot, in its own vector environment."""
    robots: Any = gymnasium.make_vec("ballbot:Ballbot-v0", num_envs=8)
    return PPO("MultiInputPolicy", robots.unwrapped.to_sb3(), n_steps=2048, seed=0)


def sac_pendulum() -> Any:
    """Networks of 256 x 256, an update a step."""
    return SAC("MlpPolicy", make_vec_env("Pendulum-v1", 1, seed=0), seed=0, learning_starts=256)


CASES: dict[str, tuple[Callable[[], Any], int]] = {
    "ppo-cartpole": (ppo_cartpole, 2048 * 8),
    "ppo-ballbot": (ppo_ballbot, 2048 * 8),
    "sac-pendulum": (sac_pendulum, 1024),
}
"""How to make the model, and the timesteps of a round."""


def measure(name: str, rounds: int, clock: Callable[[], float], first: bool) -> None:
    """Print the ratios of one case."""
    make, steps = CASES[name]
    plain, watched = make(), make()
    callback = watch(watched, total_timesteps=TOTAL)
    ratios = []
    for model, seen in ((plain, None), (watched, callback)):
        model.learn(3 * steps, callback=seen)  # imports, caches, updates that are recomputed
    for i in range(rounds):
        times = {}
        for model in (plain, watched) if i % 2 else (watched, plain):
            begin = clock()
            seen = callback if model is watched else None
            model.learn(steps, callback=seen, reset_num_timesteps=False)
            times[model is watched] = clock() - begin
        ratios.append(times[True] / times[False])
    told(f"{name}: watched / plain", ratios)
    if first:
        ratios = [measure_first(make, steps, clock, i % 2) for i in range(rounds)]
        told(f"{name}: first three updates with the identities / plain", ratios)


def measure_first(
    make: Callable[[], Any], steps: int, clock: Callable[[], float], watched_first: int
) -> float:
    """Return the ratio for a training of three rounds, its first updates checked exactly."""
    times = {}
    for exact in (True, False) if watched_first else (False, True):
        model = make()
        seen = watch(model, total_timesteps=TOTAL) if exact else None
        begin = clock()
        model.learn(3 * steps, callback=seen)
        times[exact] = clock() - begin
    return times[True] / times[False]


def told(what: str, ratios: list[float]) -> None:
    """Print the median and the middle half."""
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    print(f"{what} {middle:.3f} [{low:.3f}, {high:.3f}], {len(ratios)} rounds", flush=True)


def inside(name: str) -> None:
    """Print the share of the processor time that passes in the watch's own code.

    Free of what other jobs do to two runs, but blind to what the watch slows down elsewhere.
    """
    spent = [0.0]

    def timed(owner: type, method: str) -> None:
        original = getattr(owner, method)

        def measured(*args: Any, **kwargs: Any) -> Any:
            begin = time.process_time()
            try:
                return original(*args, **kwargs)
            finally:
                spent[0] += time.process_time() - begin

        setattr(owner, method, measured)

    for owner, method in (
        (Watch, "_on_step"),
        (Watch, "_open"),
        (Watch, "_finish"),
        (Watch, "_close"),
        (UpdateWatch, "_look"),
    ):
        timed(owner, method)
    make, steps = CASES[name]
    model = make()
    callback = watch(model, total_timesteps=TOTAL)
    model.learn(steps, callback=callback)  # loads the rules
    spent[0], begin = 0.0, time.process_time()
    model.learn(2 * steps, callback=callback, reset_num_timesteps=False)
    share = spent[0] / (time.process_time() - begin)
    print(f"{name}: {share:.2%} of the processor time in the watch's own code", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--inside", action="store_true", help="only the watch's own code")
    parser.add_argument("--no-first", action="store_true", help="leave out the identities")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if options.processor else time.perf_counter
    for name in options.only:
        if options.inside:
            inside(name)
            continue
        measure(name, options.rounds, clock, not options.no_first)


if __name__ == "__main__":
    main()
