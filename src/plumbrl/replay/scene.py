"""What can be drawn of a MuJoCo environment, read from its model without touching it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plumbrl.replay.episode import HFIELD, MESH, Scene

if TYPE_CHECKING:
    import mujoco

Array = np.ndarray
SHOWN_GROUPS = 3
"""MuJoCo's viewer shows the geom groups below this one."""
KINDS = range(8)


def simulation(env: Any) -> "tuple[mujoco.MjModel, mujoco.MjData] | None":
    """Return the model and the state of an environment that runs on MuJoCo; None of any other."""
    try:
        import mujoco
    except ImportError:
        return None
    model, data = (getattr(env.unwrapped, name, None) for name in ("model", "data"))
    if isinstance(model, mujoco.MjModel) and isinstance(data, mujoco.MjData):
        return model, data
    return None


def scene_of(model: "mujoco.MjModel", states: Sequence[Array], mocap: Sequence[Array]) -> Scene:
    """Return the scene of an episode.

    Args:
        model: With the ground of this episode.
        states: qpos before each step and after the last, T + 1 of (nq,); where one is not finite,
            the scene stays as it was before.
        mocap: Positions and quaternions of the mocap bodies beside them, (nmocap, 7) each.
    """
    geoms = [g for g in range(model.ngeom) if _visible(model, g)]
    bodies = sorted({0, *model.geom_bodyid[geoms].tolist()})
    positions, rotations = _poses(model, states, mocap, bodies)
    return Scene(
        kinds=model.geom_type[geoms].astype(np.int32),
        sizes=model.geom_size[geoms].astype(np.float32),
        colours=np.array([_colour(model, g) for g in geoms], np.float32).reshape(-1, 4),
        owners=np.searchsorted(bodies, model.geom_bodyid[geoms]).astype(np.int32),
        places=model.geom_pos[geoms].astype(np.float32),
        turns=model.geom_quat[geoms].astype(np.float32),
        parts=np.where(model.geom_type[geoms] == MESH, model.geom_dataid[geoms], -1),
        positions=positions,
        rotations=rotations,
        followed=_followed(model, bodies),
        **_ground(model, geoms),
        **_meshes(model),
    )


def _visible(model: "mujoco.MjModel", g: int) -> bool:
    known = model.geom_type[g] in KINDS and model.geom_group[g] < SHOWN_GROUPS
    return bool(known and _colour(model, g)[3] > 0)


def _colour(model: "mujoco.MjModel", g: int) -> Array:
    """A material counts unless the geom has a colour of its own, as in MuJoCo."""
    own, material = model.geom_rgba[g], model.geom_matid[g]
    plain = np.allclose(own, [0.5, 0.5, 0.5, 1])
    return model.mat_rgba[material] if plain and material >= 0 else own


def _poses(
    model: "mujoco.MjModel", states: Sequence[Array], mocap: Sequence[Array], bodies: list[int]
) -> tuple[Array, Array]:
    import mujoco

    data = mujoco.MjData(model)  # of our own: computing poses in the environment's would change it
    positions = np.zeros((len(states), len(bodies), 3), np.float32)
    rotations = np.zeros((len(states), len(bodies), 4), np.float32)
    for row, (qpos, held) in enumerate(zip(states, mocap, strict=True)):
        if np.isfinite(qpos).all():
            data.qpos[:] = qpos
            data.mocap_pos[:], data.mocap_quat[:] = held[:, :3], held[:, 3:]
        mujoco.mj_kinematics(model, data)
        positions[row], rotations[row] = data.xpos[bodies], data.xquat[bodies]
    return positions, rotations


def _followed(model: "mujoco.MjModel", bodies: list[int]) -> int:
    """Return the drawn body that travels with at least half of all mass; -1 if there is none."""
    import mujoco

    travels = (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_SLIDE)
    able = [
        i
        for i, body in enumerate(bodies)
        if body and model.body_parentid[body] == 0
        and model.body_subtreemass[body] >= model.body_subtreemass[0] / 2
        and np.isin(_joints(model, body), [int(t) for t in travels]).any()
    ]  # fmt: skip
    return max(able, key=lambda i: model.body_subtreemass[bodies[i]], default=-1)


def _joints(model: "mujoco.MjModel", body: int) -> Array:
    first = model.body_jntadr[body]
    return model.jnt_type[first : first + model.body_jntnum[body]]


def _ground(model: "mujoco.MjModel", geoms: list[int]) -> dict[str, Array]:
    """The first height field that is drawn; environments with two are not known."""
    fields = [int(model.geom_dataid[g]) for g in geoms if model.geom_type[g] == HFIELD]
    if not fields:
        return {"ground": np.zeros((0, 0), np.float32), "reach": np.zeros(2, np.float32)}
    h, first = fields[0], int(model.hfield_adr[fields[0]])
    rows, cols = int(model.hfield_nrow[h]), int(model.hfield_ncol[h])
    heights = model.hfield_data[first : first + rows * cols].reshape(rows, cols)
    ground = (heights * model.hfield_size[h, 2]).astype(np.float32)
    return {"ground": ground, "reach": model.hfield_size[h, :2].astype(np.float32)}


def _meshes(model: "mujoco.MjModel") -> dict[str, Array]:
    columns = (model.mesh_vertadr, model.mesh_vertnum, model.mesh_faceadr, model.mesh_facenum)
    return {
        "vertices": model.mesh_vert.reshape(-1, 3).astype(np.float32),
        "faces": model.mesh_face.reshape(-1, 3).astype(np.int32),
        "spans": np.stack(columns, axis=-1).reshape(-1, 4).astype(np.int32),
    }
