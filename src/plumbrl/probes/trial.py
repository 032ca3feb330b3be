"""One trainer on one probe with one seed: train until the answers are right, or time is up."""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from plumbrl.adapters.any_trainer import subject_of
from plumbrl.adapters.subject import Subject
from plumbrl.errors import UserError
from plumbrl.findings import Check, CheckVerdict, Finding
from plumbrl.probes.blame import said
from plumbrl.probes.envs import ProbeEnv, ProbeVectorEnv
from plumbrl.probes.exam import Examination
from plumbrl.probes.measure import LARGEST_TARGET, Question
from plumbrl.probes.problem import Array, Kind, Problem
from plumbrl.probes.solve import Rule, solve
from plumbrl.timeout import TimedOutError, time_limit

MakeTrainer = Callable[..., Any]
EVERY = {"value": 400, "q": 68, "soft_q": 68}
"""Timesteps between checkpoints by family."""
COPIES = 6
"""Copies to a target network that values two steps from the end need."""
NEVER = 100_000
"""Timesteps between copies from which on it is no setting but a mistake."""
BUDGET = {"value": 24_000, "q": 8_000, "soft_q": 4_000}
"""Timesteps by family; twice as many where something has to settle, or where actions are fine."""
INPUTS = ("image", "dictionary", "action-plane", "action-range", "mixing")
"""Probes of inputs and actions that a trainer need not be made for."""
LOOKED_AT = "observation-action"
"""Probe in which the first updates are audited: every part of a trainer has something to learn."""
SLOW = ("image", "scale", "ladder", "endless", "exploration", "memory")


@dataclass(frozen=True)
class Trial:
    """How a trainer did on a probe.

    Attributes:
        probe: Name of the problem.
        kind: Discrete or continuous actions.
        seed: Given to the trainer and the environments.
        verdict: ``passed``, ``failed``, or ``skipped`` where it could not be asked.
        reason: Why it was skipped or failed, in a sentence.
        timesteps: Until it was decided.
        seconds: Of wall time.
        asked: What was asked.
        before: Answers before training.
        given: Answers when it was decided.
        right: Right answers then.
        unrest: Median change of the values over the last checkpoints, from one to the next.
        bonus: Entropy bonus of each state then (soft values), or None.
        gamma: Discount factor of the trainer.
        gae_lambda: Lambda that it says it uses.
        family: What its values mean.
        identities: What the oracles said of the first rollout or updates.
        watchable: Whether identities can look at the updates of such a trainer.
        mistake: The trainer raised or hung: the sentence for its author.
    """

    probe: str
    kind: Kind
    seed: int
    verdict: CheckVerdict
    reason: str = ""
    timesteps: int = 0
    seconds: float = 0.0
    asked: tuple[Question, ...] = ()
    before: tuple[Array, ...] = ()
    given: tuple[Array, ...] = ()
    right: tuple[Array, ...] = ()
    unrest: float = 0.0
    bonus: Array | None = None
    gamma: float = 0.0
    gae_lambda: float = 0.0
    family: str = "value"
    identities: tuple[tuple[Check, Finding | None], ...] = ()
    watchable: bool = False
    mistake: str = ""


def run_trial(
    make_trainer: MakeTrainer,
    problem: Problem,
    seed: int,
    *,
    budget: float = 1.0,
    seconds: float = 60.0,
) -> Trial:
    """Train on a probe until its answers are right, its budget is spent, or time is up.

    Args:
        make_trainer: Called with an environment (a parameter named ``envs`` gets a vector), a seed,
            and gamma if it has such a parameter.
        problem: The probe.
        seed: Of trainer and environment.
        budget: Factor on the usual number of timesteps.
        seconds: Time limit.
    """
    blank = Trial(problem.name, problem.kind, seed, "inconclusive")
    begin = time.perf_counter()
    try:
        with time_limit(seconds):
            trial = _run(make_trainer, problem, blank, budget)
    except TimedOutError:
        trial = replace(blank, mistake=f"took longer than {seconds:g} s")
    except UserError as error:
        trial = replace(blank, mistake=str(error))
    except Exception as error:  # anything can happen in somebody's trainer
        trial = replace(blank, mistake=said(error))
    if trial.mistake and problem.name in INPUTS and "took longer" not in trial.mistake:
        reason = f"not for this trainer: {trial.mistake}"
        trial = replace(trial, verdict="skipped", mistake="", reason=reason)
    return replace(trial, seconds=time.perf_counter() - begin)


