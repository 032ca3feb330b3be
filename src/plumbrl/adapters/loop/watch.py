"""Watches a training loop that somebody wrote by hand: three lines in it, and a report."""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from plumbrl.adapters.loop.advantages import check_recursion
from plumbrl.adapters.loop.arguments import (
    every_of,
    number,
    path_of,
    settings_of,
    sinks_of,
    spoken,
)
from plumbrl.adapters.loop.arrays import arrays_of
from plumbrl.adapters.loop.checks import Checks
from plumbrl.adapters.loop.environment import WatchedEnvironment, used, watched
from plumbrl.adapters.loop.exploration import Exploration
from plumbrl.adapters.loop.names import facts_from
from plumbrl.adapters.loop.policy import space_of
from plumbrl.adapters.loop.rows import Rows
from plumbrl.diagnosis import diagnose_history
from plumbrl.errors import UserError
from plumbrl.findings import NOT_FINITE, Check, Finding, Report
from plumbrl.monitor.monitor import FILE, AlertError, Monitor, Sink, say
from plumbrl.runs import RunFolder

T = TypeVar("T")
ROLLOUTS = 2
"""First rollouts that are recomputed."""
ROWS, LEAST = 400, 1024
"""Rows that a whole training gets, and timesteps between two of them, at least."""


