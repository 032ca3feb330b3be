"""Probe agents: known behaviour against which an environment is tested.

An agent is a function of what the environment shows and of its info. Random and zero agents are
what any environment must survive, an automaton replays a script, the tabular agent is the exact
solution of a probe, and the cheat reads the state that others have to infer.
"""

from collections.abc import Callable, Iterable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from plumbrl.probes.problem import Array, Problem
from plumbrl.probes.solve import solve

Agent = Callable[[Any, dict[str, Any]], Any]
"""From observation and info to action."""


def random_agent(space: spaces.Space, seed: int) -> Agent:
    """Return an agent that draws actions from the space."""
    space.seed(seed)
    return lambda observation, info: space.sample()


def zero_agent(space: spaces.Space) -> Agent:
    """Return an agent that does nothing: action 0, or zeros moved into the bounds."""
    if isinstance(space, spaces.Box):
        still = np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
        return lambda observation, info: still.copy()
    return lambda observation, info: np.zeros_like(space.sample())


def automaton(script: Iterable[Any]) -> Agent:
    """Return an agent that plays a script, over and over.

    Args:
        script: Actions, at least one.
    """
    actions = list(script)
    played = iter(range(2**62))
    return lambda observation, info: actions[next(played) % len(actions)]


def tabular_agent(problem: Problem) -> Agent:
    """Return the exact solution of a probe, found by what it shows.

    Where states look alike, it acts as for the first of them: it has no memory.
    """
    best = _best_actions(problem)
    table = {
        _key(problem.observation(s)): best[problem.seen_as[s]] for s in range(problem.n_states)
    }
    return lambda observation, info: table[_key(observation)]


def cheat(problem: Problem) -> Agent:
    """Return the exact solution of a probe that reads the state from ``info["state"]``."""
    best = _best_actions(problem)
    return lambda observation, info: best[info["state"]]


def play(env: gymnasium.Env, agent: Agent, episodes: int, seed: int) -> Array:
    """Return the (undiscounted) returns of episodes, (episodes,).

    Args:
        env: Any Gymnasium environment whose episodes end.
        agent: Who acts.
        episodes: How many.
        seed: Of the first reset; later resets go on from there.
    """
    returns = np.zeros(episodes)
    for episode in range(episodes):
        observation, info = env.reset(seed=seed if episode == 0 else None)
        done = False
        while not done:
            step = env.step(agent(observation, info))
            observation, reward, terminated, truncated, info = step
            returns[episode] += float(reward)
            done = terminated or truncated
    return returns


def _best_actions(problem: Problem) -> list[Any]:
    """Return the best action in each state, as the environment takes it."""
    if problem.best is not None:
        return list(problem.best.astype(np.float32))
    branches = solve(problem, gae_lambda=0.0).q.argmax(axis=1)
    return list(problem.representatives()[branches])


def _key(observation: Any) -> tuple[bytes, ...]:
    parts = observation.values() if isinstance(observation, dict) else [observation]
    return tuple(np.asarray(part).tobytes() for part in parts)
