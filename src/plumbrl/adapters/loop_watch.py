"""Watches a training loop that somebody wrote by hand: three lines in it, and a report."""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from plumbrl.adapters.loop_names import facts_from
from plumbrl.adapters.loop_policy import space_of
from plumbrl.adapters.loop_rows import Rows
from plumbrl.diagnosis import diagnose_history
from plumbrl.errors import UserError
from plumbrl.findings import NOT_FINITE, Check, Finding, Report
from plumbrl.monitor.monitor import FILE, AlertError, Monitor, Sink, say
from plumbrl.runs import RunFolder

T = TypeVar("T")
ROWS, LEAST = 400, 1024
"""Rows that a whole training gets, and timesteps between two of them, at least."""


class Watch:
    """Watches a hand-written loop through what it is told, and the networks between its lines.

    On-policy, `rollout` comes after the advantages are known and `update` after the last gradient
    step. Off-policy, `update` alone comes after every so many gradient steps. Rows are written at
    most every `every` timesteps; what comes between costs next to nothing. Nothing of the loop's is
    changed, and no error of the watch's own ends it: `failure` says why it stopped. A shape that
    does not fit is an error as long as no row was written.

    Args:
        folder: Of the run, new; gets ``metrics.jsonl`` and ``findings.jsonl``, which
            ``plumbrl diagnose`` reads. None keeps everything in memory.
        networks: A torch module, or modules by name, without target networks: gradients, steps,
            weights and dormant units are known then. Gradients are seen before they are clipped
            where that is ``torch.nn.utils.clip_grad_norm_``, called by its full name.
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

    def __init__(
        self,
        folder: Path | str | None,
        *,
        networks: Any = None,
        action_space: Any = None,
        settings: Mapping[str, Any] | None = None,
        every: int | None = None,
        sinks: Iterable[Sink] = (say,),
        stop_on_error: bool = False,
        **facts: Any,
    ) -> None:
        of_space, bounds = space_of(action_space)
        self.facts = facts_from(settings or {}, of_space | facts)
        self._folder = None if folder is None else _new(Path(folder))
        path = self._folder.path if self._folder else None
        self._monitor = Monitor(self.facts, path, [self._note, *sinks], stop_on_error)
        every = every or max(LEAST, (self.facts.total_timesteps or 0) // ROWS)
        watched = None if networks is None else _networks(networks)
        self._rows = Rows(self._monitor, every, watched, bounds)
        self.failure = ""

    @property
    def findings(self) -> list[Finding]:
        """Raised so far."""
        return self._monitor.findings

    def episode(self, returns: Any, lengths: Any = None) -> None:
        """Take episodes that ended; without this, they are taken from rewards and dones.

        Args:
            returns: One, or those of several environments.
            lengths: Likewise, in steps.
        """
        self._guarded(lambda: self._rows.episodes.tell(returns, lengths), None)

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
            actions: As the policy chose them, (T, B, ...).
            log_probs: Of these actions.
            valid: Steps to be looked at. Gymnasium's next-step autoreset makes one step after the
                last of an episode that is none: there, it is false.

        Raises:
            UserError: A shape does not fit, in one sentence.
        """
        given = {"rewards": rewards, "values": values, "advantages": advantages}
        given |= {"returns": returns, "dones": dones, "next_done": next_done, "valid": valid}
        given |= {"actions": actions, "log_probs": log_probs}
        self._guarded(lambda: self._rows.collected(step, given), None)

    def update(self, step: Any = None, **numbers: Any) -> list[Finding]:
        """Take what an update logged, after it: numbers, or lists of them to be averaged.

        CleanRL's names are known (``pg_loss``, ``v_loss``, ``old_approx_kl``, ``clipfracs``,
        ``qf_loss``, ``alpha``), SB3's as well; others are kept under ``train/``. Two are looked at
        more closely: ``log_ratio``, of any samples, and ``q_values`` with ``rewards`` and
        ``terminal``, see `adapters.loop_arrays.draw_of`.

        Args:
            step: Timesteps so far; known where `rollout` came before.
            **numbers: By name.

        Returns:
            What was raised by it.
        """
        nothing: list[Finding] = []
        if self._rows.on_policy:
            return self._guarded(lambda: self._rows.updated(numbers), nothing)
        return self._guarded(lambda: self._rows.learned(step, numbers), nothing)

    def report(self) -> Report:
        """Judge the run up to now."""
        exact = [found for found in self.findings if found.cause in NOT_FINITE]
        checks = [Check("the watch", "inconclusive", self.failure)] if self.failure else []
        subject = str(self._folder.path) if self._folder else "the loop"
        return diagnose_history(self._monitor.history, subject, exact, checks)

    def close(self) -> Report:
        """Take everything off the networks, and keep the report as ``report.json``."""
        self._rows.close()
        with suppress(AlertError):
            self._guarded(self._monitor.judge, [])
        report = self.report()
        if self._folder is not None:
            self._folder.write_report(report)
        return report

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
            self._folder.add_finding(found, "identity" if found.cause in NOT_FINITE else "rule")

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
    from plumbrl.adapters.loop_networks import Networks  # a loop need not be written in torch

    return Networks(given)
