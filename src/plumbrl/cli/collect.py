"""`plumbrl collect --policy balance --n_steps 100000`."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tyro

BALLBOT = "ballbot:Ballbot-v0"


@dataclass(frozen=True)
class Options:
    """Collect images from an environment, for pretraining an encoder with `plumbrl pretrain`.

    By default depth images of the ballbot on Perlin ground. Frames that an environment only shows
    again are left out.
    """

    policy: str = "random"
    """random, one of the environment's baselines (balance, pid), or a run folder or model.zip."""
    n_steps: int = 100_000
    """Timesteps, summed over environments."""
    n_envs: int = 64
    """Environments side by side."""
    seed: int = 0
    """Environment i is seeded with seed + i."""
    env: str = BALLBOT
    """Gymnasium id."""
    config: Path | None = None
    """YAML file of the environment. The ballbot's cameras are switched on whatever it says."""
    out: Path | None = None
    """A new folder for the images; by default one with the time in its name, below runs/images."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl collect", args=args)

    from rich.console import Console

    from plumbrl.errors import UserError
    from plumbrl.training.collect import Collection, collect
    from plumbrl.training.config import EnvSection

    if options.config and not options.config.is_file():
        raise UserError(f"--config: there is no file {options.config}.")
    section = EnvSection(
        id=options.env,
        config=str(options.config.resolve()) if options.config else None,
        kwargs=_ballbot(options) if options.env == BALLBOT else {},
    )
    out = options.out or Path("runs/images") / f"{datetime.now():%Y%m%d-%H%M%S}_s{options.seed}"
    collection = Collection(
        section, out, options.policy, options.n_steps, options.n_envs, options.seed
    )
    console = Console()
    with console.status("collecting ...") as status:
        result = collect(
            collection,
            lambda steps, images: status.update(
                f"collecting: {steps / options.n_steps:4.0%}  {images:,} images"
            ),
        )
    _tell(result, console)
    return 0


def _ballbot(options: Options) -> dict[str, Any]:
    ground = {} if options.config else {"terrain": {"type": "perlin"}}
    return ground | {"cameras": {"enabled": True}}


def _tell(result: Any, console: Any) -> None:
    share = result.duplicates / max(result.images, 1)
    lines = {
        "images": f"{result.images:,} of {result.episodes:,} episodes, {result.steps:,} timesteps",
        "size": f"{result.bytes / 1e6:.1f} MB",
        "left out": f"{result.repeated:,} that only repeated the last image",
        "duplicates": f"{result.duplicates:,} ({share:.1%}) equal an earlier image exactly",
        "folder": f"{result.folder}",
        "next": f"plumbrl pretrain --data_path {result.folder} --save_encoder_to ENCODER",
    }
    for name, text in lines.items():
        console.print(f"{name:11s} {text}", soft_wrap=True, highlight=False)
