"""How much of where an able policy goes random actions come near."""

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.audits.task.gap import clearly_better
from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, skipped

Array = np.ndarray
NAME = "random actions come near the states of an able policy"
QUERIES, POINTS = 400, 4000
"""States that are looked for, and states among which they are; more are thinned evenly."""
COMPONENTS = 8
NARROW = 0.1
FEWEST = 2


def ask_coverage(subject: Subject) -> list[Outcome]:
    """Measure the share of the oracle's states, or of the trained policy's, that chance covers."""
    able = subject.expert if clearly_better(subject.expert, subject.random) else None
    who = "the oracle's"
    if able is None and clearly_better(subject.trained, subject.random):
        able, who = subject.trained, "the trained policy's"
    if able is None:
        return [skipped(NAME, "needs an oracle or a trained policy that is better than chance")]
    return [judge_coverage(subject.random, able, who)]


def judge_coverage(random: Sample, able: Sample, who: str) -> Outcome:
    """Judge the share of an able policy's states that random actions come near.

    Little of it is no fault: many tasks are learned by going a little further each time. It is
    worth knowing where nothing is learned.
    """
    if len(able.episodes) < FEWEST or not able.observations.shape[1]:
        return skipped(NAME, "needs two episodes of an able policy, and numbers in observations")
    share = covered(able, random)
    if np.isnan(share):
        return skipped(NAME, "observations never vary, or are not finite")
    reason = (
        f"random actions come as near {share:.0%} of {who} states as its own episodes do to 90 %"
    )
    if share >= NARROW:
        return Check(NAME, "passed", reason), None
    evidence = Evidence("share of an able policy's states near random ones", share, "above 0.1")
    named = finding("task.exploration-narrow", step=0, evidence=(evidence,), confidence=0.6)
    return Check(NAME, "inconclusive", f"{reason}; that matters only if nothing is learned"), named


def covered(able: Sample, random: Sample) -> float:
    """Return the share of the able policy's states that lie near a random one, in [0, 1].

    Near is within the distance that 90 % of those states keep to the nearest one of the policy's
    other episodes. Columns are divided by the policy's own spread and reduced to 8 principal
    components; whole numbers must be met exactly. NaN if no column varies or one is not finite.
    """
    queries, points = thinned(able.observations, QUERIES), thinned(random.observations, POINTS)
    if set(able.kinds) <= set("iub"):
        seen = {row.tobytes() for row in random.observations}
        return float(np.mean([row.tobytes() in seen for row in queries]))
    own, episode = thinned(able.observations, POINTS), thinned(able.episode, POINTS)
    spread = own.std(axis=0)
    if not np.isfinite(own).all() or not np.isfinite(points).all() or not (spread > 0).any():
        return float("nan")
    basis = _basis((own - own.mean(axis=0))[:, spread > 0] / spread[spread > 0])
    queries, points, own = (_placed(a, spread, basis) for a in (queries, points, own))
    other = thinned(able.episode, QUERIES)[:, None] != episode[None]
    near = np.quantile(np.where(other, distances(queries, own), np.inf).min(axis=1), 0.9)
    return float((distances(queries, points).min(axis=1) <= near).mean())


def distances(one: Array, other: Array) -> Array:
    """Return the Euclidean distances of rows (n, D) and rows (m, D), (n, m)."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.sqrt(np.maximum(squares, 0))


def thinned(rows: Array, most: int) -> Array:
    """Return at most so many rows, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))]


def _basis(centred: Array) -> Array:
    """Return the leading principal directions, (D, at most 8)."""
    return np.linalg.svd(centred, full_matrices=False)[2][:COMPONENTS].T


def _placed(rows: Array, spread: Array, basis: Array) -> Array:
    return (rows[:, spread > 0] / spread[spread > 0]) @ basis
