"""Roll a controller for a while and draw what happened: ground, path, cameras, tilt."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import mujoco
import numpy as np

from ballbot.controllers import BalanceController, PidController
from ballbot.env import BallbotEnv
from ballbot.errors import UserError
from ballbot.rendering import View, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray
ActionMode = Literal["balance", "pid", "random", "zero"]


@dataclass(frozen=True)
class Roll:
    """One episode.

    Attributes:
        seconds: Time of each step, (T,).
        tilt_deg: (T,).
        path: Position of the ball, (T, 2).
        cause: Why it ended, or ``"still up"``.
        picture: The robot at the start, (H, W, 3).
        depth: Depth images at the start by name, each (H, W), 255 is far.
        ground: Elevations (n, n) in metres, or None for a plane.
        half_size: Half the side of the ground (m).
    """

    seconds: Array
    tilt_deg: Array
    path: Array
    cause: str
    picture: Array
    depth: dict[str, Array]
    ground: Array | None
    half_size: float


def controller(env: BallbotEnv, mode: ActionMode) -> Callable[[], Array]:
    """Return a function that gives the next action, (3,)."""
    if mode == "balance":
        balance = BalanceController(env.robots)
        return lambda: balance.act()[0]
    if mode == "pid":
        pid = PidController(env.robots)
        return lambda: pid.act()[0]
    return env.action_space.sample if mode == "random" else lambda: np.zeros(3)


def roll(env: BallbotEnv, mode: ActionMode, steps: int, seed: int) -> Roll:
    """Run one episode of at most `steps` steps and keep what is worth drawing."""
    env.action_space.seed(seed)
    obs, _ = env.reset(seed=seed)
    act = controller(env, mode)
    mujoco.mj_forward(env.model, env.data)
    image = picture(env.model, env.data, samples=2, width=480, height=640, view=View(distance=1.5))
    tilts, path, cause = [], [env.robots.state.ball_position[0, :2].copy()], "still up"
    for _ in range(steps):
        _, _, terminated, truncated, info = env.step(act())
        tilts.append(np.rad2deg(info["tilt"]))
        path.append(env.robots.state.ball_position[0, :2].copy())
        if terminated or truncated:
            cause = info["termination"]
            break
    plane = env.model.nhfield == 0
    n = 0 if plane else env.model.hfield_nrow[0]
    return Roll(
        seconds=env.config.control_dt * (1 + np.arange(len(tilts))),
        tilt_deg=np.array(tilts),
        path=np.array(path),
        cause=cause,
        picture=image,
        depth={key: value[0] for key, value in obs.items() if value.ndim == 3},
        ground=None
        if plane
        else (env.model.hfield_data.reshape(n, n) * env.model.hfield_size[0, 2]),
        half_size=env.config.terrain.half_size,
    )


def draw_ground(ax: "Axes", data: Roll) -> None:
    """Height map with start and path."""
    h = data.half_size
    if data.ground is None:
        ax.set_facecolor("0.93")
        reach = max(1.0, 1.2 * float(np.abs(data.path).max()))
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    else:
        shown = ax.imshow(100 * data.ground, origin="lower", extent=(-h, h, -h, h), cmap="terrain")
        ax.figure.colorbar(shown, ax=ax, label="height (cm)", shrink=0.8)
    ax.plot(*data.path.T, color="tab:red", lw=1.5, label="path")
    ax.plot(*data.path[0], "o", color="black", ms=5, label="start")
    ax.set(xlabel="x (m)", ylabel="y (m)", title="ground", aspect="equal")
    ax.legend(loc="upper right", fontsize=8)


def draw_tilt(ax: "Axes", data: Roll, limit_deg: float) -> None:
    """Tilt over time with the limit of a fall."""
    ax.plot(data.seconds, data.tilt_deg, lw=1.5)
    ax.axhline(limit_deg, color="tab:red", ls="--", lw=1, label="fall")
    ax.set(xlabel="time (s)", ylabel="tilt (deg)", title=f"tilt ({data.cause})", ylim=(0, None))
    ax.legend(loc="upper right", fontsize=8)
    ax.grid(alpha=0.3)


def draw_depth(ax: "Axes", image: Array | None, name: str, max_depth: float) -> None:
    """One depth image, near is dark."""
    ax.set_axis_off()
    if image is None:
        ax.text(0.5, 0.5, "cameras are off", ha="center", va="center")
        return
    shown = ax.imshow(image * (max_depth / 255), cmap="viridis", vmin=0, vmax=max_depth)
    ax.set_title(name)
    ax.figure.colorbar(shown, ax=ax, label="depth (m)", shrink=0.8)


def save_figure(env: BallbotEnv, data: Roll, path: Path, title: str) -> None:
    """Write a picture file of a roll.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("drawing needs matplotlib: pip install 'plumbrl[plots]'.") from None
    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplot_mosaic(
        [["robot", "ground", "depth_0"], ["robot", "tilt", "depth_1"]], width_ratios=[1.25, 1.2, 1]
    )
    axes["robot"].imshow(data.picture)
    axes["robot"].set_axis_off()
    draw_ground(axes["ground"], data)
    draw_tilt(axes["tilt"], data, env.config.max_tilt_deg)
    for name in ("depth_0", "depth_1"):
        draw_depth(axes[name], data.depth.get(name), name, env.config.cameras.max_depth)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
