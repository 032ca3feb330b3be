"""What exact identities say of a hand-written loop: each check once, each cause once."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from plumbrl.findings import Check, Finding
from plumbrl.oracles.compare import Outcome

ORDER = {"failed": 0, "passed": 1, "inconclusive": 2, "skipped": 3}


class Checks:
    """Keeps outcomes; a check that is repeated keeps its worst.

    Args:
        tell: Called with the first finding of each cause.
        now: Timesteps so far, for findings that do not say when.
    """

    def __init__(self, tell: Callable[[Finding], None], now: Callable[[], int]) -> None:
        self._tell, self._now = tell, now
        self._kept: dict[str, Check] = {}
        self.causes: set[str] = set()

    @property
    def kept(self) -> list[Check]:
        """Everything that was looked at."""
        return list(self._kept.values())

    def take(self, outcomes: Iterable[Outcome]) -> None:
        """Keep checks, and tell what they found."""
        for check, found in outcomes:
            known = self._kept.get(check.name)
            if known is None or ORDER[check.verdict] <= ORDER[known.verdict]:
                self._kept[check.name] = check
            if found is not None and found.cause not in self.causes:
                self.causes.add(found.cause)
                self._tell(replace(found, step=found.step or self._now()))

    def looking(self, name: str, look: Callable[[], Iterable[Outcome]]) -> None:
        """Take what a look finds; an error of its own is a line of the report, no more."""
        try:
            self.take(look())
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            self.take([(Check(name, "inconclusive", said), None)])
