"""Advantages and value targets against a literal recomputation from what happened.

Generalised advantage estimation (Schulman et al. 2016, equations 11 and 16):
delta_t = r_t + gamma V(s_{t+1}) - V(s_t), A_t = delta_t + gamma lambda A_{t+1} within an episode.
After a terminal state nothing follows: V = 0. At a truncation the episode would have gone on: V is
the value of its last observation. The recursion stops at both.
"""

from collections.abc import Iterator

import numpy as np

from plumbrl.metrics.returns import gae
from plumbrl.oracles.compare import Outcome, difference, failed, passed, skipped
from plumbrl.snapshots import OnPolicyUpdate, Recorded

TOLERANCE = 1e-4
"""Float32 sums over a rollout differ by about 1e-6 relative to the largest term."""
Array = np.ndarray


def check_advantages(update: OnPolicyUpdate) -> Outcome:
    """Compare stored advantages and returns with a recomputation from what happened.

    A mismatch is explained, if possible, by the one change of the formula that reproduces it.
    """
    name = "advantages recomputed from what happened"
    recorded = update.recorded
    if recorded is None:
        return skipped(name, "the adapter could not record the environment's steps")
    expected = _advantages(recorded, update.gamma, update.gae_lambda)
    gap = difference(update.advantages, expected, TOLERANCE)
    cause = "data.wrong-advantage"
    if gap.wrong.any():
        cause = _explain(update, recorded) or cause
    else:
        gap = difference(update.returns, expected + recorded.values, TOLERANCE)
        cause = "data.wrong-return"
    if not gap.wrong.any():
        return passed(name, 2 * gap.wrong.size, gap.worst)
    return failed(
        name, cause, gap, what="advantages" if cause != "data.wrong-return" else "returns",
        tolerance=TOLERANCE, step=update.step, update=update.update,
    )  # fmt: skip


def _advantages(r: Recorded, gamma: float, gae_lambda: float) -> Array:
    return gae(
        r.rewards, r.values, r.terminated, r.truncated, r.final_values, r.last_values, gamma,
        gae_lambda,
    )  # fmt: skip


def _explain(update: OnPolicyUpdate, recorded: Recorded) -> str | None:
    """Return the cause whose wrong formula gives exactly what is stored."""
    for cause, advantages in _suspects(update, recorded):
        if not difference(update.advantages, advantages, TOLERANCE).wrong.any():
            return cause
    return None


def _suspects(update: OnPolicyUpdate, r: Recorded) -> Iterator[tuple[str, Array]]:
    """Yield causes with the advantages each would give.

    Trainers write the value after a truncation in one of two ways: as the next state's value, or
    added to the reward (`folded`); a mistake elsewhere shows differently in the two.
    """
    gamma, lam = update.gamma, update.gae_lambda
    never, ended = np.zeros_like(r.terminated), r.terminated | r.truncated
    following = np.concatenate([r.values[1:], r.last_values[None]])
    folded = r.rewards + gamma * np.where(r.truncated, r.final_values, 0.0)

    def of(
        rewards: Array, terminal: Array, limit: Array = never, finals: Array = r.final_values,
        last: Array = r.last_values, gamma: float = gamma, lam: float = lam,
    ) -> Array:  # fmt: skip
        return gae(rewards, r.values, terminal, limit, finals, last, gamma, lam)

    yield "value.no-bootstrap-at-truncation", of(r.rewards, ended)
    yield "value.no-bootstrap-at-rollout-end", of(folded, ended, last=0 * r.last_values)
    yield "data.reset-observation-bootstrapped", of(r.rewards, r.terminated, r.truncated, following)
    everywhere = np.where(r.terminated, following, r.final_values)
    yield "value.bootstrap-at-terminal", of(r.rewards, never, ended, everywhere)
    yield "data.advantage-sign-flipped", -of(folded, ended)
    early = np.concatenate([ended[1:], never[:1]])
    for rewards in (r.rewards, folded):
        yield "data.episode-ends-ignored", of(rewards, never)
        yield "data.episode-ends-late", of(rewards, r.episode_starts)
        yield "data.episode-ends-early", of(rewards, early)
    for name, other_gamma, other_lam in (
        ("gamma-lambda-swapped", lam, gamma),
        ("lambda-ignored", gamma, 1.0),
        ("gamma-ignored", 1.0, lam),
    ):
        yield f"configuration.{name}", of(folded, ended, gamma=other_gamma, lam=other_lam)
        yield (
            f"configuration.{name}",
            of(r.rewards, r.terminated, r.truncated, gamma=other_gamma, lam=other_lam),
        )
