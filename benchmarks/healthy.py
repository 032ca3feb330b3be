"""Healthy runs: how often is one accused, by our rules and by the classic fixed thresholds?

    python benchmarks/healthy.py [--seeds 5] [--pairs ppo-cartpole ...] [--out runs/healthy]
    python benchmarks/healthy.py --judge runs/healthy        # judge again what was trained
    python benchmarks/healthy.py --bands runs/healthy        # measure the reference bands anew

Trains algorithms with published hyper-parameters (rl-zoo) on environments they solve, under watch;
runs that are there already are not trained again. A run counts only if it reaches the return that
is asked; the others are listed.
"""

import argparse
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np

LINEAR = "linear"
ON_POLICY = ("PPO", "A2C", "TRPO")
PAIRS: dict[str, dict[str, Any]] = {
    "ppo-cartpole": dict(
        algo="PPO", env="CartPole-v1", envs=8, steps=100_000, solved=450,
        n_steps=32, batch_size=256, n_epochs=20, gae_lambda=0.8, gamma=0.98,
        learning_rate=(LINEAR, 1e-3), clip_range=(LINEAR, 0.2),
    ),
    "ppo-acrobot": dict(
        algo="PPO", env="Acrobot-v1", envs=16, steps=150_000, solved=-105,
        normalize=True, n_steps=256, n_epochs=4, gae_lambda=0.94, gamma=0.99,
    ),
    "ppo-pendulum": dict(
        algo="PPO", env="Pendulum-v1", envs=4, steps=100_000, solved=-300,
        n_steps=1024, gae_lambda=0.95, gamma=0.9, n_epochs=10, learning_rate=1e-3,
        use_sde=True, sde_sample_freq=4,
    ),
    "ppo-pendulum-plain": dict(
        algo="PPO", env="Pendulum-v1", envs=8, steps=150_000, solved=-300,
        n_steps=256, gamma=0.9, learning_rate=1e-3, batch_size=256,
    ),
    "a2c-cartpole": dict(algo="A2C", env="CartPole-v1", envs=8, steps=200_000, solved=400,
                         learning_rate=(LINEAR, 7e-4)),
    "trpo-cartpole": dict(
        algo="TRPO", env="CartPole-v1", envs=2, steps=120_000, solved=400,
        n_steps=512, batch_size=512, cg_damping=1e-3, gae_lambda=0.98, gamma=0.99,
        learning_rate=1e-3, n_critic_updates=20,
    ),
    "dqn-cartpole": dict(
        algo="DQN", env="CartPole-v1", envs=1, steps=50_000, solved=400,
        learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1000,
        target_update_interval=10, train_freq=256, gradient_steps=128,
        exploration_fraction=0.16, exploration_final_eps=0.04, net_arch=[256, 256],
    ),
    "qrdqn-cartpole": dict(
        algo="QRDQN", env="CartPole-v1", envs=1, steps=50_000, solved=400,
        learning_rate=2.3e-3, batch_size=64, buffer_size=100_000, learning_starts=1000,
        target_update_interval=10, train_freq=256, gradient_steps=128,
        exploration_fraction=0.16, exploration_final_eps=0.04, net_arch=[256, 256], n_quantiles=10,
    ),
    "sac-pendulum": dict(algo="SAC", env="Pendulum-v1", envs=1, steps=10_000, solved=-300,
                         learning_rate=1e-3, net_arch=[64, 64]),
    "td3-pendulum": dict(algo="TD3", env="Pendulum-v1", envs=1, steps=10_000, solved=-300,
                         learning_rate=1e-3, action_noise=0.1, net_arch=[64, 64],
                         gamma=0.98, learning_starts=1000),
    "ddpg-pendulum": dict(algo="DDPG", env="Pendulum-v1", envs=1, steps=10_000, solved=-300,
                          learning_rate=1e-3, action_noise=0.1, net_arch=[64, 64],
                          gamma=0.98, learning_starts=1000),
}  # fmt: skip
OWN = ("algo", "env", "envs", "steps", "solved", "normalize", "net_arch", "action_noise",
       "n_quantiles", "wrapper")  # fmt: skip


def build(pair: dict[str, Any], seed: int) -> Any:
    """Return an SB3 model with the hyper-parameters of a pair."""
    import sb3_contrib
    import stable_baselines3
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.noise import NormalActionNoise
    from stable_baselines3.common.vec_env import VecNormalize

    algorithm = getattr(stable_baselines3, pair["algo"], None) or getattr(sb3_contrib, pair["algo"])
    env: Any = make_vec_env(pair["env"], pair["envs"], seed=seed, wrapper_class=pair.get("wrapper"))
    if pair.get("normalize"):
        env = VecNormalize(env)
    kwargs = {k: _scheduled(v) for k, v in pair.items() if k not in OWN}
    policy = {k: pair[k] for k in ("net_arch", "n_quantiles") if k in pair}
    if "action_noise" in pair:
        size = env.action_space.shape
        kwargs["action_noise"] = NormalActionNoise(
            np.zeros(size), pair["action_noise"] * np.ones(size)
        )
    return algorithm("MlpPolicy", env, seed=seed, policy_kwargs=policy, device="cpu", **kwargs)


