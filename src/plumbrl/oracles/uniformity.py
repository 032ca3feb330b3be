"""What must be drawn uniformly: rows of the replay buffer, actions of the warm-up.

The largest distance D between the empirical distribution of n independent draws and the true one
exceeds e with probability at most 2 exp(-2 n e^2), whatever the distribution (Massart 1990). So the
bound below is exact for every n; nothing is tuned but the rate of false alarms.
"""

from math import log, sqrt

import numpy as np

from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Array, Outcome, found, passed, skipped
from plumbrl.snapshots.off_policy import OffPolicyUpdate

FALSE_ALARMS = 1e-9
"""Of one check of a healthy trainer; a run makes ten."""


def check_replay_sampling(update: OffPolicyUpdate) -> Outcome:
    """Compare the ages of sampled rows with those of rows drawn uniformly."""
    name, ages = "replay is sampled uniformly", update.sampled_ages
    if ages is None or not len(ages):
        return skipped(name, update.unseen or "the rows that were drawn could not be seen")
    apart, bound = _distance(ages, 1 / max(update.rows, 1)), _bound(len(ages))
    if apart <= bound:
        return passed(name, len(ages), apart)
    told = f"the mean age of {len(ages)} sampled rows is {ages.mean():.1%} of the buffer"
    evidence = (
        Evidence("distance to the uniform distribution", apart, f"at most {bound:.3g}"),
        Evidence("mean age of sampled rows", float(ages.mean()), "0.5", "share of the buffer"),
    )
    return found(name, "data.replay-not-uniform", told, *evidence, step=update.step)


def check_warm_up(update: OffPolicyUpdate) -> Outcome:
    """Compare actions sent before learning starts with uniform ones between their bounds."""
    name, happened = "actions of the warm-up are random", update.happened
    if happened is None or update.action_low is None or update.action_high is None:
        return skipped(name, update.unseen or "actions are not continuous")
    sent = happened.actions[happened.warm_up]
    if not sent.size:
        return skipped(name, "no random action was due, or noise was added to it")
    span = update.action_high.astype(np.float64) - update.action_low
    draws = ((sent - update.action_low) / span).ravel()
    apart, bound = _distance(draws, 0.0), _bound(len(draws))
    if apart <= bound:
        return passed(name, len(draws), apart)
    told = f"{len(draws)} actions before learning starts are not uniform between their bounds"
    evidence = Evidence("distance to the uniform distribution", apart, f"at most {bound:.3g}")
    return found(name, "policy.warm-up-not-random", told, evidence, step=update.step)


def _bound(n: int) -> float:
    return sqrt(log(2 / FALSE_ALARMS) / (2 * n))


def _distance(draws: Array, grain: float) -> float:
    """Return the distance of the empirical distribution to the uniform one on (0, 1].

    Args:
        draws: (n,).
        grain: Distance between neighbouring values that can be drawn; 0 if all can be.
    """
    ordered, n = np.sort(draws), len(draws)
    above = np.arange(1, n + 1) / n - ordered
    below = ordered - grain - np.arange(n) / n
    return float(max(above.max(), below.max()))
