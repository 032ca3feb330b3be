"""A recorded episode in MuJoCo's own window, at its own speed."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plumbrl.errors import UserError
from plumbrl.replay.episode import Episode
from plumbrl.replay.record import build
from plumbrl.replay.scene import simulation

Open = Callable[[Any, Any], Any]
"""From MuJoCo's model and state to a window as `mujoco.viewer.launch_passive` gives it."""
FPS = 60
PAUSE = 1.0
"""Seconds for which the last state stands before the episode begins anew."""


@contextmanager
def restored(
    episode: Episode, settings: Mapping[str, Any] | None = None
) -> Iterator[tuple[Any, Any, Callable[[int], None]]]:
    """Build the environment of an episode once more, to be put into its recorded states.

    Args:
        episode: With states.
        settings: What to build the environment with, if no longer what the episode says.

    Yields:
        MuJoCo's model and state, and what puts them to a step of the episode.

    Raises:
        UserError: There are no states, or the environment has changed since.
    """
    import mujoco

    states = episode.qpos
    if states is None:
        raise UserError("this episode holds no states of MuJoCo to put a simulation into.")
    env = build(episode.env, episode.settings if settings is None else settings)
    try:
        env.reset(seed=episode.seed)  # which makes the ground
        found = simulation(env)
        if found is None or found[0].nq != states.shape[1]:
            raise UserError(f"{episode.env} is no longer the environment that was recorded.")
        model, data = found

        def put(step: int) -> None:
            data.qpos[:] = states[step]
            mujoco.mj_forward(model, data)

        yield model, data, put
    finally:
        env.close()


def play(
    episode: Episode,
    window: Open,
    settings: Mapping[str, Any] | None = None,
    *,
    rest: Callable[[float], None] = time.sleep,
) -> None:
    """Play an episode again and again, until the window is closed.

    Args:
        episode: With states.
        window: Opens it.
        settings: As in `restored`.
        rest: Lets some seconds go by.

    Raises:
        UserError: As `restored`.
    """
    stride = max(1, round(1 / (FPS * episode.seconds)))
    with restored(episode, settings) as (model, data, put):
        put(0)
        with window(model, data) as opened:
            while opened.is_running():
                for step in [*range(0, episode.steps, stride), episode.steps]:
                    if not opened.is_running():
                        return
                    put(step)
                    opened.sync()
                    rest(PAUSE if step == episode.steps else stride * episode.seconds)
