"""Figures made of several panels, written to files."""

from pathlib import Path

from plumbrl.errors import UserError, unknown
from plumbrl.history import History
from plumbrl.plots.training import PANELS
from plumbrl.runs.files import whole

FORMATS = ("png", "svg", "pdf")


def training_figure(history: History, title: str, path: Path) -> Path:
    """Draw all curves of a training into one file.

    Args:
        history: Of the run.
        title: Above the panels.
        path: `.png`, `.svg` or `.pdf`.

    Raises:
        UserError: Another kind of file is asked for, or matplotlib is not installed.
    """
    if path.suffix[1:] not in FORMATS:
        raise unknown("format", path.suffix[1:], FORMATS)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("Plots need matplotlib: pip install 'plumbrl[plots]'.") from None
    figure = Figure(figsize=(13, 6.5), layout="constrained")
    axes = figure.subplots(2, len(PANELS) // 2, sharex=True)
    for panel, ax in zip(PANELS, axes.T.flat, strict=True):
        panel(ax, history)
    for ax in axes[-1]:
        ax.set_xlabel("timesteps", fontsize=9)
    figure.suptitle(title, fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path
