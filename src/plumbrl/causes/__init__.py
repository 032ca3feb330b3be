"""The catalogue of causes: what each is, how it shows, and what to do about it.

One YAML file per component; findings take their words from here, so that a remedy is written once.
"""

from functools import cache
from importlib import resources
from typing import cast

from pydantic import BaseModel, ConfigDict

from plumbrl.errors import unknown
from plumbrl.findings import Component, Evidence, Finding, Severity
from plumbrl.shipped import table as shipped_table


class Cause(BaseModel):
    """An entry of the catalogue; its id is ``component.name``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    severity: Severity
    what: str
    """What is wrong, in a sentence."""
    shows: str
    """How it shows in a run."""
    remedy: str
    change: dict[str, str] = {}
    """The remedy as settings and what becomes of them: a value, or ``x 10`` for a factor."""
    reference: str = ""

    @property
    def component(self) -> Component:
        """The component at fault."""
        return cast(Component, self.id.partition(".")[0])


@cache
def catalogue() -> dict[str, Cause]:
    """Return every cause by id."""
    entries: dict[str, Cause] = {}
    for file in sorted(resources.files("plumbrl.causes").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            component = file.name.removesuffix(".yaml")
            for name, entry in shipped_table("plumbrl.causes", file.name).items():
                entries[f"{component}.{name}"] = Cause(id=f"{component}.{name}", **entry)
    return entries


def finding(
    cause_id: str, *, step: int, evidence: tuple[Evidence, ...], confidence: float = 1.0
) -> Finding:
    """Return the finding that names a cause.

    Args:
        cause_id: An id of the catalogue.
        step: Timestep at which it was first seen.
        evidence: What was measured.
        confidence: Probability that the cause is right.
    """
    if cause_id not in catalogue():
        raise unknown("cause", cause_id, catalogue())
    cause = catalogue()[cause_id]
    return Finding(
        cause=cause.id,
        component=cause.component,
        severity=cause.severity,
        confidence=confidence,
        step=step,
        evidence=evidence,
        summary=cause.what,
        remedy=cause.remedy,
        change=dict(cause.change),
        reference=cause.reference,
    )
