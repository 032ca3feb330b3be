"""What was worked out is kept until what it was made from changes."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from plumbrl.dashboard.workshop import Made

REST = 10.0
"""What is being written is worked out again after so many times what it took, so that this never
takes more than a tenth of a core from the training."""
KEPT = 6
"""Pages that are remembered; one is about half a megabyte."""

Result = TypeVar("Result")
Work = Callable[[], Future[Made[Result]]]
"""Begins to make something."""


class Keep(Generic[Result]):
    """Results by name; to be asked from one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[Any, Result, float]] = OrderedDict()
        self._under_way: dict[Hashable, asyncio.Future[Result]] = {}

    async def of(self, name: Hashable, stamp: Any, make: Work[Result]) -> Result:
        """Return a result, made anew if need be; whoever asks meanwhile waits for the same.

        Args:
            name: Of the result.
            stamp: Of what it is made from; as long as it is the same, so is the result.
            make: Begins to make it.
        """
        known = self._known.get(name)
        if known is not None and (known[0] == stamp or time.monotonic() < known[2]):
            self._known.move_to_end(name)
            return known[1]
        if name not in self._under_way:
            self._under_way[name] = asyncio.ensure_future(self._make(name, stamp, make))
        return await asyncio.shield(self._under_way[name])

    async def _make(self, name: Hashable, stamp: Any, make: Work[Result]) -> Result:
        try:
            made = await asyncio.wrap_future(make())
        finally:
            del self._under_way[name]
        self._known[name] = (stamp, made.result, time.monotonic() + REST * made.cost)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return made.result
