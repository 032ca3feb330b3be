"""Stand before a function for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class _StandIn:
    """Stands before a function until it is told to leave; then it only passes calls on."""

    def __init__(self, owner: Any, name: str, function: Callable[..., Any]) -> None:
        self._owner, self._name, self._function = owner, name, function
        self._original, self._own = getattr(owner, name), name in vars(owner)
        self._gone = False
        setattr(owner, name, self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._gone:
            return self._original(*args, **kwargs)
        return self._function(self._original, *args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_StandIn":
        """A trainer may copy what it owns: as any function, this is not copied with it."""
        return self

    def leave(self) -> None:
        """Go, and take along whoever left before and could not go while this one stood here."""
        self._gone = True
        top = vars(self._owner).get(self._name)
        while isinstance(top, _StandIn) and top._gone:
            top._restore()
            top = vars(self._owner).get(self._name)

    def _restore(self) -> None:
        if self._own:
            setattr(self._owner, self._name, self._original)
        else:
            delattr(self._owner, self._name)


@contextmanager
def wrapped(owner: Any, name: str, stand_in: Callable[..., Any]) -> Iterator[None]:
    """Put `stand_in(original, ...)` before a method, or a function of a module, for a while.

    Several may stand before one another, and leave in any order.
    """
    one = _StandIn(owner, name, stand_in)
    try:
        yield
    finally:
        one.leave()
