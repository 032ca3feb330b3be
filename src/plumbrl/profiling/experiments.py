"""What a change of a setting would do to one part, tried out on the model itself."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from plumbrl.profiling.clock import Clock, OutOfTimeError
from plumbrl.profiling.learner import LEARNER, POLICY, gradient_steps

Trial = Callable[[float], float | None]
Changes = Literal["", "the task", "learning"]
WIDER = 4
"""Factor on the number of environments and on the minibatch that is tried."""
CALLS = 30
TURNS = 3
"""Times that both settings are tried in turn; the medians are compared."""


@dataclass(frozen=True)
class Experiment:
    """A setting that was tried."""

    group: str
    """The group of parts that it makes faster."""
    speedup: float
    """Of that group."""
    what: str
    changes: Changes = ""
    """What it changes beside the speed."""


def try_settings(model: Any, seconds: float) -> list[Experiment]:
    """Try more environments, other threads and larger minibatches, as far as the time allows.

    Args:
        model: After a whole update of `learn`; its weights move a little more.
        seconds: Time for all of it.
    """
    end = time.perf_counter() + seconds
    tried = [more_environments]
    if gradient_steps(model) and getattr(model.rollout_buffer, "full", False):
        tried += [other_threads, larger_minibatch]
    found = []
    for left, trial in zip(range(len(tried), 0, -1), tried, strict=True):
        slot = (end - time.perf_counter()) / left
        experiment = trial(model, slot) if slot > 0 else None
        found += [experiment] if experiment else []
    return found


def more_environments(model: Any, seconds: float) -> Experiment | None:
    """Ask the policy about more observations at a time."""
    few, num = model._last_obs, model.n_envs
    many = _repeated(few)
    once = _in_turn(lambda s: _asking(model, few, s), lambda s: _asking(model, many, s), seconds)
    what = f"{WIDER * num} environments side by side instead of {num} (num_envs)"
    return once and Experiment(POLICY, WIDER * once[0] / once[1], what, "learning")


def other_threads(model: Any, seconds: float) -> Experiment | None:
    """Update with one torch thread if there are more, and with more if there is one."""
    import torch

    now = torch.get_num_threads()
    other = min(4, os.cpu_count() or 1) if now == 1 else 1
    if other == now:
        return None
    once = _in_turn(
        lambda s: _gradient_step(model, s), lambda s: _threaded(model, other, s), seconds
    )
    return once and Experiment(
        LEARNER, once[0] / once[1], f"torch_threads {other} instead of {now}"
    )


def larger_minibatch(model: Any, seconds: float) -> Experiment | None:
    """Update on minibatches of several times the size, if the rollout has them."""
    size = model.batch_size
    larger = min(WIDER * size, model.n_steps * model.n_envs)
    if larger == size:
        return None
    once = _in_turn(lambda s: _gradient_step(model, s), lambda s: _sized(model, larger, s), seconds)
    what = f"batch_size {larger:,} instead of {size:,}: fewer gradient steps"
    return once and Experiment(LEARNER, larger / size * once[0] / once[1], what, "learning")


def _in_turn(one: Trial, other: Trial, seconds: float) -> tuple[float, float] | None:
    """Return the medians of both; None if there was not enough time to try them."""
    pairs = []
    for _ in range(TURNS):
        first, second = (trial(seconds / TURNS / 2) for trial in (one, other))
        if first and second:
            pairs.append((first, second))
    if not pairs:
        return None
    before, after = np.median(pairs, axis=0)
    return float(before), float(after)


def _asking(model: Any, obs: Any, seconds: float) -> float:
    begin, calls = time.perf_counter(), 0
    while calls == 0 or (calls < CALLS and time.perf_counter() < begin + seconds):
        model.policy.predict(obs)
        calls += 1
    return (time.perf_counter() - begin) / calls


def _repeated(obs: Any) -> Any:
    if isinstance(obs, dict):
        return {key: _repeated(part) for key, part in obs.items()}
    return np.repeat(obs, WIDER, axis=0)


def _gradient_step(model: Any, seconds: float) -> float | None:
    """Return the seconds of one gradient step of an update; None if there was none.

    An update that went on from where the last one ended would stop early at a limit of the KL.
    """
    limit, model.target_kl = model.target_kl, None
    begin = time.perf_counter()
    with Clock(begin + seconds) as clock:
        clock.watch(model.policy.optimizer, "step", "steps")
        try:
            model.train()
        except OutOfTimeError:
            pass
        finally:
            model.target_kl = limit
        spent = time.perf_counter() - begin
    return spent / clock.calls["steps"] if clock.calls["steps"] else None


def _threaded(model: Any, threads: int, seconds: float) -> float | None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _gradient_step(model, seconds)
    finally:
        torch.set_num_threads(before)


def _sized(model: Any, size: int, seconds: float) -> float | None:
    before, model.batch_size = model.batch_size, size
    try:
        return _gradient_step(model, seconds)
    finally:
        model.batch_size = before
