"""Healthy trainers with sane settings drawn at random: does the watch accuse one of a bug?

    python benchmarks/sane_settings.py [--first 0] [--count 100]

Algorithms of Stable-Baselines3 and its contrib, on small tasks, one to four environments, with and
without normalisers; every setting is one that published configurations use. Each trains for some
hundred steps under `plumbrl.watch`. Printed is every trainer of which an identity is said to be
broken, that has a setting called wrong, or whose watch gave up.
"""

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import torch

DISCRETE = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0")
CONTINUOUS = ("Pendulum-v1", "MountainCarContinuous-v0", "InvertedPendulum-v5", "Reacher-v5")
ON = ("PPO", "A2C", "TRPO", "RecurrentPPO")
EPSILON = ("DQN", "QRDQN")
OFF = (*EPSILON, "SAC", "TD3", "DDPG", "TQC", "CrossQ")
MEANT = {
    "task.no-gain", "policy.collapsed",  # a thousand steps teach little
    "configuration.horizon-too-short",  # gamma 0.9 where episodes have a thousand steps
}  # fmt: skip
STEPS = 800


@dataclass
class Draw:
    """A trainer that was drawn.

    Attributes:
        algo: Class of SB3.
        env: Id.
        envs: How many.
        normalised: ``VecNormalize``'s arguments; None without one.
        settings: Of the algorithm.
        policy: ``policy_kwargs``.
    """

    algo: str
    env: str
    envs: int
    normalised: dict[str, Any] | None
    settings: dict[str, Any]
    policy: dict[str, Any]


def drawn(seed: int) -> Draw:
    """Return the trainer of a seed."""
    rng = np.random.default_rng(seed)

    def pick(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    algo = pick(*ON, *OFF)
    discrete = algo in EPSILON or (algo in ON and pick(True, False))
    env, envs = pick(*DISCRETE) if discrete else pick(*CONTINUOUS), pick(1, 1, 2, 4)
    settings = {"gamma": pick(0.9, 0.98, 0.99, 0.995), "learning_rate": pick(1e-4, 3e-4, 1e-3)}
    policy = {"net_arch": pick([16], [32, 32], [64])}
    if algo in ON:
        settings |= _on_policy(algo, discrete, envs, pick)
    else:
        settings |= _off_policy(algo, env, envs, pick)
    if algo == "RecurrentPPO":
        policy = {"net_arch": [16], "lstm_hidden_size": 16, **pick({}, {"shared_lstm": False})}
    elif algo in ON:
        policy |= pick({}, {"ortho_init": False}, {"activation_fn": torch.nn.ReLU})
    elif algo in ("SAC", "TD3"):
        policy |= pick({}, {"n_critics": 1}, {"n_critics": 3})
    if pick(True, False, False):
        rate = settings["learning_rate"]
        settings["learning_rate"] = lambda left: left * rate
    norm = {"norm_reward": pick(True, False), "gamma": settings["gamma"]}
    return Draw(algo, env, envs, pick(norm, None, None), settings, policy)


def _on_policy(algo: str, discrete: bool, envs: int, pick: Callable[..., Any]) -> dict[str, Any]:
    steps = pick(16, 32, 64, 128)
    found = {"n_steps": steps, "gae_lambda": pick(0.8, 0.95, 1.0)}
    if algo != "A2C":
        found["batch_size"] = pick(16, 32, steps * envs)
    if algo in ("PPO", "RecurrentPPO"):
        found |= {"n_epochs": pick(1, 3, 10), "clip_range": pick(0.1, 0.2, 0.3)}
        found |= {"target_kl": pick(None, None, 0.02), "clip_range_vf": pick(None, None, 0.2)}
        found |= {"max_grad_norm": pick(0.5, 1.0, 10.0), "vf_coef": pick(0.5, 1.0)}
    if algo == "A2C":
        found["use_rms_prop"] = pick(True, False)
    if algo in ("PPO", "A2C"):
        found |= {"normalize_advantage": pick(True, True, False), "ent_coef": pick(0.0, 0.01)}
    if not discrete and algo != "RecurrentPPO":
        found |= pick({}, {}, {"use_sde": True, "sde_sample_freq": pick(-1, 4)})
    return found


def _off_policy(algo: str, env: str, envs: int, pick: Callable[..., Any]) -> dict[str, Any]:
    found = {
        "learning_starts": pick(0, 50, 100, 200, 300), "batch_size": pick(16, 64),
        "buffer_size": pick(2000, 10_000), "gradient_steps": pick(1, 1, 2, -1),
        "train_freq": pick(1, 1, 4, 16, (1, "episode") if envs == 1 else 2),
    }  # fmt: skip
    if algo in EPSILON:
        found["train_freq"] = pick(1, 4)  # else it may be longer than the target's interval
        found |= {"target_update_interval": pick(40, 80), "exploration_fraction": pick(0.1, 0.5)}
        return found | ({"tau": 0.01, "target_update_interval": envs} if pick(1, 0, 0) else {})
    if algo != "CrossQ":
        found["tau"] = pick(0.005, 0.02)
    if algo in ("SAC", "TQC", "CrossQ"):
        found["ent_coef"] = pick("auto", "auto_0.1", 0.1)
    if algo in ("SAC", "TQC"):
        found |= pick({}, {}, {"use_sde": True})
    if algo in ("SAC", "TD3", "DDPG"):
        found["n_steps"] = pick(1, 1, 3)
    if algo == "SAC":
        found["target_update_interval"] = pick(1, 1, 2)
    if algo == "TD3":
        found["policy_delay"] = pick(1, 2, 3)
    if algo in ("TD3", "DDPG"):
        found["action_noise"] = pick(None, _noise(env))
    return found


def _noise(env: str) -> Any:
    from stable_baselines3.common.noise import NormalActionNoise

    shape: Any = gymnasium.make(env).action_space.shape
    return NormalActionNoise(np.zeros(shape), 0.1 * np.ones(shape))


def accused(seed: int, steps: int = STEPS) -> list[str]:
    """Train what is drawn with a seed; return what the watch says against it."""
    import sb3_contrib
    import stable_baselines3
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    import plumbrl

    one = drawn(seed)
    env: Any = make_vec_env(one.env, one.envs, seed=seed)
    if one.normalised is not None:
        env = VecNormalize(env, **one.normalised)
    algorithm = getattr(stable_baselines3, one.algo, None) or getattr(sb3_contrib, one.algo)
    policy = "MlpLstmPolicy" if one.algo == "RecurrentPPO" else "MlpPolicy"
    model = algorithm(
        policy, env, seed=seed, device="cpu", policy_kwargs=one.policy, **one.settings
    )
    rng = np.random.default_rng(seed)
    watch: Any = plumbrl.watch(
        model, total_timesteps=20 * steps, every=int(rng.choice([64, 128, 256])), sinks=()
    )
    model.learn(steps, callback=watch)
    env.close()
    report = watch.report()
    told = [f"{f.cause}: {f.summary}" for f in report.findings
            if f.severity != "info" and f.cause not in MEANT]  # fmt: skip
    told += [watch.failure] if watch.failure else []
    return told + (["the model holds what is ours"] if "train" in vars(model) else [])


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    bad = 0
    for seed in range(options.first, options.first + options.count):
        told = accused(seed)
        bad += bool(told)
        if told:
            print(f"{seed}: {drawn(seed)}", *told, sep="\n    ", flush=True)
    print(f"{bad} of {options.count} accused")


if __name__ == "__main__":
    main()
