"""`plumbrl diagnose RUN|CSV|TBDIR|WANDBDIR`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Optional

import tyro


@dataclass(frozen=True)
class Options:
    """Say whether a run is broken, unhealthy or not learning, and name the causes.

    Reads run folders of plumbrl, progress.csv and evaluations.npz of SB3, TensorBoard event files
    (CleanRL, rsl_rl, ...), offline runs of W&B, and any CSV or JSON lines with a column of steps.
    """

    path: Annotated[Path, tyro.conf.Positional]
    """A run folder or a log."""
    rules: Literal["default", "classic"] = "default"
    """Alerts by limits measured on healthy runs, or by the published fixed thresholds."""
    html: Optional[Path] = None  # noqa: UP045 (tyro starts faster with this spelling)
    """Where the page goes; report.html in the run folder, or nowhere for somebody else's log."""
    json: bool = False
    """Print the report as JSON and nothing else."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl diagnose", args=args)

    import sys

    from rich.console import Console

    from plumbrl.diagnosis import diagnose_with
    from plumbrl.errors import UserError
    from plumbrl.logs import read
    from plumbrl.report.console import print_report, speak_plainly

    if options.html is not None and options.html.is_dir():
        raise UserError(f"--html names a file; {options.html} is a folder.")
    history = read(options.path)
    report = diagnose_with(history, options.path, rules=options.rules)
    for note in history.notes:
        print(f"note: {note}", file=sys.stderr)
    ours = options.path / "report.html" if (options.path / "manifest.json").is_file() else None
    page = options.html or ours
    if page is not None:
        from plumbrl.report.html import write_page
        from plumbrl.runs.value_trace import read_trace

        write_page(page, report, history, trace=read_trace(options.path))
    if options.json:
        print(report.to_json())
        return report.exit_code
    console = Console()
    speak_plainly(console)
    print_report(report, console)
    if page is not None:
        console.print(f"page         {page}", soft_wrap=True)
    return report.exit_code
