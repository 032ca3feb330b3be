"""Run a program as its user would: in a watch, then under the probes if that names nothing."""

from pathlib import Path
from typing import Any

SYMPTOMS = ("task.no-gain", "task.no-better-than-random", "policy.collapsed")
"""Say that it does not learn, not why."""
ASKED = ("constant", "observation", "delay", "action", "observation-action", "limit",
         "end-or-limit", "ladder", "credit", "next-best", "vector", "negative", "scale",
         "exploration")  # fmt: skip
"""Probes that a DQN and a PPO of plain observations can be asked."""


def watched(make: Any, seed: int, folder: Path, timesteps: int) -> tuple[float | None, str]:
    """Train a program on CartPole in a watch.

    Args:
        make: Called with an environment (None for its own), a seed and a folder.
        seed: Of everything random.
        folder: Of the run.
        timesteps: To train.

    Returns:
        Mean return of the last episodes, None if there are none, and what ended it, in words.
    """
    import torch

    torch.set_num_threads(1)
    program: Any = None
    failure = ""
    try:
        program = make(None, seed=seed, folder=folder)
        program.train(timesteps)
        program.finish()
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"[:200]
    if program is None:
        return None, failure
    program.watch.close()
    history = program.watch._monitor.history
    returns = history.points("rollout/ep_rew_mean")[1]
    return (float(returns[-1]) if len(returns) else None), failure


def report(program: Any, seed: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return what is said of a program by the first that says something, and how it went.

    In the order in which a user would ask: the audit of an environment of their own, the watch and
    its diagnosis, the probes.

    Args:
        program: Of the catalogue.
        seed: Of everything random.
        folder: For the run.
    """
    import plumbrl

    if program.custom:
        found = plumbrl.audit(lambda: program.make.made(None), name=program.source, seed=seed)
        if _accuses(found):
            return found, {"by": "audit"}
    timesteps = program.make.total if program.causes else program.make.whole
    reached, failure = watched(program.make, seed, folder / "run", timesteps)
    found = plumbrl.diagnose(folder / "run")
    went = {"reached": reached, "by": "watch"} | ({"stopped": failure} if failure else {})
    if not program.causes or _accuses(found):
        return found, went
    return probed(program, seed), went | {"by": "probes"}


def probed(program: Any, seed: int) -> Any:
    """Put a program through the probes."""
    import plumbrl

    def vector(envs: Any, seed: int, gamma: float) -> Any:
        return program.make(envs, seed, gamma)

    def single(env: Any, seed: int, gamma: float) -> Any:
        return program.make(env, seed, gamma)

    make = vector if program.algo == "PPO" else single
    return plumbrl.probe(make, kinds=("discrete",), seeds=(seed,), only=ASKED)


def _accuses(found: Any) -> bool:
    """Whether something is named beyond that it does not learn."""
    causes = [f.cause for f in found.findings if f.severity != "info"]
    return any(cause not in SYMPTOMS for cause in causes)