def _run(make_trainer: MakeTrainer, problem: Problem, blank: Trial, budget: float) -> Trial:
    wants_many = "envs" in inspect.signature(make_trainer).parameters
    if problem.start_by_env and not wants_many:
        reason = "make_trainer takes a single environment (a parameter named envs gets several)"
        return replace(blank, verdict="skipped", reason=reason)
    num = int(getattr(make_trainer, "num_envs", 8))
    env = ProbeVectorEnv(problem, num) if wants_many else ProbeEnv(problem)
    env.reset(seed=blank.seed)
    trainer = _make(make_trainer, env, problem, blank.seed)
    subject = subject_of(trainer, closely=problem.name == LOOKED_AT)
    given = _takes_gamma(make_trainer)
    if subject.gamma is not None:
        if given and abs(subject.gamma - problem.gamma) > 1e-6:
            raise UserError(
                f"make_trainer was given gamma {problem.gamma:g}, but its trainer has gamma"
                f" {subject.gamma:g}; pass it on, or leave the parameter out."
            )
        problem = replace(problem, gamma=subject.gamma)
    slow = problem.name in SLOW or problem.best is not None
    total = int(BUDGET[subject.family] * budget * (2 if slow else 1))
    known = given or subject.gamma is not None
    if reason := _unsuited(problem, subject) or _undecidable(problem, subject, total, known):
        return replace(blank, verdict="skipped", reason=reason)
    exam = Examination(problem, subject, env.returns)
    exam.begin()
    if not exam.asked:
        reason = "the trainer cannot be asked for what this probe needs"
        return replace(blank, verdict="skipped", reason=reason)
    subject.learn(total, EVERY[subject.family], exam.checkpoint)
    return replace(
        blank, verdict="passed" if exam.passed else "failed", timesteps=env.steps,
        asked=tuple(exam.asked), before=tuple(exam.before), given=tuple(exam.given),
        right=tuple(exam.right), unrest=exam.unrest, bonus=exam.bonus, gamma=problem.gamma,
        gae_lambda=subject.gae_lambda or 0.0, family=subject.family,
        identities=tuple(subject.identities), watchable=subject.watchable,
    )  # fmt: skip


def _make(make_trainer: MakeTrainer, env: Any, problem: Problem, seed: int) -> Any:
    """Call make_trainer with what its signature asks for."""
    gamma = {"gamma": problem.gamma} if _takes_gamma(make_trainer) else {}
    trainer = make_trainer(env, seed=seed, **gamma)
    if trainer is None:
        raise UserError("make_trainer returned None; it must return an SB3 model or a trainer.")
    return trainer


def _takes_gamma(make_trainer: MakeTrainer) -> bool:
    parameters = inspect.signature(make_trainer).parameters.values()
    return any(p.name == "gamma" or p.kind is p.VAR_KEYWORD for p in parameters)


def _unsuited(problem: Problem, subject: Subject) -> str:
    """Return why a probe says nothing about a trainer, or an empty text."""
    if problem.hidden and not subject.recurrent:
        return "the policy has no memory"
    if problem.name == "alias" and subject.family == "value" and subject.gae_lambda is None:
        return "the trainer does not say its gae_lambda"
    largest = np.abs(solve(problem, gae_lambda=0.0).values).max()
    if largest > LARGEST_TARGET:
        return (
            f"with gamma {problem.gamma:g} its value is {largest:.0f}, too far to learn quickly"
            " (give make_trainer a parameter gamma)"
        )
    return ""


def _undecidable(problem: Problem, subject: Subject, total: int, known: bool) -> str:
    """Return why a probe about later rewards would accuse a healthy trainer, or an empty text."""
    values = solve(problem, gae_lambda=0.0).values
    if np.allclose(values, solve(problem, gae_lambda=0.0, rule=Rule(gamma=0.0)).values):
        return ""
    if not known:
        return "gamma is not known (give make_trainer a parameter gamma, or the trainer gamma)"
    if total / COPIES < subject.target_interval <= NEVER:
        return (
            f"the target network is copied every {subject.target_interval} timesteps, and this"
            f" probe lasts {total}"
        )
    return ""
