"""`plumbrl pretrain --data_path IMAGES --save_encoder_to FOLDER`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Pretrain an image encoder as half of an autoencoder, on what `plumbrl collect` collected.

    A fifth of the images validates, whole episodes at a time: neighbouring frames are near copies,
    so a split by frame would flatter. The encoder of the best validation epoch is kept. Exit code 3
    if it is hardly better than a constant.
    """

    data_path: Annotated[Path, tyro.conf.arg(aliases=["--data-dir"])]
    """Folder of collected images."""
    save_encoder_to: Path = Path("encoder")
    """Folder for the encoder; one that is there is not overwritten."""
    epochs: int = 50
    """Largest number of epochs."""
    batch_size: int = 64
    """Images a gradient step."""
    lr: float = 1e-3
    """Learning rate of Adam."""
    seed: int = 0
    """Of weights, split and shuffling."""
    size: int = 20
    """Number of features."""
    channels: tuple[int, int] = (16, 32)
    """Filters of the two convolutions; 32 32 as published takes longer."""
    images_per_epoch: int = 4096
    """Training images an epoch, drawn in turn from a shuffled cycle; 0 for all of them."""
    max_images: int = 60_000
    """Images held in memory, drawn at random from the folder; 0 for all."""
    patience: int = 0
    """Stop after this many epochs without a better validation loss; 0 for never."""
    keys: tuple[str, ...] = ()
    """Image keys to learn from; none for all."""
    torch_threads: int = 1
    """Threads; more help on a machine of one's own."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl pretrain", args=args)
    if options.torch_threads < 1:
        raise UserError(f"--torch_threads must be at least 1; got {options.torch_threads}.")

    import torch
    from rich.console import Console

    from plumbrl.encoders.pretrain import pretrain
    from plumbrl.encoders.pretraining import Epoch, Pretraining

    torch.set_num_threads(options.torch_threads)
    console = Console()

    def show(epoch: Epoch) -> None:
        console.print(
            f"epoch {epoch.epoch:>3}/{options.epochs}  training {epoch.train_loss:.6f}"
            f"  validation {epoch.validation_loss:.6f}  {epoch.seconds:6.0f} s",
            highlight=False,
        )

    names = Pretraining.__dataclass_fields__.keys() & Options.__dataclass_fields__.keys()
    result = pretrain(Pretraining(**{name: getattr(options, name) for name in names}), show)
    _tell(result, console)
    return 3 if result.useless else 0


def _tell(result: Any, console: Any) -> None:
    split = result.split
    size = len(split.train) + len(split.validation) + split.unused
    verdict = (
        "USELESS: a constant image does about as well"
        if result.useless
        else f"explains {result.explained:.1%} of the variance of validation images"
    )
    lines = {
        "images": f"{len(split.train):,} of {split.train_episodes:,} episodes to learn from, "
        f"{len(split.validation):,} of {split.validation_episodes:,} others to validate on",
        "read": f"{size:,} of {split.collected:,} collected images",
        "error": f"{result.best.validation_loss:.6f} in epoch {result.best.epoch}; "
        f"{result.constant_loss:.6f} for the best constant image",
        "verdict": verdict,
        "features": f"{result.still_features} hardly vary" if result.still_features else "all vary",
        "checksum": result.checksum[:16],
        "encoder": f"{result.folder / 'encoder.pt'}",
        "picture": f"{result.folder / 'reconstruction.png'}",
    }
    for name, text in lines.items():
        console.print(f"{name:9s} {text}", soft_wrap=True, highlight=False)
