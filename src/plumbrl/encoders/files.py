"""Encoder files: plain weights, plain facts and a checksum; nothing pickled is ever executed."""

import hashlib
import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from plumbrl.encoders.network import Encoder
from plumbrl.errors import UserError

FORMAT = "plumbrl-encoder"
SCHEMA = 1
NAME = "encoder.pt"


def save_encoder(encoder: Encoder, path: Path, facts: Mapping[str, Any] | None = None) -> str:
    """Write an encoder atomically and return its checksum.

    Args:
        encoder: The encoder.
        path: The file.
        facts: Plain values to keep with it: numbers, texts, lists, dictionaries.
    """
    weights = {
        key: value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()
    }
    content = {
        "format": FORMAT,
        "schema": SCHEMA,
        "image_shape": list(encoder.image_shape),
        "size": encoder.size,
        "channels": list(encoder.channels),
        "checksum": checksum(encoder),
        "facts": dict(facts or {}),
        "state_dict": weights,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    torch.save(content, temporary)
    temporary.replace(path)
    return content["checksum"]


def load_encoder(path: str | Path) -> Encoder:
    """Read an encoder, frozen.

    Args:
        path: The file, or the folder that holds an ``encoder.pt``.

    Raises:
        UserError: There is no such file, or it is no encoder, or it is damaged.
    """
    path = Path(path)
    path = path / NAME if path.is_dir() else path
    content = _read(path)
    try:
        colours, height, width = content["image_shape"]
        first, second = content["channels"]
        encoder = Encoder((colours, height, width), content["size"], (first, second))
        encoder.load_state_dict(content["state_dict"])
        expected = content["checksum"]
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise UserError(f"{path} is not a whole encoder: its parts do not fit.") from None
    if checksum(encoder) != expected:
        raise UserError(f"{path} is damaged: its weights do not have the checksum it states.")
    return encoder.freeze()


def encoder_facts(path: str | Path) -> dict[str, Any]:
    """Return what an encoder file says of itself, without its weights.

    Raises:
        UserError: As `load_encoder`.
    """
    path = Path(path)
    content = _read(path / NAME if path.is_dir() else path)
    return {key: value for key, value in content.items() if key != "state_dict"}


def checksum(encoder: Encoder) -> str:
    """Return the SHA-256 of an encoder's weights, their names and shapes."""
    digest = hashlib.sha256()
    for key, value in sorted(encoder.state_dict().items()):
        digest.update(f"{key}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():  # torch warns of foreign pickles before it refuses them
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"There is no encoder at {path}; `plumbrl pretrain` makes one.") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile,
            pickle.UnpicklingError):  # fmt: skip
        raise UserError(f"{path} is not an encoder that `plumbrl pretrain` wrote.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is not an encoder that `plumbrl pretrain` wrote.")
    if content.get("schema") != SCHEMA:
        raise UserError(
            f"{path} has schema {content.get('schema')!r}; this version reads {SCHEMA}."
        )
    return content
