"""One page that plays episodes back: it opens without a network, anywhere."""

import json
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from html import escape
from importlib import resources
from math import ceil
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from plumbrl.findings import finite
from plumbrl.replay.episode import BOX, MESH, Episode, Scene
from plumbrl.replay.panels import packed, panels, stride_of
from plumbrl.runs.files import whole

Array = np.ndarray
RATE = 60.0
"""Poses per second, at most; between them the page interpolates."""
POSES = 4000
"""Poses of an episode, at most."""
FACES = 20_000
"""Triangles of a mesh, at most; a finer one is drawn as the box around it."""
AROUND = 5.0
"""Metres of ground that are shown around the way."""
SCRIPTS = ("vectors.js", "shapes.js", "shaders.js", "scene.js", "charts.js", "player.js")


def replay_page(episodes: Sequence[Episode], title: str) -> str:
    """Return a page of episodes, the first one shown, without anything beside it.

    Args:
        episodes: At least one.
        title: In words.
    """
    script = "\n".join(["(() => {", '"use strict";', *map(_asset, SCRIPTS), "})();"])
    told = {"title": title, "episodes": [_told(episode) for episode in episodes]}
    return Template(_asset("page.html")).substitute(
        title=_plain(title),
        style=f"{_colours()}\n{_asset('page.css')}",
        allowed=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
        data=json.dumps(finite(told), separators=(",", ":")).replace("<", "\\u003c"),
        script=script,
    )


def write_replay(path: Path, episodes: Sequence[Episode], title: str) -> Path:
    """Write `replay_page` to a file, whole or not at all; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        temporary.write_text(replay_page(episodes, title), encoding="utf-8", newline="\n")
    return path


@cache
def _asset(name: str) -> str:
    return (resources.files("plumbrl.replay.page") / name).read_text(encoding="utf-8").strip()


@cache
def _colours() -> str:
    """The colours of the report, so that both look alike: everything before its first rule."""
    style = (resources.files("plumbrl.report.page") / "page.css").read_text(encoding="utf-8")
    return style[: style.index("* { box-sizing")].strip()


def _plain(text: str) -> str:
    return escape(text.encode("utf-8", "replace").decode(), quote=True)


def _told(episode: Episode) -> dict[str, Any]:
    """Return what the page needs of an episode, as plain data."""
    return {
        "env": episode.env, "seed": episode.seed, "policy": episode.policy, "total": episode.total,
        "steps": episode.steps, "seconds": episode.seconds, "stride": stride_of(episode),
        "cause": episode.cause.replace("_", " "), "terminated": episode.terminated,
        "truncated": episode.truncated,
        "notes": list(episode.notes), "panels": panels(episode),
        "scene": _scene(episode.scene, episode.seconds) if episode.scene else None,
        "pictures": _pictures(episode),
    }  # fmt: skip


def _pictures(episode: Episode) -> dict[str, Any] | None:
    if episode.pictures is None:
        return None
    kinds = ("png" if f.startswith(b"\x89PNG") else "jpeg" for f in episode.pictures.files)
    files = zip(kinds, episode.pictures.files, strict=True)
    sources = [f"data:image/{kind};base64,{b64encode(f).decode()}" for kind, f in files]
    return {"sources": sources, "at": episode.pictures.at.tolist()}


def _scene(scene: Scene, seconds: float) -> dict[str, Any]:
    rows = _rows(len(scene.positions), seconds)
    told: dict[str, Any] = {
        "at": rows.tolist(), "bodies": scene.positions.shape[1], "followed": scene.followed,
        "positions": packed(scene.positions[rows]), "rotations": packed(scene.rotations[rows]),
        "geoms": [_geom(scene, g) for g in range(len(scene.kinds))],
    }  # fmt: skip
    if scene.ground.size:
        told["ground"] = _ground(scene)
    return told


def _rows(count: int, seconds: float) -> Array:
    """Return which poses are kept: evenly spaced ones, and the last."""
    stride = max(1, ceil(1 / (RATE * seconds) - 1e-6), ceil(count / POSES))
    return np.unique([*range(0, count, stride), count - 1])


def _geom(scene: Scene, g: int) -> dict[str, Any]:
    kind, size, place = int(scene.kinds[g]), scene.sizes[g], scene.places[g]
    told: dict[str, Any] = {}
    if kind == MESH:
        mesh = _mesh(scene, int(scene.parts[g]))
        if isinstance(mesh, str):
            told["mesh"] = mesh
        else:
            kind, size = BOX, mesh
    return told | {
        "kind": kind, "size": _short(size), "colour": _short(scene.colours[g]),
        "body": int(scene.owners[g]), "place": _short(place), "turn": _short(scene.turns[g], 7),
    }  # fmt: skip


def _mesh(scene: Scene, part: int) -> str | Array:
    """Return the triangles of a mesh, three corners each; the half sides of its box if many."""
    first, count, face, faces = scene.spans[part].tolist()
    vertices = scene.vertices[first : first + count]
    if faces > FACES or not len(vertices):
        return np.abs(vertices).max(axis=0, initial=0.0)
    corners = scene.faces[face : face + faces].ravel()
    return packed(np.take(vertices, corners, axis=0, mode="clip"))


def _ground(scene: Scene) -> dict[str, Any]:
    """Elevations around the way that was gone, as 16-bit shares of the highest."""
    cell = 2 * scene.reach[::-1] / np.maximum(np.array(scene.ground.shape) - 1, 1)
    first, last = _around(scene, cell)
    ground = scene.ground[first[0] : last[0] + 1, first[1] : last[1] + 1]
    low, high = float(ground.min()), float(ground.max())
    shares = np.rint((ground - low) / ((high - low) or 1.0) * 65535).astype("<u2")
    return {
        "rows": ground.shape[0], "cols": ground.shape[1], "cell": _short(cell[::-1], 8),
        "corner": _short((first * cell - scene.reach[::-1])[::-1]), "low": low, "high": high,
        "heights": b64encode(shares.tobytes()).decode(),
    }  # fmt: skip


def _around(scene: Scene, cell: Array) -> tuple[Array, Array]:
    """Return the first and the last row and column that are kept, (2,) each."""
    end = np.array(scene.ground.shape) - 1
    way = scene.positions[:, scene.followed, 1::-1]  # y, x
    if scene.followed < 0 or not np.isfinite(way).all():
        return np.zeros(2, int), end
    middle = scene.reach[::-1]
    first = np.floor((way.min(axis=0) - AROUND + middle) / cell).astype(int)
    last = np.ceil((way.max(axis=0) + AROUND + middle) / cell).astype(int)
    # At least one cell is left, even where everything is off the ground.
    return np.clip(first, 0, end - 1), np.clip(last, 1, end)


def _short(values: Array, digits: int = 5) -> list[float]:
    return [round(float(value), digits) for value in values]
