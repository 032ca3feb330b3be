"""Self times of nested calls, by replacing methods of single objects for a while."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

Undo = Callable[[], None]


class OutOfTimeError(Exception):
    """The time for a measurement is over; raised by a watched call as it begins."""


class Clock:
    """Adds up the time of watched calls, less that of watched calls inside them.

    Used as a context: methods are put back at its end. A watched call costs about a microsecond
    more than an unwatched one.

    Args:
        deadline: Time of `time.perf_counter` from which watched calls raise `OutOfTimeError`.

    Attributes:
        seconds: Self time by part so far.
        calls: Calls by part so far.
    """

    def __init__(self, deadline: float = float("inf")) -> None:
        self.deadline = deadline
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inside: list[float] = []
        self._undo: list[Undo] = []
        self._ignored = 0

    def watch(self, owner: Any, method: str, part: str) -> None:
        """Count calls of `owner.method` as `part`; nothing happens if there is no such method."""
        original = getattr(owner, method, None)
        if not callable(original):
            return
        self._undo.append(_restorer(owner, method))
        setattr(owner, method, self._timed(original, part))

    def ignore(self, owner: Any, method: str) -> None:
        """Count nothing that happens inside `owner.method`."""
        original = getattr(owner, method)

        @wraps(original)
        def ignored(*args: Any, **kwargs: Any) -> Any:
            self._ignored += 1
            try:
                return original(*args, **kwargs)
            finally:
                self._ignored -= 1

        self._undo.append(_restorer(owner, method))
        setattr(owner, method, ignored)

    def clear(self) -> None:
        """Forget what was measured."""
        self.seconds.clear()
        self.calls.clear()

    def __enter__(self) -> "Clock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._undo:
            self._undo.pop()()

    def _timed(self, original: Callable[..., Any], part: str) -> Callable[..., Any]:
        inside = self._inside

        @wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            if begin > self.deadline:
                raise OutOfTimeError
            if self._ignored:
                return original(*args, **kwargs)
            inside.append(0.0)
            try:
                return original(*args, **kwargs)
            finally:
                spent = time.perf_counter() - begin
                self.seconds[part] += spent - inside.pop()
                self.calls[part] += 1
                if inside:
                    inside[-1] += spent

        return timed


def _restorer(owner: Any, method: str) -> Undo:
    """Return what puts a method back: as it was, or inherited as before."""
    own = vars(owner)
    if method not in own:
        return lambda: delattr(owner, method)
    before = own[method]
    return lambda: setattr(owner, method, before)
