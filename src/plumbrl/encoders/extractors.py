"""SB3 features extractors over dictionary observations with images, or features of images."""

from pathlib import Path

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from plumbrl.encoders.files import load_encoder
from plumbrl.encoders.images import Shape, image_shapes
from plumbrl.encoders.network import SIZE, Encoder
from plumbrl.errors import UserError


class Modalities(nn.Module):
    """Every part of a dictionary observation as a vector: images encoded, the rest flattened.

    Images of the same shape share an encoder. None of the encoders has batch normalisation or
    dropout: SB3 puts a policy in training mode for its updates, and minibatch statistics there
    would make the first ratio differ from 1.

    Args:
        space: Dictionary of spaces; images (uint8, three axes) or anything SB3 can flatten.
        encoder_path: A pretrained encoder for the images; None for new ones.
        fine_tune: Whether a pretrained encoder goes on learning; new ones always learn.
        size: Features of a new encoder.

    Attributes:
        sizes: Length of the vector of every key.

    Raises:
        UserError: The space is no dictionary, or the encoder does not fit its images.
    """

    def __init__(
        self,
        space: spaces.Space,
        encoder_path: str | Path | None = None,
        fine_tune: bool = True,
        size: int = SIZE,
    ) -> None:
        super().__init__()
        if not isinstance(space, spaces.Dict):
            raise UserError(f"This features extractor needs a dictionary observation, not {space}.")
        self._shapes = image_shapes(space)
        self.encoders = nn.ModuleDict()
        for key, shape in self._shapes.items():
            if _name(shape) not in self.encoders:
                self.encoders[_name(shape)] = _encoder(key, shape, encoder_path, fine_tune, size)
        self.sizes = {
            key: self._encoder_of(key).size if key in self._shapes else get_flattened_obs_dim(part)
            for key, part in space.spaces.items()
        }

    def forward(self, observations: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a vector (B, sizes[key]) of every key.

        Args:
            observations: As SB3 preprocesses them: images (B, C, H, W) divided by 255.
        """
        return {
            key: self._encoder_of(key)(observations[key])
            if key in self._shapes
            else torch.flatten(observations[key].float(), 1)
            for key in self.sizes
        }

    def _encoder_of(self, key: str) -> Encoder:
        encoder = self.encoders[_name(self._shapes[key])]
        assert isinstance(encoder, Encoder)
        return encoder


class EncoderExtractor(BaseFeaturesExtractor):
    """Joins the features of all images with everything else in the observation.

    Pass it as `features_extractor_class` to an SB3 model with `MultiInputPolicy`. Images that an
    `EncodedVecEnv` encoded already are taken as they are.

    Args:
        observation_space: Dictionary of images, features and other parts.
        encoder_path: A pretrained encoder for the images; None to learn one from scratch, end to
            end with the policy.
        fine_tune: Whether a pretrained encoder goes on learning.
        size: Features an image, without a pretrained encoder.

    Raises:
        UserError: The observation is no dictionary, or the encoder does not fit its images.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        encoder_path: str | Path | None = None,
        fine_tune: bool = True,
        size: int = SIZE,
    ) -> None:
        vectors = Modalities(observation_space, encoder_path, fine_tune, size)
        super().__init__(observation_space, sum(vectors.sizes.values()))
        self.vectors = vectors

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return all vectors side by side, in the order of the keys, (B, features_dim)."""
        return torch.cat(list(self.vectors(observations).values()), dim=1)


def _encoder(
    key: str, shape: Shape, path: str | Path | None, fine_tune: bool, size: int
) -> Encoder:
    if path is None:
        return Encoder(shape, size)
    pretrained = load_encoder(path)
    if pretrained.image_shape != shape:
        wanted, given = pretrained.image_shape, shape
        raise UserError(f"{key}: the encoder was made for images of {wanted}, these are {given}.")
    return pretrained.thaw() if fine_tune else pretrained


def _name(shape: Shape) -> str:
    return "x".join(map(str, shape))
