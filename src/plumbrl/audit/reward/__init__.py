"""Tier 1: does the reward say what is wanted, loud enough to be learned from?"""

from plumbrl.audit.tier import Look

LOOKS: tuple[Look, ...] = ()
"""In the order in which they are asked."""
