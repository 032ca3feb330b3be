"""What of an observation a policy attends to; each function draws one question into one panel."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbrl.plots.style import FLAG, SEQUENTIAL, dress, say

Array = np.ndarray
MOST = 24
"""Numbers in a panel."""
COLOUR = {"action": "C0", "value": "C2"}


def attention(ax: Any, weights: Array, tokens: tuple[str, ...]) -> None:
    """Where does each part of the observation look? Rows sum to 1."""
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(weights.shape):
        ink = "white" if weights[i, j] > 0.5 else "black"
        ax.text(j, i, f"{weights[i, j]:.2f}", ha="center", va="center", color=ink, fontsize=10)
    names = [token.replace("_", " ") for token in tokens]
    ax.set_xticks(range(len(tokens)), names, rotation=20, ha="right")
    ax.set_yticks(range(len(tokens)), names)
    ax.grid(False)
    ax.set_xlabel("is looked at")
    ax.set_title("attention, mean over heads and observations")


def contributions(ax: Any, known: Mapping[str, Mapping[str, float]]) -> None:
    """Which part of the observation do action and value depend on?"""
    if not known:
        say(ax, "the observation has one part alone")
        ax.set_title("contribution of each part")
        return
    parts = list(next(iter(known.values())))
    for i, (answer, sizes) in enumerate(known.items()):
        at = np.arange(len(parts)) + 0.38 * i - 0.19 * (len(known) - 1)
        ax.barh(at, [sizes[part] for part in parts], 0.36, color=COLOUR[answer], label=answer)
        for y, part in zip(at, parts, strict=True):
            if sizes[part] < 1e-3:
                ax.text(0, y, " not used", va="center", color=FLAG, fontsize=9)
    rows(ax, [part.replace("_", " ") for part in parts])
    dress(ax, "change of the answer when a part is shuffled, in std", steps=False)


def saliency(ax: Any, known: Mapping[str, Array], names: tuple[str, ...]) -> None:
    """Which numbers does the policy watch? Derivatives times the numbers' own spread."""
    if not known or not len(names):
        say(ax, "no derivatives by numbers")
        ax.set_title("saliency")
        return
    total = np.sum([sizes / max(float(sizes.max()), 1e-12) for sizes in known.values()], axis=0)
    order = np.argsort(-total)[:MOST]
    for i, (answer, sizes) in enumerate(known.items()):
        at = np.arange(len(order)) + 0.38 * i - 0.19 * (len(known) - 1)
        ax.barh(at, sizes[order], 0.36, color=COLOUR[answer], label=answer)
    rows(ax, [names[i] for i in order])
    dress(ax, "saliency: change of the answer for one std, in std", steps=False)


def saliency_map(ax: Any, sizes: Array, name: str) -> None:
    """Where in an image does the policy look? Mean size of derivatives by pixels."""
    ax.imshow(sizes, cmap=SEQUENTIAL, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.set_title(name.replace("_", " "))


def image(ax: Any, pixels: Array, label: str = "") -> None:
    """An image (C, H, W) in [0, 1]; unless it has three channels, the first one in grey."""
    shown = pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.set_xlabel(label)


def rows(ax: Any, names: list[str]) -> None:
    """Name the rows of bars, the first at the top."""
    ax.set_yticks(range(len(names)), [short(name) for name in names], fontsize=9)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


def short(name: str) -> str:
    """Return the name of a parameter or layer without what all of them share."""
    return name.replace("mlp_extractor.", "").replace("features_extractor.", "features.")
