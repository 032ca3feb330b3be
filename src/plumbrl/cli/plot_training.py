"""`ballbot-plot-training --csv FILE [--config FILE] [--plot_train]`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from plumbrl.cli.plot import check_display, open_picture
from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Draw the losses of a training, or training against evaluation."""

    csv: Path
    """The training's progress.csv, or any log that `plumbrl plot` reads."""
    config: Path | None = None
    """Its config.yaml; names algorithm and environment in the picture's title."""
    plot_train: bool = False
    """Draw returns and lengths in training and evaluation instead of losses."""
    out: Path | None = None
    """The picture's file; plots/losses.png or plots/progress.png beside the log if not given."""
    theme: Literal["light", "dark"] = "light"
    """Dark on light, or light on dark."""
    show: bool = False
    """Open the picture in the desktop's viewer."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(
        Options, prog="ballbot-plot-training", args=args, config=(tyro.conf.FlagCreatePairsOff,)
    )

    from plumbrl.plots import figures
    from plumbrl.plots.read import read_run
    from plumbrl.plots.style import check_file

    if options.show:
        check_display()
    name = "progress" if options.plot_train else "losses"
    folder = options.csv if options.csv.is_dir() else options.csv.parent
    out = options.out or folder / f"plots/{name}.png"
    check_file(out)
    title = _title(options)
    history = read_run(options.csv)
    figure = figures.progress_figure if options.plot_train else figures.loss_figure
    print(figure(history, title, out, theme=options.theme))
    if options.show:
        open_picture(out)
    for note in history.notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _title(options: Options) -> str:
    """Return what was trained on what, where the configuration says so, else where the log lies."""
    if options.config is None:
        return options.csv.resolve().parent.name
    import yaml

    try:
        said = yaml.safe_load(options.config.read_text())
    except OSError as error:
        raise UserError(f"--config: cannot read {options.config}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise UserError(f"--config: {options.config} is no YAML file.") from None
    said = said if isinstance(said, dict) else {}
    parts = [_named(said.get("algo"), "name"), _named(said.get("env"), "id")]
    return " on ".join(part for part in parts if part) or options.config.stem


def _named(value: object, key: str) -> str:
    value = value.get(key) if isinstance(value, dict) else value
    return str(value) if value else ""
