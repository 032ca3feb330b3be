"""Probe problems as Gymnasium environments: one, or several at once."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from plumbrl.probes.problem import (
    GOES_ON,
    TERMINATES,
    TRUNCATES,
    Array,
    Observation,
    Problem,
)


class ProbeEnv(gymnasium.Env):
    """One copy of a problem.

    ``info["state"]`` is the state that the observation shows, for agents that cheat. `steps`
    counts timesteps, `returns` lists the (undiscounted) returns of finished episodes.

    Args:
        problem: The tables.
        index: Which environment of a vector this is.
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, problem: Problem, index: int = 0) -> None:
        self.problem, self.index = problem, index
        self.observation_space = problem.observation_space
        self.action_space = problem.action_space
        self.state = problem.starts[0]
        self.steps, self.returns, self._return = 0, list[float](), 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        starts = self.problem.starts
        which = self.index if self.problem.start_by_env else self.np_random.integers(len(starts))
        self.state = starts[int(which) % len(starts)]
        self._return = 0.0
        return self.problem.observation(self.state), {"state": self.state}

    def step(
        self, action: Array | int
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:  # fmt: skip
        """Leave the state by the branch that the action selects."""
        problem, state = self.problem, self.state
        reward = problem.reward(state, action)
        if problem.noise:
            reward += problem.noise * (1 if self.np_random.random() < 0.5 else -1)
        self.state = int(problem.following[state, problem.branch(action)])
        end = problem.ends[state]
        self._count(reward, end != GOES_ON)
        shown = problem.observation(self.state)
        return shown, reward, bool(end == TERMINATES), bool(end == TRUNCATES), {"state": self.state}

    def _count(self, reward: float, done: bool) -> None:
        self.steps += 1
        self._return += reward
        if done:
            self.returns.append(self._return)


class ProbeVectorEnv(gymnasium.vector.VectorEnv):
    """Several copies of a problem that begin their next episode within the step (SAME_STEP).

    Args:
        problem: The tables.
        num_envs: Number of copies `B`.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, problem: Problem, num_envs: int) -> None:
        self.problem, self.num_envs = problem, num_envs
        self.single_observation_space = problem.observation_space
        self.single_action_space = problem.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.states = np.zeros(num_envs, dtype=np.int64)
        self.steps, self.returns, self._return = 0, list[float](), np.zeros(num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in every environment."""
        super().reset(seed=seed)
        self.states = self._start(np.arange(self.num_envs))
        return self._show(self.states), {"state": self.states.copy()}

    def step(
        self, actions: Array
    ) -> tuple[Observation, Array, Array, Array, dict[str, Any]]:  # fmt: skip
        """Step every environment; ``info["final_obs"]`` holds what ended episodes showed last."""
        problem, left = self.problem, self.states
        branches = np.array([problem.branch(action) for action in actions])
        rewards = np.array(
            [problem.reward(s, a) for s, a in zip(left.tolist(), actions, strict=True)]
        )
        rewards += problem.noise * self.np_random.choice([-1.0, 1.0], self.num_envs)
        reached, ends = problem.following[left, branches], problem.ends[left]
        done = ends != GOES_ON
        self._count(rewards, done)
        self.states = reached.copy()
        self.states[done] = self._start(np.flatnonzero(done))
        info: dict[str, Any] = {"state": self.states.copy()}
        if done.any():
            final = np.empty(self.num_envs, dtype=object)
            for i in np.flatnonzero(done):
                final[i] = problem.observation(reached[i])
            info |= {"final_obs": final, "_final_obs": done}
        return self._show(self.states), rewards, ends == TERMINATES, ends == TRUNCATES, info

    def _count(self, rewards: Array, done: Array) -> None:
        self.steps += self.num_envs
        self._return += rewards
        self.returns.extend(self._return[done].tolist())
        self._return[done] = 0.0

    def _start(self, which: Array) -> Array:
        starts = np.array(self.problem.starts)
        drawn = (
            which if self.problem.start_by_env else self.np_random.integers(0, 2**31, len(which))
        )
        return starts[drawn % len(starts)]

    def _show(self, states: Array) -> Observation:
        return self.problem.batch(states.tolist())
