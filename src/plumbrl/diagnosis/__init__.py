"""The decision tree over the history of a run: from evidence to ranked causes."""

from plumbrl.diagnosis.diagnose import diagnose_history
from plumbrl.diagnosis.run import diagnose, diagnose_with

__all__ = ["diagnose", "diagnose_history", "diagnose_with"]
