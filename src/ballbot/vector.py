"""N ballbots at a time on MuJoCo's batched stepper, as a Gymnasium vector environment."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ballbot import observations, saving
from ballbot.config import EnvConfig, make_config
from ballbot.env import action_space, baselines, observation_space, step_info
from ballbot.errors import UserError
from ballbot.robots import Outcome, Robots
from ballbot.terminations import NONE

Array = np.ndarray
Info = dict[str, Any]


class BallbotVectorEnv(VectorEnv):
    """N independent ballbots, each on its own ground, stepped by one call.

    Gives bit by bit what N `BallbotEnv` give with the same seeds and actions. An episode that ends
    starts anew within the same step (autoreset mode SAME_STEP): ``info["final_obs"]`` and
    ``info["final_info"]`` hold the end of the old episode.

    Args:
        num_envs: Number of robots.
        config: As for `BallbotEnv`.
        num_threads: Threads that step the physics; 0 for all cores.
        **overrides: Fields of the configuration.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        config: EnvConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        num_threads: int = 0,
        **overrides: Any,
    ) -> None:
        if not isinstance(num_envs, int) or num_envs < 1:
            raise UserError(f"num_envs must be a whole number of at least 1; got {num_envs!r}.")
        self.config = make_config(config, **overrides)
        self.num_envs = num_envs
        self.robots = Robots(self.config, num_envs, batched=True, num_threads=num_threads)
        self.single_observation_space = observation_space(self.config)
        self.single_action_space = action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_names = observations.names(self.config.observation)

    @property
    def model(self) -> mujoco.MjModel:
        """The model of robot 0."""
        return self.robots.physics.models[0]

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Array], Info]:
        """Start an episode of every robot; an int seeds robot i with seed + i."""
        self.seed(seed)
        self.robots.reset(np.arange(self.num_envs))
        return self.robots.observe(), self._merged(self.robots.metrics(), None)

    def seed(self, seed: int | Sequence[int | None] | None) -> None:
        """Seed the robots' random streams; None leaves a stream as it is."""
        seeds = [seed] * self.num_envs if seed is None else seed
        if isinstance(seeds, int | np.integer):
            seeds = [int(seeds) + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise UserError(f"{len(seeds)} seeds for {self.num_envs} environments.")
        for i, one in enumerate(seeds):
            if one is not None and one < 0:
                raise UserError(f"a seed must not be negative; got {one}.")
            if one is not None:
                self.robots.rngs[i] = np.random.default_rng(one)

    def step(self, actions: Array) -> tuple[dict[str, Array], Array, Array, Array, Info]:
        """Hold the actions (N, 3) for one control step."""
        outcome = self.robots.step(actions)
        metrics, ended = outcome.metrics, np.flatnonzero(outcome.causes != NONE)
        info: Info = {}
        if len(ended):
            info = self._final(outcome, ended)
            self.robots.reset(ended)
            fresh, metrics = self.robots.metrics(), {k: v.copy() for k, v in metrics.items()}
            for name, values in metrics.items():
                values[ended] = fresh[name][ended]
        obs = self.robots.observe()
        info |= self._merged(metrics, outcome)
        return obs, outcome.reward, outcome.terminated, outcome.truncated, info

    def save_state(self) -> dict[str, Any]:
        """Return the state of all robots in plain data, see `ballbot.saving`."""
        return saving.save(self.robots)

    def restore_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `save_state` returned, bit by bit."""
        saving.restore(self.robots, state)

    def timed_parts(self) -> dict[str, tuple[Any, str]]:
        """Return what a profiler may time: name to an object and one of its methods."""
        return self.robots.timed_parts()

    def baselines(self) -> dict[str, Callable[[], Array]]:
        """Return controllers to compare a policy with: name to a function that gives actions."""
        return baselines(self.robots)

    def to_sb3(self) -> Any:
        """Return a Stable-Baselines3 `VecEnv` over the same robots."""
        from ballbot.sb3 import BallbotVecEnv

        return BallbotVecEnv(self)

    def _final(self, outcome: Outcome, ended: Array) -> Info:
        """Keep the last observation and info of the episodes that ended, as Gymnasium does."""
        obs = self.robots.observe()
        final_obs = np.full(self.num_envs, None, dtype=object)
        final_info: Info = {}
        for i in ended.tolist():
            final_obs[i] = {key: value[i] for key, value in obs.items()}
            final_info = self._add_info(final_info, step_info(outcome, i), i)
        mask = np.zeros(self.num_envs, dtype=bool)
        mask[ended] = True
        return {
            "final_obs": final_obs,
            "_final_obs": mask,
            "final_info": final_info,
            "_final_info": mask.copy(),
        }

    def _merged(self, metrics: dict[str, Array], outcome: Outcome | None) -> Info:
        """Return the infos of all robots; a robot that was just reset has no reward terms."""
        info = _masked(metrics, np.ones(self.num_envs, dtype=bool))
        if outcome is not None:
            going = outcome.causes == NONE
            if going.all():
                info |= {"reward_terms": _masked(outcome.terms, going), "_reward_terms": going}
            elif going.any():
                terms = {name: np.where(going, t, 0.0) for name, t in outcome.terms.items()}
                info |= {"reward_terms": _masked(terms, going), "_reward_terms": going.copy()}
        return info


def _masked(arrays: dict[str, Array], mask: Array) -> Info:
    return dict(arrays) | {f"_{name}": mask.copy() for name in arrays}
