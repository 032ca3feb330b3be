"""Audit an environment: reward, then environment, then task."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from plumbrl.audits import environment, reward, task
from plumbrl.audits.asking import OWN_FAILURE, ask
from plumbrl.audits.budget import Budget
from plumbrl.audits.guarded import guarded
from plumbrl.audits.isolated import ask_isolated
from plumbrl.audits.oracle import named_oracle
from plumbrl.audits.rivals import even, fitting
from plumbrl.audits.subject import MakePolicy, Subject
from plumbrl.audits.target import name_of, target
from plumbrl.audits.vector import MakeVector
from plumbrl.diagnosis.graph import ranked
from plumbrl.errors import UserError, unknown
from plumbrl.findings import Check, Finding, Report, RunVerdict, most_severe
from plumbrl.oracles.compare import Outcome

Tier = Literal["reward", "environment", "task"]
TIERS = {"reward": reward.LOOKS, "environment": environment.LOOKS, "task": task.LOOKS}


def audit(
    env: Any,
    *,
    policy: MakePolicy | None = None,
    oracle: MakePolicy | str | None = None,
    vector: MakeVector | None = None,
    metric: str = "",
    gamma: float = 0.99,
    rollout: int | None = None,
    tiers: Iterable[Tier] = ("reward", "environment", "task"),
    budget: float = 60.0,
    seed: int = 0,
    name: str = "",
    isolate: bool = True,
    on_look: Callable[[str], None] = lambda name: None,
) -> Report:
    """Find out what is wrong with a reward, an environment or a task, in that order.

    Args:
        env: An id (``CartPole-v1``, ``module:Env-v0``), a function without arguments that returns a
            new environment or a new vector of environments, or an environment, which is copied.
        policy: Called with an environment; returns the trained policy: from an observation to an
            action. None if there is none.
        oracle: The same for a policy that is known to do the task, or its ``module:function``;
            where it returns None, there is none.
        vector: Returns a new vector of such environments, to be asked too.
        metric: Key of a number in the infos that says how well the task is done, higher is
            better; with a leading ``-``, lower is better.
        gamma: Discount of the trainer, in [0, 1].
        rollout: Steps of each environment between two updates of the trainer, if known.
        tiers: Which to ask.
        budget: Seconds; checks for which none are left are skipped and say so.
        seed: First of the seeds used.
        name: Of the environment in the report; by default its id.
        isolate: Ask in a forked process, so that an environment that hangs or dies ends in a
            finding. Where the system cannot fork, and with False, it is asked in this process.
        on_look: Called with the name of each question when it begins.

    Returns:
        A report. BROKEN: an error was found; UNHEALTHY: something failed that may be meant so;
        NOT_LEARNING: the trained policy is no better than random actions; HEALTHY: nothing failed;
        INCONCLUSIVE: nothing could be decided.

    Raises:
        UserError: There is no such environment, metric or tier, or the environment cannot be
            copied.
    """
    chosen = _chosen(tiers)
    if not 0 <= gamma <= 1:
        raise UserError(f"gamma must be in [0, 1]; got {gamma}.")
    if not isinstance(budget, int | float):
        raise UserError(f"budget must be a number of seconds; got {budget!r}.")
    if not budget > 0:
        raise UserError(f"budget must be above 0 seconds; got {budget}.")
    if seed < 0:
        raise UserError(f"seed must not be negative; got {seed}.")
    name = name or name_of(env)
    policy = guarded(policy, "policy")
    oracle = guarded(named_oracle(oracle) if isinstance(oracle, str) else oracle, "oracle")

    def make() -> Subject:
        what = target(env)
        return Subject(
            name, what.make_env, policy, oracle, vector or what.make_vector, metric,
            gamma, rollout, seed, Budget(budget),
        )  # fmt: skip

    looks = [look for tier in chosen for look in TIERS[tier]]
    told = ask_isolated(make, looks, budget) if isolate else ask(make(), looks)
    outcomes: list[Outcome] = []
    for look, answers in told:
        if not answers:
            on_look(look)
        outcomes += answers
    return report(name, outcomes, again=isinstance(env, str))


def _chosen(tiers: Iterable[str]) -> list[str]:
    asked = list(tiers)
    for tier in asked:
        if tier not in TIERS:
            raise unknown("tier", tier, TIERS)
    return [tier for tier in TIERS if tier in asked]


def report(name: str, outcomes: list[Outcome], *, again: bool = False) -> Report:
    """Return the report on what was asked; of findings of one cause the surest is kept.

    Args:
        name: Of the environment.
        outcomes: In the order in which they were found.
        again: Whether the command audits it again by this name.
    """
    outcomes = even(outcomes)
    surest: dict[str, Finding] = {}
    for _, finding in outcomes:
        if finding and finding.confidence > getattr(surest.get(finding.cause), "confidence", -1):
            surest[finding.cause] = finding
    named = [fitting(finding, name) for finding in surest.values()]
    # Of equally sure ones the first found stays first: reward, environment, task.
    findings = tuple(ranked(named, steps=1))
    checks = tuple(check for check, _ in outcomes)
    verdict = _verdict(findings, checks)
    return Report(
        name, verdict, findings, checks, _next_step(verdict, findings, name if again else "")
    )


def _verdict(findings: tuple[Finding, ...], checks: tuple[Check, ...]) -> RunVerdict:
    if any(f.severity == "error" for f in findings):
        return "BROKEN"
    if any(f.cause == "task.no-better-than-random" for f in findings):
        return "NOT_LEARNING"
    if any(check.verdict == "failed" for check in checks):
        return "UNHEALTHY"
    decided = any(c.verdict == "passed" for c in checks)
    failed = any(c.reason.startswith(OWN_FAILURE) for c in checks)
    return "HEALTHY" if decided and not failed else "INCONCLUSIVE"


def _next_step(verdict: RunVerdict, findings: tuple[Finding, ...], name: str) -> str:
    first = most_severe(findings)
    if verdict == "HEALTHY":
        return "plumbrl probe --algo sb3:PPO puts the trainer to the test; then train"
    if first is None or verdict == "INCONCLUSIVE":
        return "a larger --budget, an --oracle or a --policy lets more checks decide"
    again = f", then plumbrl audit {name} again" if name else ""
    return f"mend {first.cause}{again}; settings are not worth tuning before"
