"""What every recorded number means; the words are in ``catalogue.yaml``."""

from functools import cache

from pydantic import BaseModel, ConfigDict

from plumbrl.shipped import table as shipped_table


class Described(BaseModel):
    """A recorded name, explained."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    what: str
    """What it is, and what an odd value means."""
    unit: str
    """Its unit; ``1`` for a pure number."""
    healthy: str
    """What it looks like in a run that learns."""
    source: str
    """Where that is from."""


@cache
def described() -> dict[str, Described]:
    """Return every recorded name and what it means."""
    return {
        f"{group}/{name}": Described(**entry)
        for group, entries in shipped_table("plumbrl.metrics", "catalogue.yaml").items()
        for name, entry in entries.items()
    }
