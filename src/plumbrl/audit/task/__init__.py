"""Tier 3: can the task be learned as it is set, in the time it is given?"""

from plumbrl.audit.tier import Look

LOOKS: tuple[Look, ...] = ()
"""In the order in which they are asked."""
