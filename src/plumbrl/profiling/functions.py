"""Functions that take the time of a step, by Python's own profiler, which slows them down."""

import cProfile
import pstats
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN = 8
BUILT_IN = "~"


@dataclass(frozen=True)
class Function:
    """A function and the share of the profiled time in it.

    What it calls that is built in (C, numpy, `time.sleep`) counts as its own.
    """

    name: str
    where: str
    share: float


class Profiler:
    """Python's own profiler; `call` runs a function under it."""

    def __init__(self) -> None:
        self._profile = cProfile.Profile()
        self.call = self._profile.runcall

    def functions(self) -> list[Function]:
        """Return the functions in which most of the time was spent, the longest first."""
        stats: dict[Any, Any] = pstats.Stats(self._profile).stats  # type: ignore[attr-defined]
        own: dict[Any, float] = defaultdict(float)
        for function, (_, _, seconds, _, callers) in stats.items():
            if function[0] != BUILT_IN:
                own[function] += seconds
                continue
            for caller, (*_, spent, _) in callers.items():
                own[caller] += spent
        own = {at: seconds for at, seconds in own.items() if at[0] != BUILT_IN}
        total = sum(own.values()) or 1.0
        longest = sorted(own.items(), key=lambda item: -item[1])[:SHOWN]
        return [Function(name, _where(file, line), s / total) for (file, line, name), s in longest]


def _where(file: str, line: int) -> str:
    path = Path(file)
    return f"{path.parent.name}/{path.name}:{line}" if path.parent.name else f"{path.name}:{line}"
