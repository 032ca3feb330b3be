"""What is in the ballbot's observations and actions; only commands know the robot."""

from typing import Any

from plumbrl.training.config import EnvSection

TERMS = {
    "up": ("1", "straight up, in the base's frame"),
    "heading": ("1", "direction the robot looks in, in the world"),
    "orientation": ("rad", "rotation vector of the base, in the world"),
    "angular_velocity": ("rad/s", "of the base, in the base's frame"),
    "velocity": ("m/s", "of the base, in the world"),
    "velocity_heading": ("m/s", "horizontal velocity in the frame that looks along the heading"),
    "wheel_speed": ("no-load speeds", "of each motor; 1 is {no_load:.4g} rad/s"),
    "last_action": ("1", "the last action, clipped"),
    "target": ("{target}", "{what}, in the frame that looks along the heading"),
    "heading_error": ("1", "commanded heading minus heading"),
}
"""Unit and meaning of every term of proprioception."""
TARGETS = {
    "directional": ("1", "wanted direction of travel"),
    "distance": ("m", "way to the goal"),
    "velocity": ("m/s", "commanded velocity"),
}


def describe(env: EnvSection) -> dict[str, Any]:
    """Return the entries of the robot's observations and actions, and its control rate.

    Args:
        env: A ballbot environment.
    """
    from ballbot.config import make_config
    from ballbot.model.parameters import load_robot
    from ballbot.observations import limits, names

    config = make_config(env.config, **env.kwargs)
    robot = load_robot(config.robot)
    unit, what = TARGETS[config.reward.type]
    fill = {"no_load": robot.no_load_speed, "target": unit, "what": what}
    entries = [
        {
            "name": name,
            "unit": TERMS[term][0].format(**fill),
            "meaning": TERMS[term][1].format(**fill),
            "limit": float(limits((term,))[0]),
        }
        for term in config.observation
        for name in names((term,))
    ]
    torque = robot.wheels.torque_max
    motors = [
        {"name": f"torque_{i}", "unit": f"{torque:g} N m", "meaning": f"torque of motor {i}"}
        for i in range(3)
    ]
    observations: dict[str, Any] = {"proprioception": entries}
    if config.cameras.enabled:
        depth = f"1/255 of {config.cameras.max_depth:g} m"
        for k in range(len(robot.cameras)):
            meaning = f"depth image of camera {k}; 255 is that far or farther"
            observations[f"depth_{k}"] = [{"name": "pixel", "unit": depth, "meaning": meaning}]
        age = {"name": "depth_age", "unit": "s", "meaning": "time since the images were made"}
        observations["depth_age"] = [age]
    return {
        "observations": observations,
        "actions": motors,
        "control_hz": config.control_hz,
        "robot": config.robot,
    }
