"""`plumbrl audit ENV`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Find out what is wrong with a reward, an environment or a task, in that order.

    For when the trainer is healthy and the reward does not grow, and before the first training in a
    new environment. It knows its own power: what it cannot decide it calls inconclusive, and says
    what would decide. Exit code 3: something is wrong.
    """

    env: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ENV]")] = None
    """Gymnasium id (CartPole-v1, my_module:MyEnv-v0), my_module:make_env where make_env() returns
    an environment or a vector of them, a run folder, or a YAML file of a training or a ballbot."""
    policy: Path | None = None
    """Run folder or model.zip of the trained policy; with it more can be decided."""
    oracle: str | None = None
    """my_module:function, a policy known to do the task: from an observation to an action, or, with
    a parameter env, from the environment to such a function. By default the environment's own
    baseline, if it has one."""
    metric: str = ""
    """Number in the infos that says how well the task is done, higher is better; -distance where
    lower is better."""
    gamma: float | None = None
    """Discount of the trainer; by default that of the policy's training, else 0.99."""
    tiers: tuple[Literal["reward", "environment", "task"], ...] = ("reward", "environment", "task")
    """Which to ask."""
    budget: str = "60s"
    """Time for everything: 30s, 2m."""
    seed: int = 0
    """First of the seeds used."""
    all: bool = False
    """Also what was measured where nothing is wrong."""
    json: bool = False
    """Print the report as JSON and nothing else."""
    trust: bool = False
    """Load pickles in the policy's files too, which runs whatever they hold."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl audit", args=joined(args))
    seconds = seconds_in(options.budget)

    from rich.console import Console

    from plumbrl.audits.oracle import named_oracle
    from plumbrl.audits.run import audit
    from plumbrl.report.console import print_report, speak_plainly
    from plumbrl.training.audited import audited

    what = audited(options.env, options.policy, trust=options.trust)
    console = Console(quiet=options.json)
    speak_plainly(console)
    with console.status("auditing ...") as status:
        report = audit(
            what.env, name=what.name, vector=what.vector, policy=what.policy,
            oracle=named_oracle(options.oracle) if options.oracle else what.oracle,
            metric=options.metric, gamma=_gamma(options.gamma, what.gamma), rollout=what.rollout,
            tiers=options.tiers, budget=seconds, seed=options.seed,
            on_look=lambda look: status.update(f"auditing: {look} ..."),
        )  # fmt: skip
    if options.json:
        print(report.to_json())
    else:
        print_report(report, console, brief=not options.all)
    return report.exit_code


def joined(args: list[str]) -> list[str]:
    """Return arguments with ``--metric -distance`` as one, or the parser takes it for an option."""
    found: list[str] = []
    for arg in args:
        if found[-1:] == ["--metric"] and re.match(r"-[^-]", arg):
            found[-1] = f"--metric={arg}"
        else:
            found.append(arg)
    return found


def _gamma(asked: float | None, trained: float | None) -> float:
    return next((g for g in (asked, trained) if g is not None), 0.99)


def seconds_in(text: str) -> float:
    """Return the seconds in a duration such as 30, 30s, 2m or 1.5m.

    Raises:
        UserError: It is no duration above 0.
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, factor = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        seconds = float(number) * factor
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"--budget takes a duration such as 30s or 2m; got {text!r}.")
    return seconds
