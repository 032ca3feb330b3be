"""`plumbrl plot RUN [--out FILE]`: the curves of a training as a picture."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Options:
    """Draw the curves of a training: returns, reward terms, end causes, losses, step sizes.

    Needs no display. Existing files are replaced.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder; or a log of SB3, CleanRL, rsl_rl, TorchRL, TensorBoard, W&B; or a CSV."""
    out: Path | None = None
    """A .png, .svg or .pdf; plots/training.png in the run folder if not given."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl plot", args=args)

    from plumbrl.logs import read
    from plumbrl.plots.figures import training_figure

    folder = options.run if options.run.is_dir() else options.run.parent
    out = options.out or folder / "plots/training.png"
    history = read(options.run)
    print(training_figure(history, options.run.resolve().name, out))
    for note in history.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0
