"""The ballbot's grounds by name; only commands know the robot."""

from typing import Any, get_args

from plumbrl.errors import UserError, unknown
from plumbrl.training.config import EnvSection

HALF_SIZE, SPACING = 10.0, 10 / 292
"""Half side (m) and spacing (m) of the samples where the training ground does not give them: a
robot at 1 m/s must not come to the edge within an episode."""


def is_ballbot(env: EnvSection) -> bool:
    """Whether the environment is the robot, whose ground can be chosen."""
    return env.id.rpartition(":")[2] == "Ballbot-v0"


def on_ground(env: EnvSection, name: str) -> EnvSection:
    """Return the same environment on another ground.

    Args:
        env: The environment.
        name: A terrain, or a terrain and its level such as ``perlin:hard``.

    Raises:
        UserError: There is no such terrain or level, or the environment has none.
    """
    if not is_ballbot(env):
        raise UserError(f"{env.id} has no terrains to choose from.")
    kind, _, level = name.partition(":")
    levels = _levels(kind)
    if level and level not in levels:
        raise (
            unknown(f"level of {kind}", level, levels)
            if levels
            else UserError(f"Terrain {kind!r} has no levels.")
        )
    terrain: dict[str, Any] = {"type": kind} | (_size(env) if kind != "flat" else {})
    if levels:
        terrain |= {"level": level or "standard", "height": None}
    return env.model_copy(update={"kwargs": dict(env.kwargs) | {"terrain": terrain}})


def grounds(env: EnvSection, names: tuple[str, ...]) -> dict[str, EnvSection]:
    """Return environments by ground, without the one that `env` has.

    Args:
        env: The training environment.
        names: Terrains, all levels of each that has some; ``all`` for every one.

    Raises:
        UserError: There is no such terrain.
    """
    from ballbot.config import make_config

    wanted = _all() if "all" in names else names
    found: dict[str, EnvSection] = {}
    for name in wanted:
        levels = _levels(name) if ":" not in name else ()
        for full in [f"{name}:{level}" for level in levels] or [name]:
            found[full] = on_ground(env, full)
    own = make_config(env.config, **env.kwargs).terrain
    return {n: e for n, e in found.items() if make_config(e.config, **e.kwargs).terrain != own}


def _all() -> tuple[str, ...]:
    """Return every terrain that needs nothing to be said about it: not a mixture."""
    from ballbot.terrain import TERRAIN_TYPES

    return tuple(name for name in TERRAIN_TYPES if name != "mixed")


def _levels(kind: str) -> tuple[str, ...]:
    from ballbot.terrain import TERRAIN_TYPES

    if kind not in TERRAIN_TYPES:
        raise unknown("terrain", kind, TERRAIN_TYPES)
    field = TERRAIN_TYPES[kind].model_fields.get("level")
    return get_args(field.annotation) if field else ()


def _size(env: EnvSection) -> dict[str, Any]:
    """Keep the size of the training ground, if it has one."""
    from ballbot.config import make_config

    own = make_config(env.config, **env.kwargs).terrain
    if own.type != "flat":
        return {"half_size": own.half_size, "resolution": own.resolution}
    return {"half_size": HALF_SIZE, "resolution": round(2 * HALF_SIZE / SPACING) + 1}
