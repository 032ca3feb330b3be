"""One recorded episode: what was seen, done and earned, and what is needed to draw it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray
HFIELD, BOX, MESH = 1, 6, 7
"""Some of MuJoCo's geom types."""


@dataclass(frozen=True)
class Scene:
    """What to draw of a MuJoCo environment: `G` geoms on `B` bodies over `T` steps.

    Attributes:
        kinds: MuJoCo's geom types, (G,): 0 plane, 1 height field, 2 sphere, 3 capsule,
            4 ellipsoid, 5 cylinder, 6 box, 7 mesh.
        sizes: As in MuJoCo (m), (G, 3).
        colours: Red, green, blue, opacity in [0, 1], (G, 4).
        owners: Index of each geom's body, (G,).
        places: Of the geoms in their bodies (m), (G, 3).
        turns: The same as quaternions, w first, (G, 4).
        parts: Row of `spans` that a mesh uses, -1 for other kinds, (G,).
        positions: Of the bodies in the world (m), (T + 1, B, 3), float32.
        rotations: The same as quaternions, (T + 1, B, 4), float32.
        followed: Body that moves through the world, -1 if none does.
        ground: Elevations of the height field (m), rows along y, (rows, cols); (0, 0) without.
        reach: Half its sides along x and y (m), (2,).
        vertices: Of all meshes (m), (V, 3).
        faces: Of all meshes: three vertices each, counted from the mesh's first, (F, 3).
        spans: First vertex, vertices, first face and faces of each mesh, (M, 4).
    """

    kinds: Array
    sizes: Array
    colours: Array
    owners: Array
    places: Array
    turns: Array
    parts: Array
    positions: Array
    rotations: Array
    followed: int
    ground: Array
    reach: Array
    vertices: Array
    faces: Array
    spans: Array


@dataclass(frozen=True)
class Pictures:
    """What an environment drew itself.

    Attributes:
        files: JPEG or PNG, F of them.
        at: Step before which each was drawn, (F,).
    """

    files: tuple[bytes, ...]
    at: Array


@dataclass(frozen=True)
class Episode:
    """`T` steps of one policy in one environment.

    Attributes:
        env: Gymnasium id.
        settings: What the environment is built with, as plain data.
        seed: Of the reset.
        policy: Which policy acted, in words.
        seconds: Of one step; of environments that have no time, 1/30.
        rewards: (T,).
        actions: As they were given to the environment, flat, (T, A).
        terms: Parts of the reward by name, each (T,); empty where the environment gives none.
        numbers: Other numbers in the environment's info by name, each (T,); NaN where absent.
        terminated: Whether it ended in a terminal state.
        truncated: Whether it was cut off.
        cause: Why it ended, in the environment's words where it has any.
        low: Lower bounds of the actions, (A,); None without bounds.
        high: Upper bounds.
        values: What the critic expected when the step was made, in units of reward, (T,); None
            without a critic.
        returns: What came instead: the discounted rewards from the step on, and what was expected
            after a cut, (T,); None without `values`.
        observations: By name (``observation`` if there is but one), each (T + 1, ...); without
            those that are large.
        qpos: MuJoCo's positions, (T + 1, nq); None for other environments.
        scene: To draw; None for other environments.
        pictures: That the environment drew; None where there is a scene, or nothing to see.
        notes: What a reader should know, a sentence each.
    """

    env: str
    settings: Mapping[str, Any]
    seed: int
    policy: str
    seconds: float
    rewards: Array
    actions: Array
    terms: Mapping[str, Array]
    numbers: Mapping[str, Array]
    terminated: bool
    truncated: bool
    cause: str
    low: Array | None = None
    high: Array | None = None
    values: Array | None = None
    returns: Array | None = None
    observations: Mapping[str, Array] = field(default_factory=dict)
    qpos: Array | None = None
    scene: Scene | None = None
    pictures: Pictures | None = None
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return len(self.rewards)

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return float(self.rewards.sum())
