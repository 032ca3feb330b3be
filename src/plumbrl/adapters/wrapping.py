"""Stand before a function for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def wrapped(owner: Any, name: str, stand_in: Callable[..., Any]) -> Iterator[None]:
    """Put `stand_in(original, ...)` before a method, or a function of a module, for a while."""
    original, own = getattr(owner, name), name in vars(owner)
    setattr(owner, name, lambda *args, **kwargs: stand_in(original, *args, **kwargs))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)
