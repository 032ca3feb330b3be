"""Collect images from an environment, for pretraining an encoder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv

from plumbrl.encoders.images import as_dict, channels_first, image_shapes, parts
from plumbrl.encoders.store import ImageWriter
from plumbrl.errors import UserError, nearest
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_vector
from plumbrl.training.outline import outline, said

Array = np.ndarray
Act = Callable[[Any], Array]
AGE = "depth_age"
"""Observation (s) that is 0 where the images are new; without it, every frame is new."""


@dataclass(frozen=True)
class Collected:
    """What a collection gives back.

    Attributes:
        folder: Where the images are.
        steps: Timesteps, summed over environments.
        episodes: Episodes that images come from.
        images: Images kept.
        repeated: Images left out because the environment only showed the last ones again.
        duplicates: Kept images that equal an earlier one, pixel by pixel.
        bytes: Size on disk.
    """

    folder: Path
    steps: int
    episodes: int
    images: int
    repeated: int
    duplicates: int
    bytes: int


@dataclass(frozen=True)
class Collection:
    """What to collect, and how."""

    env: EnvSection
    out: Path
    """A new or empty folder."""
    policy: str = "random"
    """`random`, one of the environment's own baselines, or the path of a trained policy."""
    n_steps: int = 100_000
    """Timesteps, summed over environments."""
    n_envs: int = 64
    seed: int = 0


def collect(
    options: Collection, on_step: Callable[[int, int], None] = lambda steps, images: None
) -> Collected:
    """Run a policy and keep every fresh image.

    Args:
        options: The collection.
        on_step: Called with timesteps and images so far.

    Raises:
        UserError: The environment shows no images, or there is no such policy, or the folder is in
            use.
        KeyboardInterrupt: It was interrupted; the images so far are in the folder.
    """
    for name in ("n_steps", "n_envs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} must be at least 1; got {getattr(options, name)}.")
    if options.seed < 0:
        raise UserError(f"--seed must not be negative; got {options.seed}.")
    env = make_vector(options.env, options.n_envs)
    try:
        return _Recorder(env, options).run(on_step)
    finally:
        env.close()


class _Recorder:
    """Follows the episodes of all environments and writes what is fresh."""

    def __init__(self, env: VectorEnv, options: Collection) -> None:
        self._env, self._options = env, options
        self._shapes = image_shapes(env.single_observation_space)
        if not self._shapes:
            found = ", ".join(parts(env.single_observation_space))
            raise UserError(f"{options.env.id} shows no images (uint8, three axes), only: {found}.")
        self._act, self._restart = choose_policy(options.policy, env, options.seed)
        n = env.num_envs
        self._episode, self._step = np.arange(n), np.zeros(n, dtype=np.int64)
        self._last_episode = n
        self._steps = self._rows = self._repeated = 0
        self._writer = ImageWriter(options.out, self._shapes, self._facts())

    def run(self, on_step: Callable[[int, int], None]) -> Collected:
        complete = False
        try:
            self._roll(on_step)
            complete = True
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"the images so far are in {self._options.out}") from None
        finally:
            self._writer.flush()
            self._writer.write_manifest(complete=complete)
        return self._result()

    def _roll(self, on_step: Callable[[int, int], None]) -> None:
        n = self._env.num_envs
        obs, _ = self._env.reset(seed=self._options.seed)
        self._keep(obs)
        for _ in range(-(-self._options.n_steps // n)):
            obs, _, terminated, truncated, _ = self._env.step(self._act(obs))
            self._count(terminated | truncated)
            self._keep(obs)
            on_step(self._steps, self._rows * len(self._shapes))

    def _count(self, ended: Array) -> None:
        self._steps += len(ended)
        self._step += 1
        if ended.any():
            which = np.flatnonzero(ended)
            self._step[which] = 0
            self._episode[which] = self._last_episode + np.arange(len(which))
            self._last_episode += len(which)
            self._restart(which)

    def _keep(self, obs: Mapping[str, Array] | Array) -> None:
        obs = as_dict(obs)
        n = self._env.num_envs
        age = obs[AGE].reshape(n) if AGE in obs else np.zeros(n)
        which = np.flatnonzero(age == 0)
        self._repeated += (n - len(which)) * len(self._shapes)
        if len(which) == 0:
            return
        images = {k: channels_first(obs[k][which], shape) for k, shape in self._shapes.items()}
        self._writer.add(images, robot=which, episode=self._episode[which], step=self._step[which])
        self._rows += len(which)

    def _facts(self) -> dict[str, Any]:
        options = self._options
        dump = getattr(getattr(self._env.unwrapped, "config", None), "model_dump", None)
        resolved = dump(mode="json") if dump else None
        return {
            "env": options.env.model_dump(mode="json"), "env_config": resolved,
            "policy": options.policy, "seed": options.seed,
            "n_steps": options.n_steps, "n_envs": options.n_envs,
        }  # fmt: skip

    def _result(self) -> Collected:
        writer, options = self._writer, self._options
        return Collected(
            options.out, self._steps, self._last_episode, writer.images, self._repeated,
            writer.duplicates, writer.bytes,
        )  # fmt: skip


def choose_policy(name: str, env: VectorEnv, seed: int) -> tuple[Act, Callable[[Array], None]]:
    """Return a policy, and what to call with the environments (M,) whose episode began anew.

    Args:
        name: `random`, a baseline of the environment, or the path of a trained policy.
        env: The environments.
        seed: Of random actions.

    Raises:
        UserError: There is no such policy.
    """
    own = getattr(env.unwrapped, "baselines", None)
    baselines = own() if own else {}
    if name == "random":
        env.action_space.seed(seed)
        return lambda obs: env.action_space.sample(), _nothing
    if name in baselines:
        act = baselines[name]
        # A bound method's object may keep state, such as an integral, that ends with the episode.
        return lambda obs: act(), getattr(getattr(act, "__self__", None), "reset", _nothing)
    if Path(name).exists():
        return _trained(Path(name), env)
    raise UserError(
        f"Unknown policy {name!r}, and no such file; {nearest(name, ['random', *baselines])}"
    )


def _check_fit(path: Path, policy: Any, env: VectorEnv) -> None:
    """Refuse a policy of another robot; cameras that it does not look at may come on top."""
    own = make_vector(policy.env, 1)
    own.close()
    for what in ("observation", "action"):
        ours, theirs = (
            outline(getattr(e, f"single_{what}_space"), bounds=what == "action") for e in (own, env)
        )
        if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() <= theirs.keys():
            theirs = {key: theirs[key] for key in ours}
        if ours != theirs:
            raise UserError(
                f"{path} does not fit: its {what}s are {said(ours)}, this environment's are "
                f"{said(theirs)}."
            )


def _trained(path: Path, env: VectorEnv) -> tuple[Act, Callable[[Array], None]]:
    from plumbrl.training.policy import load_policy

    policy = load_policy(path)
    _check_fit(path, policy, env)
    space = policy.model.observation_space
    known = space.spaces if isinstance(space, spaces.Dict) else None
    begins = np.ones(env.num_envs, dtype=bool)

    def act(obs: Any) -> Array:
        """Act on what the policy was trained with: it may know nothing of the cameras."""
        seen = {key: obs[key] for key in known} if known else obs
        actions = policy.act(seen, deterministic=False, episode_start=begins.copy())
        begins[:] = False
        return actions

    def restart(which: Array) -> None:
        begins[which] = True

    return act, restart


def _nothing(which: Array) -> None:
    """Keep no state."""
