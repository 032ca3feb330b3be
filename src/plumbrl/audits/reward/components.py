"""The terms of a reward: their shares of what episodes return, and whether they serve the task."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from plumbrl.audits.reward.task_metric import correlation, episode_metric
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
SHARES, CANCEL = "no term of the reward drowns the others", "terms of the reward do not cancel"
DEAD, SERVE = "terms of the reward are alive", "terms of the reward serve the task"
DOMINATES, DROWNS = 0.9, 0.99
"""Share of the variance of returns; above the second, an effort term leaves nothing to learn."""
EPISODES = 10
TOTALS = ("unshaped",)
"""Names of terms that hold others."""


def ask(subject: Subject) -> list[Outcome]:
    """Ask what each term of the reward contributes."""
    sample = subject.random
    terms = usable_terms(sample)
    if len(terms) < 2:
        reason = "infos name no terms of the reward (reward_terms, or numbers called reward_...)"
        return [skipped(name, reason) for name in (SHARES, CANCEL, DEAD, SERVE)]
    return [
        check_shares(sample, terms),
        check_cancelling(terms),
        check_dead(terms, subject.trained),
        check_serving(sample, terms, subject.metric),
    ]


def usable_terms(sample: Sample) -> dict[str, Array]:
    """Return terms that are numbers at every step."""
    return {
        name: values
        for name, values in sample.terms.items()
        if np.isfinite(values).all() and name not in TOTALS
    }


def episode_sums(sample: Sample, values: Array) -> Array:
    """Return the sum of a series over each finished episode."""
    return np.array([values[e].sum() for e in sample.finished])


def check_shares(sample: Sample, terms: dict[str, Array]) -> Outcome:
    """Compare the variances of what each term adds to the returns of episodes.

    A term that dominates may well be the task itself, so it is only told; one that is a price of
    actions is not, and leaves nothing to learn but to do nothing.
    """
    if len(sample.finished) < EPISODES:
        return skipped(SHARES, f"{len(sample.finished)} finished episodes; {EPISODES} would do")
    variances = {name: episode_sums(sample, values).var() for name, values in terms.items()}
    total = sum(variances.values())
    if not total:
        return skipped(SHARES, "no term makes a difference between episodes")
    name = max(variances, key=lambda n: variances[n])
    share = float(variances[name] / total)
    reason = f"{name} has {share:.1%} of the variance of the terms' returns"
    evidence = Evidence("share of the variance of returns", share, f"below {DOMINATES}", "", name)
    if share > DROWNS and is_effort(sample, terms[name]):
        return found(
            SHARES, "reward.effort-dominates", f"{reason}, and depends on the action alone",
            evidence, confidence=0.8,
        )  # fmt: skip
    if share <= DOMINATES:
        return Check(SHARES, "passed", reason), None
    named = finding("reward.term-dominates", step=0, evidence=(evidence,), confidence=0.5)
    return Check(SHARES, "passed", f"{reason}; that is well if it is the task"), named


def is_effort(sample: Sample, values: Array) -> bool:
    """Return whether a term is a cost of the action: at most 0 and nearly linear in its square."""
    if values.max() > 1e-9 * np.abs(values).max() or not values.std():
        return False
    squares = np.column_stack([np.ones(len(sample)), sample.actions, sample.actions**2])
    weights, *_ = np.linalg.lstsq(squares, values, rcond=None)
    return bool(np.var(values - squares @ weights) < 0.1 * values.var())


def check_cancelling(terms: dict[str, Array]) -> Outcome:
    """Look for two terms that take back what the other gives, step by step."""
    worst, pair, left = 0.0, ("", ""), 1.0
    for one, other in combinations(terms, 2):
        related = correlation(terms[one], terms[other])
        if related < worst:
            worst, pair = related, (one, other)
            both = terms[one].var() + terms[other].var()
            left = float((terms[one] + terms[other]).var() / both)
    reason = f"lowest correlation {worst:.2f}" + (f" ({' and '.join(pair)})" if worst else "")
    if worst >= -0.9 or left >= 0.1:
        return Check(CANCEL, "passed", reason), None
    evidence = (
        Evidence("correlation", worst, "above -0.9", "", " and ".join(pair)),
        Evidence("variance of the sum over sum of variances", left, "about 1"),
    )
    reason += f"; their sum keeps {left:.1%} of the variance"
    return found(CANCEL, "reward.terms-cancel", reason, *evidence, confidence=0.9)


def check_dead(terms: dict[str, Array], trained: Sample | None) -> Outcome:
    """Look for terms that were 0 at every step of random actions, and of the trained policy."""
    more = {} if trained is None else trained.terms
    dead = [n for n, v in terms.items() if not v.any() and not np.any(more.get(n, 0))]
    if not dead:
        return Check(DEAD, "passed", f"each of {len(terms)} terms was other than 0"), None
    reason = f"always 0: {', '.join(dead)}"
    share = Evidence("terms that are always 0", len(dead), "0", "", ", ".join(dead))
    named = finding("reward.term-dead", step=0, evidence=(share,), confidence=0.6)
    return Check(DEAD, "inconclusive", reason), named


def check_serving(sample: Sample, terms: dict[str, Array], metric: str) -> Outcome:
    """Compare what terms and reward return with how well the task was done, by episode."""
    done = episode_metric(sample, metric)
    if done is None:
        return skipped(SERVE, "no metric of the task is known; name a number of the infos")
    if len(done) < EPISODES or not np.std(done):
        return Check(SERVE, "inconclusive", "the metric does not vary over random episodes"), None
    sums = dict(_totals(sample, terms))
    related = {name: correlation(values, done) for name, values in sums.items()}
    total = related.pop("")
    best = max(related, key=lambda n: related[n])
    main = max(related, key=lambda n: sums[n].var())
    reason = f"reward {total:.2f}, {main} {related[main]:.2f}, {best} {related[best]:.2f}"
    reason = f"correlation with the metric over episodes: {reason}"
    bound = 2 / np.sqrt(len(done))
    if total > 0 or related[main] > 0 or related[best] < max(0.5, bound) or main == best:
        return Check(SERVE, "passed", reason), None
    evidence = (
        Evidence("correlation of the largest term with the metric", related[main], "positive"),
        Evidence("correlation of another", related[best], "", "", best),
    )
    return found(SERVE, "reward.term-against-task", reason, *evidence, confidence=0.7)


def _totals(sample: Sample, terms: dict[str, Array]) -> Iterator[tuple[str, Array]]:
    yield "", sample.returns
    for name, values in terms.items():
        yield name, episode_sums(sample, values)
