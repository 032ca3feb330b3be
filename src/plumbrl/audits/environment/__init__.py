"""Tier 2: does the environment do what it promises, and can it be steered and seen?"""

from plumbrl.audits.environment.actions import ask_actions
from plumbrl.audits.environment.baselines import ask_baselines
from plumbrl.audits.environment.complaints import ask_complaints
from plumbrl.audits.environment.lasting import ask_endings
from plumbrl.audits.environment.mapping import ask_mapping
from plumbrl.audits.environment.memory import ask_memory
from plumbrl.audits.environment.observations import ask_observations
from plumbrl.audits.environment.pace import ask_pace
from plumbrl.audits.environment.physics import ask_physics
from plumbrl.audits.environment.promises import ask_arrays, ask_ends, ask_restore, ask_vector
from plumbrl.audits.tier import Look

LOOKS: tuple[Look, ...] = (
    Look("seeds and resets", ask_restore),
    Look("arrays belong to one side", ask_arrays),
    Look("ends pass through wrappers", ask_ends),
    Look("vector", ask_vector),
    Look("baselines", ask_baselines),
    Look("observations", ask_observations),
    Look("missing information", ask_memory),
    Look("effect of actions", ask_actions),
    Look("direction of actions", ask_mapping),
    Look("ends of episodes", ask_endings),
    Look("physics", ask_physics),
    Look("complaints", ask_complaints),
    Look("pace", ask_pace),
)
"""In the order in which they are asked: the exact ones first."""
