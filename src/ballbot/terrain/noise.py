"""Fractal gradient noise (Perlin 1985, with the quintic fade of 2002), compiled."""

import numpy as np
from numba import njit

TABLE = 256


def fractal_noise(
    rng: np.random.Generator, n: int, cell: float, octaves: int, persistence: float, gain: float
) -> np.ndarray:
    """Return a square of fractal noise.

    Args:
        rng: Draws the gradients and the offset.
        n: Samples along a side.
        cell: Distance between samples over the feature size of the first octave.
        octaves: Number of layers.
        persistence: Amplitude of each layer over the one before.
        gain: Frequency of each layer over the one before.

    Returns:
        Noise (n, n), roughly within [-1, 1], mean near 0.
    """
    permutation = rng.permutation(TABLE)
    angles = rng.uniform(0, 2 * np.pi, TABLE)
    offset = rng.uniform(0, TABLE, 2)
    gradients = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _fractal(permutation, gradients, offset, n, cell, octaves, persistence, gain)


@njit(cache=True, nogil=True)
def _fractal(permutation, gradients, offset, n, cell, octaves, persistence, gain):  # noqa: ANN001, ANN202
    """Sum the octaves; the gradients at a cell's corners are looked up once per cell and row."""
    out = np.zeros((n, n))
    frequency, amplitude = 1.0, 1.0
    for _ in range(octaves):
        step = cell * frequency
        for row in range(n):
            y = offset[1] + row * step
            j = int(np.floor(y))
            v = y - j
            fade_v = v * v * v * (v * (v * 6.0 - 15.0) + 10.0)
            last = -1
            ax, ay, bx, by, cx, cy, dx, dy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for col in range(n):
                x = offset[0] + col * step
                i = int(x)
                if i != last:
                    left, right = permutation[i % TABLE], permutation[(i + 1) % TABLE]
                    a, b = permutation[(left + j) % TABLE], permutation[(right + j) % TABLE]
                    c, d = permutation[(left + j + 1) % TABLE], permutation[(right + j + 1) % TABLE]
                    ax, ay, bx, by = (
                        gradients[a, 0],
                        gradients[a, 1],
                        gradients[b, 0],
                        gradients[b, 1],
                    )
                    cx, cy, dx, dy = (
                        gradients[c, 0],
                        gradients[c, 1],
                        gradients[d, 0],
                        gradients[d, 1],
                    )
                    last = i
                u = x - i
                fade_u = u * u * u * (u * (u * 6.0 - 15.0) + 10.0)
                low_left, low_right = ax * u + ay * v, bx * (u - 1.0) + by * v
                high_left, high_right = cx * u + cy * (v - 1.0), dx * (u - 1.0) + dy * (v - 1.0)
                low = low_left + fade_u * (low_right - low_left)
                high = high_left + fade_u * (high_right - high_left)
                out[row, col] += amplitude * (low + fade_v * (high - low))
        frequency *= gain
        amplitude *= persistence
    return out
