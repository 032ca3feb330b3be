"""Tiny environments with closed-form answers, and what a trainer's answers say about it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from plumbrl import forked
from plumbrl.errors import UserError, unknown
from plumbrl.probes.catalogue import BASIC
from plumbrl.probes.problem import Kind
from plumbrl.probes.report import ProbeReport, report
from plumbrl.probes.suite import KINDS, run_suite
from plumbrl.probes.target import as_factory, load, split
from plumbrl.probes.trial import MakeTrainer, Trial
from plumbrl.probes.workers import WARM, Task, run_apart, run_here


def probe(
    make_trainer: MakeTrainer | str,
    *,
    basic: bool = False,
    only: Sequence[str] = (),
    kinds: Sequence[Kind] = KINDS,
    seeds: Sequence[int] = (0, 1, 2),
    budget: float = 1.0,
    seconds: float = 60.0,
    workers: int = 2,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> ProbeReport:
    """Put a trainer through environments whose answers are known, and name what is broken.

    Args:
        make_trainer: Called as ``make_trainer(env, seed=...)`` with a Gymnasium environment; a
            parameter named ``envs`` gets a `VectorEnv` that resets within the step instead, and a
            parameter ``gamma`` the discount factor at which a probe decides. Returns an SB3 model,
            or anything with `train(timesteps)` and one of `value(observations)`,
            `q(observations, actions)`, `action(observations)`. Or a name: ``sb3:PPO``,
            ``my_module:make_trainer``, ``my_module:MyPPO``.
        basic: Only the five basic probes.
        only: Only these probes.
        kinds: Kinds of actions to try; a kind that the trainer refuses is left out.
        seeds: Seeds; from the third on they are used only where the first two disagree.
        budget: Factor on the timesteps after which a probe gives up.
        seconds: Time limit of one trial.
        workers: Processes, if `make_trainer` is a name; a function is called in this process.
        on_trial: Told about each trial as it ends.

    Returns:
        The report: verdict, findings, one check per probe and identity.

    Raises:
        UserError: `make_trainer` cannot be used, or an argument is nonsense, in one sentence.
    """
    if not seeds:
        raise UserError("seeds must hold at least one number.")
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("kind of actions", kind, KINDS)
    named = make_trainer if isinstance(make_trainer, str) else ""
    if isinstance(make_trainer, str):
        split(make_trainer)
        # the name is looked up where it is needed: nothing heavy is imported here
        forked.get_ready(WARM)
        start = partial(run_apart, load, named, workers=workers)
    else:
        start = partial(run_here, as_factory(make_trainer))

    def run(tasks: list[Task]) -> Iterator[Trial]:
        for trial in start(tasks):
            on_trial(trial)
            yield trial

    named_only = [only] if isinstance(only, str) else list(only)
    chosen = list(BASIC) if basic and not named_only else named_only
    probed = run_suite(run, only=chosen, kinds=kinds, seeds=seeds, budget=budget, seconds=seconds)
    return report(named or getattr(make_trainer, "__name__", "trainer"), probed)


__all__ = ["ProbeReport", "probe"]
