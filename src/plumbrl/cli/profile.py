"""`plumbrl profile ENV|CONFIG`."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from plumbrl.errors import UserError

if TYPE_CHECKING:
    from plumbrl.training.config import TrainConfig

FILES = (".yaml", ".yml")
SHORTEST, LONGEST = 1.0, 3600.0
NUM_ENVS = 8
"""Environments where only an environment is named."""


@dataclass(frozen=True)
class Options:
    """Measure where the time of an environment and of a training in it goes.

    Steps, resets and pictures of one environment; its layers and functions; then policy, learner
    and buffer per 1,000 timesteps; memory; what to change first and what that would gain. Any
    setting of the training can be given by its dotted name, as to `plumbrl train`; without a
    configuration, PPO is measured in 8 environments. Nothing is written.
    """

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV|CONFIG")]
    """Gymnasium id (module:Env-v0 too), YAML file of a training, or a preset."""
    budget: str = "20s"
    """Time for everything: 20s, 2m."""
    json: bool = False
    """Print everything as JSON and nothing else."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    from plumbrl.cli.train import dotted

    own, settings = _split(args)
    options = tyro.cli(Options, prog="plumbrl profile", args=own)
    seconds = _seconds(options.budget)
    config = _config(options.target, dotted(settings))

    from rich.console import Console

    from plumbrl.report.console import speak_plainly
    from plumbrl.report.profile import print_profile
    from plumbrl.training.profiled import profile

    console = Console(quiet=options.json)
    speak_plainly(console)
    with console.status("measuring ...") as status:
        found = profile(config, seconds, lambda what: status.update(f"measuring {what} ..."))
    if options.json:
        print(found.to_json())
    else:
        print_profile(found, console)
    return 0


def _split(args: list[str]) -> tuple[list[str], list[str]]:
    """Part the command's own arguments from settings, each written `--name VALUE`."""
    own: list[str] = []
    settings: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        name, equals, _ = arg.partition("=")
        mine = not arg.startswith("--") or name in ("--json", "--help", "--budget")
        takes = not equals and rest and arg.startswith("--") and name not in ("--json", "--help")
        (own if mine else settings).extend([arg, *([rest.pop(0)] if takes else [])])
    return own, settings


def _seconds(budget: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(s|m|)", budget.strip())
    seconds = float(found[1]) * (60 if found[2] == "m" else 1) if found else 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise UserError(f"--budget must be a time from 1s to 60m, such as 20s; got {budget!r}.")
    return seconds


def _config(target: str, overrides: dict[str, object]) -> "TrainConfig":
    from plumbrl.training.config_file import PRESETS, config_of, load_config

    if target in PRESETS or Path(target).suffix in FILES or Path(target).is_file():
        return load_config(Path(target), overrides)
    _refuse_function(target)
    data = {"env": {"id": target}, "num_envs": NUM_ENVS}
    return config_of(data, Path(), overrides, target)


def _refuse_function(target: str) -> None:
    from plumbrl.audits.target import is_registered

    module, _, name = target.partition(":")
    if name and not is_registered(target) and hasattr(sys.modules.get(module), name):
        raise UserError(
            f"{target} is no Gymnasium id; profile takes ids (module:MyEnv-v0, registered where "
            "the module is imported) and configurations, no functions."
        )
