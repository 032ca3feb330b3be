"""One training, from building it to its report."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from plumbrl.adapters.sb3.settings import settings
from plumbrl.adapters.sb3.verifier import Verifier
from plumbrl.findings import Check, Report
from plumbrl.metrics.episodes import Evaluation
from plumbrl.monitor.monitor import AlertError
from plumbrl.runs import RunFolder
from plumbrl.runs.progress import ProgressFile
from plumbrl.training.algorithms import build_model
from plumbrl.training.callbacks import EpisodeLog, Rows
from plumbrl.training.config import TrainConfig
from plumbrl.training.envs import make_training_env
from plumbrl.training.final import conclude, finish
from plumbrl.training.folder import note, note_resume, write_manifest
from plumbrl.training.held_out import HeldOut, first_env_seed
from plumbrl.training.imitate import check_imitation, imitate
from plumbrl.training.interrupt import interruptible
from plumbrl.training.keeper import Keeper, Milestones, Mover
from plumbrl.training.logger import make_logger
from plumbrl.training.saving import save_model
from plumbrl.training.schedules import Schedule, read_schedule
from plumbrl.training.start import begin_with
from plumbrl.training.state import restore_model, schedules_of
from plumbrl.training.stopwatch import Stopwatch
from plumbrl.training.watching import Watching

EVALUATIONS = 10
"""Evaluations during a training, unless configured otherwise."""
EPISODES_PER_ROW = 4
"""Episodes of off-policy algorithms in a row of `progress.csv`; of all environments together."""


@dataclass(frozen=True)
class Trained:
    """What a training gives back."""

    folder: Path
    report: Report
    evaluations: list[Evaluation]
    seconds: float
    """Wall time of learning, in this process."""
    ended: "Ended | None" = None
    """Why it did not get to its end; None if it did."""


@dataclass(frozen=True)
class Ended:
    """Why a training ended early."""

    by: Literal["alert", "error"]
    why: str


class Show(Protocol):
    """What shows how a training goes."""

    def callback(self, session: "Session") -> BaseCallback:
        """Return the callback that shows `session`."""
        ...


class Session:
    """One training, from building it to its report.

    Attributes:
        config: The configuration.
        venv: The training environments, as the model sees them.
        model: SB3's.
        folder: The run folder; there after `open`.
        verifier: What the exact identities say so far.
        watching: What the numbers say so far.
        stopwatch: Where the time goes.
        milestones: Evaluations so far.
    """

    folder: RunFolder
    verifier: Verifier
    watching: Watching
    milestones: Milestones

    def __init__(self, config: TrainConfig) -> None:
        torch.set_num_threads(config.torch_threads)
        self.config = config
        self.venv, timed, self.encoder = make_training_env(config, first_env_seed(config))
        self.model = build_model(config, self.venv)
        if config.imitate.controller is not None:
            check_imitation(self.model, config.imitate)
        self.stopwatch = Stopwatch(timed)
        self._held_out = HeldOut(config, self.model, self.encoder)
        self._state: dict[str, Any] | None = None

    def open(self, folder: RunFolder, state: dict[str, Any] | None = None) -> None:
        """Write what is known before training into the folder, and take over a saved state.

        Raises:
            UserError: The state does not fit the configuration.
        """
        extra = state["extra"] if state else {}
        goes_on = restore_model(self.model, state) if state else False  # refused: nothing is cut
        self.folder, self._state = folder, state
        self.verifier = Verifier(folder.add_finding)
        self.progress = ProgressFile(folder.path / "progress.csv", keep=extra.get("rows", 0))
        folder.keep_lines("findings.jsonl", extra.get("findings", 0))
        self.model.set_logger(make_logger(folder.path, self.progress))
        if state:
            self.verifier.restore(extra["verifier"])
            note_resume(folder, self.model.num_timesteps, goes_on)
        else:
            if self.config.start_from is not None:
                begin_with(self.model, Path(self.config.start_from))
            write_manifest(folder, self.config, self.model)
            self.verifier.settings(settings(self.model, self.config.total_timesteps))
        self.watching = Watching(self.config, folder, self.model, extra.get("watching"))
        self._episodes = EpisodeLog(extra.get("causes", ()))
        self.milestones = Milestones(
            folder, self._held_out.evaluate, *self._every(), history=extra.get("milestones"),
            begun=self.config.begins_with is not None,
        )  # fmt: skip

    def run(self, show: Show | None = None) -> Trained:
        """Learn to the end, evaluate and judge.

        Raises:
            KeyboardInterrupt: It was interrupted; the message says how to go on.
        """
        keeper = Keeper(
            self.folder, self.progress, self.config.save_seconds, self._extra, self._state
        )
        shown = [show.callback(self)] if show else []
        self._imitate()
        begin = time.perf_counter()
        ended = self._learn(self._callbacks(keeper), shown, keeper)
        seconds = time.perf_counter() - begin
        if ended:
            return self._early(ended, seconds)
        self.milestones.finish()
        steps = self.model.num_timesteps
        self.model.logger.record("time/total_timesteps", steps, exclude="tensorboard")
        self.model.logger.dump(steps)  # SB3 leaves out the last update
        self.model.logger.close()
        save_model(self.model, self.folder.path / "model.zip")
        keeper.save()
        self.close()
        report, evaluations = finish(self.config, self.folder, self._checks)
        return Trained(self.folder.path, report, evaluations, seconds)

    def _imitate(self) -> None:
        """Begin a new training with what a controller does, where that is configured."""
        section = self.config.imitate
        if self._state is None and section.controller is not None:
            note(self.folder, "imitated", asdict(imitate(self.model, section, self.config.seed)))

    def _early(self, ended: "Ended", seconds: float) -> Trained:
        """Judge a training that did not get to its end."""
        save_model(self.model, self.folder.path / "model.zip")
        self.model.logger.close()
        self.close()
        report = conclude(self.folder, self._checks)
        return Trained(self.folder.path, report, [], seconds, ended)

    @property
    def _checks(self) -> list[Check]:
        return [*self.verifier.checks, *self.watching.checks]

    def close(self) -> None:
        """Release the environments."""
        self.venv.close()
        self._held_out.close()

    def _callbacks(self, keeper: Keeper) -> list[BaseCallback]:
        """The order matters.

        What changes the state comes before the keeper, which saves it. The watch comes after the
        identities: what it asks the policy is then not taken for a part of the update.
        """
        watches = [*self.verifier.watches(self.model), *self.watching.callbacks]
        rows = [Rows()] if self._on_policy else []
        moving = [self._episodes, self._mover(), self.milestones, keeper, self.stopwatch]
        return [*watches, *moving, *rows]

    @property
    def _on_policy(self) -> bool:
        return hasattr(self.model, "rollout_buffer")

    def _learn(
        self, callbacks: list[BaseCallback], shown: list[BaseCallback], keeper: Keeper
    ) -> Ended | None:
        """Learn; return why it ended early, if it did and the reason is the training's own."""
        left = self.config.total_timesteps - self.model.num_timesteps
        try:
            with interruptible(keeper.stop):
                self.model.learn(
                    left,
                    CallbackList([*callbacks, *shown]),
                    log_interval=self._row_interval(),
                    reset_num_timesteps=self._state is None,
                )
        except KeyboardInterrupt:
            _end(shown)
            if not keeper.stopped:
                save_model(self.model, self.folder.path / "model.zip")
            self._interrupted()
        except AlertError as alert:
            _end(shown)
            return Ended("alert", str(alert))
        except (ValueError, RuntimeError, FloatingPointError) as error:
            _end(shown)
            if not self.watching.broke():
                raise
            return Ended("error", f"{type(error).__name__}: {error}".splitlines()[0])
        if keeper.stopped:
            self._interrupted()
        return None

    def _row_interval(self) -> int | None:
        """`Rows` writes those of on-policy algorithms; an update of ARS is many whole episodes."""
        if self._on_policy:
            return None
        return EPISODES_PER_ROW if hasattr(self.model, "replay_buffer") else 1

    def _interrupted(self) -> None:
        self.model.logger.close()
        self.close()
        path = self.folder.path
        raise KeyboardInterrupt(f"saved to {path}; go on with: plumbrl train --resume {path}")

    def _mover(self) -> Mover:
        entropy = self.config.algo.kwargs.get("ent_coef")
        moved = Schedule(read_schedule("ent_coef", entropy)) if isinstance(entropy, dict) else None
        return Mover(moved, [s for s in schedules_of(self.model).values() if s.adaptive])

    def _every(self) -> tuple[int, int]:
        total, config = self.config.total_timesteps, self.config
        evaluate = config.eval.every
        keep = max(1, total // config.checkpoints) if config.checkpoints else 0
        return (max(1, total // EVALUATIONS) if evaluate is None else evaluate), keep

    def _extra(self) -> dict[str, Any]:
        return {
            "verifier": self.verifier.save(),
            "milestones": self.milestones.history,
            "causes": self._episodes.causes,
            "watching": self.watching.save(),
            "findings": self.folder.count_lines("findings.jsonl"),
        }


def _end(shown: list[BaseCallback]) -> None:
    """SB3 does not do it after an error, and the terminal would lose its cursor."""
    for page in shown:
        page.on_training_end()
