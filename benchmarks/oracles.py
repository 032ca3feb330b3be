"""Exact identities: milliseconds per pass, and what watching costs a training.

python benchmarks/oracles.py [--rounds 5] [--seconds 2]
"""

import argparse
import os
import statistics

import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.env_util import make_vec_env

from common import report, side_by_side
from plumbrl.adapters.sb3 import LearningWatch, OnPolicyWatch, snapshot
from plumbrl.oracles import check_learning, check_update

STEPS, ENVS, EPOCHS = 2048, 8, 10
SHORT = 256
"""Steps of the trainings whose speed is compared."""


def make_model(steps):
    venv = make_vec_env("Pendulum-v1", ENVS, seed=0)
    return PPO("MlpPolicy", venv, n_steps=steps, n_epochs=EPOCHS, seed=0, device="cpu")


class Passes(OnPolicyWatch):
    """Times the checks on a rollout, where trainer and rollout are as a watch finds them."""

    def __init__(self, args):
        super().__init__(self.judge, updates=1)
        self.args = args

    def judge(self, update):
        """Take turns between looking at the trainer and checking what was seen."""

        def look():
            snapshot(self.model, 0, update.recorded)
            return 1

        def check():
            check_update(update)
            return 1

        def both():
            check_update(snapshot(self.model, 0, update.recorded))
            return 1

        show(
            f"rollout of {STEPS} x {ENVS}",
            {"snapshot (recomputes the policy's outputs)": look, "oracles": check, "both": both},
            self.args,
        )


def show(title, variants, args):
    """Print the median milliseconds per pass of each variant, with the range over rounds."""
    rates = side_by_side(variants, rounds=args.rounds, seconds=args.seconds)
    print(f"\n{title}")
    for name, values in rates.items():
        times = [1e3 / rate for rate in values]
        low, high = min(times), max(times)
        print(f"  {name:44s} {statistics.median(times):8.1f} ms   [{low:.1f}, {high:.1f}]")


def passes(args):
    updates = []
    model = make_model(STEPS)
    model.learn(STEPS * ENVS, CallbackList([Passes(args), LearningWatch(updates.append)]))

    def learning():
        check_learning(updates[0])
        return 1

    show(f"one update, {len(updates[0].minibatches)} minibatches", {"oracles": learning}, args)


def overhead(args):
    """Train for one update, always with the same environments and weights at the start."""

    def trainer(make_callback):
        def work():
            make_model(SHORT).learn(SHORT * ENVS, make_callback())
            return SHORT * ENVS

        return work

    def rollout():
        return OnPolicyWatch(lambda update: check_update(update) and None)

    def learning():
        return LearningWatch(lambda update: check_learning(update) and None)

    rates = side_by_side(
        {
            "not watched": trainer(lambda: None),
            "rollout watched and checked": trainer(rollout),
            "update watched and checked": trainer(learning),
            "both": trainer(lambda: CallbackList([rollout(), learning()])),
        },
        rounds=args.rounds,
        seconds=args.seconds,
    )
    title = f"training: a rollout of {SHORT} x {ENVS} and its update of {EPOCHS} epochs"
    report(title, "steps/s", rates, "not watched")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    versions = f"stable-baselines3 {stable_baselines3.__version__}, torch {torch.__version__}"
    print(f"{os.cpu_count()} cores, one thread, {versions}")
    passes(args)
    overhead(args)


if __name__ == "__main__":
    main()
