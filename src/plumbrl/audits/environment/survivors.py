"""Policies that last longer than random actions, found by trying: they show limits."""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.audits.budget import Budget
from plumbrl.audits.environment.opposites import sides
from plumbrl.audits.sample import Policy, Sample, collect, flatten

TRIES, EPISODES, STEPS = 40, 6, 6000
"""Policies that are tried, episodes of the best, and steps in all."""


def survive(
    make_env: Callable[[], gymnasium.Env], space: spaces.Space, seed: int, budget: Budget
) -> Sample | None:
    """Return episodes of the longest-lived of some random linear policies.

    Args:
        make_env: Returns a new environment at each call.
        space: Of actions.
        seed: Of policies and episodes.
        budget: For all of it.

    Returns:
        None where actions are neither choices nor one box, and where no time is left.
    """
    if not isinstance(space, spaces.Discrete | spaces.Box):
        return None
    best, longest, spent = 0, 0, 0
    for k in range(TRIES):
        part = budget.part(0.3)
        if part.over or spent > STEPS // 3:
            break
        tried = collect(
            make_env, steps=STEPS // 5, policy=linear(space, seed + k), episodes=1, seed=seed,
            budget=part,
        )  # fmt: skip
        spent += len(tried)
        if len(tried) > longest:
            best, longest = k, len(tried)
    if budget.left < 0.1:
        return None
    return collect(
        make_env, steps=STEPS - spent, policy=linear(space, seed + best), episodes=EPISODES,
        seed=seed, budget=budget,
    )  # fmt: skip


def linear(space: spaces.Discrete | spaces.Box, seed: int) -> Policy:
    """Return a policy that is linear in the observation, with random weights and no offset."""
    rng = np.random.default_rng(seed)
    rows = int(space.n) if isinstance(space, spaces.Discrete) else int(np.prod(space.shape))
    weights: list[np.ndarray] = []

    def act(observation: Any) -> Any:
        flat = np.nan_to_num(flatten(observation))
        if not weights:
            weights.append(rng.normal(size=(rows, flat.size)))
        wanted = weights[0] @ flat
        if isinstance(space, spaces.Discrete):
            return int(space.start) + int(np.argmax(wanted))
        low, high = sides(space)
        shares = np.tanh(wanted).reshape(space.shape)
        return ((low + high) / 2 + shares * (high - low) / 2).astype(space.dtype)

    return act
