"""What an environment says beside its results: warnings, logged errors, swallowed exceptions."""

import logging
import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import gymnasium
import numpy as np

from plumbrl.audits.sample import random_policy
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found

SAYS, SWALLOWS = "nothing is complained of while stepping", "no exception is swallowed"
STEPS, TRACED = 400, 150
ALARMING = re.compile(r"nan\b|\binf(inite|inity)?\b|unstable|diverg|overflow|invalid|error", re.I)
GRAVE = (ArithmeticError, RuntimeError, np.linalg.LinAlgError)
"""What a simulation raises when it fails; other exceptions are also used to steer a program."""
LIBRARIES = ("numpy", "gymnasium", "plumbrl")


def ask_complaints(subject: Subject) -> list[Outcome]:
    """Return what is said or swallowed while random actions are taken."""
    said: Counter[str] = Counter()
    with closing(subject.make_env()) as env:
        with _listening(said):
            steps = _act(env, subject.seed, STEPS, subject)
        swallowed: Counter[str] = Counter()
        with _listening(Counter()), _traced(swallowed):
            traced = _act(env, subject.seed, TRACED, subject)
    return [check_said(said, steps), check_swallowed(swallowed, traced)]


def _act(env: gymnasium.Env, seed: int, steps: int, subject: Subject) -> int:
    policy, budget, ended = random_policy(env, seed), subject.budget.part(0.05), True
    for step in range(steps):
        if budget.over:
            return step
        if ended:
            env.reset(seed=seed + step)
        _, _, terminated, truncated, _ = env.step(policy(None))
        ended = bool(terminated or truncated)
    return steps


def check_said(said: Counter[str], steps: int) -> Outcome:
    """Judge messages, by how often each came."""
    alarming = {text: n for text, n in said.items() if ALARMING.search(text)}
    if not alarming:
        other = f"; said: {_short(next(iter(said)))}" if said else ""
        return Check(SAYS, "passed", f"{steps} steps, {sum(said.values())} messages{other}"), None
    text, count = max(alarming.items(), key=lambda pair: pair[1])
    evidence = Evidence("messages", sum(alarming.values()), "0", "", f"{steps} steps")
    reason = f"{count} times in {steps} steps: {_short(text)}"
    return found(SAYS, "environment.complains", reason, evidence, confidence=0.7)


def check_swallowed(swallowed: Counter[str], steps: int) -> Outcome:
    """Judge exceptions that were raised while every step returned as if nothing had happened."""
    if not swallowed:
        return Check(SWALLOWS, "passed", f"{steps} steps traced"), None
    text, count = swallowed.most_common(1)[0]
    evidence = Evidence("exceptions swallowed", sum(swallowed.values()), "0", "", f"{steps} steps")
    reason = f"{count} times in {steps} steps: {_short(text)}"
    return found(SWALLOWS, "environment.exceptions-swallowed", reason, evidence, confidence=0.75)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) < 120 else f"{line[:117]}..."


@contextmanager
def _listening(said: Counter[str]) -> Iterator[None]:
    """Count warnings, logged errors and lines written to the standard error."""
    handler = _Counting(said)
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught, _standard_error(said):
            warnings.simplefilter("always")
            yield
        said.update(f"{w.category.__name__}: {w.message}" for w in caught)
    finally:
        logging.getLogger().removeHandler(handler)


class _Counting(logging.Handler):
    def __init__(self, said: Counter[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said[f"logged error: {record.getMessage()}"] += 1


@contextmanager
def _standard_error(said: Counter[str]) -> Iterator[None]:
    """Count lines of the standard error, also what native code writes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            said.update(line.strip() for line in lines if line.strip())


@contextmanager
def _traced(swallowed: Counter[str]) -> Iterator[None]:
    """Count grave exceptions by where they were raised; all are swallowed if this ends."""
    before = sys.gettrace()
    last: list[Any] = [None]

    def local(frame: FrameType, event: str, arg: Any) -> Callable | None:
        if event == "exception" and issubclass(arg[0], GRAVE) and arg[1] is not last[0]:
            last[0] = arg[1]
            code = frame.f_code
            where = f"{Path(code.co_filename).name}:{frame.f_lineno} ({code.co_name})"
            swallowed[f"{arg[0].__name__}: {arg[1]} in {where}"] += 1
        return local

    def trace(frame: FrameType, event: str, arg: Any) -> Callable | None:
        frame.f_trace_lines = False
        parts = Path(frame.f_code.co_filename).parts
        return None if any(library in parts for library in LIBRARIES) else local

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
