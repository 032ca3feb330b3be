"""Run one episode and keep all of it."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.errors import UserError
from plumbrl.replay.episode import Episode
from plumbrl.replay.pictures import Album
from plumbrl.replay.scene import scene_of, simulation

Array = np.ndarray
MOST = 20_000
"""Steps of an episode that are recorded."""
LARGEST = 4_000_000
"""Bytes of an observation over the whole episode; a larger one is left out."""
UNTIMED = 1 / 30
TERM = "reward_"
"""Gymnasium's own environments give each part of the reward under a name that begins so."""


def build(env: str, settings: Mapping[str, Any]) -> gymnasium.Env:
    """Return an environment that can be drawn, if it has any way to be.

    MuJoCo's are drawn from their states and need no graphics; others get ``rgb_array``.

    Raises:
        UserError: It does not exist or refuses its arguments.
    """
    make = partial(gymnasium.make, env, disable_env_checker=True)
    try:
        made = make(**settings)
        modes = made.metadata.get("render_modes") or ()
        if simulation(made) is None and "rgb_array" in modes:
            made.close()
            _without_window()
            drawing: dict[str, Any] = {**settings, "render_mode": "rgb_array"}
            made = make(**drawing)
    except (gymnasium.error.Error, ValueError, TypeError, ImportError) as error:
        raise UserError(f"Environment {env}: {_one_line(error)}") from error
    return made


