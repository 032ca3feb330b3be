"""What an encoder keeps of an image, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from plumbrl.encoders.network import Autoencoder

if TYPE_CHECKING:
    from plumbrl.encoders.pretraining import Epoch, Pretrained

Array = np.ndarray
COLUMNS = 8


def reconstruction_picture(network: Autoencoder, result: "Pretrained", path: Path) -> None:
    """Draw originals over reconstructions with their errors, and the losses of all epochs.

    The images are validation images from the best to the worst reconstructed, evenly spaced, the
    last one the worst of all.

    Args:
        network: The autoencoder.
        result: What the pretraining came to.
        path: The .png file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from plumbrl.encoders.pretrain import errors

    loss = errors(network, result.split.validation)
    ranks = np.linspace(0, len(loss) - 1, min(COLUMNS, len(loss))).astype(int)
    chosen = np.argsort(loss)[ranks]
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, COLUMNS, height_ratios=[1, 1, 1.6])
    for row, images in enumerate(_both(network, result.split.validation[chosen])):
        for column, image in enumerate(images):
            axes = figure.add_subplot(grid[row, column])
            draw_image(axes, image)
            if column == 0:
                axes.set_ylabel(("original", "reconstruction")[row])
            if row == 1:
                axes.set_xlabel(f"error {np.sqrt(loss[chosen[column]]):.3f}")
    draw_losses(figure.add_subplot(grid[2, :]), result.history, result.constant_loss)
    figure.suptitle(
        f"Validation images from best to worst; error is the root mean square of pixels in [0, 1]. "
        f"Explained variance {result.explained:.1%}",
        fontsize=11,
    )
    figure.savefig(path, dpi=110)


def draw_image(axes: Any, image: Array) -> None:
    """Draw an image (C, H, W) in [0, 1]; unless it has three channels, its first one in grey."""
    shown = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def draw_losses(axes: Any, history: "list[Epoch]", constant_loss: float) -> None:
    """Draw training and validation loss of every epoch against the best constant image."""
    from matplotlib.ticker import MaxNLocator

    epochs = [epoch.epoch for epoch in history]
    best = min(history, key=lambda epoch: epoch.validation_loss)
    axes.plot(epochs, [epoch.train_loss for epoch in history], marker=".", label="training")
    axes.plot(epochs, [e.validation_loss for e in history], marker=".", label="validation")
    axes.plot(best.epoch, best.validation_loss, "o", mfc="none", ms=10, color="k", label="kept")
    if constant_loss > 0:
        axes.axhline(constant_loss, color="gray", linestyle="--", label="best constant image")
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean squared error")
    axes.legend(frameon=False, ncols=4, loc="center right")


def _both(network: Autoencoder, images: Array) -> tuple[Array, Array]:
    from plumbrl.encoders.pretrain import pixels

    originals = pixels(images)
    with torch.inference_mode():
        return originals.numpy(), network(originals).numpy()
