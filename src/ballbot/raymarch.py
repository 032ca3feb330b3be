"""Depth images without a graphics library: exact rays against a height field and spheres.

Each ray walks the cells it crosses (Amanatides and Woo 1987) and meets the two triangles of a cell
exactly, split along the same diagonal as `mj_ray` does; the robot's ball and wheels are spheres.
The parameter along a ray is the depth itself (distance along the optical axis), as in a depth
camera.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def render(  # noqa: ANN201
    first,  # noqa: ANN001
    last,  # noqa: ANN001
    robots,  # noqa: ANN001
    positions,  # noqa: ANN001
    rotations,  # noqa: ANN001
    tangents,  # noqa: ANN001
    spheres,  # noqa: ANN001
    radii,  # noqa: ANN001
    ground,  # noqa: ANN001
    half_size,  # noqa: ANN001
    scale,  # noqa: ANN001
    far,  # noqa: ANN001
    out,  # noqa: ANN001
):
    """Render the cameras of some robots.

    Args:
        first: Index into `robots` to begin with.
        last: Index into `robots` to stop before.
        robots: Which robots, (M,).
        positions: Camera positions in the world, (N, C, 3).
        rotations: Camera frames to world; a camera looks along -z, (N, C, 3, 3).
        tangents: Per camera, tangent of half the vertical field of view, (C,).
        spheres: Centres of spheres in view, (N, S, 3).
        radii: Their radii, (S,).
        ground: Normalised elevations, (N, n, n); n = 0 means a plane at 0.
        half_size: Half the side of the ground (m).
        scale: Metres for a normalised elevation of 1.
        far: Depth (m) where a ray ends.
        out: Depth images in metres, (N, C, H, W), written in place.
    """
    height, width = out.shape[2], out.shape[3]
    for m in range(first, last):
        i = robots[m]
        for c in range(positions.shape[1]):
            origin, frame = positions[i, c], rotations[i, c]
            for row in range(height):
                y = tangents[c] * (1 - (2 * row + 1) / height)
                for col in range(width):
                    x = tangents[c] * ((2 * col + 1) / width - 1) * width / height
                    dx = frame[0, 0] * x + frame[0, 1] * y - frame[0, 2]
                    dy = frame[1, 0] * x + frame[1, 1] * y - frame[1, 2]
                    dz = frame[2, 0] * x + frame[2, 1] * y - frame[2, 2]
                    t = _nearest_sphere(origin, dx, dy, dz, spheres[i], radii, far)
                    if ground.shape[1] == 0:
                        if dz < 0 and -origin[2] / dz < t:
                            t = max(-origin[2] / dz, 0.0)
                    else:
                        t = terrain_depth(origin, dx, dy, dz, ground[i], half_size, scale, t)
                    out[i, c, row, col] = t


@njit(cache=True, nogil=True)
def _nearest_sphere(origin, dx, dy, dz, spheres, radii, far):  # noqa: ANN001, ANN202
    norm = dx * dx + dy * dy + dz * dz
    for s in range(radii.shape[0]):
        ox, oy, oz = (
            origin[0] - spheres[s, 0],
            origin[1] - spheres[s, 1],
            origin[2] - spheres[s, 2],
        )
        b = ox * dx + oy * dy + oz * dz
        root = b * b - norm * (ox * ox + oy * oy + oz * oz - radii[s] * radii[s])
        if b < 0 and root > 0:
            t = (-b - np.sqrt(root)) / norm
            if 0 <= t < far:
                far = t
    return far


@njit(cache=True, nogil=True)
def terrain_depth(origin, dx, dy, dz, ground, half_size, scale, far):  # noqa: ANN001, ANN201
    """First hit with the height field before `far`, else `far`."""
    n = ground.shape[0]
    cell = 2 * half_size / (n - 1)
    u, v, z = (origin[0] + half_size) / cell, (origin[1] + half_size) / cell, origin[2]
    du, dv = dx / cell, dy / cell
    i, j = int(np.floor(u)), int(np.floor(v))
    step_i, step_j = (1 if du > 0 else -1), (1 if dv > 0 else -1)
    gap_i = (i + (step_i > 0) - u) / du if du != 0 else 1e30
    gap_j = (j + (step_j > 0) - v) / dv if dv != 0 else 1e30
    jump_i = abs(1 / du) if du != 0 else 1e30
    jump_j = abs(1 / dv) if dv != 0 else 1e30
    t = 0.0
    while t < far:
        leave = min(gap_i, gap_j, far)
        if 0 <= i < n - 1 and 0 <= j < n - 1:
            lowest = min(z + t * dz, z + leave * dz)
            h00, h10 = scale * ground[j, i], scale * ground[j, i + 1]
            h01, h11 = scale * ground[j + 1, i], scale * ground[j + 1, i + 1]
            if lowest <= max(h00, h10, h01, h11):
                p, q = u - i, v - j
                for upper in range(2):
                    a = h11 - h01 if upper else h10 - h00
                    b = h01 - h00 if upper else h11 - h10
                    slope = dz - a * du - b * dv
                    if slope == 0:
                        continue
                    hit = (h00 + a * p + b * q - z) / slope
                    side = (q + hit * dv) - (p + hit * du)
                    inside = side >= -1e-12 if upper else side <= 1e-12
                    if inside and t - 1e-12 <= hit <= leave + 1e-12 and 0 <= hit < far:
                        far = hit
                if far <= leave:
                    return far
        elif (
            (i < 0 and du <= 0)
            or (i >= n - 1 and du >= 0)
            or (j < 0 and dv <= 0)
            or (j >= n - 1 and dv >= 0)
        ):
            return far  # outside and going away
        t = leave
        if gap_i < gap_j:
            i += step_i
            gap_i += jump_i
        else:
            j += step_j
            gap_j += jump_j
    return far
