"""What a training logs beyond SB3's own keys."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback


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
        for i in np.flatnonzero(self.locals["dones"]):
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
