"""The probe problems: each adds the smallest possible thing to a simpler one.

The first five follow Andy Jones, "Debugging RL, without the agonizing pain" (2021), with distinct
observations in the delayed one and gamma 0.5, so that a wrong discount cannot hide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from plumbrl.probes.problem import GOES_ON, TERMINATES, TRUNCATES, Array, Kind, Problem

BASIC = ("constant", "observation", "delay", "action", "observation-action")
"""The five of the literature, in their order; they decide most, in seconds."""


@cache
def problems(kind: Kind) -> dict[str, Problem]:
    """Return the probe problems with discrete or continuous actions, by name, basic ones first."""
    everything = [
        *_basic(kind),
        *_ends(kind),
        *_returns(kind),
        *_inputs(kind),
        *_rewards(kind),
        *_actions(kind),
    ]
    return {problem.name: problem for problem in everything}


def _basic(kind: Kind) -> list[Problem]:
    return [
        _one_step("constant", "value loss and optimiser", [[0]], [[1]], kind),
        _one_step("observation", "gradient through the network", [[-1], [1]], [[-1], [1]], kind),
        _chain("delay", "discounting of a later reward", [[-1], [1]], [0, 1], kind),
        _choice("action", "advantage and policy update", [[0]], [1], kind),
        _choice(
            "observation-action", "policy and value together, batching", [[-1], [1]], [0, 1], kind
        ),
    ]


def _ends(kind: Kind) -> list[Problem]:
    ones = [[1.0], [1.0]]
    return [
        _problem(
            "limit", "bootstrap at a time limit", [[0], [0]], ones, [[1], [1]],
            [GOES_ON, TRUNCATES], kind=kind,
        ),
        _problem(
            "end-or-limit", "telling terminal states from time limits", [[-1], [1], [1]],
            [[1.0]] * 3, [[0], [2], [2]], [TERMINATES, GOES_ON, TRUNCATES], starts=(0, 1),
            kind=kind,
        ),
        _problem(
            "endless", "bootstrap at the end of a rollout, stable targets", [[0]], ones[:1], [[0]],
            [GOES_ON], gamma=0.8, kind=kind,
        ),
    ]  # fmt: skip


def _returns(kind: Kind) -> list[Problem]:
    """Two that measure: the effective gamma, and the effective lambda."""
    ladder = [0.0] * 4 + [1.0]
    return [
        _chain("ladder", "the effective gamma over five steps", np.eye(5), ladder, kind, gamma=0.7),
        _chain(
            "alias", "the effective lambda", np.zeros((4, 1)), [1, 0, 0, 0], kind, gamma=0.8
        ),
        _problem(
            "credit", "an action whose reward comes later", [[0, 0], [-1, 1], [1, 1]],
            [[0, 0], [-1, -1], [1, 1]], [[1, 2], [1, 1], [2, 2]],
            [GOES_ON, TERMINATES, TERMINATES], gamma=0.9, kind=kind,
        ),
        _problem(
            "next-best", "the value of the best next action", [[-1], [1]], [[0, 0], [1, -1]],
            [[1, 1], [1, 1]], [GOES_ON, TERMINATES], gamma=0.9, kind=kind,
        ),
    ]  # fmt: skip


def _inputs(kind: Kind) -> list[Problem]:
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    xor = (corners[:, :1] * corners[:, 1:]).astype(float)
    parts = {"left": corners[:, :1], "right": corners[:, 1:]}
    halves = np.zeros((2, 36, 36, 1), np.uint8)
    halves[0, :, :18], halves[1, :, 18:] = 255, 255
    weighted = corners[:, :1] + 0.5 * corners[:, 1:]
    return [
        _one_step("vector", "a network that is not linear", corners, xor, kind),
        _one_step("dictionary", "several inputs", parts, weighted, kind),
        _one_step("image", "the image encoder", halves, [[-1], [1]], kind),
        _mixing(kind),
    ]


def _mixing(kind: Kind) -> Problem:
    """Environment i shows who it is, then its own reward: columns must not be mixed with rows."""
    identity = np.concatenate([np.eye(4), np.eye(4)])
    observations = np.concatenate([identity, np.repeat([[-1], [1]], 4, axis=0)], axis=1)
    rewards = [[0.0]] * 4 + [[-1.0], [-0.4], [0.4], [1.0]]
    following = [[i % 4 + 4] for i in range(8)]
    ends = [GOES_ON] * 4 + [TERMINATES] * 4
    return _problem(
        "mixing", "keeping several environments apart", observations, rewards, following, ends,
        starts=(0, 1, 2, 3), kind=kind, start_by_env=True,
    )  # fmt: skip


def _rewards(kind: Kind) -> list[Problem]:
    return [
        _one_step("negative", "an output that may be negative", [[0]], [[-1]], kind),
        _one_step("scale", "rewards of another size", [[-1], [1]], [[-5], [5]], kind),
        _one_step("noise", "the mean of a noisy reward", [[0]], [[1]], kind, noise=1.0),
    ]


def _actions(kind: Kind) -> list[Problem]:
    if kind == "continuous":
        plane = _one_step("action-plane", "two action dimensions", [[0]], [[1]], kind)
        range_ = _one_step("action-range", "scaling to the action space", [[0]], [[1]], kind)
        return [
            replace(plane, best=np.array([[0.5, -0.5]])),
            replace(range_, best=np.array([[0.5]]), bounds=(0.0, 4.0)),
        ]
    lure = [[0.5] * 8]
    lure[0][5] = 1.0
    memory = _problem(
        "memory", "memory of an earlier observation", [[-1], [1], [0], [0]],
        [[0, 0], [0, 0], [1, -1], [-1, 1]], [[2, 2], [3, 3], [2, 2], [3, 3]],
        [GOES_ON, GOES_ON, TERMINATES, TERMINATES], starts=(0, 1), gamma=0.9, kind=kind,
    )  # fmt: skip
    return [
        _one_step("exploration", "trying every action", [[0]], lure, kind),
        replace(memory, hidden=True),
    ]


def _choice(
    name: str, isolates: str, observations: Sequence, right: Sequence[int], kind: Kind
) -> Problem:
    """One step; in state i the action `right[i]` (0 or 1; -0.5 or 0.5) earns most."""
    if kind == "discrete":
        rewards = [[1, -1] if branch == 0 else [-1, 1] for branch in right]
        return _one_step(name, isolates, observations, rewards, kind)
    plain = _one_step(name, isolates, observations, [[1]] * len(right), kind)
    return replace(plain, best=np.array(right)[:, None] - 0.5)


def _one_step(
    name: str, isolates: str, observations: Sequence | Mapping | Array, rewards: Sequence | Array,
    kind: Kind, noise: float = 0.0,
) -> Problem:  # fmt: skip
    """Episodes of one step in a random state."""
    n, branches = np.shape(rewards)
    following = np.repeat(np.arange(n)[:, None], branches, axis=1)
    return _problem(
        name, isolates, observations, rewards, following, [TERMINATES] * n,
        starts=tuple(range(n)), kind=kind, noise=noise,
    )  # fmt: skip


def _chain(
    name: str, isolates: str, observations: Sequence | Array, rewards: Sequence, kind: Kind,
    gamma: float = 0.5,
) -> Problem:  # fmt: skip
    """One state after the other; actions do not matter."""
    n = len(rewards)
    following = [[min(i + 1, n - 1)] for i in range(n)]
    ends = [GOES_ON] * (n - 1) + [TERMINATES]
    column = [[float(r)] for r in rewards]
    return _problem(name, isolates, observations, column, following, ends, kind=kind, gamma=gamma)


def _problem(
    name: str, isolates: str, observations: Sequence | Mapping | Array, rewards: Sequence | Array,
    following: Sequence | Array, ends: Sequence[int], *, starts: tuple[int, ...] = (0,),
    gamma: float = 0.5, kind: Kind, noise: float = 0.0, start_by_env: bool = False,
) -> Problem:  # fmt: skip
    named = observations if isinstance(observations, Mapping) else {"": np.asarray(observations)}
    arrays = {
        key: part if part.dtype == np.uint8 else part.astype(np.float32)
        for key, part in named.items()
    }
    return Problem(
        name, isolates, arrays, starts, np.asarray(following), np.asarray(ends),
        np.asarray(rewards, dtype=float), gamma, kind, noise, start_by_env=start_by_env,
    )  # fmt: skip
