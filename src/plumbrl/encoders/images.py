"""Which parts of an observation are images, and which way round they lie."""

from collections.abc import Mapping

import numpy as np
from gymnasium import spaces

Array = np.ndarray
Shape = tuple[int, int, int]
"""Channels, height, width."""
ONLY_IMAGE = "image"
"""Key under which the images of an environment are kept whose whole observation is an image."""


def is_image(space: spaces.Space) -> bool:
    """Whether a space holds images: a uint8 Box with three axes."""
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3


def parts(space: spaces.Space) -> dict[str, spaces.Space]:
    """Return the named parts of an observation space; a space without names is one part."""
    return dict(space.spaces) if isinstance(space, spaces.Dict) else {ONLY_IMAGE: space}


def image_shapes(space: spaces.Space) -> dict[str, Shape]:
    """Return the shape (C, H, W) of every image in an observation, by key."""
    found = {key: part for key, part in parts(space).items() if is_image(part)}
    return {key: _channels_first_shape(part.shape or ()) for key, part in found.items()}


def as_dict(obs: Mapping[str, Array] | Array) -> Mapping[str, Array]:
    """Return an observation by key, as `parts` names them."""
    return obs if isinstance(obs, Mapping) else {ONLY_IMAGE: obs}


def channels_first(images: Array, shape: Shape) -> Array:
    """Return images (N, C, H, W), whichever way round they came.

    Args:
        images: (N, C, H, W) or (N, H, W, C).
        shape: (C, H, W).

    Raises:
        ValueError: The images have another shape.
    """
    if images.shape[1:] == shape:
        return images
    channels, height, width = shape
    if images.shape[1:] == (height, width, channels):
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    raise ValueError(f"images of shape {images.shape[1:]} where {shape} was expected")


def _channels_first_shape(shape: tuple[int, ...]) -> Shape:
    """Take the axis that is the smallest for the channels, the first one in doubt, as SB3 does."""
    if int(np.argmin(shape)) == 2:
        return shape[2], shape[0], shape[1]
    return shape[0], shape[1], shape[2]
