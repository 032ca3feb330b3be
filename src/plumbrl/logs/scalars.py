"""TorchRL's `CSVLogger`: a folder `scalars` with a file of steps and values for every name."""

from pathlib import Path

import numpy as np

from plumbrl.errors import UserError
from plumbrl.logs.delimited import read_table
from plumbrl.logs.log import Log, lines_of
from plumbrl.logs.order import aligned

Array = np.ndarray
HEADER = "step,value"


def read_scalars(folder: Path) -> Log:
    """Read all files of a folder `scalars`; their paths in it are the names.

    Raises:
        UserError: None of them holds steps and values.
    """
    notes: list[str] = []
    series: dict[str, tuple[Array, Array]] = {}
    for file in sorted(folder.rglob("*.csv")):
        pair = _series(file, notes)
        if len(pair[0]):
            series[file.relative_to(folder).with_suffix("").as_posix()] = pair
    if not series:
        raise UserError(f"{folder} holds no rows of steps and values.")
    steps, columns = aligned(series, notes)
    undefined = {name for name, (_, values) in series.items() if np.isnan(values).all()}
    return Log("TorchRL's CSV files", columns, steps=steps, notes=notes, undefined=undefined)


def _series(file: Path, notes: list[str]) -> tuple[Array, Array]:
    try:
        lines, torn = lines_of(file)
    except UserError as error:
        notes.append(str(error))
        return np.empty(0), np.empty(0)
    if torn.strip():
        notes.append(f"The last line of {file.name} does not end and was left out.")
    rows = [line for line in lines if line.strip()]
    if rows and rows[0].replace(" ", "") != HEADER:
        rows.insert(0, HEADER)
    columns = read_table(rows, "step", notes, file) if len(rows) > 1 else {}
    if "step" not in columns or "value" not in columns:
        return np.empty(0), np.empty(0)
    known = np.isfinite(columns["step"])
    return columns["step"][known], columns["value"][known]
