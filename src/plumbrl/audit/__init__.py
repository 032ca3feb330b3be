"""What can be wrong before any training: environments do what they promise."""

from plumbrl.audit.arrays import check_arrays
from plumbrl.audit.ends import check_ends
from plumbrl.audit.restore import check_restore
from plumbrl.audit.vector import check_vector

__all__ = ["check_arrays", "check_ends", "check_restore", "check_vector"]