class Watch:
    """Watches a hand-written loop through what it is told, and the networks between its lines.

    On-policy, `rollout` comes after the advantages are known and `update` after the last gradient
    step. Off-policy, `update` alone comes after every so many gradient steps. Rows are written at
    most every `every` timesteps; what comes between costs next to nothing. Nothing of the loop's is
    changed, and no error of the watch's own ends it: `failure` says why it stopped. A shape that
    does not fit is an error as long as no row was written.

    A Q-learner with discrete actions can be recomputed exactly: with `batch` before each step of
    its optimiser, and `environment` around what it acts in.

    Args:
        folder: Of the run, new; gets ``metrics.jsonl`` and ``findings.jsonl``, which
            ``plumbrl diagnose`` reads. None keeps everything in memory.
        networks: A torch module, or modules by name, without target networks: gradients, steps,
            weights and dormant units are known then. Gradients are seen before they are clipped
            where that is ``torch.nn.utils.clip_grad_norm_``, called by its full name.
        target_networks: Module, or modules by the names of those they follow.
        action_space: Gymnasium's, of one environment: exploration is judged by its size.
        settings: All arguments of the loop, such as ``vars(args)``.
        every: Timesteps between rows; None for about 400 rows in ``total_timesteps``.
        sinks: Called with each finding when it is raised; one line on stderr if not given.
        stop_on_error: Raise `AlertError` at the first finding that is an error.
        **facts: What is known about the run: ``algo``, ``gamma`` and what else `history.Facts`
            holds, by the names that loops have for it, too.

    Attributes:
        facts: What it knows about the run.
        failure: Why it stopped watching; empty if it did not.

    Raises:
        UserError: An argument makes no sense, or the folder holds a run already.
    """

    @spoken
    def __init__(
        self,
        folder: Path | str | None,
        *,
        networks: Any = None,
        target_networks: Any = None,
        action_space: Any = None,
        settings: Mapping[str, Any] | None = None,
        every: int | None = None,
        sinks: Iterable[Sink] = (say,),
        stop_on_error: bool = False,
        **facts: Any,
    ) -> None:
        of_space, bounds = space_of(action_space)
        told, between = sinks_of(sinks), every_of(every)
        self.facts = facts_from(settings_of(settings), of_space | facts)
        self._folder = None if folder is None else _new(path_of(folder))
        path = self._folder.path if self._folder else None
        self._monitor = Monitor(self.facts, path, [self._note, *told], stop_on_error)
        self._checks = Checks(self._monitor.tell, self._now)
        self._environment: WatchedEnvironment | None = None
        self._exploration, self._closed, self._recomputed = Exploration(), False, 0
        between = between or max(LEAST, (self.facts.total_timesteps or 0) // ROWS)
        trained = None if networks is None else _networks(networks)
        self._rows = Rows(self._monitor, between, trained, bounds)
        self._trained, self._target_networks = trained, target_networks
        self._q: Any = None
        if target_networks is not None or "DQN" in (self.facts.algo or "").upper():
            self._q = self._q_watch()
        self.failure = ""

    @property
    def findings(self) -> list[Finding]:
        """Raised so far."""
        return self._monitor.findings

    def environment(self, env: Any) -> WatchedEnvironment:
        """Return an environment for the loop to use, and look at how it is used.

        Episodes are taken from it. Close it before the watch.

        Args:
            env: One Gymnasium environment, no vector.

        Raises:
            UserError: It is none.
        """
        self._environment = watched(
            env, lambda outcome: self._checks.take([outcome]), self._rows.episodes.tell
        )
        if self._q is not None and self._q.can_be_asked and hasattr(env.action_space, "n"):
            self._environment.greedy = self._q.greedy
        return self._environment

    @spoken
    def episode(self, returns: Any, lengths: Any = None) -> None:
        """Take episodes that ended; without this, they are taken from rewards and dones.

        Args:
            returns: One, or those of several environments.
            lengths: Likewise, in steps.
        """
        self._guarded(lambda: self._rows.episodes.tell(returns, lengths), None)

    @spoken
    def rollout(
        self,
        *,
        step: float,
        rewards: Any,
        values: Any,
        advantages: Any,
        returns: Any,
        dones: Any,
        next_done: Any = None,
        observations: Any = None,
        actions: Any = None,
        log_probs: Any = None,
        valid: Any = None,
    ) -> None:
        """Take a rollout before it is learned from: arrays or tensors, (T, B) each.

        Args:
            step: Timesteps so far, summed over environments.
            rewards: As they enter the value targets.
            values: Estimates when the step was made.
            advantages: Before any normalisation.
            returns: Value targets.
            dones: Whether step t was the last of its episode.
            next_done: Where `dones` are CleanRL's, which say that of the step before: the flag
                after the last step, (B,).
            observations: As the policy got them, (T, B, ...), or several by name: whether
                actions do anything is asked of those that are columns of numbers.
            actions: As the policy chose them, (T, B, ...).
            log_probs: Of these actions.
            valid: Steps to be looked at. Gymnasium's next-step autoreset makes one step after the
                last of an episode that is none: there, it is false.

        Raises:
            UserError: A shape does not fit, in one sentence.
        """
        given = {"rewards": rewards, "values": values, "advantages": advantages}
        given |= {"returns": returns, "dones": dones, "next_done": next_done, "valid": valid}
        given |= {"observations": observations, "actions": actions, "log_probs": log_probs}
        self._guarded(lambda: self._rolled(number("step", step), given), None)

    def _rolled(self, step: float, given: dict[str, Any]) -> None:
        """Take a rollout; the first ones are recomputed."""
        self._rows.collected(step, given)
        gamma, lam = self.facts.gamma, self.facts.gae_lambda
        if self._recomputed < ROLLOUTS and gamma is not None and lam is not None:
            self._recomputed += 1
            name = "advantages against their recursion"
            self._checks.looking(name, lambda: [
                check_recursion(arrays_of(given), gamma, lam, int(step))
            ])  # fmt: skip

    @spoken
    def batch(
        self,
        *,
        observations: Any,
        actions: Any,
        rewards: Any,
        next_observations: Any,
        terminal: Any,
        targets: Any,
        predictions: Any,
    ) -> None:
        """Take the batch of a Q-learner between its backward pass and its optimiser's step.

        Some of them are recomputed exactly, the first ones above all. Before `loss.backward()` is
        as good.

        Args:
            observations: As the network gets them, (n, ...).
            actions: Indices, (n,).
            rewards: (n,).
            next_observations: (n, ...).
            terminal: Whether nothing follows, (n,); a time limit is no such end.
            targets: As they enter the loss, (n,).
            predictions: The Q-values that are compared with them, (n,).

        Raises:
            UserError: No network was named, or lengths differ, in one sentence.
        """
        given = {"observations": observations, "actions": actions, "rewards": rewards}
        given |= {"next_observations": next_observations, "terminal": terminal}
        given |= {"targets": targets, "predictions": predictions}
        self._guarded(lambda: self._batch(given), None)

    def _batch(self, given: dict[str, Any]) -> None:
        from plumbrl.adapters.loop.q import complete

        self._q = self._q or self._q_watch()
        if self._q is None:
            raise UserError("batch() needs networks= and gamma= of the watch.")
        complete(given)
        self._rows.drawn(given)
        self._q.batch(given, self._happened())

    def _happened(self) -> list[Any] | None:
        """Return every step so far; None if not all of them are remembered."""
        env = self._environment
        return None if env is None or len(env.happened) < env.steps else env.happened

    @spoken
    def update(self, step: Any = None, **numbers: Any) -> list[Finding]:
        """Take what an update logged, after it: numbers, or lists of them to be averaged.

        CleanRL's names are known (``pg_loss``, ``v_loss``, ``old_approx_kl``, ``clipfracs``,
        ``qf_loss``, ``alpha``), SB3's as well; others are kept under ``train/``. Two are looked at
        more closely: ``log_ratio``, of any samples, and ``q_values`` with ``rewards`` and
        ``terminal``, see `adapters.loop.arrays.draw_of`.

        Args:
            step: Timesteps so far; known where `rollout` came before.
            **numbers: By name.

        Returns:
            What was raised by it.
        """
        nothing: list[Finding] = []
        if self._rows.on_policy:
            return self._guarded(lambda: self._rows.updated(numbers), nothing)
        return self._guarded(lambda: self._learned(step, numbers), nothing)

    def _learned(self, step: Any, numbers: dict[str, Any]) -> list[Finding]:
        step = None if step is None else number("step", step)
        if step is not None and numbers.get("epsilon") is not None:
            self._exploration.tell(step, number("epsilon", numbers["epsilon"]))
        share = None if self._environment is None else self._environment.greedy_share()
        more = {} if share is None else {"policy/greedy_share": share}
        return self._rows.learned(step, more | numbers)

    def report(self) -> Report:
        """Judge the run up to now."""
        known = {*NOT_FINITE, *self._checks.causes}
        exact = [found for found in self.findings if found.cause in known]
        checks = [Check("the watch", "inconclusive", self.failure)] if self.failure else []
        checks += self._checks.kept
        subject = str(self._folder.path) if self._folder else "the loop"
        return diagnose_history(self._monitor.history, subject, exact, checks)

    def close(self) -> Report:
        """Take everything off the networks, and keep the report as ``report.json``."""
        self._rows.close()
        if not self._closed:
            self._closed = True
            self._last_looks()
        report = self.report()
        if self._folder is not None:
            self._folder.write_report(report)
        return report

    def _last_looks(self) -> None:
        """See what only shows once the loop is over."""
        with suppress(AlertError):
            self._guarded(self._monitor.judge, [])
        ends = [self._exploration.outcomes]
        if self._environment is not None:
            ends.append(partial(used, self._environment))
        for end in ends:
            with suppress(AlertError):
                self._checks.looking("the end of the loop", end)
        if self._q is not None:
            with suppress(AlertError):
                self._guarded(self._q.close, None)
        if self._folder is not None:
            for check in self._checks.kept:
                self._folder.append_line("checks.jsonl", asdict(check))

    def _now(self) -> int:
        """Timesteps so far, as the environment or the last row says."""
        env, steps = self._environment, self._monitor.history.steps
        return env.steps if env is not None else int(steps[-1]) if len(steps) else 0

    def __enter__(self) -> Self:
        """Close the watch at the end of a block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it; what was seen until an error is kept."""
        self.close()

    def _note(self, found: Finding) -> None:
        if self._folder is not None:
            exact = found.cause in NOT_FINITE or found.cause in self._checks.causes
            self._folder.add_finding(found, "identity" if exact else "rule")

    def _q_watch(self) -> Any:
        """Return what looks at a Q-learner; None without its network or its discount factor."""
        if self._trained is None or self.facts.gamma is None:
            return None
        from plumbrl.adapters.loop.q import QWatch

        targets = None if self._target_networks is None else _networks(self._target_networks)
        return QWatch(self._trained, targets, self.facts.gamma, self._checks)

    def _guarded(self, look: Callable[[], T], otherwise: T) -> T:
        """Do what must not end a training, once it has worked."""
        if self.failure:
            return otherwise
        try:
            return look()
        except AlertError:
            raise
        except Exception as error:
            self._rows.close()
            if isinstance(error, UserError) and not len(self._monitor):
                raise
            self.failure = f"watching failed: {type(error).__name__}: {error}"
            print(f"plumbrl: {self.failure}", file=sys.stderr)
            return otherwise


def _new(path: Path) -> RunFolder:
    """Two runs never share a folder."""
    if (path / FILE).exists():
        raise UserError(f"{path} holds a run already; name another folder.")
    path.mkdir(parents=True, exist_ok=True)
    return RunFolder(path)


def _networks(given: Any) -> Any:
    from plumbrl.adapters.loop.networks import Networks  # a loop need not be written in torch

    return Networks(given)
