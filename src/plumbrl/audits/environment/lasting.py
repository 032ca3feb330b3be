"""Questions about the ends of episodes, with the samples that they need."""

from plumbrl.audits.environment.endings import (
    REASON,
    check_ends_at_all,
    check_failure,
    check_limit,
    check_reason,
    check_short,
)
from plumbrl.audits.environment.survivors import survive
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.oracles.compare import Outcome, skipped


def ask_endings(subject: Subject) -> list[Outcome]:
    """Return what is wrong with when and how episodes end."""
    samples = [s for s in (subject.random, subject.trained, subject.expert) if s is not None]
    samples = [s for s in samples if len(s)]
    if not any(_reached(s) for s in samples):
        lasting = survive(
            subject.make_env, subject.spaces[1], subject.seed, subject.budget.part(0.15)
        )  # fmt: skip
        samples += [lasting] if lasting is not None and len(lasting) else []
    if not samples:
        return []
    limit = check_limit(samples, subject.limit)
    reason = check_reason(samples[0])
    if limit[1]:
        reason = skipped(REASON, "a limit is reported as a terminal state, which nothing explains")
    return [
        check_ends_at_all(samples[0], subject.limit),
        limit,
        check_failure(samples),
        reason,
        check_short(samples),
    ]


def _reached(sample: Sample) -> bool:
    """Whether it has seen a limit, or an episode without an end, which no survivor betters."""
    return bool(sample.truncated.any()) or not len(sample.finished)
