"""Where the time goes, on the console."""

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plumbrl.report.console import speak_plainly

NARROW = 72
"""Columns below which the table of times leaves out the standard deviation."""
LEAST = 0.01
"""Share from which a part is shown."""
NAME, FIGURES = 26, 20
"""Columns of a part's name, and of what stands behind it."""
FUNCTIONS = 5


def print_profile(profile: Any, console: Console) -> None:
    """Print what an environment and a training take, and what to change first.

    Args:
        profile: A `plumbrl.profiling.result.Profile`.
        console: Where to.
    """
    speak_plainly(console)
    env = profile.environment
    console.print(Text(f"{profile.subject}: one environment, random actions", style="bold"))
    console.print(_times(profile, console.width))
    console.print(Text("What a step consists of (self times, exact)", style="bold"))
    _bars(env.layers, env.step.mean, console)
    _resets(env, console)
    _functions(env, console)
    if profile.training:
        _training(profile, console)
    _physics(profile, console)
    _memory(profile.memory, console)
    for note in profile.notes:
        console.print(Text(f"note: {note}", style="yellow"))
    _advice(profile, console)


def _times(profile: Any, width: int) -> Table:
    env = profile.environment
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("ms", no_wrap=True)
    std = ["std"] if width >= NARROW else []
    for header in ("mean", *std, "median", "p95", "p99", "a second"):
        table.add_column(header, justify="right", no_wrap=True)
    rows = {"step": env.step, "reset": env.reset, "render": env.render}
    for name, times in rows.items():
        if times:
            spread = [times.std] if std else []
            cells = (times.mean, *spread, times.p50, times.p95, times.p99)
            table.add_row(name, *(_ms(t) for t in cells), _count(times.per_second))
    blank = [""] * (3 + len(std))
    table.add_row("first step", _ms(env.first), *blank, "")
    if env.physics:
        table.add_row("physics alone", _ms(env.physics), *blank, _count(1 / env.physics))
    return table


def _bars(shares: dict[str, float], seconds: float, console: Console) -> None:
    for name, share in shares.items():
        if share >= LEAST:
            console.print(_bar(name, share, f"{_ms(seconds * share)} ms", console.width))


def _bar(name: str, share: float, behind: str, width: int, style: str = "") -> Text:
    room = max(4, width - NAME - FIGURES)
    name = name if len(name) <= NAME - 1 else name[: NAME - 2] + "…"
    line = Text(f"{name:{NAME}}", style=style).append(f"{share:>5.0%} {behind:>12}  ")
    return line.append("█" * math.ceil(share * room - 0.5), style="cyan")


def _resets(env: Any, console: Console) -> None:
    named = [f"{n} {s:.0%}" for n, s in env.reset_layers.items() if s >= 0.1 and n != "reset"]
    if named:
        console.print(Text(f"of a reset: {', '.join(named)}", style="dim"))


def _functions(env: Any, console: Console) -> None:
    if not env.functions:
        return
    title = f"By function (Python's profiler, which makes a step {env.slowdown:.1f} times as long)"
    console.print(Text(title, style="bold"))
    for f in env.functions[:FUNCTIONS]:
        room = max(10, console.width - 8 - len(f.where))
        console.print(Text(f"{f.share:>5.0%}  {f.name[:room]} ").append(f.where, style="dim"))


def _training(profile: Any, console: Console) -> None:
    training = profile.training
    console.print()
    console.print(Text(f"Training: {profile.setting}", style="bold"))
    console.print(
        f"1,000 timesteps take {_ms(training.seconds)} ms: {_count(training.per_second)} "
        f"timesteps a second, {training.cores:.1f} cores busy",
        highlight=False,
    )
    for group, share in sorted(training.groups.items(), key=lambda item: -item[1]):
        if not share:
            continue
        spent = f"{_ms(training.seconds * share)} ms"
        console.print(_bar(group, share, spent, console.width, style="bold"))
        parts = {n: s for n, s in training.shares.items() if n.startswith(f"{group}/")}
        for name, part in parts.items() if len(parts) > 1 else ():
            if part >= LEAST:
                console.print(
                    Text(f"  {name.partition('/')[2][: NAME - 3]:{NAME - 2}}{part:>5.0%}")
                )


def _physics(profile: Any, console: Console) -> None:
    env = profile.environment
    if not env.physics:
        return
    said = f"one environment reaches {env.of_physics:.0%} of MuJoCo alone (mj_step, "
    said += f"{env.physics_steps} a step, same model and states, one core)"
    if profile.training:
        said += f"; the training {profile.training.per_second * env.physics:.0%}"
    console.print(said, highlight=False)


def _memory(memory: dict[str, float], console: Console) -> None:
    env = memory["environment"] - memory["before"]
    training = memory["training"] - memory["environment"]
    console.print(
        f"memory: {memory['training']:,.0f} MB resident ({memory['before']:,.0f} before, "
        f"{env:+,.0f} the environment, {training:+,.0f} the training), "
        f"{memory['peak']:,.0f} at the peak",
        highlight=False,
    )


def _advice(profile: Any, console: Console) -> None:
    console.print()
    named = profile.bottleneck
    if named:
        group, _, part = named[0].partition("/")
        said = f"Bottleneck: {part or group}{f' ({group})' if part else ''}, {named[1]:.0%} of the "
        said += f"time; were it free, {_gain(profile.ceiling)}"
        console.print(Text(said, style="bold"))
    else:
        console.print(Text("Nothing takes a quarter of the time.", style="bold"))
    if profile.advice:
        console.print("Change first (gain in timesteps a second)")
    for rank, advice in enumerate(profile.advice, 1):
        line = Text(f"{rank}. {advice.what}: {_gain(advice.gain)}", style="default")
        changes = f", changes {advice.changes}" if advice.changes else ""
        console.print(line.append(f", {advice.basis}{changes}", style="dim"))


def _gain(gain: float) -> str:
    return f"+{gain:.0%}" if gain < 1 else f"{1 + gain:,.1f} times as fast"


def _ms(seconds: float) -> str:
    """Return milliseconds in three digits."""
    ms = 1000 * seconds
    if ms >= 100:
        return f"{ms:,.0f}"
    digits = 2 - math.floor(math.log10(ms)) if ms > 0 else 0
    return f"{ms:.{min(4, max(0, digits))}f}"


def _count(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
