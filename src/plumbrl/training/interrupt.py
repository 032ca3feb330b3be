"""Ctrl-C in the middle of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGINT, default_int_handler, getsignal, signal
from threading import current_thread, main_thread
from typing import Any


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let a first Ctrl-C call `stop`; a second one raises KeyboardInterrupt at once.

    Signals reach the main thread only; elsewhere nothing is changed.
    """
    if current_thread() is not main_thread():
        yield
        return

    def first(signum: int, frame: Any) -> None:
        stop()
        signal(SIGINT, default_int_handler)

    before = getsignal(SIGINT)
    signal(SIGINT, first)
    try:
        yield
    finally:
        signal(SIGINT, before)
