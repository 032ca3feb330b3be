"""The reward must follow from state, action and next state, at once and without chance."""

from collections.abc import Iterator
from math import gcd

import numpy as np

from plumbrl.audits.reward.prediction import (
    Fit,
    chunks,
    discrete,
    fit,
    fit_labels,
    transitions,
)
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
AT_ONCE, MARKOV = "rewards come at once", "rewards need no memory"
OBSERVABLE = "rewards follow from what is seen"
FEWEST = 300
"""Steps below which nothing is said of predictions."""
EXACT, LOST = 0.05, 0.5
"""Share of the reward's variance that may stay unexplained; above the second, most of it is.

Healthy environments leave 0 to 0.02."""
RARE = 0.05
"""Share of steps with another reward than usual, below which there is too little to predict."""
GAIN = 0.2
"""Share of what is unexplained that four steps must explain more than one."""
LAGS, MEMORY = range(1, 11), 4
WHITE = 0.2
"""Correlation of neighbouring residuals below which they are chance, above which a hidden state."""
MOST = 150
"""Columns above which a failure to predict may be that of the prediction."""


def ask(subject: Subject) -> list[Outcome]:
    """Ask whether rewards can be told from transitions, and if not, why."""
    return check_predictable(subject.random)


def check_predictable(sample: Sample) -> list[Outcome]:
    """Say whether rewards come at once, need no memory, and follow from what is seen.

    Terminal steps are left out: what ends an episode may well be paid for by things unseen, as in
    a game of cards.
    """
    late = check_pay_days(sample)
    if late:
        reason = "rewards are late, which explains the rest"
        return [late, skipped(MARKOV, reason), skipped(OBSERVABLE, reason)]
    rows = chunks(~sample.ended & (sample.t >= max(LAGS)))
    if len(rows) < FEWEST:
        rows = chunks(~sample.ended)
    reason = _unfit(sample, rows)
    if reason:
        return [skipped(name, reason) for name in (AT_ONCE, MARKOV, OBSERVABLE)]
    now = _predict(sample, rows, sample.rewards[rows])
    if not np.isfinite(now.unexplained):
        reason = "no transition was seen twice"
        return [(Check(n, "inconclusive", reason), None) for n in (AT_ONCE, MARKOV, OBSERVABLE)]
    return list(_explanations(sample, rows, now))


def _unfit(sample: Sample, rows: Array) -> str:
    rewards = sample.rewards[rows]
    if not np.isfinite(rewards).all() or not np.isfinite(sample.next_observations).all():
        return "rewards or observations are not finite"
    if len(rows) == 0 or np.ptp(rewards) <= 1e-9 * (1 + np.abs(rewards).max()):
        return "the reward is the same at every step that ends no episode"
    if len(rows) < FEWEST:
        return f"{len(rows)} steps that end no episode are too few; {FEWEST} would do"
    rare = 1 - np.unique(rewards, return_counts=True)[1].max() / len(rows)
    return f"only {rare:.2%} of the steps pay other than usual" if rare < RARE else ""


def _explanations(sample: Sample, rows: Array, now: Fit) -> Iterator[Outcome]:
    """Yield three outcomes; the first explanation that holds makes the others superfluous."""
    text = f"{now.unexplained:.1%} of the variance do not follow from state, action and next state"
    names = [AT_ONCE, MARKOV, OBSERVABLE]
    if now.unexplained > EXACT:
        for judge in (_lagged, _remembered, _hidden):
            outcome = judge(sample, rows, now)
            if outcome is not None:
                yield outcome
                yield from (skipped(n, "explained by another check") for n in names[1:])
                return
            yield Check(names.pop(0), "passed", text), None
    yield from ((Check(name, "passed", text), None) for name in names)


def _lagged(sample: Sample, rows: Array, now: Fit) -> Outcome | None:
    late = rows[sample.t[rows] >= max(LAGS)]
    if len(late) < FEWEST or np.ptp(sample.rewards[late]) == 0:
        return None
    rewards = sample.rewards[late]
    left: dict[int, float] = {}
    for lag in LAGS:
        left[lag] = _predict(sample, late - lag, rewards).unexplained
        if left[lag] < EXACT:
            break
    best = min(left, key=lambda lag: left[lag])
    if not left[best] < LOST * now.unexplained:
        return None
    reason = f"rewards follow from what was done {best} steps before better than from the present"
    evidence = (
        Evidence("delay", best, "0", "steps"),
        Evidence("variance left by the step before", left[best], "0 where that pays"),
        Evidence("variance left by the present", now.unexplained, f"below {EXACT}"),
    )
    return found(AT_ONCE, "reward.delayed", reason, *evidence, confidence=0.85)


