"""The decision tree over the history of a run: from evidence to ranked causes."""

from plumbrl.diagnosis.diagnose import diagnose_history

__all__ = ["diagnose_history"]
