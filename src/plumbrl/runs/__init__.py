"""The run folder: the contract between whoever trains and whoever reads."""

from plumbrl.runs.folder import RunFolder

__all__ = ["RunFolder"]
