"""Image encoders: learnt once from collected images, then frozen between environment and policy."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbrl.encoders.extractors import EncoderExtractor
    from plumbrl.encoders.files import load_encoder, save_encoder
    from plumbrl.encoders.fusion import FusionExtractor
    from plumbrl.encoders.network import Encoder
    from plumbrl.encoders.vec_env import EncodedVecEnv, encode

_PUBLIC = {
    "EncodedVecEnv": "vec_env",
    "Encoder": "network",
    "EncoderExtractor": "extractors",
    "FusionExtractor": "fusion",
    "encode": "vec_env",
    "load_encoder": "files",
    "save_encoder": "files",
}
"""Public names and their modules, loaded when first used: collecting images needs no torch."""


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"plumbrl.encoders.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'plumbrl.encoders' has no attribute {name!r}")


__all__ = [
    "EncodedVecEnv",
    "Encoder",
    "EncoderExtractor",
    "FusionExtractor",
    "encode",
    "load_encoder",
    "save_encoder",
]
