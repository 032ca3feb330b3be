"""From a terrain's configuration to its elevations: one small function per shape."""

from collections.abc import Callable

import numpy as np

from ballbot.errors import UserError
from ballbot.terrain import configs as c
from ballbot.terrain.noise import fractal_noise

Array = np.ndarray
Shape = Callable[..., Array]
SHAPES: dict[type[c.Terrain], Shape] = {}


def generate(terrain: c.Terrain, rng: np.random.Generator) -> Array:
    """Draw the elevations of a terrain.

    Args:
        terrain: Which shape, and its parameters.
        rng: Source of randomness; shapes without randomness leave it untouched.

    Returns:
        Elevations (n, n) in metres, lowest point 0; rows run along y, columns along x.

    Raises:
        UserError: The parameters are so extreme that heights are not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        heights = _raw(terrain, rng)
    if not np.isfinite(heights).all():
        raise UserError(
            f"terrain {type(terrain).__name__}: these parameters give heights that are no numbers."
        )
    return heights - heights.min()


def max_height(terrain: c.Terrain) -> float:
    """Return an upper bound (m) of what `generate` can give for this terrain, at least 0.01."""
    if isinstance(terrain, c.Perlin):
        return terrain.height or c.PERLIN_HEIGHTS[terrain.level]
    if isinstance(terrain, c.Hills):
        return terrain.hill_height * terrain.num_hills
    if isinstance(terrain, c.Mixed):
        weights = np.array([p.weight for p in terrain.components])
        highest = weights * [max_height(part) for part in _parts(terrain)]
        total = highest.max() if terrain.blend_mode == "max" else highest.sum()
        return total / (weights.sum() if terrain.blend_mode == "weighted" else 1)
    if isinstance(terrain, c.Gradient) and terrain.gradient_type == "perlin":
        return 4 * terrain.half_size * np.tan(np.deg2rad(terrain.max_slope))
    return max(0.01, float(np.ptp(_raw(terrain, np.random.default_rng(0)))))


def _raw(terrain: c.Terrain, rng: np.random.Generator) -> Array:
    axis = np.linspace(-terrain.half_size, terrain.half_size, terrain.resolution)
    return SHAPES[type(terrain)](rng, axis[None, :], axis[:, None], terrain) + np.zeros(
        (terrain.resolution, terrain.resolution)
    )


def _shape(config: type[c.Terrain]) -> Callable[[Shape], Shape]:
    def register(function: Shape) -> Shape:
        SHAPES[config] = function
        return function

    return register


def _along(direction: str, x: Array, y: Array) -> Array:
    """The coordinate that a shape varies along."""
    if direction == "x":
        return x + 0 * y
    return y + 0 * x if direction == "y" else np.hypot(x, y)


def _smooth(t: Array) -> Array:
    """Smoothstep from 0 at t <= 0 to 1 at t >= 1."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


@_shape(c.Flat)
def flat(rng: np.random.Generator, x: Array, y: Array, t: c.Flat) -> Array:
    """Level ground."""
    return 0 * (x + y)


@_shape(c.Perlin)
def perlin(rng: np.random.Generator, x: Array, y: Array, t: c.Perlin) -> Array:
    """Fractal noise stretched to the asked height."""
    cell = 2 * t.half_size / (t.resolution - 1) / t.feature_size
    noise = fractal_noise(rng, t.resolution, cell, t.octaves, t.persistence, t.lacunarity)
    low, high = noise.min(), noise.max()
    height = t.height or c.PERLIN_HEIGHTS[t.level]
    if t.height_spread:
        height *= rng.uniform(1 - t.height_spread, 1)
    return (noise - low) * (height / (high - low))


@_shape(c.Sinusoidal)
def sinusoidal(rng: np.random.Generator, x: Array, y: Array, t: c.Sinusoidal) -> Array:
    """Waves along one axis, or their product along both."""
    wave_x = np.cos(2 * np.pi * t.frequency * x + t.phase)
    wave_y = np.cos(2 * np.pi * t.frequency * y + t.phase)
    wave = {"x": wave_x + 0 * y, "y": wave_y + 0 * x, "both": wave_x * wave_y}[t.direction]
    return t.amplitude * wave


@_shape(c.Hills)
def hills(rng: np.random.Generator, x: Array, y: Array, t: c.Hills) -> Array:
    """Gaussian bumps; tops keep clear of the start."""
    heights = 0 * (x + y)
    for _ in range(t.num_hills):
        clear = min(t.flat_ratio * t.half_size + t.hill_radius, 1.3 * t.half_size)
        distance = rng.uniform(clear, 1.3 * t.half_size)
        angle = rng.uniform(0, 2 * np.pi)
        dx, dy = x - distance * np.cos(angle), y - distance * np.sin(angle)
        heights = heights + np.exp(-2 * (dx**2 + dy**2) / t.hill_radius**2)
    return t.hill_height * heights


