"""Episode files: ``episodes/<name>.npz`` in a run folder, plain arrays without any pickle.

Schema 1. ``about`` is a JSON text: ``schema``, ``env``, ``settings``, ``seed``, ``policy``,
``seconds`` (of a step), ``terminated``, ``truncated``, ``cause``, ``notes``, and the lists
``terms``, ``numbers`` and ``observations`` of names. Everything else is arrays; absent where an
episode has none of it:

- ``rewards`` (T,), ``actions`` (T, A), ``low`` and ``high`` (A,), ``values`` and ``returns`` (T,);
- ``term_<k>``, ``number_<k>`` (T,) and ``observation_<k>`` (T + 1, ...): the k-th name of the list;
- ``qpos`` (T + 1, nq), and ``scene_<field>`` with the fields of `plumbrl.replay.episode.Scene`;
- ``picture_bytes`` (n,) uint8, JPEG or PNG files one after the other; ``picture_ends`` (F,) where
  each ends; ``picture_at`` (F,), the step before which each was drawn.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.findings import finite
from plumbrl.replay.episode import MESH, Episode, Pictures, Scene
from plumbrl.runs.files import whole

Array = np.ndarray
FOLDER = "episodes"
SCHEMA = 1
PLAIN = ("env", "settings", "seed", "policy", "seconds", "terminated", "truncated", "cause")
NAMED = {"terms": "term", "numbers": "number", "observations": "observation"}
OPTIONAL = ("low", "high", "values", "returns", "qpos")


def write_episode(path: Path, episode: Episode) -> Path:
    """Write an episode file, whole or not at all; one of the same name is replaced."""
    about: dict[str, Any] = {"schema": SCHEMA, "notes": episode.notes}
    about |= {key: getattr(episode, key) for key in PLAIN}
    arrays: dict[str, Any] = {"rewards": episode.rewards, "actions": episode.actions}
    for key in OPTIONAL:
        if getattr(episode, key) is not None:
            arrays[key] = getattr(episode, key)
    for key, short in NAMED.items():
        parts: Mapping[str, Array] = getattr(episode, key)
        about[key] = list(parts)
        arrays |= {f"{short}_{k}": part for k, part in enumerate(parts.values())}
    if episode.scene is not None:
        arrays |= {
            f"scene_{f.name}": np.asarray(getattr(episode.scene, f.name)) for f in fields(Scene)
        }
    if episode.pictures is not None:
        arrays |= _packed(episode.pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(finite(about))), **arrays)
    return path


def read_episode(path: Path) -> Episode:
    """Read an episode file; nothing in it is ever run.

    Raises:
        UserError: It cannot be read, is torn, or is no episode of this package.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return _episode({key: file[key] for key in file.files})
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except _SchemaError as error:
        raise UserError(f"{path} has schema {error}; this version reads schema {SCHEMA}.") from None
    except (
        KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, EOFError,
        MemoryError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error,
    ):  # fmt: skip
        raise UserError(f"{path} is no episode file of this package, or is damaged.") from None


def recorded(folder: Path) -> list[tuple[Path, Episode]]:
    """Return the sound episodes of a run folder, the one with the lowest return first."""
    found = []
    for path in sorted((folder / FOLDER).glob("*.npz")):
        try:
            found.append((path, read_episode(path)))
        except UserError:
            continue
    return sorted(found, key=lambda item: np.nan_to_num(item[1].total, nan=-np.inf))


class _SchemaError(Exception):
    pass


def _episode(arrays: dict[str, Array]) -> Episode:
    about = json.loads(str(arrays["about"]))
    if about["schema"] != SCHEMA:
        raise _SchemaError(about["schema"])
    rewards = _floats(arrays["rewards"], 1)
    steps = len(rewards)
    named = {
        key: {str(n): arrays[f"{short}_{k}"] for k, n in enumerate(about[key])}
        for key, short in NAMED.items()
    }
    actions = _floats(arrays["actions"], 2)
    rest: dict[str, Any] = {key: arrays[key] for key in OPTIONAL if key in arrays}
    columns = [*named["terms"].values(), *named["numbers"].values(), actions]
    columns += [rest[key] for key in ("values", "returns") if key in rest]
    if "qpos" in rest:
        columns.append(rest["qpos"][1:])
    if steps == 0 or any(len(column) != steps for column in columns):
        raise ValueError("columns of different lengths")
    plain: dict[str, Any] = {key: about[key] for key in PLAIN} | {
        "notes": tuple(map(str, about["notes"]))
    }
    if not (isinstance(plain["settings"], dict) and 0 < float(plain["seconds"]) < 1e6):
        raise ValueError("no settings or no time")
    return Episode(
        **plain, **named, **rest, rewards=rewards, actions=actions,
        scene=_scene(arrays, steps), pictures=_unpacked(arrays),
    )  # fmt: skip


def _scene(arrays: dict[str, Array], steps: int) -> Scene | None:
    if "scene_kinds" not in arrays:
        return None
    parts: dict[str, Any] = {f.name: arrays[f"scene_{f.name}"] for f in fields(Scene)}
    parts["followed"] = int(parts["followed"])
    scene = Scene(**parts)
    geoms, bodies = len(scene.kinds), scene.positions.shape[1]
    shapes: dict[str, tuple[int, ...]] = {
        "sizes": (geoms, 3), "colours": (geoms, 4), "owners": (geoms,), "places": (geoms, 3),
        "turns": (geoms, 4), "parts": (geoms,), "positions": (steps + 1, bodies, 3),
        "rotations": (steps + 1, bodies, 4), "reach": (2,),
    }  # fmt: skip
    if any(getattr(scene, name).shape != shape for name, shape in shapes.items()):
        raise ValueError("the scene does not fit the episode")
    inside = (scene.owners >= 0) & (scene.owners < bodies) & (scene.parts < len(scene.spans))
    inside &= (scene.kinds != MESH) | (scene.parts >= 0)
    tables = (scene.ground, scene.vertices, scene.faces, scene.spans)
    known = inside.all() and -1 <= scene.followed < bodies
    if not (known and all(table.ndim == 2 for table in tables)):
        raise ValueError("the scene names what it does not have")
    return scene


def _packed(pictures: Pictures) -> dict[str, Array]:
    sizes = [len(file) for file in pictures.files]
    joined = np.frombuffer(b"".join(pictures.files), np.uint8)
    return {"picture_bytes": joined, "picture_ends": np.cumsum(sizes), "picture_at": pictures.at}


def _unpacked(arrays: dict[str, Array]) -> Pictures | None:
    if "picture_bytes" not in arrays:
        return None
    content, ends = arrays["picture_bytes"].tobytes(), arrays["picture_ends"].tolist()
    starts = [0, *ends[:-1]]
    files = tuple(content[a:b] for a, b in zip(starts, ends, strict=True))
    if len(files) != len(arrays["picture_at"]) or not all(files):
        raise ValueError("pictures are missing")
    return Pictures(files, arrays["picture_at"])


def _floats(array: Array, dimensions: int) -> Array:
    if array.ndim != dimensions or array.dtype.kind != "f":
        raise ValueError("no numbers where numbers belong")
    return array
