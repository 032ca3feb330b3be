"""Pictures of what happens inside a policy's networks, each with what it decides below it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from plumbrl.plots import attended, internals
from plumbrl.plots.style import Theme, draw
from plumbrl.snapshots.internals import Internals

LAYERS = 6
"""Layers whose activations are drawn."""
Drawn = Callable[[Internals, str, Path, Theme], Path | None]


def activations_figure(
    inside: Internals, title: str, path: Path, theme: Theme = "light"
) -> Path | None:
    """Draw the activations of every layer.

    Args:
        inside: What was collected.
        title: Above the panels.
        path: `.png`, `.svg` or `.pdf`.
        theme: ``light`` or ``dark``.

    Returns:
        The path; None if there is nothing to draw.
    """
    layers = list(inside.activations.items())[-LAYERS:]
    if not layers:
        return None

    def fill(figure: Any) -> None:
        axes = figure.subplots(2, len(layers), squeeze=False, height_ratios=[1.5, 1])
        for column, (name, values) in enumerate(layers):
            internals.activation_map(axes[0, column], values, attended.short(name))
            internals.activation_spread(axes[1, column], values)
            if column:
                axes[0, column].set_ylabel("")

    caption = (
        "Tells a network that can still learn from one that has died: dormant units (mean size "
        "below 2.5 % of their layer's, hatched) carry nothing; a rank far below the width means "
        "that features have collapsed; tanh piled up at -1 and 1 lets hardly any gradient through. "
        "Dark is far from 0, purple above it, orange below."
    ) + (
        f" The last {LAYERS} layers of {count}."
        if (count := len(inside.activations)) > LAYERS
        else ""
    )
    size = (max(8.0, 3.6 * len(layers)), 6.4)
    return draw(path, fill, title=title, caption=caption, size=size, theme=theme)


def gradients_figure(
    inside: Internals, title: str, path: Path, theme: Theme = "light"
) -> Path | None:
    """Draw the gradient that reaches every parameter; as `activations_figure`."""
    if not inside.gradients:
        return None
    caption = (
        "Tells a network that learns from one that is cut off: by the algorithm's own loss on data "
        "just collected, before clipping. VANISHES: none, or below 1e-4 of the largest weights' in "
        "the same network; EXPLODES: no number, or above 1000 times that of its last weights."
    ) + (" Biases are left out." if len(inside.gradients) > internals.MOST else "")
    count = min(internals.MOST, len(inside.gradients))
    return draw(
        path, lambda figure: internals.gradient_flow(figure.subplots(), inside.gradients),
        title=title, caption=caption, size=(10, 1.4 + 0.29 * count), theme=theme,
    )  # fmt: skip


def weights_figure(
    inside: Internals, title: str, path: Path, theme: Theme = "light"
) -> Path | None:
    """Draw sizes of weights and how far they moved; as `activations_figure`."""
    if not inside.changes:
        return None
    first, last = inside.between

    def fill(figure: Any) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        internals.weight_sizes(left, inside.changes)
        internals.weight_changes(right, inside.changes)

    caption = (
        "Tells layers that learn from layers that are frozen or run away: between the last two "
        f"models that were kept, at {first:,} and {last:,} timesteps. Late in training a layer "
        "that still moves by its own size has not settled; one that moves by 0 is not trained."
    )
    count = min(internals.MOST, len(inside.changes))
    size = (12, 1.4 + 0.29 * count)
    return draw(path, fill, title=title, caption=caption, size=size, theme=theme)


def attention_figure(
    inside: Internals, title: str, path: Path, theme: Theme = "light"
) -> Path | None:
    """Draw attention and what every part contributes; as `activations_figure`."""
    if inside.attention is None and not inside.contributions:
        return None
    weights = inside.attention
    two = weights is not None

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, 1 + two, squeeze=False)[0]
        if weights is not None:
            attended.attention(axes[0], weights, inside.tokens)
        attended.contributions(axes[-1], inside.contributions)

    caption = (
        "Tells a policy that uses its cameras from one that ignores them: shuffling a part that is "
        "not used changes nothing, one on which all depends changes the answer by about 1.4."
    ) + (
        " Attention says where features are mixed from, not what matters in the end."
        if two
        else " Its features extractor has no attention."
    )
    size = (6.5 + 5.5 * two, 4.4)
    return draw(path, fill, title=title, caption=caption, size=size, theme=theme)


def saliency_figure(
    inside: Internals, title: str, path: Path, theme: Theme = "light"
) -> Path | None:
    """Draw which numbers and pixels the policy watches; as `activations_figure`."""
    if not inside.saliency:
        return None
    numbers, maps = len(inside.names) > 0, list(inside.maps.items())[:4]

    def fill(figure: Any) -> None:
        axes = figure.subplots(1, max(1, numbers + len(maps)), squeeze=False)[0]
        if numbers or not maps:
            attended.saliency(axes[0], inside.saliency, inside.names)
        for ax, (name, sizes) in zip(axes[numbers:], maps, strict=False):
            attended.saliency_map(ax, sizes, name)

    caption = (
        "Tells what the policy steers by from what it has been given for nothing: a number that "
        "should matter and does not is scaled badly or cannot be made use of; one that should not "
        "and does may leak the answer. Up to 24 numbers, the most telling first."
    )
    bars = min(internals.MOST, len(inside.names))
    size = (max(8.0, 6.5 * numbers + 4 * len(maps)), max(4.0, 1.2 + 0.27 * bars))
    return draw(path, fill, title=title, caption=caption, size=size, theme=theme)


def reconstruction_figure(
    inside: Internals, title: str, path: Path, theme: Theme = "light"
) -> Path | None:
    """Draw what the image encoder keeps; as `activations_figure`."""
    images = inside.images
    if images is None:
        return None

    def fill(figure: Any) -> None:
        axes = figure.subplots(2, len(images.originals), squeeze=False)
        for row, pictures in enumerate((images.originals, images.readings)):
            for ax, pixels in zip(axes[row], pictures, strict=True):
                attended.image(ax, pixels)
            axes[row, 0].set_ylabel(("seen", "kept")[row])

    caption = (
        "Tells an encoder that sees the ground from one that is blind: what a linear readout of "
        f"its {images.features} features gives back. Images of episodes it was not fitted to, from "
        f"best to worst; explained variance {images.explained:.1%}, a lower bound, for a deep "
        "decoder recovers more. Near 0, the policy drives by the mean image."
    )
    size = (2 * len(images.originals), 4.3)
    return draw(path, fill, title=title, caption=caption, size=size, theme=theme)


FIGURES: dict[str, Drawn] = {
    "activations": activations_figure,
    "gradients": gradients_figure,
    "weights": weights_figure,
    "attention": attention_figure,
    "saliency": saliency_figure,
    "reconstruction": reconstruction_figure,
}
"""By the name of the file."""
