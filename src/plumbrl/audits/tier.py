"""What a tier of the audit consists of."""

from collections.abc import Callable
from dataclasses import dataclass

from plumbrl.audits.subject import Subject
from plumbrl.oracles.compare import Outcome


@dataclass(frozen=True)
class Look:
    """A question to an environment, of which several checks may come.

    Attributes:
        name: Of the question; its outcomes may have names of their own.
        ask: Returns the outcomes; it may take a part of the subject's budget, never all of it.
    """

    name: str
    ask: Callable[[Subject], list[Outcome]]
