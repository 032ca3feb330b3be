"""How well the robots do their task, independent of the reward."""

import numpy as np

from ballbot.kinematics import State

Array = np.ndarray


def task_metrics(
    state: State, target: Array, origin: Array, time: Array, command: Array | None
) -> dict[str, Array]:
    """Return task metrics, each (N,).

    Args:
        state: The robots' state.
        target: What they are after, in the world, (N, 2).
        origin: Where the ball started, (N, 2).
        time: Seconds since the start, (N,).
        command: Commanded velocity (m/s), (N, 2), if there is one.

    Returns:
        ``distance`` of the ball from its start (m), ``speed_along_target`` (m/s; 0 where there is
        no target), ``tilt`` (rad), ``seconds``, and ``velocity_error`` (m/s) with a command.
    """
    length = np.sqrt(target[:, 0] ** 2 + target[:, 1] ** 2)
    along = state.velocity[:, 0] * target[:, 0] + state.velocity[:, 1] * target[:, 1]
    dx = state.ball_position[:, 0] - origin[:, 0]
    dy = state.ball_position[:, 1] - origin[:, 1]
    metrics = {
        "distance": np.sqrt(dx * dx + dy * dy),
        "speed_along_target": np.divide(along, length, out=0 * along, where=length > 1e-9),
        "tilt": state.tilt.copy(),
        "seconds": time.copy(),
    }
    if command is not None:
        ex = state.velocity[:, 0] - command[:, 0]
        ey = state.velocity[:, 1] - command[:, 1]
        metrics["velocity_error"] = np.sqrt(ex * ex + ey * ey)
    return metrics
