"""Pictures of the robot without a graphics library, and MuJoCo's viewer where there is a display.

The robot's geoms are hit by `mj_multiRay`, the ground by our own march (a height field of 293^2
samples makes `mj_multiRay` slow at grazing angles). Shading: one light with shadows of the robot.
"""

import os
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numba import njit

from ballbot.errors import UserError
from ballbot.raymarch import terrain_depth

Array = np.ndarray
SKY_LOW, SKY_HIGH = np.array([0.93, 0.95, 0.97]), np.array([0.55, 0.7, 0.88])
GROUND_LIGHT, GROUND_DARK = np.array([0.66, 0.7, 0.62]), np.array([0.56, 0.61, 0.54])
LIGHT_OFFSET = np.array([-2.0, -3.0, 5.0])
ROBOT_GROUPS = np.array([0, 1, 1, 0, 0, 0], dtype=np.uint8)
FAR = 40.0


@dataclass(frozen=True)
class View:
    """Where the picture is taken from.

    Attributes:
        azimuth_deg: Direction the camera looks in, seen from above.
        elevation_deg: Upwards angle of that direction.
        distance: From the robot (m).
        fovy_deg: Vertical field of view.
    """

    azimuth_deg: float = 130.0
    elevation_deg: float = -18.0
    distance: float = 1.5
    fovy_deg: float = 40.0


def picture(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    *,
    width: int = 640,
    height: int = 480,
    view: View = View(),
    samples: int = 1,
) -> Array:
    """Return a picture of the robot, (height, width, 3) uint8.

    Args:
        model: The robot's model.
        data: Its state, after `mj_forward`.
        width: Pixels.
        height: Pixels.
        view: Where from.
        samples: Rays along each side of a pixel; 2 gives smooth edges at four times the cost.
    """
    center = data.body("base").xpos + np.array([0, 0, 0.02])
    origin, rays = _rays(center, view, width * samples, height * samples)
    robot_t, geom, normal = _hit_robot(model, data, origin, rays, center)
    ground_t, ground_normal = _hit_ground(model, origin, rays)
    on_robot = robot_t < ground_t
    t = np.minimum(robot_t, ground_t)
    point = origin + t[:, None] * rays
    normal = np.where(on_robot[:, None], normal, ground_normal)
    color = np.where(on_robot[:, None], model.geom_rgba[geom, :3], _ground_color(point))
    shade = _shade(model, data, point, normal, t < FAR, center)
    sky = SKY_LOW + np.clip(3 * rays[:, 2:], 0, 1) * (SKY_HIGH - SKY_LOW)
    haze = np.clip((t - 4) / 16, 0, 1)[:, None]
    image = np.where(t[:, None] < FAR, (1 - haze) * color * shade[:, None] + haze * SKY_LOW, sky)
    image = image.reshape(height, samples, width, samples, 3).mean(axis=(1, 3))
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def open_viewer(model: mujoco.MjModel, data: mujoco.MjData) -> Any:
    """Open MuJoCo's interactive viewer.

    Raises:
        UserError: There is no display.
    """
    if not has_display():
        raise UserError('There is no display for the viewer; use render_mode="rgb_array".')
    import mujoco.viewer

    return mujoco.viewer.launch_passive(model, data)


def has_display() -> bool:
    """Whether a window can be opened."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _rays(center: Array, view: View, width: int, height: int) -> tuple[Array, Array]:
    """Return the eye (3,) and unit directions (width * height, 3), rows from the top."""
    azimuth, elevation = np.deg2rad(view.azimuth_deg), np.deg2rad(view.elevation_deg)
    forward = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    up = np.cross(right, forward)
    half = np.tan(np.deg2rad(view.fovy_deg) / 2)
    y = half * (1 - (2 * np.arange(height) + 1) / height)
    x = half * width / height * ((2 * np.arange(width) + 1) / width - 1)
    rays = forward + x[None, :, None] * right + y[:, None, None] * up
    rays = rays.reshape(-1, 3)
    return center - view.distance * forward, rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _hit_robot(
    model: mujoco.MjModel, data: mujoco.MjData, origin: Array, rays: Array, center: Array
) -> tuple[Array, Array, Array]:
    """Return distance (inf for a miss), geom and normal of each ray's hit with the robot."""
    t = np.full(len(rays), np.inf)
    geom = np.zeros(len(rays), dtype=np.int32)
    normal = np.zeros_like(rays)
    to_center = center - origin
    along = rays @ to_center
    near = np.flatnonzero(to_center @ to_center - along**2 < 0.7**2)
    n = len(near)
    hit, ids, normals = np.zeros(n), np.zeros(n, dtype=np.int32), np.zeros(3 * n)
    directions = np.ascontiguousarray(rays[near]).ravel()
    mujoco.mj_multiRay(
        model, data, origin, directions, ROBOT_GROUPS, True, -1, ids, hit, normals, n, FAR
    )
    found = ids >= 0
    t[near[found]], geom[near[found]] = hit[found], ids[found]
    normal[near[found]] = normals.reshape(-1, 3)[found]
    return t, geom, normal


def _hit_ground(model: mujoco.MjModel, origin: Array, rays: Array) -> tuple[Array, Array]:
    """Return distance (FAR for a miss) and normal of each ray's hit with the ground."""
    normal = np.zeros_like(rays)
    normal[:, 2] = 1
    if model.nhfield == 0:
        down = rays[:, 2] < -1e-6
        t = np.where(down, -origin[2] / np.where(down, rays[:, 2], -1), FAR)
        return np.minimum(t, FAR), normal
    half, _, scale, _ = model.hfield_size[0]
    ground = model.hfield_data.reshape(model.hfield_nrow[0], model.hfield_ncol[0])
    t = _march(origin, rays, ground, half, scale)
    cell = 2 * half / (len(ground) - 1)
    slope_y, slope_x = np.gradient(ground * scale, cell)
    at = origin + t[:, None] * rays
    i, j = (np.clip(np.rint((at[:, k] + half) / cell), 0, len(ground) - 1) for k in (0, 1))
    i, j = i.astype(int), j.astype(int)
    normal[:, 0], normal[:, 1] = -slope_x[j, i], -slope_y[j, i]
    return t, normal / np.linalg.norm(normal, axis=1, keepdims=True)


@njit(cache=True, nogil=True)
def _march(origin, rays, ground, half, scale):  # noqa: ANN001, ANN202
    out = np.empty(rays.shape[0])
    for k in range(rays.shape[0]):
        d = rays[k]
        out[k] = terrain_depth(origin, d[0], d[1], d[2], ground, half, scale, FAR)
    return out


def _ground_color(point: Array) -> Array:
    """Checker of half a metre, brighter where the ground is higher."""
    checker = (np.floor(2 * point[:, 0]) + np.floor(2 * point[:, 1])) % 2
    color = np.where(checker[:, None] > 0.5, GROUND_LIGHT, GROUND_DARK)
    return color * (0.92 + np.clip(point[:, 2:], 0, 0.3))


def _shade(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    point: Array,
    normal: Array,
    hit: Array,
    center: Array,
) -> Array:
    """Ambient plus diffuse light, without the latter in the robot's shadow."""
    light = center + LIGHT_OFFSET
    toward = light - point
    distance = np.linalg.norm(toward, axis=1)
    diffuse = np.clip((normal * toward).sum(axis=1) / distance, 0, 1)
    blocked, _, _ = _hit_robot(model, data, light, -toward / distance[:, None], center)
    lit = hit & (blocked > distance - 2e-3)
    return 0.42 + 0.72 * diffuse * lit
