"""`plumbrl look RUN`: pictures of how a policy behaves and what happens inside it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from plumbrl.cli.plot import check_display, open_picture
from plumbrl.errors import UserError

if TYPE_CHECKING:
    from plumbrl.snapshots.recording import Recordings
    from plumbrl.training.policy import TrainedPolicy


@dataclass(frozen=True)
class Options:
    """Draw how a trained policy behaves, and what happens inside its networks.

    Behaviour: distribution of actions, a trajectory, deterministic against stochastic, spread at
    one moment, what ends episodes, reward and value over the worst one, states visited. Internals:
    activations, gradients by the algorithm's own loss, weights and how far they moved, attention
    and contributions of each part of the observation, saliency, what an image encoder keeps.
    Existing files are replaced.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder, or a saved model: model.zip."""
    what: Literal["behaviour", "internals", "all"] = "all"
    """Which pictures."""
    episodes: int = 16
    """Episodes, each with the most likely actions and again with drawn ones."""
    seed: int = 7000
    """First seed; episode i has seed + i."""
    which: Literal["best", "final"] = "best"
    """Of a run folder: the model that did best in evaluations while training, or the last."""
    out: Path | None = None
    """Folder of the pictures; pictures in the run folder if not given."""
    format: Literal["png", "svg", "pdf"] = "png"
    """Kind of files."""
    theme: Literal["light", "dark"] = "light"
    """Dark on light, or light on dark."""
    show: bool = False
    """Open the pictures in the desktop's viewer."""
    algo: str | None = None
    """Algorithm of a model without a run folder, if the file does not say."""
    env: str | None = None
    """Gymnasium id for a model without a run folder; the ballbot if not given."""
    trust: bool = False
    """Load pickles in the files too, which runs whatever they hold."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl look", args=args)
    _check(options)

    import torch

    from plumbrl.cli.named import named_env
    from plumbrl.plots.style import check_file
    from plumbrl.training.policy import load_policy

    beside = options.run if options.run.is_dir() else options.run.parent
    folder = options.out or beside / "pictures"
    check_file(folder / f"any.{options.format}")
    torch.set_num_threads(1)
    policy = load_policy(
        options.run, which=options.which, trust=options.trust, algo=options.algo,
        env=named_env(options.env, None),
    )  # fmt: skip
    written, notes = [], list(policy.notes)
    if options.what != "internals":
        written += _behaviour(options, policy, folder)
    if options.what != "behaviour":
        written += _internals(options, policy, folder, notes)
    for picture in written:
        print(picture)
        if options.show:
            open_picture(picture)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _check(options: Options) -> None:
    if not options.run.exists():
        raise UserError(f"there is no run folder or model {options.run}.")
    if not 1 <= options.episodes <= 10_000:
        raise UserError(f"--episodes must be from 1 to 10000; got {options.episodes}.")
    if not 0 <= options.seed < 2**31 - options.episodes:
        raise UserError(
            f"--seed must be from 0 to 2147483647 minus --episodes; got {options.seed}."
        )
    if options.out is not None and options.out.is_file():
        raise UserError(f"--out names a folder; {options.out} is a file.")
    if options.show:
        check_display()


def _title(policy: "TrainedPolicy") -> str:
    return f"{policy.algo} on {policy.env.id}, {policy.timesteps:,} timesteps"


def _behaviour(options: Options, policy: "TrainedPolicy", folder: Path) -> list[Path]:
    import numpy as np

    from plumbrl.plots.policy_figures import FIGURES
    from plumbrl.training.recording import record

    recordings = record(policy, options.seed + np.arange(options.episodes))
    _table(recordings)
    return [
        figure(recordings, _title(policy), folder / f"{name}.{options.format}", options.theme)
        for name, figure in FIGURES.items()
    ]


def _internals(
    options: Options, policy: "TrainedPolicy", folder: Path, notes: list[str]
) -> list[Path]:
    from plumbrl.plots.network_figures import FIGURES
    from plumbrl.training.internals import look_inside

    inside = look_inside(policy, options.seed)
    notes += inside.notes
    written = [
        figure(inside, _title(policy), folder / f"{name}.{options.format}", options.theme)
        for name, figure in FIGURES.items()
    ]
    return [path for path in written if path is not None]


def _table(recordings: "Recordings") -> None:
    """Print what ended episodes, and how often."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from plumbrl.metrics.statistics import rate_interval
    from plumbrl.plots.behaviour import ends
    from plumbrl.report.evaluation import percent

    table = Table(title="What ends episodes", title_justify="left", box=SIMPLE_HEAD, padding=0)
    for header in ("end", "actions", "episodes", "share % [95 %]", "steps", "return"):
        table.add_column(header, justify="left" if header in ("end", "actions") else "right")
    modes = {"deterministic": recordings.deterministic, "stochastic": recordings.stochastic}
    for mode, episodes in modes.items():
        for cause, count, steps, value in ends(episodes):
            share = percent(rate_interval(count, len(episodes)))
            table.add_row(cause, mode, str(count), share, f"{steps:.0f}", f"{value:.4g}")
    Console().print(table)
