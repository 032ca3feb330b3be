"""`value_trace.json`: the episode that a run was looked at last."""

import json
from pathlib import Path

import numpy as np

from plumbrl.runs.files import whole
from plumbrl.snapshots.trace import Trace

FILE = "value_trace.json"
ARRAYS = ("at", "rewards", "values", "returns")


def write_trace(folder: Path, trace: Trace) -> None:
    """Keep an episode in a run folder in place of the one before, in seven digits."""
    record: dict[str, object] = {"step": trace.step, "at": trace.at.tolist()}
    for name in ARRAYS[1:]:
        record[name] = [float(f"{number:.7g}") for number in getattr(trace, name)]
    with whole(folder / FILE) as temporary:
        temporary.write_text(json.dumps(record))


def read_trace(folder: Path) -> Trace | None:
    """Return the episode in a run folder; None if there is none, or the file is not sound."""
    try:
        record = json.loads((folder / FILE).read_text())
        step = int(record["step"])
        arrays = [np.array(record[name], dtype=np.float64) for name in ARRAYS]
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return None
    alike = all(a.ndim == 1 and len(a) == len(arrays[0]) > 0 for a in arrays)
    sound = alike and all(np.isfinite(a).all() for a in arrays)
    return Trace(step, *arrays) if sound else None
