"""Stored transitions must be what happened, field by field."""

from collections.abc import Iterable

import numpy as np

from plumbrl.findings import Evidence
from plumbrl.oracles.compare import (
    Array,
    Difference,
    Outcome,
    difference,
    failed,
    found,
    passed,
    skipped,
)
from plumbrl.oracles.transitions import TOLERANCE, observation_cause, per_step
from plumbrl.snapshots.off_policy import OffPolicyUpdate
from plumbrl.snapshots.replay import StoredTransitions, Transitions

NOTHING = "the adapter could not record the environments' steps"
Suspects = Iterable[tuple[str, Array]]


def check_stored_observations(update: OffPolicyUpdate) -> Outcome:
    """Compare stored observations, and those that followed, with a recording."""
    name = "stored observations against what happened"
    if update.happened is None or update.stored is None:
        return skipped(name, update.unseen or NOTHING)
    gaps = []
    for key, stored in update.stored.observations.items():
        expected = update.happened.observations[key]
        gap = per_step(stored, expected)
        if gap.wrong.any():
            following = update.happened.next_observations[key]
            shifted = not per_step(stored, following).wrong.any()
            cause = observation_cause(stored, expected)
            cause = "data.next-observation-stored" if shifted else cause
            return _failed(update, name, cause, gap, "observations")
        gaps.append(gap)
    for key in update.stored.next_observations:
        gap = _next_gap(update.happened, update.stored, key)
        if gap.wrong.any():
            cause = _next_cause(update.happened, update.stored, key, gap)
            return _failed(update, name, cause, gap, "next observations")
        gaps.append(gap)
    return passed(name, sum(g.wrong.size for g in gaps), max(g.worst for g in gaps))


def check_terminal_observations(update: OffPolicyUpdate) -> Outcome:
    """Check that an episode's end comes with its last observation, not the next one's first."""
    name, happened = "last observations of episodes", update.happened
    if happened is None:
        return skipped(name, update.unseen or NOTHING)
    ended = happened.terminated | happened.truncated
    if not ended.any():
        return skipped(name, "no episode ended yet")
    lost = 1 - float(happened.final_given[ended].mean())
    share = Evidence("share of ends without a last observation", lost, "0")
    if lost:
        told = "the info of a last step has no terminal_observation"
        return found(name, "environment.final-observation-missing", told, share, step=update.step)
    parts = happened.following.items()
    same = all(np.array_equal(happened.next_observations[k][ended], v[ended]) for k, v in parts)
    if same and any(len(np.unique(v[ended], axis=0)) > 1 for _, v in parts):
        told = "every terminal_observation is the first observation of the next episode"
        alike = Evidence("share of ends with the next episode's first observation", 1.0, "0")
        return found(
            name,
            "environment.final-observation-is-reset",
            told,
            alike,
            step=update.step,
            confidence=0.9,
        )
    return passed(name, int(ended.sum()), 0.0)


def check_stored_actions(update: OffPolicyUpdate) -> Outcome:
    """Compare stored actions with those sent, brought from their bounds to [-1, 1]."""
    name = "stored actions against what was sent"
    if update.happened is None or update.stored is None:
        return skipped(name, update.unseen or NOTHING)
    sent, low, high = update.happened.actions, update.action_low, update.action_high
    if low is None or high is None:
        return _compare(
            update, name, "actions", update.stored.actions, sent, (), "data.wrong-replay-action"
        )
    span = np.maximum(high.astype(np.float64) - low, np.finfo(np.float32).tiny)
    scaled = 2 * (sent - low) / span - 1
    suspects = [
        ("data.action-in-environment-scale", sent),
        ("data.action-scaled-twice", 2 * (scaled - low) / span - 1),
    ]
    rounding = 1e-5 + 1e-6 * float((np.maximum(abs(low), abs(high)) / span).max())
    return _compare(
        update, name, "actions", update.stored.actions, scaled, suspects,
        "data.wrong-replay-action", rounding,
    )  # fmt: skip


def check_stored_rewards(update: OffPolicyUpdate) -> Outcome:
    """Compare stored rewards with those that the environments gave."""
    name = "stored rewards against what happened"
    if update.happened is None or update.stored is None:
        return skipped(name, update.unseen or NOTHING)
    stored, rewards = update.stored.rewards, update.happened.rewards
    suspects = [
        ("data.reward-sign-flipped", -rewards),
        ("data.reward-clipped", np.sign(rewards)),
        ("data.reward-clipped", np.clip(rewards, -1, 1)),
        ("data.reward-missing", np.zeros_like(rewards)),
        ("data.reward-of-step-before", np.concatenate([stored[:1], rewards[:-1]])),
        ("data.reward-of-step-after", np.concatenate([rewards[1:], stored[-1:]])),
    ]
    return _compare(update, name, "rewards", stored, rewards, suspects, "data.wrong-reward")


def check_stored_ends(update: OffPolicyUpdate) -> Outcome:
    """Check that the learner takes states for terminal where the episode terminated, only there."""
    name = "stored episode ends against what happened"
    if update.happened is None or update.stored is None:
        return skipped(name, update.unseen or NOTHING)
    terminal = update.happened.terminated.astype(float)
    ended = np.maximum(terminal, update.happened.truncated)
    mask = update.stored.dones * (1 - update.stored.timeouts)
    suspects = [
        ("value.no-bootstrap-at-truncation", ended),
        ("value.bootstrap-at-terminal", np.zeros_like(terminal)),
        ("data.termination-and-truncation-swapped", ended - terminal),
        ("data.episode-ends-late", np.concatenate([mask[:1], terminal[:-1]])),
        ("data.episode-ends-early", np.concatenate([terminal[1:], mask[-1:]])),
    ]
    return _compare(
        update, name, "episode ends", mask, terminal, suspects, "data.wrong-episode-end"
    )


def _compare(
    update: OffPolicyUpdate, name: str, what: str, stored: Array, expected: Array,
    suspects: Suspects, otherwise: str, tolerance: float = TOLERANCE,
) -> Outcome:  # fmt: skip
    """Compare a field; name the suspect that is exactly what is stored."""
    stored = stored.reshape(expected.shape)
    gap = difference(stored, expected, tolerance)
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    fits = (c for c, wrong in suspects if not difference(stored, wrong, tolerance).wrong.any())
    return _failed(update, name, next(fits, otherwise), gap, what, tolerance)


def _next_gap(happened: Transitions, stored: StoredTransitions, key: str) -> Difference:
    """Compare where it is known what followed."""
    gap = per_step(stored.next_observations[key], happened.next_observations[key])
    return Difference(gap.wrong & happened.final_given, gap.worst)


def _next_cause(
    happened: Transitions, stored: StoredTransitions, key: str, gap: Difference
) -> str:  # fmt: skip
    """Tell the next episode's first observation from the step's own from anything else."""
    found_there = stored.next_observations[key]
    for cause, suspect in (
        ("data.reset-observation-stored", happened.following[key]),
        ("data.observation-stored-as-next", happened.observations[key]),
    ):
        if not (per_step(found_there, suspect).wrong & gap.wrong).any():
            return cause
    return "data.wrong-next-observation"


def _failed(
    update: OffPolicyUpdate, name: str, cause: str, gap: Difference, what: str,
    tolerance: float = TOLERANCE,
) -> Outcome:  # fmt: skip
    return failed(
        name, cause, gap, what=what, tolerance=tolerance, step=update.step, update=update.update
    )
