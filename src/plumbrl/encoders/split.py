"""Images to learn from and images to validate on, of different episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.encoders.images import Shape
from plumbrl.encoders.store import read_images
from plumbrl.errors import UserError

Array = np.ndarray
VALIDATION = 0.2
"""Share of the images that validate."""


@dataclass(frozen=True)
class Split:
    """Images split by episode.

    Neighbouring frames of an episode are near copies of each other: split by frame, nearly every
    validation image would have a twin in training, and a network that memorises would look good.

    Attributes:
        train: uint8 (n, C, H, W).
        validation: uint8 (m, C, H, W), of other episodes.
        train_episodes: Number of episodes in training.
        validation_episodes: Number of episodes in validation.
        unused: Images of validation episodes left out because there were enough.
        collected: Images in the folder.
        manifest: What the folder says of itself.
    """

    train: Array
    validation: Array
    train_episodes: int
    validation_episodes: int
    unused: int
    collected: int
    manifest: dict[str, Any]

    @property
    def image_shape(self) -> Shape:
        """Shape (C, H, W) of an image."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def constant_loss(self) -> float:
        """Return the validation error of the mean training image, pixels in [0, 1]."""
        mean = self.train.mean(axis=0, dtype=np.float64) / 255
        parts = np.array_split(self.validation, max(1, len(self.validation) // 512))
        total = sum(
            float(np.square(part / 255 - mean).mean(axis=(1, 2, 3)).sum()) for part in parts
        )
        return total / len(self.validation)

    def told(self) -> dict[str, int]:
        """Return the counts."""
        return {
            "collected": self.collected,
            "train": len(self.train),
            "validation": len(self.validation),
            "train_episodes": self.train_episodes,
            "validation_episodes": self.validation_episodes,
        }


def read_split(
    folder: Path, keys: Sequence[str] = (), max_images: int = 0, validation: int = 0, seed: int = 0
) -> Split:
    """Read images and set a fifth of them aside, whole episodes at a time.

    Args:
        folder: Collected images.
        keys: Only these image keys; none for all.
        max_images: Images to read, drawn at random; 0 for all.
        validation: Largest number of validation images; 0 for all.
        seed: Of both draws.

    Raises:
        UserError: The folder cannot be read, or holds a single episode.
    """
    images = read_images(folder, keys, max_images, seed)
    rng = np.random.default_rng([seed, 1])
    held_out = held_out_episodes(images.episodes, rng)
    aside = np.isin(images.episodes, held_out)
    chosen = rng.permutation(np.flatnonzero(aside))
    used = np.sort(chosen[:validation] if validation else chosen)
    return Split(
        images.images[~aside],
        images.images[used],
        len(np.unique(images.episodes[~aside])),
        len(np.unique(images.episodes[used])),
        len(chosen) - len(used),
        images.collected,
        images.manifest,
    )


def held_out_episodes(episodes: Array, rng: np.random.Generator) -> Array:
    """Return the episodes whose images make up about `VALIDATION` of all, at least one.

    Args:
        episodes: Episode of every image, (n,).
        rng: Draws the order in which episodes are set aside.

    Raises:
        UserError: All images are of one episode.
    """
    names, counts = np.unique(episodes, return_counts=True)
    if len(names) < 2:
        raise UserError("All images are of one episode; validation needs others: collect more.")
    order = rng.permutation(len(names))
    share = np.cumsum(counts[order]) / counts.sum()
    last = int(np.argmin(np.abs(share - VALIDATION)))
    return names[order[: min(last + 1, len(names) - 1)]]
