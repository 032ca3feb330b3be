"""How a training goes: a page that stays in place on a terminal, lines elsewhere."""

import os
import platform
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from stable_baselines3.common.callbacks import BaseCallback

from plumbrl.findings import most_severe
from plumbrl.metrics.statistics import mean_interval
from plumbrl.training.arithmetic import describe, warnings
from plumbrl.training.folder import parameters
from plumbrl.training.stopwatch import PARTS

FEWEST = 3
"""Episodes needed before an interval says anything."""


class Progress:
    """Shows a training on a console.

    Args:
        console: Where to.
        every: Seconds between lines; a page is drawn twice a second.
    """

    def __init__(self, console: Console, every: float = 5.0) -> None:
        self._console, self._every = console, every

    def callback(self, session: Any) -> BaseCallback:
        """Say what is about to be trained, and return the callback that follows it."""
        for line in facts(session):
            self._console.print(line, highlight=False, soft_wrap=True)
        for line in warnings(session.config, session.model):
            self._console.print(f"note: {line}", style="yellow", highlight=False, soft_wrap=True)
        return (_Page if self._console.is_terminal else _Lines)(session, self._console, self._every)


class _Lines(BaseCallback):
    """A line at most every few seconds."""

    def __init__(self, session: Any, console: Console, every: float) -> None:
        super().__init__()
        self._session, self._console, self._every = session, console, every
        self._total = session.config.total_timesteps
        self._begin = self._last = time.perf_counter()
        self._first = 0
        self._told: set[str] = set()

    def _on_training_start(self) -> None:
        self._begin = self._last = time.perf_counter()
        self._first = self.num_timesteps

    def _on_step(self) -> bool:
        return True

    def _tell(self) -> None:
        """Say what was found since the last time."""
        for found in [*self._session.verifier.findings, *self._session.watching.findings]:
            if found.cause not in self._told:
                line = f"{found.severity}: {found.cause}: {found.summary}"
                self._console.print(line, style="yellow", highlight=False, soft_wrap=True)
                self._told.add(found.cause)

    def _on_rollout_end(self) -> None:
        self._tell()
        now = time.perf_counter()
        finished = self.num_timesteps >= self._total
        if now - self._last < self._every and not finished:
            return
        self._last = now
        reward, length = self._episodes()
        self._console.print(
            f"{min(1, self.num_timesteps / self._total):4.0%}  {self.num_timesteps:>9,} steps"
            f"  {self._speed():>6,.0f}/s  return {reward}  length {length:6.1f}",
            highlight=False,
        )

    def _speed(self) -> float:
        passed = max(1e-9, time.perf_counter() - self._begin)
        return (self.num_timesteps - self._first) / passed

    def _episodes(self) -> tuple[str, float]:
        """Mean return of the last episodes with its interval, and their mean length."""
        episodes = self.model.ep_info_buffer or []
        returns = np.array([e["r"] for e in episodes], dtype=float)
        length = float(np.mean([e["l"] for e in episodes])) if episodes else float("nan")
        if len(returns) < FEWEST:
            return "no episode yet", length
        return str(mean_interval(returns)), length


class _Page(_Lines):
    """A page that stays where it is."""

    def __init__(self, session: Any, console: Console, every: float) -> None:
        super().__init__(session, console, every)
        self._live = Live(console=console, refresh_per_second=2, transient=True)

    def _on_training_start(self) -> None:
        super()._on_training_start()
        self._live.start()

    def _on_rollout_end(self) -> None:
        now = time.perf_counter()
        if now - self._last >= 0.5:
            self._last = now
            self._live.update(self._page())

    def _on_training_end(self) -> None:
        self._live.stop()

    def _page(self) -> Panel:
        reward, length = self._episodes()
        left = max(0, self._total - self.num_timesteps) / max(1e-9, self._speed())
        table = Table.grid(padding=(0, 2))
        rows = {
            "return": f"{reward} of the last episodes, length {length:.1f}",
            "speed": f"{self._speed():,.0f} steps/s, {left / 60:.1f} minutes left",
            "time": self._split(),
            "evaluated": self._evaluated(),
            "finding": self._finding(),
        }
        for name, text in rows.items():
            table.add_row(Text(name, style="bold"), text)
        share = f"{self.num_timesteps:,} of {self._total:,} steps"
        bar = ProgressBar(self._total, min(self.num_timesteps, self._total), width=60)
        return Panel(Group(Text(share), bar, table), title=self._session.config.name)

    def _split(self) -> str:
        split = self._session.stopwatch.split
        total = max(1e-9, sum(split.values()))
        return "  ".join(f"{name} {split[name] / total:.0%}" for name in PARTS)

    def _evaluated(self) -> str:
        history = self._session.milestones.history
        if not history["results"]:
            return "not yet"
        last = np.array(history["results"][-1])
        at = history["timesteps"][-1]
        return f"{mean_interval(last)} at {at:,} steps; best {self._session.milestones.best:.4g}"

    def _finding(self) -> str:
        session = self._session
        found = most_severe([*session.verifier.findings, *session.watching.findings])
        return f"{found.cause}: {found.summary}" if found else "none so far"


def facts(session: Any) -> list[str]:
    """Return what is about to be trained, on what, a line each."""
    config, model = session.config, session.model
    counts = parameters(model)
    libraries = ", ".join(f"{n} {version(n)}" for n in ("stable-baselines3", "torch"))
    return [
        f"{config.algo.name} on {config.env.id}, seed {config.seed}; {os.cpu_count()} cores "
        f"({config.torch_threads} for torch), Python {platform.python_version()}, {libraries}",
        f"{counts['total']:,} parameters, {counts['learnable']:,} of them learnable",
        *describe(config, model, episode_steps(session.venv)),
        f"run folder {session.folder.path}",
    ]


def episode_steps(venv: Any) -> int | None:
    """Return the time limit of the environments in steps, where they say it."""
    for name, limit in (("config", "max_steps"), ("spec", "max_episode_steps")):
        if venv.has_attr(name):  # a process that is asked for what it has not dies of it
            steps = getattr(venv.get_attr(name)[0], limit, None)
            if isinstance(steps, int):
                return steps
    return None
