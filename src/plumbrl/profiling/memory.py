"""Resident memory of this process."""

import sys
from pathlib import Path

MEGABYTE = 1e6


def resident() -> float:
    """Return what is resident now, in MB; the peak where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        import resource

        return pages * resource.getpagesize() / MEGABYTE
    except (OSError, ImportError):
        return peak()


def peak() -> float:
    """Return the largest resident memory so far, in MB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE
