"""Bad input, said in one sentence. `ballbot` has its own: neither package needs the other."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError


class UserError(ValueError):
    """Bad usage or configuration: commands print the message and exit with code 2."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint: the valid name nearest to `name`, or all valid names if none is near."""
    names = sorted(valid)
    if not names:
        return "there is none."
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(names)}."


def unknown(kind: str, name: str, valid: Iterable[str]) -> UserError:
    """Return the error for a name that does not exist."""
    return UserError(f"Unknown {kind} {name!r}; {nearest(name, valid)}")


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a failed validation as one sentence."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "configuration"
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    if message.startswith("Unknown"):
        return f"{message} (in {where})" if where != "configuration" else message
    if where == "configuration":  # several settings do not go together: all of them were given
        return f"{message}."
    given = repr(problem["input"])
    return f"{where}: {message}; got {given if len(given) < 60 else given[:57] + '...'}."
