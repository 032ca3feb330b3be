"""Ask in a process of its own, so that an environment may hang or die."""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from plumbrl.audits.asking import PATIENCE, ask, hangs
from plumbrl.audits.budget import Budget
from plumbrl.audits.subject import Subject
from plumbrl.audits.tier import Look
from plumbrl.errors import UserError
from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Told = Iterator[tuple[str, list[Outcome]]]
SLACK = 2.0
"""Seconds after which a process that should have given up by itself is ended."""


def ask_isolated(make: Callable[[], Subject], looks: list[Look], seconds: float) -> Told:
    """Yield what `asking.ask` yields, from a forked process; findings of its end where it dies.

    Where the system cannot fork, ask in this process.

    Args:
        make: Called in the new process.
        looks: In order.
        seconds: The subject's budget.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        yield from ask(make(), looks)
        return
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(make, looks, sender), daemon=True)
    sys.stdout.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads that hold locks; the child calls none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    sender.close()
    try:
        yield from _listen(receiver, process, looks, Budget(seconds + PATIENCE + SLACK))
    finally:
        process.kill()
        process.join()


def _listen(receiver: Connection, process, looks: list[Look], budget: Budget) -> Told:  # noqa: ANN001
    """Pass on what the process says, and say what became of it where it falls silent."""
    current, answered = "before the first look", set[str]()
    while True:
        try:
            said = receiver.recv() if receiver.poll(budget.left) else None
        except EOFError:
            process.join()
            yield current, [_died(process.exitcode, current)]
            break
        if said is None:
            yield current, [hangs(f"no answer within the budget while asking: {current}")]
            break
        if isinstance(said, Exception):
            raise said
        if said == "end":
            return
        name, outcomes = said
        if outcomes:
            answered.add(name)
        current = name
        yield name, outcomes
    for look in looks:
        if look.name not in answered and look.name != current:
            yield look.name, [skipped(look.name, "the environment ended the process before")]


def _died(code: int | None, look: str) -> Outcome:
    how = f"exit code {code}"
    if code is not None and code < 0:
        how = f"signal {signal.Signals(-code).name}"
    reason = f"the process ended with {how} while asking: {look}"
    evidence = Evidence("ends of the process", 1, "0")
    return found("the environment runs", "environment.kills-the-process", reason, evidence)


def _work(make: Callable[[], Subject], looks: list[Look], sender: Connection) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # an environment may print at every step
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # its pool of threads does not survive a fork
    try:
        for told in ask(make(), looks):
            sender.send(told)
        sender.send("end")
    except UserError as error:
        sender.send(UserError(*error.args))
    finally:
        sys.stderr.flush()
        sender.close()
    os._exit(0)
