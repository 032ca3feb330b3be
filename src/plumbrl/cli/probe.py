"""`plumbrl probe --algo sb3:PPO`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from plumbrl import forked


@dataclass(frozen=True)
class Options:
    """Put a trainer through tiny environments with known answers, and name what is broken.

    Takes seconds, and should come before any training.
    """

    algo: Annotated[str, tyro.conf.arg(metavar="sb3:PPO|MODULE:NAME")]
    """What to probe: sb3:PPO (A2C, DQN, SAC, TD3, ...), my_module:make_trainer where
    make_trainer(env, seed) returns an SB3 model or has train(timesteps), or my_module:MyPPO."""
    basic: bool = False
    """Only the five basic probes."""
    only: tuple[str, ...] = ()
    """Only these probes."""
    actions: Literal["both", "discrete", "continuous"] = "both"
    """Kinds of actions to try."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds; from the third on they are used only where the first two disagree."""
    budget: float = 1.0
    """Factor on the timesteps after which a probe gives up."""
    seconds: float = 60.0
    """Time limit of one trial."""
    workers: int = 2
    """Processes at a time."""
    json: bool = False
    """Print the report as JSON and nothing else."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl probe", args=args)
    forked.get_ready("plumbrl.probes.warm")  # its imports take longer than those that follow here

    from rich.console import Console

    from plumbrl.errors import UserError
    from plumbrl.probes import probe
    from plumbrl.probes.suite import KINDS
    from plumbrl.report.console import speak_plainly
    from plumbrl.report.probes import print_probes

    for name in ("budget", "seconds", "workers"):
        if getattr(options, name) <= 0:
            raise UserError(f"--{name} must be above 0; got {getattr(options, name)}.")
    if any(seed < 0 for seed in options.seeds):
        raise UserError(f"--seeds must not be negative; got {min(options.seeds)}.")
    console = Console(quiet=options.json)
    speak_plainly(console)
    with console.status("probing ...") as status:
        result = probe(
            options.algo, basic=options.basic, only=options.only, seeds=options.seeds,
            kinds=KINDS if options.actions == "both" else (options.actions,),
            budget=options.budget, seconds=options.seconds, workers=options.workers,
            on_trial=lambda trial: status.update(f"probing: {trial.probe} {trial.verdict}"),
        )  # fmt: skip
    if options.json:
        print(result.to_json())
    else:
        print_probes(result, console)
    return result.exit_code
