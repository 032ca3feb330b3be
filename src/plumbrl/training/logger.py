"""SB3's logger, writing a `progress.csv` that survives being killed and resumed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import (
    KVWriter,
    Logger,
    TensorBoardOutputFormat,
    filter_excluded_keys,
)

from plumbrl.runs.progress import ProgressFile


class CsvWriter(KVWriter):
    """Hands every dump to a `ProgressFile`."""

    def __init__(self, file: ProgressFile) -> None:
        self._file = file

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Append a row."""
        values: Mapping[str, Any] = filter_excluded_keys(key_values, key_excluded, "csv")
        if values:
            self._file.append(values)

    def close(self) -> None:
        """Nothing is held open."""


def make_logger(folder: Path, progress: ProgressFile) -> Logger:
    """Return a logger that writes `progress.csv` and TensorBoard files in `tb`."""
    tensorboard = TensorBoardOutputFormat(str(folder / "tb"))
    return Logger(str(folder), [CsvWriter(progress), tensorboard])
