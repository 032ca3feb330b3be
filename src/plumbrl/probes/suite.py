"""The probe suite: every probe on several seeds, and what follows from it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from plumbrl.errors import UserError, unknown
from plumbrl.findings import CheckVerdict
from plumbrl.probes.catalogue import problems
from plumbrl.probes.problem import Kind, Problem
from plumbrl.probes.trial import Trial
from plumbrl.probes.workers import Task

KINDS: tuple[Kind, ...] = ("discrete", "continuous")
SECOND_KIND = ("constant", "observation-action", "action", "credit", "action-plane", "action-range")
"""Probes worth repeating with continuous actions when discrete ones were run too."""
Runner = Callable[[list[Task]], Iterator[Trial]]
"""Runs trials, in any order."""


@dataclass(frozen=True)
class Probed:
    """A probe over its seeds.

    Attributes:
        problem: The probe, at the discount factor that the trainer used.
        verdict: Of the majority of its seeds; ``inconclusive`` if the trainer raised or hung.
        trials: One per seed.
    """

    problem: Problem
    verdict: CheckVerdict
    trials: tuple[Trial, ...]

    @property
    def reason(self) -> str:
        """Why it says nothing, or an empty text."""
        return next((t.mistake or t.reason for t in self.trials if t.mistake or t.reason), "")

    @property
    def timesteps(self) -> int:
        """Median timesteps until decided."""
        return int(np.median([t.timesteps for t in self.trials]))

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return float(np.median([t.seconds for t in self.trials]))


def run_suite(
    run: Runner,
    *,
    only: Sequence[str] = (),
    kinds: Sequence[Kind] = KINDS,
    seeds: Sequence[int] = (0, 1, 2),
    budget: float = 1.0,
    seconds: float = 60.0,
) -> list[Probed]:
    """Put a trainer through the probes.

    Two seeds each; the rest only where these disagree. A probe that was run with discrete actions
    already has one seed with continuous ones, more if that one does not pass.

    Args:
        run: Runs trials.
        only: Names of probes; all if empty.
        kinds: Kinds of actions to try.
        seeds: Seeds, at least one.
        budget: Factor on the usual timesteps.
        seconds: Time limit of a trial.

    Raises:
        UserError: The trainer takes none of the kinds of actions, or a name is unknown.
    """
    names = {name for kind in KINDS for name in problems(kind)}
    for name in only:
        if name not in names:
            raise unknown("probe", name, names)
    task = Task("discrete", "constant", seeds[0], budget, seconds)
    first: dict[Kind, Trial] = {}
    for trial in run([replace(task, kind=kind) for kind in kinds]):
        first[trial.kind] = trial
    usable: list[Kind] = [kind for kind in kinds if not first[kind].mistake]
    if not usable:
        raise UserError(f"make_trainer failed on the simplest probe: {first[kinds[0]].mistake}.")
    first |= {kind: _refused(first[kind]) for kind in kinds if kind not in usable}
    plan: list[tuple[Kind, str]] = [(k, name) for k in usable for name in _chosen(k, only, usable)]
    trials = list(first.values())
    repeated: list[tuple[Kind, str]] = [(k, n) for k, n in plan if k != usable[0]]
    tasks = [
        replace(task, kind=k, probe=n, seed=s) for k, n in plan
        for s in (seeds[:1] if (k, n) in repeated else seeds[:2])
    ]  # fmt: skip
    trials += run([t for t in tasks if (t.probe, t.seed) != ("constant", seeds[0])])
    doubtful = [(k, n) for k, n in repeated if _verdicts(trials, k, n) != {"passed"}]
    trials += run([replace(task, kind=k, probe=n, seed=s) for k, n in doubtful for s in seeds[1:2]])
    again = [(k, n) for k, n in plan if {"passed", "failed"} <= _verdicts(trials, k, n)]
    trials += run([replace(task, kind=k, probe=n, seed=s) for k, n in again for s in seeds[2:]])
    refused: list[tuple[Kind, str]] = [(k, "constant") for k in kinds if k not in usable]
    return _grouped(trials, [*plan, *refused])


def _refused(trial: Trial) -> Trial:
    reason = f"not with {trial.kind} actions: {trial.mistake}"
    return replace(trial, verdict="skipped", mistake="", reason=reason)


def _chosen(kind: Kind, only: Sequence[str], usable: Sequence[Kind]) -> Iterator[str]:
    for name in problems(kind):
        if only and name not in only:
            continue
        if kind == "continuous" and len(usable) > 1 and name not in SECOND_KIND:
            continue
        yield name


def _verdicts(trials: Iterable[Trial], kind: Kind, name: str) -> set[CheckVerdict]:
    return {t.verdict for t in trials if (t.kind, t.probe) == (kind, name)}


def _grouped(trials: Iterable[Trial], plan: Iterable[tuple[Kind, str]]) -> list[Probed]:
    found: dict[tuple[str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        found[trial.kind, trial.probe].append(trial)
    return [_probed(k, n, found[k, n]) for k, n in plan if found[k, n]]


def _probed(kind: Kind, name: str, trials: list[Trial]) -> Probed:
    trials = sorted(trials, key=lambda t: t.seed)
    verdicts: list[CheckVerdict] = [t.verdict for t in trials]
    passed, failed = verdicts.count("passed"), verdicts.count("failed")
    verdict: CheckVerdict = verdicts[0]
    if passed or failed:
        verdict = "inconclusive" if passed == failed else "passed" if passed > failed else "failed"
    problem = problems(kind)[name]
    gamma = next((t.gamma for t in trials if t.gamma), problem.gamma)
    return Probed(replace(problem, gamma=gamma), verdict, tuple(trials))
