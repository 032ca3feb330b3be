"""`plumbrl confirm RUN`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Put a suspected cause to the test: train again, short, with and without it.

    Takes the first finding of `plumbrl diagnose RUN` whose remedy is a setting (or the one named),
    trains pairs of the same seed as it was and with the remedy, and says confirmed, refuted or
    undecided, with the interval of the difference in return at the end of training.

    Exit code 3: refuted or undecided.
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder that was diagnosed."""
    cause: str | None = None
    """The finding to test; by default the first whose remedy is a setting."""
    set: tuple[str, ...] = ()
    """Change this instead, such as gamma=0.99 or env.kwargs.wheel_model=sphere."""
    timesteps: int | None = None
    """Of each training; by default those of the run, at most 100,000."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds, at most; as many are used as decide, at least three, or two if only two are given."""
    json: bool = False
    """Print the result as JSON and nothing else."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl confirm", args=args)
    if not (options.run / "config.yaml").is_file():
        raise UserError(f"{options.run} is no run folder: it has no config.yaml.")
    if options.timesteps is not None and options.timesteps < 1:
        raise UserError(f"--timesteps must be above 0; got {options.timesteps}.")

    from rich.console import Console

    from plumbrl.report.confirmation import print_confirmation
    from plumbrl.report.console import speak_plainly
    from plumbrl.training.confirm import confirm
    from plumbrl.training.remedy import read_changes

    console = Console(quiet=options.json)
    speak_plainly(console)
    with console.status("training ...") as status:
        result = confirm(
            options.run, cause=options.cause, changes=read_changes(options.set),
            seeds=tuple(dict.fromkeys(options.seeds)), timesteps=options.timesteps,
            say=lambda text: status.update(f"training: {text} ..."),
        )  # fmt: skip
    if options.json:
        print(result.to_json())
    else:
        print_confirmation(result, console)
    return 0 if result.verdict == "confirmed" else 3
