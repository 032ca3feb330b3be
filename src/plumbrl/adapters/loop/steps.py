"""Single steps of a hand-written loop, out of a rollout or a batch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbrl.adapters.loop.arrays import array, misfit
from plumbrl.adapters.steps import steps_of, steps_of_rollout
from plumbrl.history import Facts
from plumbrl.snapshots.numbers import Steps

Array = np.ndarray


def columns_of(observations: Any, shape: tuple[int, ...]) -> dict[str, Array]:
    """Return those parts of a rollout's observations that are columns of numbers, (T, B, D) each.

    Args:
        observations: As the loop has them, or several by name; images are left out. None is none.
        shape: Of the rewards, (T, B).

    Raises:
        UserError: A part is of other steps.
    """
    named = observations if isinstance(observations, Mapping) else {"observations": observations}
    found = {}
    for name, part in named.items():
        if part is None:
            continue
        held = part if hasattr(part, "shape") else array(name, part)
        size = tuple(held.shape)
        alone = shape[1] == 1 and size[:2] != shape  # one environment may lack its dimension
        if size[: 1 if alone else 2] != shape[: 1 if alone else 2]:
            raise misfit(name, size, (*shape, "D"))
        if len(size) == (2 if alone else 3):
            found[name] = array(name, held).reshape(*shape, -1)
    return found


def steps_in(
    found: Mapping[str, Array], observations: Mapping[str, Array], facts: Facts, step: float
) -> Steps | None:
    """Return some steps of a rollout; None where observations or actions were not told.

    Args:
        found: Its parts, see `arrays.arrays_of`.
        observations: See `columns_of`.
        facts: Of the run.
        step: Timesteps so far; decides which steps.
    """
    if not observations or "actions" not in found:
        return None
    ends = (found["dones"] > 0) | (found.get("valid", np.ones(1)) <= 0)
    actions, rewards, rng = found["actions"], found["rewards"], np.random.default_rng(int(step))
    return steps_of_rollout(observations, actions, rewards, ends, facts.actions, rng)


def steps_drawn(given: Mapping[str, Any], facts: Facts) -> Steps | None:
    """Return the steps of a batch, see `Watch.batch`; None if it holds images."""
    if len(np.shape(given["observations"])) != 2:
        return None
    names = ("observations", "actions", "rewards", "next_observations")
    before, actions, rewards, after = (array(name, given[name]) for name in names)
    return steps_of({"": before}, actions, rewards, {"": after}, facts.actions)
