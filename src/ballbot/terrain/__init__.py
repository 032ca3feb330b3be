"""Ground shapes: a configuration names one, `generate` draws it from a seeded generator."""

from ballbot.terrain.configs import TERRAIN_TYPES, Flat, Perlin, Terrain, TerrainConfig
from ballbot.terrain.generate import generate

__all__ = ["TERRAIN_TYPES", "Flat", "Perlin", "Terrain", "TerrainConfig", "generate"]
