"""The one error that means "you asked for something that does not exist or cannot be"."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError


class UserError(ValueError):
    """Bad input, said in one sentence a user can act on; commands exit with code 2."""


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> UserError:
    """Return the error for a name that is not in `valid`, with the nearest valid one.

    Args:
        kind: What the name should have been, e.g. ``"terrain"``.
        name: What was given.
        valid: The names that exist.
    """
    names = sorted(valid)
    near = get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(names)}."
    return UserError(f"Unknown {kind} {name!r}; {hint}")


def sentence(error: ValidationError) -> str:
    """Say the first problem of a failed validation in one sentence, with the nearest valid name."""
    first = error.errors()[0]
    context = first.get("ctx") or {}
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "union_tag_invalid":
        tags = context["expected_tags"].replace("'", "").split(", ")
        return str(unknown_name(f"{where} type", context["tag"], tags))
    message = first["msg"].removeprefix("Value error, ")
    if isinstance(context.get("error"), UserError):
        return f"{where}: {message}" if where else message
    given = "" if isinstance(first["input"], dict) else f" (got {_short(first['input'])})"
    return f"{where or 'configuration'}: {message.rstrip('.')}{given}."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
