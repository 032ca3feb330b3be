"""What an encoder is pretrained with, and what comes of it."""

from dataclasses import dataclass, field
from pathlib import Path

from plumbrl.encoders.files import NAME
from plumbrl.encoders.network import CHANNELS, SIZE
from plumbrl.encoders.split import Split
from plumbrl.errors import UserError

USELESS = 0.1
"""An encoder that explains less of the images' variance than this is called useless: the features
of a policy then tell it next to nothing that a constant would not."""


@dataclass(frozen=True)
class Pretraining:
    """What to pretrain on, and how."""

    data_path: Path
    """Folder of collected images."""
    save_encoder_to: Path
    """A folder without an encoder."""
    epochs: int = 50
    batch_size: int = 64
    lr: float = 1e-3
    seed: int = 0
    size: int = SIZE
    """Number of features."""
    channels: tuple[int, int] = CHANNELS
    """Filters of the two convolutions."""
    images_per_epoch: int = 4096
    """Training images an epoch, drawn in turn from a shuffled cycle; 0 for all of them."""
    max_images: int = 60_000
    """Images held in memory, drawn at random from the folder; 0 for all."""
    validation_images: int = 2048
    """Largest number of validation images."""
    patience: int = 0
    """Stop after this many epochs without a better validation loss; 0 for never."""
    keys: tuple[str, ...] = ()
    """Image keys to learn from; none for all."""

    def check(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            UserError: A number is out of range, or an encoder is there already.
        """
        for name in ("epochs", "batch_size", "lr", "size", "validation_images"):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name} must be above 0; got {getattr(self, name)}.")
        if min(self.channels) < 1:
            raise UserError(f"--channels must be at least 1; got {self.channels}.")
        if self.batch_size < 2:
            raise UserError(
                "--batch_size must be at least 2: batch statistics of one image are none."
            )
        for name in ("images_per_epoch", "max_images", "patience", "seed"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name} must not be negative; got {getattr(self, name)}.")
        there = self.save_encoder_to
        if there.exists() and (not there.is_dir() or (there / NAME).exists()):
            raise UserError(f"{there} holds an encoder already; nothing is overwritten.")


@dataclass(frozen=True)
class Epoch:
    """Mean squared errors after an epoch, of pixels in [0, 1]."""

    epoch: int
    train_loss: float
    """Mean over the minibatches of the epoch, while it learnt."""
    validation_loss: float
    seconds: float
    """Wall time since the beginning."""


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining gives back.

    Attributes:
        folder: Where encoder, losses and picture are.
        best: The epoch whose encoder was kept.
        constant_loss: Validation error of the best constant image, the mean training image.
        explained: 1 - validation loss / constant loss; 1 is perfect, 0 no better than a constant.
        still_features: Features that hardly vary over the validation images.
        checksum: SHA-256 of the encoder's weights.
        split: What was learnt from and what validated on.
        history: All epochs.
    """

    folder: Path
    best: Epoch
    constant_loss: float
    explained: float
    still_features: int
    checksum: str
    split: Split
    history: list[Epoch] = field(repr=False)

    @property
    def useless(self) -> bool:
        """Whether a constant image would do about as well; also if there is nothing to explain."""
        return not self.explained >= USELESS
