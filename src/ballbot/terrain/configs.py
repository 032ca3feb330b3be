"""What can be asked of each terrain. Lengths in metres, angles in degrees."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ballbot.model.parameters import Finite, Frozen, Positive

Level = Literal["easy", "standard", "hard"]
PERLIN_HEIGHTS: dict[Level, float] = {"easy": 0.05, "standard": 0.1, "hard": 0.16}
Fraction = Annotated[float, Field(ge=0, le=1)]
Slope = Annotated[float, Field(gt=0, lt=40)]
Point = tuple[Finite, Finite]


class Terrain(Frozen):
    """A square of ground with the start at its centre."""

    half_size: Annotated[float, Field(ge=1, le=100)] = 5.0
    """Half the side; a robot that comes near the edge ends its episode with `left_terrain`."""
    resolution: Annotated[int, Field(ge=17, le=1025)] = 293
    """Samples along a side. More shows finer detail and costs time at each reset."""


Height = Annotated[float, Field(gt=0, le=20)]
Frequency = Annotated[float, Field(gt=0, le=20)]


class Flat(Terrain):
    """An infinite plane."""

    type: Literal["flat"] = "flat"


class Perlin(Terrain):
    """Rolling ground: fractal gradient noise, stretched to the full height."""

    type: Literal["perlin"] = "perlin"
    level: Level = "standard"
    """Sets the height: easy 0.05, standard 0.1 (the published terrain), hard 0.16 m."""
    height: Height | None = None
    """Lowest to highest point; overrides `level`."""
    height_spread: Fraction = 0.0
    """Each episode's height is drawn from (1 - spread) times the height up to the whole of it. With
    1, training meets flat ground too: on rolling ground alone a policy learns to stay in a dip."""
    feature_size: Annotated[float, Field(ge=0.05, le=100)] = 0.68
    """Distance between the bumps of the first octave."""
    octaves: Annotated[int, Field(ge=1, le=8)] = 4
    persistence: Annotated[float, Field(gt=0, le=2)] = 0.2
    """Height of each octave over the one before; more makes the ground rougher."""
    lacunarity: Annotated[float, Field(ge=1, le=8)] = 2.0


class Sinusoidal(Terrain):
    """An egg-box or a corrugated sheet."""

    type: Literal["sinusoidal"] = "sinusoidal"
    amplitude: Height = 0.03
    frequency: Frequency = 0.4
    """Waves per metre."""
    direction: Literal["x", "y", "both"] = "both"
    phase: Finite = 0.0


class Hills(Terrain):
    """Smooth hills at random places around a flat start."""

    type: Literal["hills"] = "hills"
    num_hills: Annotated[int, Field(ge=1, le=200)] = 12
    hill_height: Height = 0.12
    hill_radius: Positive = 0.8
    flat_ratio: Fraction = 0.1
    """Share of the half size around the start that stays free of hill tops."""


class Ramp(Terrain):
    """Flat ground with slopes to its sides."""

    type: Literal["ramp"] = "ramp"
    ramp_angle: Slope = 5.0
    ramp_direction: Literal["x", "y", "radial"] = "x"
    flat_ratio: Fraction = 0.3
    """Share of the side that is flat."""
    num_ramps: Annotated[int, Field(ge=1, le=20)] = 1
    """Up and down again that many times."""
    transition_smoothness: Fraction = 0.5


class Stepped(Terrain):
    """Sharp steps up along x, away from the start on both sides."""

    type: Literal["stepped"] = "stepped"
    num_steps: Annotated[int, Field(ge=1, le=50)] = 5
    step_height: Height = 0.008


class Terraced(Terrain):
    """Steps with rounded edges."""

    type: Literal["terraced"] = "terraced"
    num_terraces: Annotated[int, Field(ge=1, le=50)] = 5
    terrace_height: Height = 0.03
    transition_width: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Share of a terrace's depth taken by the slope up to it."""
    direction: Literal["x", "y", "radial"] = "x"


class Bowl(Terrain):
    """A hollow around its centre."""

    type: Literal["bowl"] = "bowl"
    depth: Height = 0.3
    radius: Positive = 3.0
    center: Point = (0.0, 0.0)
    smoothness: Fraction = 0.5
    """0: a cone; 1: a smooth dish."""


class RidgeValley(Terrain):
    """Parallel ridges and valleys."""

    type: Literal["ridge_valley"] = "ridge_valley"
    ridge_height: Height = 0.06
    valley_depth: Annotated[float, Field(ge=0, le=20)] = 0.04
    spacing: Positive = 2.0
    orientation: Literal["x", "y", "diagonal"] = "x"
    smoothness: Fraction = 0.7
    """0: triangular; 1: sinusoidal."""


class Spiral(Terrain):
    """A spiral wave around its centre."""

    type: Literal["spiral"] = "spiral"
    spiral_tightness: Frequency = 0.5
    """Turns per metre of radius."""
    height_variation: Height = 0.06
    direction: Literal["cw", "ccw"] = "cw"
    center: Point = (0.0, 0.0)


class Wavy(Terrain):
    """A sum of plane waves."""

    type: Literal["wavy"] = "wavy"
    amplitudes: tuple[Height, ...] = (0.03, 0.02, 0.01)
    frequencies: tuple[Frequency, ...] = (0.15, 0.3, 0.6)
    directions: tuple[Finite, ...] = (0.0, 45.0, 90.0)
    phases: tuple[Finite, ...] = (0.0, 0.5, 1.0)

    @model_validator(mode="after")
    def _one_each(self) -> "Wavy":
        lengths = {
            len(x) for x in (self.amplitudes, self.frequencies, self.directions, self.phases)
        }
        if len(lengths) != 1 or not self.amplitudes:
            raise ValueError("amplitudes, frequencies, directions and phases must be equally many")
        return self


class Gradient(Terrain):
    """Ground that gets steadily steeper, never more than `max_slope`."""

    type: Literal["gradient"] = "gradient"
    max_slope: Slope = 8.0
    gradient_type: Literal["linear", "radial", "perlin"] = "linear"
    smoothness: Fraction = 0.5
    """0: full slope from the start on; 1: slope grows in proportion to the distance."""
    direction: Literal["x", "y"] = "x"


class Component(Frozen):
    """A part of a mixed terrain."""

    weight: Annotated[float, Field(ge=1e-3, le=1e3)] = 1.0
    config: "TerrainConfig"


class Mixed(Terrain):
    """Several terrains on top of each other."""

    type: Literal["mixed"] = "mixed"
    components: Annotated[tuple[Component, ...], Field(min_length=1)]
    blend_mode: Literal["additive", "max", "weighted"] = "additive"
    """additive: weighted sum; weighted: weighted mean; max: the highest of the weighted parts."""


TerrainConfig = Annotated[
    Flat
    | Perlin
    | Sinusoidal
    | Hills
    | Ramp
    | Stepped
    | Terraced
    | Bowl
    | RidgeValley
    | Spiral
    | Wavy
    | Gradient
    | Mixed,
    Field(discriminator="type"),
]
Component.model_rebuild()
Mixed.model_rebuild()

TERRAIN_TYPES: dict[str, type[Terrain]] = {
    cls.model_fields["type"].default: cls for cls in get_args(get_args(TerrainConfig)[0])
}