def _without_window() -> None:
    """Keep pygame, which draws Gymnasium's classic environments, from asking for a display."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def record(
    env: gymnasium.Env,
    act: Callable[[Any], Any],
    seed: int,
    *,
    value: Callable[[Any, Any], float] | None = None,
    gamma: float = 0.99,
    name: tuple[str, Mapping[str, Any]],
    policy: str = "trained",
    most: int = MOST,
) -> Episode:
    """Run one episode.

    Args:
        env: As `build` returns it.
        act: From an observation to the action.
        seed: Of the reset.
        value: From an observation and the action to the critic's value, in units of reward; NaN
            where there is no critic.
        gamma: Discount that the values rest on.
        name: Gymnasium id and what the environment was built with.
        policy: Who acts, in words.
        most: Steps after which the recording stops.
    """
    tape = _Tape(env)
    obs, _ = env.reset(seed=seed)
    tape.start(obs)
    terminated = truncated = False
    info: Mapping[str, Any] = {}
    while not (terminated or truncated or len(tape.rewards) == most):
        action = act(obs)
        tape.values.append(value(obs, action) if value else np.nan)
        obs, reward, terminated, truncated, info = env.step(action)
        tape.add(obs, action, float(reward), info, last=terminated or truncated)
    after = value(obs, act(obs)) if value and not terminated else 0.0
    kept = tape.parts()
    if not (terminated or truncated):
        kept["notes"] += (f"The recording stops after {most:,} steps; the episode goes on.",)
    if np.isfinite(tape.values).any():
        kept["values"] = np.array(tape.values)
        kept["returns"] = discounted(np.array(tape.rewards), gamma, after)
    return Episode(
        env=name[0], settings=dict(name[1]), seed=seed, policy=policy, terminated=bool(terminated),
        truncated=bool(truncated), cause=_cause(info, terminated, truncated), **kept,
    )  # fmt: skip


def discounted(rewards: Array, gamma: float, after: float) -> Array:
    """Return the discounted return from each step on, (T,); `after` is expected beyond the end."""
    returns, following = np.zeros(len(rewards)), after
    for t in reversed(range(len(rewards))):
        returns[t] = following = rewards[t] + gamma * following
    return returns


class _Tape:
    """Collects what one step after the other brings."""

    def __init__(self, env: gymnasium.Env) -> None:
        self._env, self._simulation = env, simulation(env)
        fps = env.metadata.get("render_fps")
        self._seconds = 1 / fps if fps else UNTIMED
        self._album = Album(self._seconds) if env.render_mode == "rgb_array" else None
        self._infos: list[Mapping[str, Any]] = []
        self._observations: list[Any] = []
        self._actions: list[Array] = []
        self._qpos: list[Array] = []
        self._mocap: list[Array] = []
        self._began = 0.0
        self._notes: tuple[str, ...] = ()
        self.rewards: list[float] = []
        self.values: list[float] = []

    def start(self, obs: Any) -> None:
        self._simulation = simulation(self._env)  # some build their model at reset
        self._began = self._simulation[1].time if self._simulation else 0.0
        self._see(obs)

    def add(
        self, obs: Any, action: Any, reward: float, info: Mapping[str, Any], last: bool
    ) -> None:
        self._actions.append(np.asarray(action, dtype=np.float64).ravel())
        self.rewards.append(reward)
        self._infos.append(info)
        self._see(obs, last)

    def parts(self) -> dict[str, Any]:
        """Return the fields of an `Episode` that were collected."""
        numbers, terms = _numbers(self._infos)
        low, high = _bounds(self._env.action_space)
        found: dict[str, Any] = {
            "rewards": np.array(self.rewards), "actions": np.array(self._actions), "terms": terms,
            "numbers": numbers, "low": low, "high": high, "seconds": self._seconds,
            "observations": _stacked(self._observations), "notes": self._notes,
        }  # fmt: skip
        if self._simulation is not None:
            model, data = self._simulation
            spent = (data.time - self._began) / len(self.rewards)
            found["seconds"] = round(float(spent), 9) if spent > 0 else self._seconds
            found["qpos"] = np.array(self._qpos)
            found["scene"] = scene_of(model, self._qpos, self._mocap)
        elif self._album is not None:
            found["pictures"] = self._album.pictures()
        elif not self._notes:
            found["notes"] += ("The environment cannot be drawn: it has no rgb_array.",)
        return found

    def _see(self, obs: Any, last: bool = False) -> None:
        self._observations.append(obs)
        if self._simulation is not None:
            data = self._simulation[1]
            self._qpos.append(data.qpos.copy())
            self._mocap.append(np.concatenate([data.mocap_pos, data.mocap_quat], axis=1))
        elif self._album is not None and self._album.wants(len(self.rewards), last):
            self._draw()

    def _draw(self) -> None:
        assert self._album is not None
        try:
            self._album.add(len(self.rewards), self._env.render())  # pyright: ignore[reportArgumentType]
        except Exception as error:  # a drawing that fails must not end the recording
            self._album = None
            self._notes += (f"The environment cannot be drawn: {_one_line(error)}",)


def _numbers(infos: list[Mapping[str, Any]]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the numbers of the infos and the terms of the reward, each by name (T,)."""
    flat = [{k: v for k, v in info.items() if _is_number(v)} for info in infos]
    own = [info.get("reward_terms") for info in infos]
    terms = [
        {k: v for k, v in t.items() if _is_number(v)} if isinstance(t, dict) else {} for t in own
    ]
    if not any(terms):
        terms = [
            {k.removeprefix(TERM): v for k, v in f.items() if k.startswith(TERM)} for f in flat
        ]
        flat = [{k: v for k, v in f.items() if not k.startswith(TERM)} for f in flat]
    return _columns(flat), _columns(terms)


def _columns(rows: list[dict[str, Any]]) -> dict[str, Array]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {n: np.array([row.get(n, np.nan) for row in rows], np.float64) for n in names}


def _is_number(value: Any) -> bool:
    return isinstance(value, float | np.floating) or (
        isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind == "f"
    )


def _bounds(space: gymnasium.Space) -> tuple[Array | None, Array | None]:
    if isinstance(space, spaces.Box) and space.is_bounded("both"):
        return space.low.ravel().astype(np.float64), space.high.ravel().astype(np.float64)
    return None, None


def _stacked(seen: list[Any]) -> dict[str, Array]:
    """Observations over time by name; only arrays and numbers, and none that is large."""
    rows = seen if isinstance(seen[0], dict) else [{"observation": obs} for obs in seen]
    found = {}
    for key in rows[0]:
        if isinstance(rows[0][key], np.ndarray | np.generic | float | int):
            one = np.asarray(rows[0][key])
            if one.dtype.kind in "fiub" and one.nbytes * len(rows) <= LARGEST:
                found[key] = np.array([row[key] for row in rows])
    return found


def _cause(info: Mapping[str, Any], terminated: bool, truncated: bool) -> str:
    said = info.get("termination")
    if isinstance(said, str):
        return said
    return "terminal state" if terminated else "time limit" if truncated else "recording stopped"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
