"""How pictures look: colours that the colour-blind can tell apart, a theme, a caption, a file."""

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from plumbrl.errors import UserError, unknown
from plumbrl.runs.files import whole

Theme = Literal["light", "dark"]
Fill = Callable[[Any], None]
"""Draws into a figure."""
FORMATS = ("png", "svg", "pdf")
COLOURS = {
    "light": ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"),
    "dark": ("#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#F0E442", "#FFFFFF"),
}
"""M. Okabe and K. Ito, Color universal design (2002); panels name them C0, C1, ..."""
GREY = "#80868f"
"""For what is no data; readable on both grounds."""
FLAG = "#D55E00"
"""For what is out of order; it is marked by a word or a pattern, too."""
SEQUENTIAL, DIVERGING = "viridis", "PuOr"
DPI = 120
_PAPER = {
    "light": ("#ffffff", "#1d2126", "#e3e6ea"),
    "dark": ("#14181d", "#e4e7eb", "#333a43"),
}
"""Ground, ink, grid."""


def check_file(path: Path) -> None:
    """Refuse, before any work is done, what cannot be written in the end.

    Raises:
        UserError: The file is of another kind than `FORMATS`, or matplotlib is not installed.
    """
    if path.suffix[1:] not in FORMATS:
        raise unknown("format", path.suffix[1:], FORMATS)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError("Plots need matplotlib: pip install 'plumbrl[plots]'.") from None


@contextmanager
def themed(theme: Theme = "light") -> Iterator[None]:
    """Give figures that are made and written inside the look of a theme; nothing global stays."""
    from cycler import cycler
    from matplotlib import rc_context

    ground, ink, grid = _PAPER[theme]
    look: dict[str, Any] = {
        "figure.facecolor": ground, "axes.facecolor": ground, "savefig.facecolor": ground,
        "text.color": ink, "axes.labelcolor": ink, "axes.edgecolor": GREY,
        "xtick.color": ink, "ytick.color": ink, "grid.color": grid, "grid.linewidth": 0.7,
        "axes.prop_cycle": cycler(color=COLOURS[theme]), "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "axes.titlesize": 12, "axes.titlelocation": "left", "axes.labelsize": 11,
        "xtick.labelsize": 10, "ytick.labelsize": 10, "legend.fontsize": 10,
        "legend.frameon": False, "font.size": 11, "svg.hashsalt": "plumbrl",
    }  # fmt: skip
    with rc_context(look):  # pyright: ignore[reportArgumentType]
        yield


def draw(
    path: Path, fill: Fill, *, title: str, caption: str, size: tuple[float, float], theme: Theme
) -> Path:
    """Write a picture: a title, what `fill` draws, and a caption that says what it decides.

    Args:
        path: `.png`, `.svg` or `.pdf`; replaced as a whole if it is there.
        fill: Makes the axes.
        title: Above the axes.
        caption: Below them, wrapped to the width.
        size: Of the axes together, width and height in inches.
        theme: ``light`` or ``dark``.

    Returns:
        The path.

    Raises:
        UserError: As `check_file`.
    """
    check_file(path)
    from matplotlib.figure import Figure

    with themed(theme):
        text = "\n".join(textwrap.wrap(caption, int(size[0] * 12.5)))
        below = 0.19 * (1 + text.count("\n")) + 0.12
        figure = Figure(figsize=(size[0], size[1] + below), layout="constrained")
        share = below / (size[1] + below)
        fill(figure)
        figure.suptitle(title, fontsize=13, x=0.01, ha="left", fontweight="bold")
        figure.text(0.01, share * 0.93, text, fontsize=10, va="top", linespacing=1.25)
        _arrange(figure, (0, share, 1, 1 - share))
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            figure.savefig(temporary, dpi=DPI)
    return path


def _arrange(figure: Any, rect: tuple[float, float, float, float]) -> None:
    """Lay the axes out once; left to itself, saving draws everything twice for that."""
    engine = figure.get_layout_engine()
    engine.set(rect=rect)
    figure.set_dpi(DPI)
    engine.execute(figure)
    figure.set_layout_engine(None)


def dress(
    ax: Any, title: str, *, log: bool = False, steps: bool = True, wrong: bool = False
) -> None:
    """Give a panel its title and legend, or have it say that there is nothing to show.

    Args:
        ax: The panel.
        title: What is drawn, with its unit.
        log: On a logarithmic axis.
        steps: Whether the horizontal axis counts timesteps.
        wrong: Whether what is drawn is out of order, and the title says so.
    """
    from matplotlib.ticker import EngFormatter

    ax.set_title(title, **({"color": FLAG} if wrong else {}))
    if steps:
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    if log and ax.lines:
        ax.set_yscale("log")
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    elif not ax.has_data() and not ax.texts:
        say(ax, "not logged")


def say(ax: Any, sentence: str) -> None:
    """Let an empty panel say why it is empty."""
    ax.text(
        0.5, 0.5, textwrap.fill(sentence, 34), ha="center", va="center",
        transform=ax.transAxes, color=GREY,
    )  # fmt: skip
    ax.tick_params(left=False, labelleft=False)
    ax.grid(False)
