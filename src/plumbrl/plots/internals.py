"""What happens inside a network; each function draws one question into one pair of axes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbrl.metrics.network import dormant_units, effective_rank
from plumbrl.plots.attended import rows
from plumbrl.plots.style import DIVERGING, FLAG, GREY, SEQUENTIAL, dress, say
from plumbrl.snapshots.internals import Change, Gradient

Array = np.ndarray
ROWS = 60
"""Observations in a heatmap."""
MOST = 24
"""Bars in a panel."""
VANISHING = 1e-4
"""Of the largest gradient of weights in the same network: a layer below it hardly learns.

A healthy policy begins near 1e-3: its last layer is initialised a hundred times smaller.
"""
EXPLODING = 1e3
"""Times the gradient of the network's last weights: it grew on its way back to the input."""
COLOUR = {"actor": "C0", "critic": "C2"}


def activation_spread(ax: Any, activations: Array) -> None:
    """Does a layer use its range, or sit at 0 or at its ends?

    Args:
        ax: The panel.
        activations: Of one layer, (n, units).
    """
    values = activations[np.isfinite(activations)]
    if values.size:
        ax.hist(values, 60, weights=np.full(values.size, 1 / values.size), color="C0")
    ax.set_xlabel("activation")
    rank = effective_rank(activations)
    dress(ax, f"effective rank {rank:g} of {min(activations.shape)}", steps=False)


def activation_map(ax: Any, activations: Array, name: str) -> None:
    """Which units react to what they see, and which do nothing?

    Units are sorted by the size of their mean activation; dormant ones are hatched.

    Args:
        ax: The panel.
        activations: Of one layer, (n, units).
        name: Of the layer.
    """
    order = np.argsort(-np.abs(activations).mean(axis=0))
    kept = np.linspace(0, len(activations) - 1, min(ROWS, len(activations))).astype(int)
    shown = activations[kept][:, order]
    signed = bool((shown < 0).any())
    size = max(float(np.nanmax(np.abs(shown), initial=0)), 1e-12)
    ax.imshow(
        shown, aspect="auto", interpolation="nearest", vmin=-size if signed else 0, vmax=size,
        cmap=DIVERGING if signed else SEQUENTIAL,
    )  # fmt: skip
    asleep = dormant_units(activations)
    count = int(asleep.sum())
    if count:
        first = len(order) - count - 0.5  # they are the smallest, so they are last
        ax.axvspan(first, len(order) - 0.5, facecolor="none", edgecolor=FLAG, hatch="////", lw=1.5)
    ax.grid(False)
    ax.set_xlabel("unit, by size")
    ax.set_ylabel("observation")
    look = {"color": FLAG} if count else {}
    ax.set_title(f"{name}\n{count} of {len(order)} dormant", fontsize=10.5, **look)


def flow(gradients: Mapping[str, Gradient]) -> dict[str, str]:
    """Return what is wrong with gradients by parameter: ``vanishes``, ``explodes``, or empty.

    Weights are compared with those of the same network (actor, critic) by the root mean square of
    their entries; of biases and single parameters only none or no number is wrong.

    Args:
        gradients: By parameter, in the order of the network.
    """
    weights: dict[str, list[float]] = {}
    for name, own in gradients.items():
        if name.endswith("weight") and np.isfinite(own.size):
            weights.setdefault(own.network, []).append(own.size)
    return {n: _said(own, n, weights.get(own.network, [0.0])) for n, own in gradients.items()}


def _said(own: Gradient, name: str, weights: list[float]) -> str:
    if not np.isfinite(own.size):
        return "explodes"
    alike = name.endswith("weight")
    if own.size <= (VANISHING * max(weights) if alike else 0):
        return "vanishes"
    return "explodes" if alike and own.size > EXPLODING * weights[-1] > 0 else ""


def gradient_flow(ax: Any, gradients: Mapping[str, Gradient]) -> None:
    """Does learning reach every layer? One bar a parameter, the input's side at the top."""
    if not gradients:
        say(ax, "no gradients")
        return
    said, shown = flow(gradients), list(gradients.items())
    if len(shown) > MOST:  # biases are as their weights
        shown = [(n, g) for n, g in shown if said[n] or n.endswith("weight")][:MOST]
    sizes = np.array([g.size for _, g in shown])
    usable = sizes[np.isfinite(sizes) & (sizes > 0)]
    floor = float(usable.min()) / 3 if usable.size else 1e-12
    top = float(usable.max()) * 3 if usable.size else 1.0
    for at, (name, gradient) in enumerate(shown):
        size = np.clip(np.nan_to_num(gradient.size, nan=top, posinf=top), floor, top)
        ax.barh(at, size, color=FLAG if said[name] else COLOUR[gradient.network],
                hatch="//" if said[name] else None, edgecolor="white", linewidth=0)  # fmt: skip
        if said[name]:
            ax.text(size, at, f" {said[name].upper()}", va="center", color=FLAG, fontsize=9)
    ax.set_xscale("log")
    ax.set_xlim(floor / 2, top * 3)
    rows(ax, [name for name, _ in shown])
    _networks(ax, {gradient.network for _, gradient in shown})
    ax.set_title("gradient of one loss, root mean square of entries")


def weight_sizes(ax: Any, changes: Mapping[str, Change]) -> None:
    """Do weights grow out of bounds?"""
    _bars(ax, {n: c.size for n, c in changes.items()}, "size of weights, root mean square")


def weight_changes(ax: Any, changes: Mapping[str, Change]) -> None:
    """Which layers still learn, and which stand still?"""
    shown = {n: c.change for n, c in changes.items()}
    _bars(ax, shown, "relative change between checkpoints")
    for at, name in enumerate(list(_less(shown))):
        if shown[name] == 0:
            ax.text(ax.get_xlim()[0], at, " STANDS STILL", va="center", color=FLAG, fontsize=9)


def _bars(ax: Any, known: Mapping[str, float], title: str) -> None:
    if not known:
        say(ax, "the run kept fewer than two models")
        ax.set_title(title)
        return
    shown = _less(known)
    names = {name: "critic" if _critic(name) else "actor" for name in shown}
    ax.barh(range(len(shown)), list(shown.values()), color=[COLOUR[n] for n in names.values()])
    rows(ax, list(shown))
    if max(shown.values()) > 0:
        ax.set_xscale("log")
    _networks(ax, set(names.values()))
    ax.set_title(title)


def _less(known: Mapping[str, float]) -> dict[str, float]:
    """Return at most `MOST` of the bars: weights go before biases."""
    if len(known) <= MOST:
        return dict(known)
    return dict([(n, v) for n, v in known.items() if n.endswith("weight")][:MOST])


def _critic(name: str) -> bool:
    return any(part in name for part in ("value", "critic", "q_net", "quantile"))


def _networks(ax: Any, networks: set[str]) -> None:
    from matplotlib.patches import Patch

    if len(networks) > 1:
        handles = [Patch(color=COLOUR[n], label=n) for n in sorted(networks)]
        ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    ax.axvline(0, color=GREY, linewidth=0.5)
