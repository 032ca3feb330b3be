"""What a training logs beyond SB3's own keys."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

SAMPLES_PER_ROW = 512


class EpisodeLog(BaseCallback):
    """Logs reward terms, end causes and episode lengths in seconds of the episodes of a rollout.

    Reads what environments put into ``info`` at the end of an episode: ``episode_terms`` (sums by
    name), ``termination`` (a cause) and ``seconds``. Keys: ``reward/<term>`` (mean per episode),
    ``term/<cause>`` (share of episodes, 0 for a cause that was seen before),
    ``rollout/ep_seconds_mean``.

    Args:
        causes: End causes that an earlier part of the run has seen.

    Attributes:
        causes: End causes seen so far.
    """

    def __init__(self, causes: Iterable[str] = ()) -> None:
        super().__init__()
        self.causes = list(causes)
        self._terms: dict[str, list[float]] = defaultdict(list)
        self._causes: Counter[str] = Counter()
        self._seconds: list[float] = []

    def _on_step(self) -> bool:
        for i in np.flatnonzero(self.locals.get("dones", ())):  # ARS keeps its steps to itself
            info = self.locals["infos"][i]
            for name, value in info.get("episode_terms", {}).items():
                self._terms[name].append(value)
            if "termination" in info:
                self._count(info["termination"])
            if "seconds" in info:
                self._seconds.append(info["seconds"])
        return True

    def _on_rollout_end(self) -> None:
        """Off-policy rollouts are a few steps long, so most of them end no episode."""
        for name, values in self._terms.items():
            self.logger.record(f"reward/{name}", float(np.mean(values)))
        total = sum(self._causes.values())
        for name in self.causes if total else ():
            self.logger.record(f"term/{name}", self._causes[name] / total)
        if self._seconds:
            self.logger.record("rollout/ep_seconds_mean", float(np.mean(self._seconds)))
        self._terms.clear()
        self._causes.clear()
        self._seconds.clear()

    def _count(self, cause: str) -> None:
        self._causes[cause] += 1
        if cause not in self.causes:
            self.causes.append(cause)


class Rows(BaseCallback):
    """Writes a row of the log at the end of on-policy rollouts, at most one per 512 timesteps.

    SB3 counts rollouts since `learn` was called, so a resumed run would write other rows. A2C's
    rollouts are so short that a row each would cost more than learning.
    """

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        model: Any = self.model
        rollout = model.n_envs * model.n_steps
        now = self.num_timesteps
        if now // SAMPLES_PER_ROW > (now - rollout) // SAMPLES_PER_ROW:
            model.dump_logs(now // rollout)