def _remembered(sample: Sample, rows: Array, now: Fit) -> Outcome | None:
    late = rows[sample.t[rows] >= MEMORY]
    if discrete(sample) or len(late) < FEWEST or np.ptp(sample.rewards[late]) == 0:
        return None
    inputs, rewards = transitions(sample, late), sample.rewards[late]
    short, long = fit(inputs, rewards), fit(inputs, rewards, _past(sample, late))
    gain = 1 - long.unexplained / max(short.unexplained, 1e-12)
    if gain < GAIN or not (long.by_fold < short.by_fold).all():
        return None
    reason = f"{MEMORY} steps leave {gain:.0%} less of the reward unexplained than one"
    evidence = (
        Evidence("gain of memory", gain, f"below {GAIN}", "", f"{MEMORY} steps"),
        Evidence("variance left by the present", now.unexplained, f"below {EXACT}"),
    )
    return found(MARKOV, "reward.history-dependent", reason, *evidence, confidence=0.75)


def _hidden(sample: Sample, rows: Array, now: Fit) -> Outcome | None:
    if now.unexplained < LOST:
        return None
    if len(sample.names) > MOST:
        reason = f"{now.unexplained:.0%} unexplained, but {len(sample.names)} columns are many"
        return Check(OBSERVABLE, "inconclusive", reason), None
    memory = _memory(sample, rows, now)
    chance = abs(memory) < WHITE
    why = "like chance" if chance else "like something that is not seen"
    reason = f"{now.unexplained:.0%} of the reward's variance behave {why}"
    evidence = (
        Evidence("share of the reward's variance unexplained", now.unexplained, "below 0.1"),
        Evidence("correlation of neighbouring residuals", memory, "0 for chance, 1 for a state"),
        Evidence("p-value of no dependence", now.dependence(), "small", "", "permutations"),
    )
    cause = "reward.random" if chance else "reward.not-observable"
    return found(OBSERVABLE, cause, reason, *evidence, confidence=0.8)


def _memory(sample: Sample, rows: Array, now: Fit) -> float:
    """Return the correlation of residuals at neighbouring steps of an episode."""
    together = np.diff(rows) == 1
    together &= sample.episode[rows[1:]] == sample.episode[rows[:-1]]
    together &= now.known[1:] & now.known[:-1]
    one, other = now.residuals[:-1][together], now.residuals[1:][together]
    if len(one) < 20 or not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _predict(sample: Sample, rows: Array, rewards: Array) -> Fit:
    inputs = transitions(sample, rows)
    return fit_labels(inputs, rewards) if discrete(sample) else fit(inputs, rewards)


def _past(sample: Sample, rows: Array) -> Array:
    """Return earlier states and actions, and squares of how actions and states changed since."""
    columns = []
    for lag in range(1, MEMORY):
        for now in (sample.observations, sample.actions):
            columns += [now[rows - lag], now[rows - lag] ** 2]
    for now in (sample.observations, sample.actions):
        columns += [(now[rows] - now[rows - 1]) ** 2, np.abs(now[rows] - now[rows - 1])]
    return np.column_stack(columns)


def unexplained_variance(sample: Sample) -> float:
    """Return the variance of a step's reward that does not follow from its transition.

    0 where rewards do not vary or too few were seen.
    """
    rows = chunks(~sample.ended)
    if _unfit(sample, rows):
        return 0.0
    left = _predict(sample, rows, sample.rewards[rows]).unexplained
    return float(np.nan_to_num(left) * sample.rewards[rows].var())


def check_pay_days(sample: Sample) -> Outcome | None:
    """Return an outcome if rewards come only after some steps, or only every few steps."""
    usual = ~sample.ended & np.isfinite(sample.rewards)
    paid = sample.t[usual & (sample.rewards != 0)]
    if len(paid) < 20 or len(np.unique(sample.episode[usual & (sample.rewards != 0)])) < 5:
        return None
    period = gcd(*np.diff(np.unique(paid)).tolist()) if len(np.unique(paid)) > 1 else 1
    due = sample.t[usual] % max(period, 1) == paid[0] % max(period, 1)
    first = int(paid.min())
    if period > 1 and len(paid) > 0.9 * due.sum():
        reason = f"only every {period}th step pays"
        return _late(reason, Evidence("steps from one reward to the next", period, "1", "steps"))
    if first > 0 and len(paid) > 0.9 * (sample.t[usual] >= first).sum():
        reason = f"the first {first} steps of every episode pay exactly 0, nearly all others do not"
        return _late(reason, Evidence("steps without any reward", first, "0", "steps"))
    return None


def _late(reason: str, evidence: Evidence) -> Outcome:
    return found(AT_ONCE, "reward.delayed", reason, evidence, confidence=0.8)
