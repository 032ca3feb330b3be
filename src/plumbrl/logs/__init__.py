"""Readers of logs of runs that nobody watched, all into one history."""

from plumbrl.logs.reader import read

__all__ = ["read"]
