"""What every environment promises, as questions: arrays, ends, seeds and resets, vectors.

The checks themselves stand beside this tier; they are exact and need no samples.
"""

from plumbrl.audits.arrays import check_arrays
from plumbrl.audits.ends import check_ends
from plumbrl.audits.restore import check_restore
from plumbrl.audits.subject import Subject
from plumbrl.audits.vector import check_vector
from plumbrl.oracles.compare import Outcome, skipped

LONGEST = 1000
"""Time limit up to which enough steps are taken for an episode to reach it."""


def ask_arrays(subject: Subject) -> list[Outcome]:
    """Return whether observations and actions belong to one side only and none comes late."""
    return check_arrays(subject.make_env, seed=subject.seed)


def ask_ends(subject: Subject) -> list[Outcome]:
    """Return whether wrappers pass on the ends of episodes as they are."""
    limit = subject.limit or 0
    steps = limit + 200 if 300 < limit <= LONGEST else 500
    return [check_ends(subject.make_env, seed=subject.seed, steps=steps)]


def ask_restore(subject: Subject) -> list[Outcome]:
    """Return whether seeds and resets bring back the same start."""
    return check_restore(subject.make_env, seed=subject.seed, steps=150)


def ask_vector(subject: Subject) -> list[Outcome]:
    """Return whether environments that step together are separate; skipped if there is one."""
    if subject.make_vector is None:
        return [skipped("vector", "a single environment was given, no vector of them")]
    return check_vector(subject.make_vector, seed=subject.seed)
