"""`plumbrl train CONFIG [--key.subkey VALUE ...]`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
import yaml

from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Train a policy under watch, evaluate it against baselines, and judge the run.

    Any setting of the file can be changed by its dotted name, for example
    `--seed 3 --total_timesteps 2e5 --env.kwargs.terrain.type perlin`.
    """

    config: Annotated[Path, tyro.conf.Positional]
    """YAML file of the training."""
    json: bool = False
    """Print the report as JSON and nothing else."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options, rest = tyro.cli(Options, prog="plumbrl train", args=args, return_unknown_args=True)

    from rich.console import Console

    from plumbrl.report.console import evaluation_table, print_report
    from plumbrl.training.config import load_config

    config = load_config(options.config, dotted(rest))

    from plumbrl.training.progress import Progress
    from plumbrl.training.train import train

    console = Console(quiet=options.json)
    result = train(config, progress=Progress(console, config.total_timesteps))
    if options.json:
        print(result.report.to_json())
        return result.report.exit_code
    console.print(evaluation_table(result.evaluations))
    print_report(result.report, console)
    console.print(f"run folder   {result.folder}", soft_wrap=True)
    console.print(f"curves       tensorboard --logdir {result.folder}", soft_wrap=True)
    return result.report.exit_code


def dotted(args: list[str]) -> dict[str, object]:
    """Read `--a.b VALUE` and `--a.b=VALUE`; values as YAML, so that 3 is a number."""
    overrides: dict[str, object] = {}
    rest = list(args)
    while rest:
        key = rest.pop(0)
        if not key.startswith("--"):
            raise UserError(f"unexpected argument {key!r}; settings are written --name value.")
        key, equals, value = key[2:].partition("=")
        if not equals:
            if not rest:
                raise UserError(f"--{key} needs a value.")
            value = rest.pop(0)
        try:
            overrides[key.replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--{key}: cannot read the value {value!r}.") from None
    return overrides
