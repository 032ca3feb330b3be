"""Tier 3: can the task be learned as it is set, in the time it is given?"""

from plumbrl.audits.task.behaviour import ask_behaviour
from plumbrl.audits.task.coverage import ask_coverage
from plumbrl.audits.task.ends import ask_ends
from plumbrl.audits.task.gap import ask_gap
from plumbrl.audits.task.goal import ask_goal
from plumbrl.audits.task.horizon import ask_horizon
from plumbrl.audits.task.reach import ask_reach
from plumbrl.audits.tier import Look

LOOKS: tuple[Look, ...] = (
    Look("how much of the gap is closed", ask_gap),
    Look("whether chance meets a reward", ask_reach),
    Look("whether the horizon fits", ask_horizon),
    Look("how episodes end", ask_ends),
    Look("whether the goal is visited", ask_goal),
    Look("whether chance explores enough", ask_coverage),
    Look("how the trained policy behaves", ask_behaviour),
)
"""In the order in which they are asked."""
