"""Where somebody's code raised: the last line of theirs on the way."""

import sysconfig
import traceback
from pathlib import Path

_OURS = Path(__file__).parents[1]
_LIBRARIES = [_OURS, *(Path(sysconfig.get_path(n)) for n in ("stdlib", "purelib", "platlib"))]


def said(error: BaseException) -> str:
    """Return an exception in one line: ``their_file.py:12 in train: ZeroDivisionError: ...``.

    Where no line of theirs was on the way (neither ours nor a library's), it begins with its type.

    Args:
        error: As it was caught.
    """
    text = " ".join(str(error).split())[:200]
    told = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if _is_theirs(f.filename)]
    if not theirs:
        return told
    last = theirs[-1]
    return f"{Path(last.filename).name}:{last.lineno} in {last.name}: {told}"


def _is_theirs(filename: str) -> bool:
    path = Path(filename)
    return not filename.startswith("<") and not any(path.is_relative_to(p) for p in _LIBRARIES)
