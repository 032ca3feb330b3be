"""A process for what takes time and memory; it is there only while there is something to do.

Reading, judging and drawing need numpy and the rules, which weigh more than the server itself.
Apart from it they neither hold up a page, nor stay in memory, nor take the server with them when a
log is too large.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from typing import Any, Generic, TypeVar, TypeVarTuple

IDLE = 30.0
"""Seconds without work after which the process ends."""
NEEDED = ("plumbrl.diagnosis", "plumbrl.report.html", "plumbrl.dashboard.compare_page")
"""What the work loads, loaded before it begins, so that it does not count as its cost."""

Given = TypeVarTuple("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Made(Generic[Result]):
    """What came of some work.

    Attributes:
        result: It.
        cost: Seconds of a core that it took, without starting the process.
    """

    result: Result
    cost: float


class Workshop:
    """Runs functions one after the other in a process of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._closed = False
        self._open = 0
        self._timer: threading.Timer | None = None

    def submit(self, work: Callable[[*Given], Result], *args: *Given) -> "Future[Made[Result]]":
        """Have a function of a module called; what it takes and returns is sent as a pickle.

        The future fails with `BrokenExecutor` if the process did not survive the work.
        """
        pool = self._entered()
        if pool is None:
            return _cancelled()
        # Not under the lock: a pool that breaks may hold one of its own while it calls `_left`.
        try:
            future = pool.submit(_made, work, *args)
        except RuntimeError as error:
            future = Future()
            future.set_exception(BrokenExecutor(str(error)))
        future.add_done_callback(lambda done: self._left(done, pool))
        return future

    def close(self) -> None:
        """Begin nothing more, and end the process as soon as it can be."""
        with self._lock:
            self._closed = True
        self._end(lambda: True)

    def _entered(self) -> ProcessPoolExecutor | None:
        with self._lock:
            if self._closed:
                return None
            self._open += 1
            self._stop_timer()
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin)
            return self._pool

    def _left(self, done: Future[Any], pool: ProcessPoolExecutor) -> None:
        broken = not done.cancelled() and isinstance(done.exception(), BrokenExecutor)
        with self._lock:
            self._open -= 1
            if broken and pool is self._pool:
                self._pool = None  # the next one begins with a new process
            elif self._open == 0 and self._pool is not None:
                self._stop_timer()
                self._timer = threading.Timer(IDLE, self._end, [self._idle])
                self._timer.daemon = True
                self._timer.start()

    def _end(self, wanted: Callable[[], bool]) -> None:
        with self._lock:
            if not wanted():
                return
            self._stop_timer()
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _idle(self) -> bool:
        return self._open == 0

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _cancelled() -> Future[Any]:
    future: Future[Any] = Future()
    future.cancel()
    return future


def _begin() -> None:
    """Leave Ctrl-C to the server, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for module in NEEDED:
        import_module(module)


def _made(work: Callable[[*Given], Result], *args: *Given) -> Made[Result]:
    begin = time.process_time()
    return Made(work(*args), time.process_time() - begin)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
