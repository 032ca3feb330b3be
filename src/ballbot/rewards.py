"""Rewards as small functions of the state, and potential-based shaping.

A reward is a set of named terms. Terms are rates per second, integrated over the control step, so
that returns compare between control rates: the published per-step weights at 500 Hz (0.01 for
velocity along the target, 0.02 for survival, -0.0001 for squared actions) are 5, 10 and -0.05 per
second here. Surviving 8 s is worth 80 at any control rate.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from ballbot.kinematics import State
from ballbot.model.parameters import Finite, Frozen, NotNegative, Positive

Array = np.ndarray
Point = tuple[Finite, Finite]


@dataclass(frozen=True)
class Situation:
    """What a reward may look at after a control step of N robots."""

    state: State
    action: Array
    """Clipped action, (N, 3)."""
    fallen: Array
    """Whether the tilt is beyond the limit, (N,)."""
    command_velocity: Array
    """Commanded velocity in the world (m/s), (N, 2)."""
    command_heading: Array
    """Commanded heading (rad), (N,)."""


class Directional(Frozen):
    """Go far in one direction and stay upright: the published task."""

    type: Literal["directional"] = "directional"
    target_direction: Point = (0.0, 1.0)
    """World direction; its length scales the reward."""
    scale: Finite = 5.0
    """Per second and m/s along the target."""
    action_reg_coef: Finite = -0.05
    """Per second and squared action."""
    survival_bonus: Finite = 10.0
    """Per second upright."""

    @model_validator(mode="after")
    def _somewhere(self) -> "Directional":
        if not any(self.target_direction):
            raise ValueError("target_direction must not be zero; set scale to 0 for no direction")
        return self


class Distance(Frozen):
    """Get to a place."""

    type: Literal["distance"] = "distance"
    goal: Point = (0.0, 2.0)
    scale: NotNegative = 1.0
    """Per second and metre from the goal, as a penalty."""
    action_reg_coef: Finite = -0.05
    survival_bonus: Finite = 10.0


class Velocity(Frozen):
    """Follow the commanded velocity and heading."""

    type: Literal["velocity"] = "velocity"
    scale: NotNegative = 10.0
    """Per second at perfect tracking."""
    tolerance: Positive = 0.15
    """Error (m/s) at which the tracking term has dropped to 37 %."""
    heading_scale: NotNegative = 0.0
    """Per second at the commanded heading, falling to 0 when looking the other way."""
    action_reg_coef: Finite = -0.05
    survival_bonus: Finite = 5.0


RewardConfig = Annotated[Directional | Distance | Velocity, Field(discriminator="type")]


class Shaping(Frozen):
    """Potential-based shaping gamma * phi(s') - phi(s) (Ng, Harada and Russell 1999)."""

    potential: Literal["tilt", "distance"] = "tilt"
    """tilt: minus the tilt over its limit; distance: minus the metres to `goal`."""
    weight: Finite = 1.0
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Must be the learner's discount factor, or the best policy changes."""
    goal: Point = (0.0, 2.0)


def reward_terms(config: Directional | Distance | Velocity, now: Situation) -> dict[str, Array]:
    """Return the terms of a reward as rates per second, each (N,)."""
    rates = {"directional": _directional, "distance": _distance, "velocity": _velocity}
    return rates[config.type](config, now) | {
        "action": config.action_reg_coef * _squared(now.action),
        "survival": config.survival_bonus * ~now.fallen,
    }


def potential(shaping: Shaping, state: State, max_tilt: float) -> Array:
    """Return phi of each state, (N,). The caller uses 0 for a terminal state."""
    if shaping.potential == "tilt":
        return -shaping.weight * state.tilt / max_tilt
    return -shaping.weight * _distance_to(shaping.goal, state)


def shaping_term(shaping: Shaping, before: Array, after: Array, terminated: Array) -> Array:
    """Return gamma * phi(s') - phi(s), with phi(terminal) = 0.

    A truncated episode goes on after its end, so phi(s') counts there.

    Args:
        shaping: Discount factor.
        before: phi of the states left, (N,).
        after: phi of the states reached, (N,).
        terminated: Whether the state reached is terminal, (N,).
    """
    return shaping.gamma * np.where(terminated, 0.0, after) - before


def _directional(config: Directional, now: Situation) -> dict[str, Array]:
    dx, dy = config.target_direction
    velocity = now.state.velocity
    return {"direction": config.scale * (dx * velocity[:, 0] + dy * velocity[:, 1])}


def _distance(config: Distance, now: Situation) -> dict[str, Array]:
    return {"distance": -config.scale * _distance_to(config.goal, now.state)}


def _velocity(config: Velocity, now: Situation) -> dict[str, Array]:
    ex = now.state.velocity[:, 0] - now.command_velocity[:, 0]
    ey = now.state.velocity[:, 1] - now.command_velocity[:, 1]
    terms = {"tracking": config.scale * np.exp(-(ex * ex + ey * ey) / config.tolerance**2)}
    if config.heading_scale:
        error = now.command_heading - now.state.heading
        terms["heading"] = config.heading_scale * 0.5 * (1 + np.cos(error))
    return terms


def target_vector(
    config: Directional | Distance | Velocity, state: State, command_velocity: Array
) -> Array:
    """Return what the robot is after, in the world, (N, 2).

    The target direction, the vector to the goal (m), or the commanded velocity (m/s).
    """
    if config.type == "directional":
        return np.zeros((len(state.tilt), 2)) + np.array(config.target_direction)
    if config.type == "distance":
        return np.array(config.goal) - state.position[:, :2]
    return command_velocity


def _squared(action: Array) -> Array:
    """Sum of squares; written out, because a reduction's order may depend on N."""
    return action[:, 0] ** 2 + action[:, 1] ** 2 + action[:, 2] ** 2


def _distance_to(goal: Point, state: State) -> Array:
    dx, dy = state.position[:, 0] - goal[0], state.position[:, 1] - goal[1]
    return np.sqrt(dx * dx + dy * dy)