def _scheduled(value: Any) -> Any:
    if isinstance(value, tuple) and value[0] == LINEAR:
        return lambda remaining: remaining * value[1]
    return value


def train(name: str, seed: int, folder: Path) -> None:
    """Train one run under watch, and write down what it reached."""
    import plumbrl

    pair = PAIRS[name]
    model = build(pair, seed)
    watch: Any = plumbrl.watch(model, folder, total_timesteps=pair["steps"], sinks=())
    model.learn(pair["steps"], callback=watch)
    reached = float(np.mean([episode["r"] for episode in list(model.ep_info_buffer)[-10:]]))
    result = {"pair": name, "seed": seed, "reached": reached, "failure": watch.failure}
    (folder / "result.json").write_text(json.dumps(result | {"solved": reached >= pair["solved"]}))
    print(json.dumps(result), flush=True)


def finished(out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return every run that has come to its end, with what it reached."""
    results = sorted(out.glob("*/result.json"))
    return [(file.parent, json.loads(file.read_text())) for file in results]


def judge(out: Path) -> None:
    """Print who is accused, by our rules and by the classic ones; a run counts if it is solved."""
    import plumbrl
    from plumbrl.logs import read
    from plumbrl.metrics.statistics import rate_interval
    from plumbrl.rules import alerts_of

    solved = [(folder, result) for folder, result in finished(out) if result["solved"]]
    accused: dict[str, dict[str, list[bool]]] = {}
    for folder, result in solved:
        history = read(folder)
        for rules in ("default", "classic"):
            alerts = [a for a in alerts_of(history, rules) if a.finding.severity != "info"]
            report = plumbrl.diagnose(folder, rules=rules)
            found = [f for f in report.findings if f.severity != "info"]
            bad = bool(alerts or found) if rules == "default" else bool(alerts)
            accused.setdefault(result["pair"], {}).setdefault(rules, []).append(bad)
            if bad and rules == "default":
                print(folder.name, report.verdict, [a.rule.name for a in alerts])
    print("| pair | solved | accused by plumbrl | accused by the classic rules |")
    print("|---|---|---|---|")
    for pair, by in accused.items():
        ours, theirs = by["default"], by["classic"]
        print(f"| {pair} | {len(ours)} | {sum(ours)} | {sum(theirs)} |")
    for rules in ("default", "classic"):
        every = [one for by in accused.values() for one in by[rules]]
        print(f"{rules}: {sum(every)} of {len(every)}, {rate_interval(sum(every), len(every))}")
    failed = [folder.name for folder, result in finished(out) if not result["solved"]]
    print(f"not solved, not counted: {', '.join(failed) or 'none'}")


def bands(out: Path, file: Path) -> None:
    """Write the ends of the healthy bands: 0.5 and 99.5 % of the rows of solved runs."""
    import yaml

    from plumbrl.logs import read
    from plumbrl.rules.table import Band, family, table
    from plumbrl.rules.table import bands as old

    entries = table().values()
    wanted = {e.metric for e in entries if isinstance(e.above, Band) or isinstance(e.below, Band)}
    rows: dict[str, dict[str, list[np.ndarray]]] = {}
    for folder, result in finished(out):
        if result["solved"]:
            history = read(folder)
            for metric in wanted & set(history):
                values = history.points(metric)[1]
                rows.setdefault(family(history.facts), {}).setdefault(metric, []).append(values)
    ends = {
        kind: {metric: _ends(np.concatenate(parts)) for metric, parts in sorted(metrics.items())}
        for kind, metrics in sorted(rows.items())
    }
    head = "# Ends of the bands of healthy runs; measured by benchmarks/healthy.py --bands.\n"
    file.write_text(head + yaml.safe_dump(ends, sort_keys=True))
    print(f"{len(old())} families before, {len(ends)} now: {file}")


def _ends(values: np.ndarray) -> dict[str, float]:
    low, high = np.percentile(values[np.isfinite(values)], [0.5, 99.5])
    return {"low": float(f"{low:.3g}"), "high": float(f"{high:.3g}")}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--pairs", nargs="*", default=list(PAIRS), choices=list(PAIRS))
    parser.add_argument("--out", type=Path, default=Path("runs/healthy"))
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--bands", type=Path)
    options = parser.parse_args()
    if options.bands or options.judge:
        if options.bands:
            import plumbrl.rules

            bands(options.bands, Path(plumbrl.rules.__file__).with_name("bands.yaml"))
        else:
            judge(options.judge)
        return
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)
    for seed in range(options.first, options.first + options.seeds):
        for name in options.pairs:
            folder = options.out / f"{name}_s{seed}"
            if not (folder / "result.json").exists():
                shutil.rmtree(folder, ignore_errors=True)  # what an interruption left
                train(name, seed, folder)
    judge(options.out)


if __name__ == "__main__":
    main()
