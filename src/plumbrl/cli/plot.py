"""`plumbrl plot RUN...`: the curves of trainings as pictures."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from plumbrl.errors import UserError

if TYPE_CHECKING:
    from plumbrl.findings import Finding
    from plumbrl.history import History

What = Literal["overview", "progress", "losses", "rewards", "all"]


@dataclass(frozen=True)
class Options:
    """Draw the curves of a training, or of several over each other.

    Of one run: everything at a glance, with the moments of findings marked; training against
    evaluation; every loss; the terms of the reward. Of several runs: seeds of the same training as
    one band. Needs no display. Existing files are replaced.
    """

    run: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders; or logs of SB3, CleanRL, rsl_rl, TorchRL, TensorBoard, W&B; or CSV files."""
    what: What = "overview"
    """Of one run: which picture, or all that its log allows."""
    out: Path | None = None
    """The picture's file; plots/training.png in the run folder if not given."""
    format: Literal["png", "svg", "pdf"] = "png"
    """Kind of file, where --out does not say."""
    theme: Literal["light", "dark"] = "light"
    """Dark on light, or light on dark."""
    findings: bool = True
    """Mark when findings were first seen."""
    show: bool = False
    """Open the picture in the desktop's viewer."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl plot", args=args)

    from plumbrl.plots.read import read_run
    from plumbrl.plots.style import check_file

    if not options.run:
        raise UserError("name a run folder or a log, as in: plumbrl plot RUN.")
    options = replace(options, run=_runs(options.run))
    if options.show:
        check_display()
    out = options.out or _default(options)
    check_file(out)
    histories = [read_run(path) for path in options.run]
    pictures = _single(options, histories[0], out) if len(histories) == 1 else None
    for picture in pictures or [_compared(options, histories, out)]:
        print(picture)
        if options.show:
            open_picture(picture)
    for note in dict.fromkeys(note for history in histories for note in history.notes):
        print(f"note: {note}", file=sys.stderr)
    return 0


def run_published(args: list[str]) -> int:
    """Run the command `ballbot-plot-training`; return its exit code."""
    from plumbrl.cli.plot_training import run

    return run(args)


def check_display() -> None:
    """Refuse to show a picture where nobody could see it.

    Raises:
        UserError: There is no display.
    """
    if sys.platform == "linux" and not (os.getenv("DISPLAY") or os.getenv("WAYLAND_DISPLAY")):
        raise UserError("--show needs a display, and there is none; open the file elsewhere.")


def open_picture(path: Path) -> None:
    """Open a file in the desktop's viewer."""
    import webbrowser

    webbrowser.open(path.resolve().as_uri())


def _runs(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return what is drawn: the runs in the folders, each once."""
    from plumbrl.logs.find import run_in

    found: dict[Path, Path] = {}
    for path in paths:
        run = run_in(path) if path.is_dir() else path
        if run.resolve() in found:
            print(f"note: {run} was given more than once and is drawn once.", file=sys.stderr)
        found.setdefault(run.resolve(), run)
    return tuple(found.values())


def _default(options: Options) -> Path:
    path, *others = options.run
    if others:
        return Path(f"comparison.{options.format}")
    folder = path if path.is_dir() else path.parent
    name = {"overview": "training", "all": "training"}.get(options.what, options.what)
    return folder / f"plots/{name}.{options.format}"


def _single(options: Options, history: "History", out: Path) -> list[Path]:
    from plumbrl.plots import figures

    path = options.run[0]
    title = path.resolve().name
    how = {"findings": _found(history, path) if options.findings else (), "theme": options.theme}
    known = {
        "overview": figures.training_figure,
        "progress": figures.progress_figure,
        "losses": figures.loss_figure,
        "rewards": figures.reward_figure,
    }
    if options.what != "all":
        return [known[options.what](history, title, out, **how)]
    written = [figures.training_figure(history, title, out, **how)]
    for name in ("progress", "losses", "rewards"):
        try:
            beside = out.with_name(f"{out.stem}_{name}{out.suffix}")
            written.append(known[name](history, title, beside, **how))
        except UserError as error:
            print(f"note: {error}", file=sys.stderr)
    return written


def _found(history: "History", path: Path) -> "tuple[Finding, ...]":
    """Return what a diagnosis finds; it is no reason to go without a picture if it cannot."""
    from plumbrl.diagnosis import diagnose_with

    return diagnose_with(history, path).findings


def _compared(options: Options, histories: "list[History]", out: Path) -> Path:
    from plumbrl.plots.figures import comparison_figure
    from plumbrl.plots.groups import group_name, grouped

    if options.what not in ("overview", "progress"):
        raise UserError(f"--what {options.what} is of one run; {len(histories)} were named.")
    names = [group_name(path) for path in options.run]
    runs = grouped(list(zip(names, histories, strict=True)))
    title = f"{len(histories)} runs: {', '.join(group.name for group in runs[:6])}"
    return comparison_figure(runs, title, out, theme=options.theme)
