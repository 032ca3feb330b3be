"""Saves what a run must not lose: its whole state, models along the way, and the best one."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from plumbrl.metrics.episodes import Evaluation
from plumbrl.runs.folder import RunFolder
from plumbrl.runs.progress import ProgressFile
from plumbrl.training.saving import save_model
from plumbrl.training.state import restore_streams, save_state

SHARE = 50
"""Saving the state takes at most a fiftieth of the time, however large a replay buffer is."""


class Keeper(BaseCallback):
    """Saves the state of a run at the start of rollouts, and stops there when asked to.

    Args:
        folder: The run's folder; the state is `checkpoints/state.pt`.
        progress: Its rows are counted with the state, so that a resumed run repeats none.
        seconds: Least wall time between two states.
        extra: Returns what the caller wants back on resuming, plain data.
        resumed: The state the run goes on from, if it does.

    Attributes:
        stopped: Whether it was asked to stop, and did: state and model are saved. A training that
            ended before the next rollout was not stopped.
    """

    def __init__(
        self,
        folder: RunFolder,
        progress: ProgressFile,
        seconds: float,
        extra: Callable[[], dict[str, Any]],
        resumed: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._folder, self._progress, self._seconds = folder, progress, seconds
        self._extra, self._resumed = extra, resumed
        self._next = 0.0
        self._stopping = self._told = False
        self.stopped = False

    def stop(self) -> None:
        """Stop at the start of the next rollout, where nothing is half done."""
        self._stopping = True

    def save(self) -> None:
        """Save the state now; only right at the start of a rollout."""
        begin = time.monotonic()
        extra = self._extra() | {"rows": len(self._progress)}
        save_state(self._folder.path / "checkpoints/state.pt", self.model, extra)
        now = time.monotonic()
        self._next = now + max(self._seconds, SHARE * (now - begin))

    def _on_rollout_start(self) -> None:
        if self._resumed is not None:
            for key, (value, exclude) in self._resumed["pending"].items():
                self.logger.record(key, value, exclude=exclude)
            restore_streams(self.model, self._resumed)
            self._resumed = None
            self._next = time.monotonic() + self._seconds
        elif self._stopping or time.monotonic() >= self._next:
            self.save()
        if self._stopping:
            save_model(self.model, self._folder.path / "model.zip")
            self.stopped = True

    def _on_step(self) -> bool:
        """SB3 learns of a stop only here, a step into the rollout; ARS does not listen even so."""
        if self.stopped and self._told:
            raise KeyboardInterrupt
        self._told = self.stopped
        return not self.stopped


class Milestones(BaseCallback):
    """Evaluates on held-out seeds and keeps models, at the first rollout after each milestone.

    Logs ``eval/mean_reward``, ``eval/mean_ep_length`` and ``eval/survived`` (share of episodes that
    no terminal state ended), writes ``evaluations.npz`` in SB3's layout, and keeps the model with
    the highest mean return as ``best_model.zip``.

    Args:
        folder: The run's folder.
        evaluate: Runs the policy as it is on the held-out seeds; must leave random streams alone.
        eval_every: Timesteps between evaluations; 0 for none.
        keep_every: Timesteps between models kept in `checkpoints`; 0 for none.
        history: What an earlier part of the run had evaluated, from `history`.
        begun: Whether the policy has learned before; it is then the first to be evaluated, so that
            the best model is never worse than what a training began with.
    """

    def __init__(
        self,
        folder: RunFolder,
        evaluate: Callable[[], Evaluation],
        eval_every: int,
        keep_every: int,
        history: dict[str, Any] | None = None,
        *,
        begun: bool = False,
    ) -> None:
        super().__init__()
        self._folder, self._evaluate, self._begun = folder, evaluate, begun
        self._eval_every, self._keep_every = eval_every, keep_every
        self.history = history or {"timesteps": [], "results": [], "ep_lengths": [], "at": 0}

    @property
    def best(self) -> float:
        """The highest mean return so far; minus infinity before the first evaluation."""
        return max((float(np.mean(r)) for r in self.history["results"]), default=-np.inf)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        now, before = self.num_timesteps, self.history["at"]
        if now == before:
            if self._begun and self._eval_every and not self.history["timesteps"]:
                self.evaluate()
            return
        self.history["at"] = now
        if _passed(before, now, self._keep_every):
            save_model(self.model, self._folder.path / f"checkpoints/model_{now}_steps.zip")
        if _passed(before, now, self._eval_every):
            self.evaluate()

    def finish(self) -> None:
        """Evaluate the model at the end of the training, unless that was just done."""
        if self._eval_every and self.model.num_timesteps not in self.history["timesteps"]:
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluate now."""
        evaluation = self._evaluate()
        if evaluation.returns.mean() > self.best:
            save_model(self.model, self._folder.path / "best_model.zip")
        self.history["timesteps"].append(self.model.num_timesteps)
        self.history["results"].append(evaluation.returns.tolist())
        self.history["ep_lengths"].append(evaluation.lengths.tolist())
        arrays = {k: np.array(v) for k, v in self.history.items() if k != "at"}
        self._folder.write_arrays("evaluations.npz", arrays)
        self.logger.record("eval/mean_reward", float(evaluation.returns.mean()))
        self.logger.record("eval/mean_ep_length", float(evaluation.lengths.mean()))
        self.logger.record("eval/survived", 1.0 - float(evaluation.terminated.mean()))


class Mover(BaseCallback):
    """Moves what SB3 itself does not: the entropy coefficient, and adaptive learning rates.

    Args:
        ent_coef: The entropy coefficient by remaining share of the training, if it is scheduled.
        adaptive: Schedules that want the KL divergence of the last update.
    """

    def __init__(self, ent_coef: Any, adaptive: list[Any]) -> None:
        super().__init__()
        self._ent_coef, self._adaptive = ent_coef, adaptive

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        kl = self.logger.name_to_value.get("train/approx_kl")
        if kl is not None:
            for schedule in self._adaptive:
                schedule.observe(float(kl))
        if self._ent_coef is not None:
            remaining = 1 - self.num_timesteps / self.model._total_timesteps
            self.model.ent_coef = self._ent_coef(remaining)  # type: ignore[attr-defined]


def _passed(before: int, now: int, every: int) -> bool:
    return bool(every) and now // every > before // every
