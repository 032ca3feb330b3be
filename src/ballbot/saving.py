"""Save N robots in the middle of their episodes, and bring them back bit by bit.

Ground and randomised models are not stored: they are drawn again from the random state that each
episode began with, which is a thousand times smaller.
"""

from typing import Any

import numpy as np

from ballbot.errors import UserError
from ballbot.robots import Robots

Array = np.ndarray
OWN = ("time", "_steps", "origin", "command", "command_heading", "_next_command", "_potential")
ACTUATION = ("action", "wheel_angle", "_history")
VARIATION = ("motor_gain", "delay", "next_push")
CAMERAS = ("images", "captured", "_frame")


def save(robots: Robots) -> dict[str, Any]:
    """Return the robots' state as plain data: arrays, numbers, text, lists and dictionaries."""
    return {
        "physics": robots.physics.save(),
        "arrays": {name: array.copy() for name, array in _arrays(robots).items()},
        "began": list(robots.began),
        "random": [rng.bit_generator.state for rng in robots.rngs],
    }


def restore(robots: Robots, state: dict[str, Any]) -> None:
    """Bring robots of the same configuration into a state that `save` returned.

    Raises:
        UserError: The state is of other robots.
    """
    arrays = _arrays(robots)
    same = arrays.keys() == state["arrays"].keys() and all(
        array.shape == np.shape(state["arrays"][name]) for name, array in arrays.items()
    )
    if not same:
        raise UserError("The saved state is of robots with another configuration or number.")
    for i, began in enumerate(state["began"]):
        if began is not None:
            robots.rngs[i].bit_generator.state = began
            robots.redraw(i)
        robots.rngs[i].bit_generator.state = state["random"][i]
    for name, array in arrays.items():
        array[...] = state["arrays"][name]
    robots.began = list(state["began"])
    robots.physics.models_changed()
    robots.physics.restore(state["physics"])
    robots.refresh()


def _arrays(robots: Robots) -> dict[str, Array]:
    parts = [("", robots, OWN), ("actuation.", robots.actuation, ACTUATION)]
    parts.append(("variation.", robots.variation, VARIATION))
    if robots.cameras:
        parts.append(("cameras.", robots.cameras, CAMERAS))
    arrays = {prefix + name: getattr(of, name) for prefix, of, names in parts for name in names}
    return arrays | ({"noise": robots.noise} if robots.noise is not None else {})