@_shape(c.Ramp)
def ramp(rng: np.random.Generator, x: Array, y: Array, t: c.Ramp) -> Array:
    """Flat middle, then up and down `num_ramps` times at the asked angle."""
    distance = np.abs(_along(t.ramp_direction, x, y))
    start = t.flat_ratio * t.half_size
    length = max(t.half_size - start, 1e-6) / t.num_ramps
    outside = np.clip(distance - start, 0, None)
    phase = outside % length
    up = np.minimum(phase, length - phase) if t.num_ramps > 1 else outside
    bend = 0.3 * t.transition_smoothness * length + 1e-9
    rounded = np.where(up < bend, up**2 / (2 * bend), up - bend / 2)
    return np.tan(np.deg2rad(t.ramp_angle)) * rounded


@_shape(c.Stepped)
def stepped(rng: np.random.Generator, x: Array, y: Array, t: c.Stepped) -> Array:
    """Steps in both directions along x; the start stands on the lowest one."""
    share = np.abs(x + 0 * y) / t.half_size
    return t.step_height * np.floor(np.clip(share * (t.num_steps + 1), 0, t.num_steps))


@_shape(c.Terraced)
def terraced(rng: np.random.Generator, x: Array, y: Array, t: c.Terraced) -> Array:
    """Steps whose edges are smooth slopes."""
    share = np.abs(_along(t.direction, x, y)) / t.half_size
    level = np.clip(share * (t.num_terraces + 1), 0, t.num_terraces)
    inside = level - np.floor(level)
    edge = _smooth((inside - (1 - t.transition_width)) / t.transition_width)
    return t.terrace_height * (np.floor(level) + edge)


@_shape(c.Bowl)
def bowl(rng: np.random.Generator, x: Array, y: Array, t: c.Bowl) -> Array:
    """Between a cone and a dish with a level rim."""
    share = np.clip(np.hypot(x - t.center[0], y - t.center[1]) / t.radius, 0, 1)
    return t.depth * ((1 - t.smoothness) * share + t.smoothness * _smooth(share))


@_shape(c.RidgeValley)
def ridge_valley(rng: np.random.Generator, x: Array, y: Array, t: c.RidgeValley) -> Array:
    """Waves between triangle and sine, with their own height and depth."""
    across = {"x": x + 0 * y, "y": y + 0 * x, "diagonal": (x + y) / np.sqrt(2)}[t.orientation]
    phase = across / t.spacing
    sine = np.cos(2 * np.pi * phase)
    triangle = 4 * np.abs(phase - np.floor(phase) - 0.5) - 1
    wave = t.smoothness * sine + (1 - t.smoothness) * triangle
    return np.where(wave > 0, t.ridge_height, t.valley_depth) * wave


@_shape(c.Spiral)
def spiral(rng: np.random.Generator, x: Array, y: Array, t: c.Spiral) -> Array:
    """A wave that winds outwards; it fades in from its centre, where it has no direction."""
    dx, dy = x - t.center[0], y - t.center[1]
    radius = np.hypot(dx, dy)
    turn = 1 if t.direction == "ccw" else -1
    wave = np.cos(2 * np.pi * t.spiral_tightness * radius - turn * np.arctan2(dy, dx))
    return 0.5 * t.height_variation * wave * _smooth(radius)


@_shape(c.Wavy)
def wavy(rng: np.random.Generator, x: Array, y: Array, t: c.Wavy) -> Array:
    """Sum of plane waves."""
    heights = 0 * (x + y)
    waves = zip(t.amplitudes, t.frequencies, t.directions, t.phases, strict=True)
    for amplitude, frequency, direction, phase in waves:
        angle = np.deg2rad(direction)
        along = x * np.cos(angle) + y * np.sin(angle)
        heights = heights + amplitude * np.sin(2 * np.pi * frequency * along + phase)
    return heights


@_shape(c.Gradient)
def gradient(rng: np.random.Generator, x: Array, y: Array, t: c.Gradient) -> Array:
    """Slope that grows with the distance from the start and ends at `max_slope`."""
    slope = np.tan(np.deg2rad(t.max_slope))
    if t.gradient_type == "perlin":
        cell = 2 * t.half_size / (t.resolution - 1)
        noise = fractal_noise(rng, t.resolution, cell / 2.0, 1, 1.0, 2.0)
        steepest = np.hypot(*np.gradient(noise, cell)).max()
        return noise * (slope / steepest)
    distance = np.abs(_along(t.direction if t.gradient_type == "linear" else "radial", x, y))
    growing = distance**2 / (2 * t.half_size * np.sqrt(2))
    return slope * ((1 - t.smoothness) * distance + t.smoothness * growing)


def _parts(t: c.Mixed) -> list[c.Terrain]:
    """The parts of a mixed terrain, on its grid."""
    grid = {"half_size": t.half_size, "resolution": t.resolution}
    return [p.config.model_copy(update=grid) for p in t.components]


@_shape(c.Mixed)
def mixed(rng: np.random.Generator, x: Array, y: Array, t: c.Mixed) -> Array:
    """Blend of parts, each drawn on this terrain's grid."""
    weights = np.array([p.weight for p in t.components])
    parts = [_raw(part, rng) for part in _parts(t)]
    stack = np.stack([w * (part - part.min()) for w, part in zip(weights, parts, strict=True)])
    if t.blend_mode == "max":
        return stack.max(axis=0)
    return stack.sum(axis=0) / (weights.sum() if t.blend_mode == "weighted" else 1)
