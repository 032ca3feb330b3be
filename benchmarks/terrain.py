"""Terrain generation against the published way: a Python double loop over a noise function.

python benchmarks/terrain.py
"""

import math

import numpy as np

from ballbot.terrain import Perlin, generate
from common import report, side_by_side

CONFIG = Perlin()


def double_loop():
    """The same fractal gradient noise, sample by sample in Python."""
    rng = np.random.default_rng(0)
    n = CONFIG.resolution
    permutation = rng.permutation(256).tolist()
    angles = rng.uniform(0, 2 * np.pi, 256)
    gradients = [(math.cos(a), math.sin(a)) for a in angles]
    cell = 2 * CONFIG.half_size / (n - 1) / CONFIG.feature_size

    def noise(x, y):
        i, j = math.floor(x), math.floor(y)
        u, v = x - i, y - j

        def corner(a, b):
            gx, gy = gradients[permutation[(permutation[(i + a) % 256] + j + b) % 256]]
            return gx * (u - a) + gy * (v - b)

        fu, fv = (t * t * t * (t * (t * 6 - 15) + 10) for t in (u, v))
        low = corner(0, 0) + fu * (corner(1, 0) - corner(0, 0))
        high = corner(0, 1) + fu * (corner(1, 1) - corner(0, 1))
        return low + fv * (high - low)

    heights = np.zeros((n, n))
    for row in range(n):
        for col in range(n):
            frequency = amplitude = 1.0
            for _ in range(CONFIG.octaves):
                heights[row, col] += amplitude * noise(
                    col * cell * frequency, row * cell * frequency
                )
                frequency *= CONFIG.lacunarity
                amplitude *= CONFIG.persistence
    return 1


def ours():
    generate(CONFIG, np.random.default_rng(0))
    return 1


if __name__ == "__main__":
    rates = side_by_side({"Python double loop": double_loop, "ours": ours}, rounds=3, seconds=1.0)
    report("Perlin ground, 293 x 293, 4 octaves", "per s", rates, "Python double loop")
