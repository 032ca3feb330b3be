"""The convolutional autoencoder, and the encoder that is left of it once it has learnt."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from plumbrl.encoders.images import Shape
from plumbrl.errors import UserError

CHANNELS = (16, 32)
"""Filters of the two convolutions. (32, 32) is as published and takes about twice as long."""
SIZE = 20
LEAK = 0.01


class Encoder(nn.Module):
    """Turns images into a few features in [-1, 1].

    It has no batch normalisation (`Autoencoder.folded_encoder` folds it into the convolutions), so
    training and evaluation mode are the same function. The last layer is a convolution over all of
    its input: a linear layer rounds differently in batches of different sizes.

    Args:
        image_shape: (C, H, W); H and W are multiples of 4.
        size: Number of features.
        channels: Filters of the two convolutions.

    Raises:
        UserError: The image's sides are no multiples of 4.
    """

    def __init__(
        self, image_shape: Shape, size: int = SIZE, channels: tuple[int, int] = CHANNELS
    ) -> None:
        super().__init__()
        _check(image_shape)
        self.image_shape, self.size, self.channels = image_shape, size, channels
        self._frozen = self._settled = False
        first, second, last = _convolutions(image_shape, size, channels)
        self.layers = nn.Sequential(
            first, nn.LeakyReLU(LEAK), second, nn.LeakyReLU(LEAK), last, nn.Flatten(), nn.Tanh()
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return features (B, size) in [-1, 1].

        Args:
            images: (B, C, H, W), uint8, or float already divided by 255.
        """
        scaled = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        return self.layers(scaled.contiguous(memory_format=torch.channels_last))

    def freeze(self) -> "Encoder":
        """Stop learning for good: evaluation mode, no gradient."""
        self._frozen = True
        self.requires_grad_(False)
        return self.settle().eval()

    def thaw(self) -> "Encoder":
        """Go on learning from these weights."""
        self._frozen = False
        self.requires_grad_(True)
        return self.settle().train()

    def settle(self) -> "Encoder":
        """Keep the weights through initialisations of the whole policy.

        SB3's on-policy policies fill every convolution anew (`ortho_init`), after the features
        extractor was built: a pretrained encoder would be lost without a word.
        """
        self._settled = True
        return self

    def apply(self, fn: Callable[[nn.Module], None]) -> "Encoder":
        """Apply a function to all modules, unless the weights are settled."""
        return self if self._settled else super().apply(fn)

    def train(self, mode: bool = True) -> "Encoder":
        """Set the training mode; a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self._frozen)


class Autoencoder(nn.Module):
    """Encoder and decoder with batch normalisation, for pretraining.

    Two convolutions of stride 2 to `size` features through tanh, and the same way back through
    transposed convolutions to a sigmoid.

    Args:
        image_shape: (C, H, W); H and W are multiples of 4.
        size: Number of features.
        channels: Filters of the two convolutions.

    Raises:
        UserError: The image's sides are no multiples of 4.
    """

    def __init__(
        self, image_shape: Shape, size: int = SIZE, channels: tuple[int, int] = CHANNELS
    ) -> None:
        super().__init__()
        _check(image_shape)
        self.image_shape, self.size, self.channels = image_shape, size, channels
        first, second, last = _convolutions(image_shape, size, channels)
        self.encoder = nn.Sequential(
            first, nn.BatchNorm2d(channels[0]), nn.LeakyReLU(LEAK),
            second, nn.BatchNorm2d(channels[1]), nn.LeakyReLU(LEAK),
            last, nn.BatchNorm2d(size), nn.Flatten(), nn.Tanh(),
        )  # fmt: skip
        small = (channels[1], image_shape[1] // 4, image_shape[2] // 4)
        wide = small[0] * small[1] * small[2]
        self.decoder = nn.Sequential(
            nn.Linear(size, wide), nn.BatchNorm1d(wide), nn.LeakyReLU(LEAK),
            nn.Unflatten(1, small), nn.ConvTranspose2d(channels[1], channels[0], 3, 2, 1, 1),
            nn.BatchNorm2d(channels[0]), nn.LeakyReLU(LEAK),
            nn.ConvTranspose2d(channels[0], image_shape[0], 3, 2, 1, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, images: Tensor) -> Tensor:
        """Return reconstructions (B, C, H, W) in [0, 1] of images in [0, 1]."""
        return self.decoder(self.encoder(images))

    def folded_encoder(self) -> Encoder:
        """Return the encoder with its batch normalisation folded into the convolutions, frozen."""
        result = Encoder(self.image_shape, self.size, self.channels)
        training = self.training
        layers = self.eval().encoder
        for at, convolution in zip((0, 2, 4), (0, 3, 6), strict=True):
            fused = fuse_conv_bn_eval(
                cast("nn.Conv2d", layers[convolution]),
                cast("nn.BatchNorm2d", layers[convolution + 1]),
            )
            result.layers[at].load_state_dict(fused.state_dict())
        self.train(training)
        return result.freeze()


def _convolutions(
    image_shape: Shape, size: int, channels: tuple[int, int]
) -> tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]:
    colours, height, width = image_shape
    return (
        nn.Conv2d(colours, channels[0], 3, 2, 1),
        nn.Conv2d(channels[0], channels[1], 3, 2, 1),
        nn.Conv2d(channels[1], size, (height // 4, width // 4)),
    )


def _check(image_shape: Shape) -> None:
    _, height, width = image_shape
    if height % 4 or width % 4 or min(height, width) < 4:
        raise UserError(
            f"Height and width of an image must be multiples of 4 to be encoded; "
            f"got {height} x {width}."
        )
