"""What can be wrong before any training: environments do what they promise."""

from plumbrl.audits.arrays import check_arrays
from plumbrl.audits.ends import check_ends
from plumbrl.audits.restore import check_restore
from plumbrl.audits.vector import check_vector

__all__ = ["check_arrays", "check_ends", "check_restore", "check_vector"]
