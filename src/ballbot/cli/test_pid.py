"""`ballbot-test-pid`: does a classical controller keep the robot up?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ballbot.cli import chosen_config, guarded
from ballbot.errors import UserError


@dataclass(frozen=True)
class Options:
    """Let a classical controller balance the robot; print time upright and largest tilt."""

    pitch: Annotated[float, tyro.conf.Positional] = 0.0
    """Wanted lean forward (degrees), PID only."""
    roll: Annotated[float, tyro.conf.Positional] = 0.0
    """Wanted lean to the left (degrees), PID only."""
    controller: Literal["balance", "pid"] = "pid"
    """pid: tilt only, so it drifts; balance: also holds position or velocity."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Commanded velocity along x and y (m/s), balance only."""
    env_config: Path | None = None
    """YAML file of the environment."""
    terrain_type: str | None = None
    """A terrain by name, instead of a file."""
    seconds: float = 20.0
    """How long to try."""
    seed: int = 42
    """Seed of ground and start."""
    picture: Path | None = None
    """Write a picture of the end here (.png)."""
    video: Path | None = None
    """Write a video here (.gif or .mp4)."""


def main() -> None:
    """Run the command."""
    guarded("ballbot-test-pid", lambda: run(tyro.cli(Options, prog="ballbot-test-pid")))


def run(options: Options) -> None:
    """Balance, then print what happened."""
    import numpy as np

    from ballbot.config import make_config
    from ballbot.controllers import BalanceController, PidController
    from ballbot.env import BallbotEnv
    from ballbot.video import write_video

    if options.picture and options.picture.suffix.lower() not in (".png", ".jpg"):
        raise UserError(f"a picture is a .png or .jpg file; got {options.picture.name!r}.")
    settings = chosen_config(options.env_config, None, options.terrain_type)
    config = make_config(settings, episode_seconds=options.seconds)
    env = BallbotEnv(config, render_mode="rgb_array")
    env.reset(seed=options.seed)
    act = (
        BalanceController(env.robots, np.array(options.velocity))
        if options.controller == "balance"
        else PidController(env.robots, (options.pitch, options.roll))
    ).act
    tilts, end = [], ""

    def steps() -> Iterator[None]:
        nonlocal end
        while not end:
            _, _, _, _, info = env.step(act()[0])
            tilts.append(info["tilt"])
            end = info.get("termination", "")
            yield

    every = max(1, round(config.control_hz / 25))
    if options.video:
        frames = (env.render() for k, _ in enumerate(steps()) if k % every == 0)
        write_video(options.video, frames, 25)  # type: ignore[arg-type]
    else:
        for _ in steps():
            pass
    upright = len(tilts) * config.control_dt - (end == "tilt_exceeded") * config.control_dt
    moved = env.robots.metrics()["distance"][0]
    print(f"controller    {options.controller} on {config.terrain.type}, robot {config.robot}")
    print(f"upright       {upright:.2f} of {options.seconds:.2f} s ({end})")
    print(f"largest tilt  {np.rad2deg(max(tilts)):.2f} deg")
    print(f"moved         {moved:.2f} m")
    if options.picture:
        from PIL import Image

        options.picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(env.render()).save(options.picture)  # type: ignore[arg-type]
        print(f"picture       {options.picture}")
    if options.video:
        print(f"video         {options.video}")
