"""Advantages of a hand-written loop against their recursion, inside of episodes.

A_t = r_t + gamma V_{t+1} - V_t + gamma lambda A_{t+1} (Schulman et al. 2016) needs nothing of what
a loop does at the ends of episodes and of the rollout, which differs from loop to loop.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from plumbrl.oracles.compare import Difference, Outcome, difference, failed, passed, skipped

Array = np.ndarray
NAME = "advantages against their recursion"
TOLERANCE = 1e-3
"""Float32 sums differ by about 1e-6; loops may round elsewhere."""


def check_recursion(
    found: Mapping[str, Array], gamma: float, gae_lambda: float, step: int
) -> Outcome:
    """Compare advantages with rewards, values and the advantages that follow.

    A mismatch is explained, if possible, by the one change that reproduces it.

    Args:
        found: ``rewards``, ``values``, ``advantages`` and ``dones`` (T, B), maybe ``valid``.
        gamma: Discount factor.
        gae_lambda: Of the estimation; 1 where advantages are returns less values.
        step: Timesteps so far.
    """
    if len(found["rewards"]) < 3:
        return skipped(NAME, "a rollout is too short")
    gap = _gap(found, gamma, gae_lambda)
    if not gap.wrong.size:
        return skipped(NAME, "no two steps of an episode follow each other")
    if not gap.wrong.any():
        return passed(NAME, gap.wrong.size, gap.worst)
    changed = _suspects(found, gamma, gae_lambda)
    fits = (cause for cause, data, g, lam in changed if not _gap(data, g, lam).wrong.any())
    return failed(
        NAME, next(fits, "data.wrong-advantage"), gap, what="advantages", tolerance=TOLERANCE,
        step=step, update=0,
    )  # fmt: skip


def _gap(found: Mapping[str, Array], gamma: float, lam: float) -> Difference:
    rewards, values, advantages = (found[k] for k in ("rewards", "values", "advantages"))
    inside = found["dones"][:-1] <= 0
    if "valid" in found:
        inside &= (found["valid"][:-1] > 0) & (found["valid"][1:] > 0)
    expected = rewards[:-1] + gamma * values[1:] - values[:-1] + gamma * lam * advantages[1:]
    scale = np.maximum(1.0, np.abs(values[:-1]) + np.abs(rewards[:-1]))
    return difference((advantages[:-1] / scale)[inside], (expected / scale)[inside], TOLERANCE)


def _suspects(
    found: Mapping[str, Array], gamma: float, lam: float
) -> Iterator[tuple[str, Mapping[str, Array], float, float]]:
    """Yield causes with the ingredients that each would have had."""
    yield "data.advantage-sign-flipped", {**found, "advantages": -found["advantages"]}, gamma, lam
    yield "configuration.gamma-ignored", found, 1.0, lam
    yield "configuration.lambda-ignored", found, gamma, 1.0
    yield "configuration.gamma-lambda-swapped", found, lam, gamma
    yield "data.wrong-advantage", {**found, "advantages": found["advantages"][::-1]}, gamma, lam
