"""Trials in processes of their own: two at a time, and none can hang or crash the rest."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from plumbrl import forked
from plumbrl.errors import UserError
from plumbrl.probes.catalogue import problems
from plumbrl.probes.problem import Kind
from plumbrl.probes.trial import MakeTrainer, Trial, run_trial

WARM = "plumbrl.probes.warm"
"""Imported where trials are forked from."""
GRACE = 15.0
"""Seconds beyond its time limit after which a process that does not answer is killed."""


@dataclass(frozen=True)
class Task:
    """A trial to run."""

    kind: Kind
    probe: str
    seed: int
    budget: float = 1.0
    seconds: float = 60.0


def run_here(make_trainer: MakeTrainer, tasks: list[Task]) -> Iterator[Trial]:
    """Run trials one after the other in this process."""
    for task in tasks:
        problem = problems(task.kind)[task.probe]
        yield run_trial(make_trainer, problem, task.seed, budget=task.budget, seconds=task.seconds)


def run_apart(
    load: Callable[[str], MakeTrainer], spec: str, tasks: list[Task], workers: int
) -> Iterator[Trial]:
    """Run trials in processes; they come back in the order in which they end.

    Args:
        load: Returns make_trainer from its name, called in the process.
        spec: The name.
        tasks: What to run.
        workers: How many at a time.

    Raises:
        UserError: There is nothing of that name.
    """
    context = forked.context(WARM)
    waiting, running = list(tasks), dict[Connection, tuple[Any, Task, float]]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(
                    target=_child, args=(theirs, load, spec, task), daemon=True
                )
                process.start()
                theirs.close()
                running[ours] = (process, task, time.monotonic() + task.seconds + GRACE)
            for pipe in wait(list(running), timeout=0.2):
                process, task, _ = running.pop(pipe)  # type: ignore[arg-type]
                yield _received(pipe, process, task)  # type: ignore[arg-type]
            yield from _overdue(running)
    finally:
        for process, _, _ in running.values():
            process.kill()


def _child(pipe: Connection, load: Callable[[str], MakeTrainer], spec: str, task: Task) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which kills what runs
    with redirect_stdout(sys.stderr):  # what a trainer prints must not get into a report
        try:
            (said,) = run_here(load(spec), [task])
        except UserError as error:  # of the name: trials turn those of the trainer into a verdict
            said = error
    pipe.send(said)
    pipe.close()


def _received(pipe: Connection, process: Any, task: Task) -> Trial:
    try:
        said = pipe.recv()
    except EOFError:
        process.join()
        said = _lost(task, f"its process died with exit code {process.exitcode}")
    process.join()
    pipe.close()
    if isinstance(said, UserError):
        raise said
    return said


def _overdue(running: dict[Connection, tuple[Any, Task, float]]) -> Iterator[Trial]:
    for pipe, (process, task, deadline) in list(running.items()):
        if time.monotonic() > deadline:
            process.kill()
            process.join()
            pipe.close()
            del running[pipe]
            yield _lost(task, f"did not answer for {task.seconds + GRACE:g} s")


def _lost(task: Task, mistake: str) -> Trial:
    return Trial(task.probe, task.kind, task.seed, "inconclusive", mistake=mistake)
