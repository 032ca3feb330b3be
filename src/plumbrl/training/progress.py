"""A line per update: how far, how fast, and how it goes."""

import time

import numpy as np
from rich.console import Console
from stable_baselines3.common.callbacks import BaseCallback


class Progress(BaseCallback):
    """Prints a line at most every few seconds.

    Args:
        console: Where to.
        total: Timesteps of the whole training.
        every: Seconds between lines.
    """

    def __init__(self, console: Console, total: int, every: float = 5.0) -> None:
        super().__init__()
        self._console, self._total, self._every = console, total, every
        self._begin = self._last = time.perf_counter()

    def _on_training_start(self) -> None:
        self._begin = self._last = time.perf_counter()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        now = time.perf_counter()
        finished = self.num_timesteps >= self._total
        if now - self._last < self._every and not finished:
            return
        self._last = now
        episodes = self.model.ep_info_buffer or []
        reward = np.mean([e["r"] for e in episodes]) if episodes else float("nan")
        length = np.mean([e["l"] for e in episodes]) if episodes else float("nan")
        self._console.print(
            f"{self.num_timesteps / self._total:4.0%}  {self.num_timesteps:>9,} steps"
            f"  {self.num_timesteps / (now - self._begin):>6,.0f}/s"
            f"  return {reward:8.2f}  length {length:6.1f}",
            highlight=False,
        )
