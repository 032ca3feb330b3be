"""`plumbrl train CONFIG [--key.subkey VALUE ...]`, `plumbrl train --resume RUN`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml

from plumbrl.errors import UserError

OWN = ("--resume", "--json", "--help")
ENDED = {"alert": 4, "error": 1}
"""Exit codes of trainings that did not get to their end."""
FLAGS = {"--no-watch": ("--watch", "false"), "--stop-on-error": ("--stop_on_error", "true")}
"""Short forms of settings."""


@dataclass(frozen=True)
class Options:
    """Train a policy under watch, evaluate it against baselines, and judge the run.

    Any setting of the file can be changed by its dotted name, for example
    `--seed 3 --total_timesteps 2e5 --env.kwargs.terrain.type perlin`; `--preset conservative`
    changes several at once. Files with the keys of the published ballbot training are understood.
    Ctrl-C saves; `--resume RUN` goes on exactly where a run was stopped or killed. `--no-watch`
    measures nothing; `--stop-on-error` stops at the first alert that is an error (exit code 4).
    """

    config: Annotated[Path | None, tyro.conf.Positional] = None
    """YAML file of the training, or a preset: aggressive, conservative, balanced."""
    resume: Path | None = None
    """Run folder to go on with; only --total_timesteps may change."""
    json: bool = False
    """Print the report as JSON and nothing else."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    own, settings = split(args)
    options = tyro.cli(Options, prog="plumbrl train", args=own)
    start = _start(options, dotted(settings))

    from rich.console import Console

    from plumbrl.report.console import evaluation_table, print_report, speak_plainly
    from plumbrl.training.progress import Progress

    console = Console(quiet=options.json)
    speak_plainly(console)
    result = start(Progress(console))
    code = ENDED[result.ended.by] if result.ended else result.report.exit_code
    if options.json:
        print(result.report.to_json())
        return code
    if result.ended:
        console.print(f"ended early: {result.ended.why}", style="red", soft_wrap=True)
    else:
        console.print(evaluation_table(result.evaluations))
    print_report(result.report, console)
    console.print(f"run folder   {result.folder}", soft_wrap=True)
    console.print(f"curves       tensorboard --logdir {result.folder / 'tb'}", soft_wrap=True)
    return code


def _start(options: Options, overrides: dict[str, Any]) -> Any:
    if (options.config is None) == (options.resume is None):
        raise UserError("give a configuration file to train, or --resume RUN to go on with a run.")
    if options.resume is not None:
        other = sorted(overrides.keys() - {"total_timesteps"})
        if other:
            raise UserError(f"--{other[0]}: a resumed run can only change total_timesteps.")
        from plumbrl.training.config import whole
        from plumbrl.training.train import resume

        path, total = options.resume, whole(overrides.get("total_timesteps"))
        return lambda show: resume(path, total_timesteps=total, show=show)

    from plumbrl.training.config_file import load_config
    from plumbrl.training.train import train

    assert options.config is not None
    _refuse_id(options.config)
    config = load_config(options.config, overrides)
    return lambda show: train(config, show=show)


def _refuse_id(config: Path) -> None:
    """Say how to train in an environment that was named instead of a file."""
    from plumbrl.audits.target import is_registered
    from plumbrl.training.config_file import PRESETS

    name = str(config)
    if name in PRESETS or config.exists() or not is_registered(name):
        return
    raise UserError(
        f"{name} is an environment; train in it with a YAML file of these two lines, as in "
        f"`plumbrl train my.yaml`:\nenv: {{id: {name!r}}}\ntotal_timesteps: 100000"
    )


def split(args: list[str]) -> tuple[list[str], list[str]]:
    """Part the command's own arguments from settings, each written `--name VALUE`."""
    own: list[str] = []
    settings: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        name = arg.partition("=")[0]
        if arg.replace("_", "-") in FLAGS and not _has_value(rest):
            settings += FLAGS[arg.replace("_", "-")]
        elif not arg.startswith("--") or name in OWN:
            own += [arg, *([rest.pop(0)] if name == "--resume" and rest and "=" not in arg else [])]
        else:
            settings += [arg, *([rest.pop(0)] if "=" not in arg and rest else [])]
    return own, settings


def _has_value(rest: list[str]) -> bool:
    return bool(rest) and rest[0].lower() in ("true", "false")


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
