"""Tier 2: does the environment do what it promises, and can it be steered and seen?"""

from plumbrl.audit.tier import Look

LOOKS: tuple[Look, ...] = ()
"""In the order in which they are asked."""
