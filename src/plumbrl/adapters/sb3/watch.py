"""Watches an SB3 training: a row of numbers per update, or at most every so many timesteps."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_normalize

from plumbrl.adapters.episodes import Episodes
from plumbrl.adapters.gpu import gpu_numbers
from plumbrl.adapters.sb3.look_off_policy import Beginnings, OffPolicyLook
from plumbrl.adapters.sb3.look_on_policy import OnPolicyLook
from plumbrl.adapters.sb3.on_policy import named_parts
from plumbrl.adapters.sb3.rewards import Rewards
from plumbrl.adapters.torch_update import first_not_finite
from plumbrl.adapters.wrapping import wrapped
from plumbrl.diagnosis import diagnose_history
from plumbrl.findings import NOT_FINITE, Check, Finding, Report
from plumbrl.metrics import data
from plumbrl.monitor.monitor import AlertError, Monitor
from plumbrl.runs.value_trace import write_trace

Numbers = dict[str, float]
ROWS = 400
"""Rows that a whole training gets, at least if it has so many updates."""
LEAST_ON_POLICY, LEAST_OFF_POLICY = 512, 256
"""Timesteps between two rows, at least."""
SIGNAL_SAMPLES = 256
"""In a rollout, for the signal of advantages to be told from chance."""
SIGNAL_EVERY = 5
"""Rows after which the advantages' signal is measured again."""


