"""Probe problems with potential-based shaping (Ng, Harada and Russell 1999), right or wrong."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from plumbrl.probes.problem import GOES_ON, TERMINATES, Problem


def shaped(problem: Problem, potentials: Sequence[float], final: float = 0.0) -> Problem:
    """Return a problem whose rewards gained gamma phi(s') - phi(s).

    With `final` 0 the best actions stay what they are, and values become V(s) - phi(s). Any other
    potential after terminal states pays for ending, and can make another action the best.

    Args:
        problem: The problem.
        potentials: phi of each state, (S,).
        final: phi after a terminal state; right is 0.
    """
    phi = np.asarray(potentials, dtype=float)
    after = phi[problem.following]
    after[problem.ends == TERMINATES] = final
    bonus = problem.gamma * after - phi[:, None]
    return replace(problem, name=f"{problem.name}-shaped", rewards=problem.rewards + bonus)


def crossroads(gamma: float = 0.9) -> Problem:
    """Return a problem in which branch 0 ends soon with 0.5, and branch 1 a step later with 1."""
    return Problem(
        name="crossroads",
        isolates="ending early against a later reward",
        observations={"": np.eye(4, dtype=np.float32)},
        starts=(0,),
        following=np.array([[1, 2], [1, 1], [3, 3], [3, 3]]),
        ends=np.array([GOES_ON, TERMINATES, GOES_ON, TERMINATES]),
        rewards=np.array([[0.0, 0.0], [0.5, 0.5], [0.0, 0.0], [1.0, 1.0]]),
        gamma=gamma,
    )
