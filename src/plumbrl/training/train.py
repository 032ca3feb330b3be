"""Train under watch, evaluate, judge, leave a run folder; or go on with one that was stopped."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, default_int_handler, getsignal, signal
from threading import current_thread, main_thread
from typing import Any, Protocol

import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from plumbrl.adapters.sb3.settings import settings
from plumbrl.errors import UserError
from plumbrl.findings import Report
from plumbrl.metrics.episodes import Evaluation
from plumbrl.runs import RunFolder
from plumbrl.runs.files import whole
from plumbrl.runs.progress import ProgressFile
from plumbrl.training.algorithms import build_model
from plumbrl.training.callbacks import EpisodeLog, Rows
from plumbrl.training.config import TrainConfig
from plumbrl.training.config_file import load_config
from plumbrl.training.envs import make_training_env
from plumbrl.training.final import finish
from plumbrl.training.held_out import HeldOut, first_env_seed
from plumbrl.training.keeper import Keeper, Milestones, Mover
from plumbrl.training.logger import make_logger
from plumbrl.training.saving import save_model
from plumbrl.training.schedules import Schedule, read_schedule
from plumbrl.training.start import begin_with
from plumbrl.training.state import (
    read_state,
    restorable,
    restore_model,
    schedules_of,
)
from plumbrl.training.stopwatch import Stopwatch
from plumbrl.training.verifier import Verifier

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


class Show(Protocol):
    """What shows how a training goes."""

    def callback(self, session: "Session") -> BaseCallback:
        """Return the callback that shows `session`."""
        ...


def train(config: TrainConfig, *, show: Show | None = None) -> Trained:
    """Train as configured.

    Args:
        config: The training.
        show: Shows progress, if wanted.

    Returns:
        The run folder, the report, and the evaluations it rests on.

    Raises:
        UserError: The environment or the algorithm refuses its arguments.
        KeyboardInterrupt: Training was interrupted; the message says how to go on.
    """
    session = Session(config)
    session.open(_new_folder(config))
    return session.run(show)


def resume(path: Path, *, total_timesteps: int | None = None, show: Show | None = None) -> Trained:
    """Go on with a run from its last saved state, exactly as if it had not been stopped.

    Args:
        path: The run folder.
        total_timesteps: A new end, beyond what was trained; None: the configured one.
        show: Shows progress, if wanted.

    Raises:
        UserError: It is no run folder, or is finished already.
        KeyboardInterrupt: Training was interrupted again.
    """
    if not (path / "config.yaml").is_file():
        raise UserError(f"{path} is no run folder: it has no config.yaml.")
    changes = {} if total_timesteps is None else {"total_timesteps": total_timesteps}
    config = load_config(path / "config.yaml", changes)
    file = path / "checkpoints/state.pt"
    state = read_state(file) if file.is_file() else None
    if state and state["counters"]["num_timesteps"] >= config.total_timesteps:
        done = state["counters"]["num_timesteps"]
        raise UserError(
            f"{path} is trained to its end ({done:,} timesteps); to train it longer, add "
            f"--total_timesteps with more than that."
        )
    session = Session(config)
    folder = RunFolder(path)
    if changes:
        folder.write_config(config.model_dump(mode="json"))
    session.open(folder, state)
    return session.run(show)


class Session:
    """One training, from building it to its report.

    Attributes:
        config: The configuration.
        venv: The training environments, as the model sees them.
        model: SB3's.
        folder: The run folder; there after `open`.
        verifier: What the exact identities say so far.
        stopwatch: Where the time goes.
        milestones: Evaluations so far.
    """

    folder: RunFolder
    verifier: Verifier
    milestones: Milestones

    def __init__(self, config: TrainConfig) -> None:
        torch.set_num_threads(config.torch_threads)
        self.config = config
        self.venv, timed, self.encoder = make_training_env(config, first_env_seed(config))
        self.model = build_model(config, self.venv)
        self.stopwatch = Stopwatch(timed)
        self._held_out = HeldOut(config, self.model, self.encoder)
        self._state: dict[str, Any] | None = None

    def open(self, folder: RunFolder, state: dict[str, Any] | None = None) -> None:
        """Write what is known before training into the folder, and take over a saved state.

        Raises:
            UserError: The state does not fit the configuration.
        """
        extra = state["extra"] if state else {}
        self.folder, self._state = folder, state
        self.verifier = Verifier(folder)
        self.progress = ProgressFile(folder.path / "progress.csv", keep=extra.get("rows", 0))
        folder.keep_lines("findings.jsonl", extra.get("findings", 0))
        self.model.set_logger(make_logger(folder.path, self.progress))
        if state:
            self.verifier.restore(extra["verifier"])
            goes_on = restore_model(self.model, state)
            _note_resume(folder, self.model.num_timesteps, goes_on)
        else:
            if self.config.start_from is not None:
                begin_with(self.model, Path(self.config.start_from))
            _write_manifest(folder, self.config, self.model)
            self.verifier.settings(settings(self.model, self.config.total_timesteps))
        self._episodes = EpisodeLog(extra.get("causes", ()))
        self.milestones = Milestones(
            folder, self._held_out.evaluate, *self._every(), history=extra.get("milestones")
        )

    def run(self, show: Show | None = None) -> Trained:
        """Learn to the end, evaluate and judge.

        Raises:
            KeyboardInterrupt: It was interrupted; the message says how to go on.
        """
        keeper = Keeper(
            self.folder, self.progress, self.config.save_seconds, self._extra, self._state
        )
        callbacks = self._callbacks(keeper)
        if show:
            callbacks.append(show.callback(self))
        begin = time.perf_counter()
        self._learn(callbacks, keeper)
        seconds = time.perf_counter() - begin
        self.milestones.finish()
        steps = self.model.num_timesteps
        self.model.logger.record("time/total_timesteps", steps, exclude="tensorboard")
        self.model.logger.dump(steps)  # SB3 leaves out the last update
        self.model.logger.close()
        save_model(self.model, self.folder.path / "model.zip")
        keeper.save()
        self.close()
        report, evaluations = finish(self.config, self.folder, self.verifier)
        return Trained(self.folder.path, report, evaluations, seconds)

    def close(self) -> None:
        """Release the environments."""
        self.venv.close()
        self._held_out.close()

    def _callbacks(self, keeper: Keeper) -> list[BaseCallback]:
        """The order matters: what changes the state comes before the keeper, which saves it."""
        watches = self.verifier.watches(self.model)
        rows = [Rows()] if self._on_policy else []
        first = [self._episodes, self._mover(), self.milestones, keeper, self.stopwatch]
        return [*first, *watches, *rows]

    @property
    def _on_policy(self) -> bool:
        return hasattr(self.model, "rollout_buffer")

    def _learn(self, callbacks: list[BaseCallback], keeper: Keeper) -> None:
        left = self.config.total_timesteps - self.model.num_timesteps
        try:
            with _interruptible(keeper):
                self.model.learn(
                    left,
                    CallbackList(callbacks),
                    log_interval=None if self._on_policy else EPISODES_PER_ROW,
                    reset_num_timesteps=self._state is None,
                )
        except KeyboardInterrupt:
            self._interrupted()
        if keeper.stopping:
            self._interrupted()

    def _interrupted(self) -> None:
        save_model(self.model, self.folder.path / "model.zip")
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
            "findings": len(self.verifier.findings),
        }


@contextmanager
def _interruptible(keeper: Keeper) -> Iterator[None]:
    """Ctrl-C stops where nothing is half done; a second one stops at once."""
    if current_thread() is not main_thread():
        yield
        return

    def stop(signum: int, frame: Any) -> None:
        keeper.stop()
        signal(SIGINT, default_int_handler)

    before = getsignal(SIGINT)
    signal(SIGINT, stop)
    try:
        yield
    finally:
        signal(SIGINT, before)


def _note_resume(folder: RunFolder, timesteps: int, goes_on: bool) -> None:
    """Keep in the manifest where the run was resumed, and whether its episodes went on."""
    file = folder.path / "manifest.json"
    manifest = json.loads(file.read_text()) if file.is_file() else {}
    how = "episodes went on" if goes_on else "new episodes were started"
    manifest.setdefault("resumed", []).append({"timesteps": timesteps, "how": how})
    folder.write_text("manifest.json", json.dumps(manifest, indent=2))


def _write_manifest(folder: RunFolder, config: TrainConfig, model: Any) -> None:
    exact = restorable(model.get_env())
    folder.write_manifest(
        env=config.env.id,
        algo=config.algo.name,
        seeds={
            "master": config.seed,
            "environments": first_env_seed(config),
            "evaluation": config.eval.seed,
        },
        resuming="exact" if exact else "new episodes: the environment cannot restore its state",
        parameters=parameters(model),
    )


def parameters(model: Any) -> dict[str, int]:
    """Return how many numbers the policy consists of, and how many of them learn."""
    every = list(model.policy.parameters())
    learning = sum(p.numel() for p in every if p.requires_grad)
    return {"total": sum(p.numel() for p in every), "learnable": learning}


def _new_folder(config: TrainConfig) -> RunFolder:
    """Make the run's folder; files it is configured by come along, so that it stands alone."""
    env = config.env.id.rpartition(":")[2]
    folder = RunFolder.create(Path(config.out), env, config.algo.name, config.name, config.seed)
    encoder = "encoder.pt" if config.encoder.frozen else "encoder_start.pt"
    own = config.model_copy(
        update={
            "env": _with_copy(config.env, "config", folder.path / "env.yaml"),
            "encoder": _with_copy(config.encoder, "path", folder.path / encoder),
        }
    )
    folder.write_config(own.model_dump(mode="json"))
    return folder


def _with_copy(section: Any, key: str, to: Path) -> Any:
    """Copy the file a section names, if it names one, and return the section naming the copy."""
    name = getattr(section, key)
    if name is None:
        return section
    given = Path(name)
    with whole(to) as temporary:
        shutil.copyfile(given / "encoder.pt" if given.is_dir() else given, temporary)
    return section.model_copy(update={key: to.name})
