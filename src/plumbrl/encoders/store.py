"""Folders of images: compressed shards of plain arrays, and a manifest that says what they are."""

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.encoders.images import Shape
from plumbrl.errors import UserError, unknown
from plumbrl.runs import RunFolder

Array = np.ndarray
FORMAT = "plumbrl-images"
SCHEMA = 1
MANIFEST = "manifest.json"
ROWS = 4096
"""Rows per shard; a row is one moment of one environment, with an image of every key."""


class ImageWriter:
    """Writes images as they come; whatever interrupts it, the folder holds whole shards.

    Args:
        folder: A new or empty folder.
        shapes: Shape (C, H, W) of the images of every key.
        facts: What else the manifest shall say.
        rows: Rows per shard.

    Attributes:
        images: Images written so far.
        duplicates: How many of them equal an earlier one, pixel by pixel.
        bytes: Size of the shards.

    Raises:
        UserError: The folder holds something already.
    """

    def __init__(
        self, folder: Path, shapes: Mapping[str, Shape], facts: Mapping[str, Any], rows: int = ROWS
    ) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists already; nothing is overwritten.")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.images = self.duplicates = self.bytes = 0
        self._shapes, self._facts, self._rows = dict(shapes), dict(facts), rows
        self._created = datetime.now().astimezone().isoformat(timespec="seconds")
        self._waiting: list[dict[str, Array]] = []
        self._shards: list[dict[str, Any]] = []
        self._seen: set[bytes] = set()

    def add(self, images: Mapping[str, Array], **labels: Array) -> None:
        """Add n rows.

        Args:
            images: uint8 (n, C, H, W) for every key.
            **labels: An integer a row, each (n,): `robot`, `episode`, `step`.
        """
        row = {f"images/{key}": images[key].copy() for key in self._shapes}
        self._waiting.append(row | {name: np.asarray(label) for name, label in labels.items()})
        if sum(len(waiting["episode"]) for waiting in self._waiting) >= self._rows:
            self.flush()

    def flush(self) -> None:
        """Write what waits as a shard, then the manifest that counts it."""
        if not self._waiting:
            return
        names = self._waiting[0]
        arrays = {name: np.concatenate([w[name] for w in self._waiting]) for name in names}
        path = self.folder / f"shard_{len(self._shards):05d}.npz"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
        self._count(path, arrays)
        self._waiting.clear()
        self.write_manifest(complete=False)

    def write_manifest(self, *, complete: bool) -> None:
        """Write the manifest; `complete` says that nothing is missing."""
        RunFolder(self.folder).write_manifest(
            **self._facts, format=FORMAT, schema=SCHEMA, created=self._created, complete=complete,
            keys={key: list(shape) for key, shape in self._shapes.items()}, dtype="uint8",
            rows=sum(shard["rows"] for shard in self._shards), images=self.images,
            duplicates=self.duplicates, bytes=self.bytes, shards=self._shards,
        )  # fmt: skip

    def _count(self, path: Path, arrays: Mapping[str, Array]) -> None:
        rows = len(arrays["episode"])
        self._shards.append({"file": path.name, "rows": rows})
        self.bytes += path.stat().st_size
        for key in self._shapes:
            for image in arrays[f"images/{key}"]:
                digest = blake2b(image.tobytes(), digest_size=12).digest()
                self.duplicates += digest in self._seen
                self._seen.add(digest)
        self.images += rows * len(self._shapes)


@dataclass(frozen=True)
class Images:
    """Images with the episode they come from.

    Attributes:
        images: uint8 (n, C, H, W).
        episodes: Number of the episode of each image, (n,).
        collected: Images in the folder, before thinning out.
        manifest: What the folder says of itself.
    """

    images: Array
    episodes: Array
    collected: int
    manifest: dict[str, Any]


def read_images(
    folder: Path, keys: Sequence[str] = (), max_images: int = 0, seed: int = 0
) -> Images:
    """Read images of the same shape from a folder.

    Args:
        folder: What `ImageWriter` wrote.
        keys: Only these keys; none for all.
        max_images: Read at most about this many, drawn at random; 0 for all.
        seed: Of the draw.

    Raises:
        UserError: The folder is no such folder, or is damaged, or its images differ in shape.
    """
    manifest = read_manifest(folder)
    shapes = manifest["keys"]
    for key in keys:
        if key not in shapes:
            raise unknown("image key", key, shapes)
    keys = tuple(keys) or tuple(shapes)
    if len({tuple(shapes[key]) for key in keys}) > 1:
        told = ", ".join(f"{key} {tuple(shapes[key])}" for key in keys)
        raise UserError(f"The images in {folder} differ in shape, choose with --keys: {told}.")
    total = manifest["rows"]
    kept = min(total, -(-max_images // len(keys))) if max_images else total
    chosen = np.zeros(total, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(total)[:kept]] = True
    images = np.empty((len(keys), kept, *shapes[keys[0]]), dtype=np.uint8)
    episodes, first, at = np.empty(kept, dtype=np.int64), 0, 0
    for shard in manifest["shards"]:
        mask = chosen[first : first + shard["rows"]]
        first, last = first + shard["rows"], at + int(mask.sum())
        for name, where in [*zip(keys, images, strict=True), ("", episodes)]:
            where[at:last] = _array(folder / shard["file"], name)[mask]
        at = last
    everything = images.reshape(-1, *images.shape[2:])
    return Images(everything, np.tile(episodes, len(keys)), total * len(keys), manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest of a folder of images.

    Raises:
        UserError: There is none, or none of ours, or no image was kept.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except OSError:
        raise UserError(f"{folder} holds no collected images: there is no {MANIFEST}.") from None
    except ValueError:
        raise UserError(f"{folder / MANIFEST} is not valid JSON.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{folder} holds no collected images: its manifest says something else.")
    if manifest.get("schema") != SCHEMA:
        said = manifest.get("schema")
        raise UserError(f"{folder} has schema {said!r}; this version reads {SCHEMA}.")
    if not manifest["rows"]:
        raise UserError(f"{folder} holds no image.")
    return manifest


def _array(path: Path, key: str) -> Array:
    """Return the images of a key, or the episodes for no key."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays[f"images/{key}" if key else "episode"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is missing or damaged: {' '.join(str(error).split())}.") from None