class Watch(BaseCallback):
    """Computes metrics while a model trains and hands them to a monitor; leaves no trace.

    Training with and without the watch gives the same numbers: random state is put back, and what
    is wrapped for an update is put back after it. An error of its own ends the watch, not the
    training.

    Args:
        monitor: Takes the rows.
        every: Timesteps between rows; None for about 400 rows in a training.

    Attributes:
        failure: Why it stopped watching; empty if it did not.
    """

    def __init__(self, monitor: Monitor, every: int | None = None) -> None:
        super().__init__()
        self._monitor, self._given = monitor, every
        self._look: Any = None
        self._stack = ExitStack()
        self._at = 0
        self._means: Any = None
        self._first_norm: float | None = None
        self._beginnings: Beginnings | None = None
        self._saved: Any = None
        self._rewards = Rewards()
        self._counted: Episodes | None = Episodes()
        self.failure = ""

    def report(self, findings: Sequence[Finding] = (), checks: Sequence[Check] = ()) -> Report:
        """Return the diagnosis of everything seen so far.

        Args:
            findings: From exact identities and settings.
            checks: Behind them.
        """
        folder = self._monitor.folder
        subject = str(folder) if folder else self._monitor.history.facts.algo or "training"
        exact = [found for found in self._monitor.findings if found.cause in NOT_FINITE]
        if self.failure:
            checks = [*checks, Check("the watch", "inconclusive", self.failure)]
        return diagnose_history(self._monitor.history, subject, [*exact, *findings], checks)

    def save(self) -> dict[str, Any]:
        """Return what a resumed training needs, plain data."""
        beginnings = self._beginnings and self._beginnings.save()
        return {
            "at": self._at,
            "first_norm": self._first_norm,
            "means": self._means,
            "beginnings": beginnings,
            "rewards": self._rewards.seen,
            "counted": self._counted and self._counted.state,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from an earlier part of the training."""
        self._at, self._first_norm = saved["at"], saved["first_norm"]
        self._means, self._saved = saved["means"], saved["beginnings"]
        self._rewards, self._counted = Rewards(saved.get("rewards")), Episodes(saved.get("counted"))

    def _on_training_start(self) -> None:
        model: Any = self.model
        self._on_policy = isinstance(model, OnPolicyAlgorithm)
        total = self._monitor.history.facts.total_timesteps or model._total_timesteps
        least = LEAST_ON_POLICY if self._on_policy else LEAST_OFF_POLICY
        self._every = self._given or max(least, total // ROWS)
        if hasattr(model, "replay_buffer") and model._vec_normalize_env is None:
            self._beginnings = Beginnings(model.gamma, model.n_envs)
            if self._saved is not None:
                self._beginnings.restore(self._saved)

    def _on_rollout_start(self) -> None:
        self._close()
        self._begin = time.perf_counter()
        self._from = self.num_timesteps

    def _on_step(self) -> bool:
        rewards = self.locals.get("rewards")  # ARS has none to show
        if rewards is not None and not np.isfinite(rewards).all():
            self._guarded(lambda: self._no_number("reward", rewards))
        for part in parts_of(self.locals.get("new_obs")):
            if not isfinite(part.sum()) and not np.isfinite(part).all():  # a sum may overflow
                self._guarded(partial(self._no_number, "observation", part))
        self._rewards.tell(rewards)
        if self._counted is not None and rewards is not None and not self.failure:
            self._guarded(self._count)
        if self._beginnings is not None and not self.failure:
            self._guarded(self._remember)
        return True

    def _no_number(self, what: str, values: np.ndarray) -> None:
        """Say at once that something is no number: soon nothing else will be one either."""
        if not self._monitor.known & set(NOT_FINITE):
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            env = int(np.flatnonzero(~finite)[0])
            where = f"{what} of environment {env} at timestep {self.num_timesteps}"
            numbers = {"data/non_finite": 1.0}
            self._monitor.row(self.num_timesteps, len(self._monitor), numbers, where)

    def _count(self) -> None:
        """Count episodes ourselves until SB3's Monitor reports one."""
        if self.model.ep_info_buffer:
            self._counted = None
        elif self._counted is not None:
            normaliser = unwrap_vec_normalize(self.training_env)
            given = normaliser.get_original_reward() if normaliser else self.locals["rewards"]
            self._counted.take(given[None].astype(np.float64), self.locals["dones"][None])

    def _ended(self) -> Episodes:
        """Return the episodes that ended last, as SB3 knows them if it does."""
        if not self.model.ep_info_buffer:
            return self._counted or Episodes()
        known, reported = Episodes(), list(self.model.ep_info_buffer)
        known.tell([episode["r"] for episode in reported], [episode["l"] for episode in reported])
        return known

    def _remember(self) -> None:
        local, beginnings = self.locals, self._beginnings
        if beginnings is not None:
            actions, rewards = local["buffer_actions"], local["rewards"]
            observed = self.model._last_obs
            beginnings.step(observed, actions, rewards, local["dones"], local["infos"])

    def _on_rollout_end(self) -> None:
        if self.failure or self.num_timesteps - self._at < self._every:
            return
        seconds = max(time.perf_counter() - self._begin, 1e-9)
        self._actor = (self.num_timesteps - self._from) / seconds
        self._guarded(self._open)

    def _open(self) -> None:
        """Stand before `train` for one call: a model saved meanwhile must not contain us."""
        model: Any = self.model
        seed = int(model.seed or 0)
        if self._on_policy:
            enough = model.rollout_buffer.rewards.size >= SIGNAL_SAMPLES
            signal = enough and len(self._monitor) % SIGNAL_EVERY == 0
            self._look = OnPolicyLook(model, self.locals["dones"], seed, signal)
        elif not hasattr(model, "replay_buffer"):
            self._look = LoggedOnly()
        elif model.replay_buffer.size() > 0:
            self._look = OffPolicyLook(model, self._beginnings, seed)
        if self._look is not None and hasattr(model, "train"):
            excluded = [*model._excluded_save_params(), "train", "_excluded_save_params"]
            self._stack.enter_context(
                wrapped(model, "_excluded_save_params", lambda _: list(excluded))
            )
            self._stack.enter_context(wrapped(model, "train", self._train))

    def _train(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._stack.close()
        begin = time.perf_counter()
        try:
            with self._look.watching():
                original(*args, **kwargs)
        except BaseException:  # the trainer's own: what was seen until then is what matters
            self._finish(begin)
            self._close()
            raise
        self._finish(begin)

    def _finish(self, begin: float) -> None:
        seconds = max(time.perf_counter() - begin, 1e-9)
        self._guarded(lambda: self._look.finish(seconds))

    def examine(self) -> None:
        """Look for numbers that are none, after a training has ended in an error."""
        self._stack.close()
        policy: Any = self.model.policy
        bad = first_not_finite(dict(policy.named_parameters()))
        if bad and not self._monitor.known & set(NOT_FINITE):
            numbers = {"data/non_finite": 1.0}
            self._monitor.row(self.num_timesteps, len(self._monitor), numbers, f"weights: {bad}")

    def _on_training_end(self) -> None:
        self._close()

    def _close(self) -> None:
        """Write the row of the update that was looked at."""
        self._stack.close()
        look, self._look = self._look, None
        if look is not None:
            self._at = self.num_timesteps
            self._guarded(lambda: self._write(look))

    def _write(self, look: Any) -> None:
        self._keep(look)
        numbers = {**self._logged(), **look.numbers, **self._around(look)}
        numbers |= self._rewards.numbers
        self._rewards = Rewards()
        self._monitor.row(self.num_timesteps, len(self._monitor), numbers, look.not_finite)

    def _keep(self, look: Any) -> None:
        """Write the episode that was looked at, if there is one."""
        trace, folder = getattr(look, "trace", None), self._monitor.folder
        if trace is not None and folder is not None:
            write_trace(folder, trace)

    def _around(self, look: Any) -> Numbers:
        """Return what is known beside the update: speed, growth, the normaliser, the GPU."""
        found = {"time/actor_per_second": self._actor}
        norm = look.numbers.get("optimiser/weight_norm")
        if norm is not None and np.isfinite(norm):
            self._first_norm = self._first_norm or norm
            found["optimiser/weight_growth"] = norm / self._first_norm
        return found | self._normaliser() | gpu_numbers(self.model.device)

    def _normaliser(self) -> Numbers:
        env: Any = unwrap_vec_normalize(self.training_env)
        if not isinstance(env, VecNormalize) or not env.norm_obs:
            return {}
        moments: Any = named_parts(getattr(env, "obs_rms", {}))
        if not moments:
            return {}
        now = np.concatenate([np.ravel(part.mean) for part in moments.values()])
        std = np.sqrt(
            np.concatenate([np.ravel(part.var) for part in moments.values()]) + env.epsilon
        )
        before, self._means = self._means, now
        return {} if before is None else {
            "data/normaliser_drift": data.normaliser_drift(now, before, std)
        }  # fmt: skip

    def _logged(self) -> Numbers:
        """Return what SB3 has logged for this update, and the episodes that ended last."""
        values = self.model.logger.name_to_value
        found = {k: float(v) for k, v in values.items() if _is_number(v) and _wanted(k)}
        found |= self._ended().numbers()
        if getattr(self.model, "exploration_schedule", None) is not None:
            found["rollout/exploration_rate"] = float(self.model.exploration_rate)  # type: ignore[attr-defined]
        return found

    def _guarded(self, look: Callable[[], None]) -> None:
        try:
            look()
        except AlertError:
            raise
        except Exception as error:
            self._stack.close()
            self._look = None
            self.failure = f"watching failed: {type(error).__name__}: {error}"


class LoggedOnly:
    """Of an algorithm without gradient steps, only what it logs is known."""

    numbers: Numbers = {}  # noqa: RUF012 (never written to)
    not_finite = ""


def parts_of(observations: Any) -> list[np.ndarray]:
    """Return the arrays of observations that may hold what is no number."""
    parts = observations.values() if isinstance(observations, dict) else [observations]
    return [part for part in parts if isinstance(part, np.ndarray) and part.dtype.kind == "f"]


def _wanted(key: str) -> bool:
    return key.startswith(("train/", "eval/", "reward/", "term/"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
