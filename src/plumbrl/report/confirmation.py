"""What an experiment says of a suspected cause, on the console."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

NAMES = ("seed", "return as it was", "return changed", "difference", "found again when changed")
COLOURS = {"confirmed": "green", "refuted": "red", "undecided": "yellow"}


def print_confirmation(result: Any, console: Console) -> None:
    """Print the verdict, what was changed, each pair of trainings, and what would decide.

    Args:
        result: A `plumbrl.training.confirm.Confirmation`.
        console: Where to.
    """
    line = Text(f"{result.cause}: ").append(result.verdict, style=f"bold {COLOURS[result.verdict]}")
    console.print(line)
    for key, value in result.changes.items():
        console.print(f"changed   {key} = {value}", highlight=False)
    table = Table(box=SIMPLE_HEAD)
    for name in NAMES:
        table.add_column(name, justify="right")
    for trial in result.trials:
        gain = trial.after - trial.before
        again = "yes" if trial.still else "no"
        table.add_row(
            str(trial.seed), f"{trial.before:.4g}", f"{trial.after:.4g}", f"{gain:+.4g}", again
        )
    console.print(table)
    said = f"gain {result.gain:+.4g} [{result.low:+.4g}, {result.high:+.4g}] over seeds, "
    console.print(f"{said}{result.timesteps:,} timesteps each", highlight=False)
    if result.verdict == "undecided":
        console.print(_what_would_decide(result), highlight=False, soft_wrap=True)


def _what_would_decide(result: Any) -> str:
    seeds = [trial.seed for trial in result.trials]
    more = [*seeds, *range(max(seeds) + 1, max(seeds) + 1 + len(seeds))]
    return (
        f"More seeds would decide (--seeds {' '.join(map(str, more))}: a narrower interval), or "
        f"longer trainings (--timesteps {10 * result.timesteps}: an effect that takes its time)."
    )
