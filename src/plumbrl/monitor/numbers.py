"""From arrays to named numbers; names, ranges and sources are in `metrics/catalogue.yaml`.

A number that is not defined is left out, never replaced by 0.
"""

from collections.abc import Mapping

import numpy as np

from plumbrl.metrics import distributions, policy, steps, value
from plumbrl.snapshots.numbers import Change, Draw, Rollout, Steps, starts_of

Array = np.ndarray
Numbers = dict[str, float]
EPISODES = 5
"""Ended episodes in a rollout, at least, for the value function to be compared with them."""


def of_rollout(rollout: Rollout) -> Numbers:
    """Return what a rollout shows before it is learned from.

    Values were estimated before the rollout was learned from, so that comparing them with
    Monte-Carlo returns of the episodes in it is a test on held-out data.
    """
    r = rollout
    returns, complete = value.monte_carlo_returns(r.rewards, r.episode_ends, r.gamma)
    low, high = value.feasible_range(float(r.rewards.min()), float(r.rewards.max()), r.gamma)
    if r.episode_ends.sum() < EPISODES:  # the few that fit into a short rollout are short ones
        complete = np.zeros_like(complete)
    slope, offset = value.calibration(r.values[complete], returns[complete])
    terminal, penultimate = value.terminal_correlation(
        r.values, r.rewards, r.episode_ends, starts_of(r.episode_ends)
    )
    return known(
        {
            **_described("data/reward", r.rewards, "mean", "std", "min", "max"),
            **_described("value", r.values, "mean", "std", "min", "max"),
            **_described("value/target", r.returns, "mean", "std", "min", "max"),
            **_described("advantage", r.advantages, "mean", "std", "abs_max", "kurtosis"),
            **_paid(r.rewards),
            "data/reward_snr": _over(abs(r.rewards.mean()), r.rewards.std()),
            "value/explained_variance": value.explained_variance(
                r.values.ravel(), r.returns.ravel()
            ),
            "value/explained_variance_held_out": value.explained_variance(
                r.values[complete], returns[complete]
            ),
            "value/calibration_slope": slope,
            "value/calibration_offset": offset,
            "value/terminal_correlation": terminal,
            "value/penultimate_correlation": penultimate,
            "value/outside_feasible": value.share_outside(r.values, low, high),
            "policy/log_prob_min": float(r.log_probs.min()),
            **_of_actions(r),
        }
    )


def _paid(rewards: Array) -> Numbers:
    """Whether rewards say anything, as far as these show it."""
    return {
        "data/rewarded": float(rewards.any()),
        "data/reward_varies": float((rewards != rewards.flat[0]).any()),
    }


def _of_actions(r: Rollout) -> Numbers:
    if r.bounds is None:
        return {}
    actions = r.actions.reshape(*r.actions.shape[:2], -1).astype(np.float64)
    low, high = r.bounds.low, r.bounds.high
    flat = actions.reshape(-1, actions.shape[-1])
    ends = starts_of(r.episode_ends)
    return {
        "policy/action_std_min": float(flat.std(axis=0).min()),
        "policy/saturation_max": _largest(policy.saturation(flat, low, high)),
        "policy/roughness": policy.action_roughness(actions, ends, low, high),
    }


def of_steps(some: Steps | None) -> Numbers:
    """Return what single steps say of the environment; nothing without steps."""
    if some is None:
        return {}
    before, after = some.observations, some.next_observations
    return known(
        {
            "data/observation_spread": steps.observation_spread(before),
            "data/action_chance": steps.action_chance(before, some.actions, after),
            "data/reward_chance": steps.reward_chance(before, some.actions, after, some.rewards),
        }
    )


def of_change(change: Change) -> Numbers:
    """Return how far an update moved the policy, and what is left of its exploration."""
    c = change
    low, high = policy.ratio_extremes(c.log_ratio)
    numbers = {
        "policy/kl_k1": policy.kl_k1(c.log_ratio),
        "policy/kl_k3": policy.kl_k3(c.log_ratio),
        "policy/ess": policy.effective_sample_size(c.log_ratio),
        "policy/ratio_min": low,
        "policy/ratio_max": high,
        "value/residual_variance": value.residual_variance(c.values, c.returns),
    }
    if c.clip_range is not None:
        numbers["policy/clip_asymmetry"] = policy.clip_asymmetry(
            c.log_ratio, c.advantages, c.clip_range
        )
    return known(numbers | _exploration(c))


def _exploration(c: Change) -> Numbers:
    if c.actions is not None and c.entropies is not None:
        return {"policy/entropy_relative": policy.relative_entropy(c.entropies, c.actions)}
    if c.std is None:
        return {}
    numbers = {"policy/std_min": float(c.std.min()), "policy/std_max": float(c.std.max())}
    if c.bounds is not None:
        widths = policy.relative_width(c.std, c.bounds.low, c.bounds.high)
        numbers |= _widths(widths)
    return numbers


def _widths(widths: Array) -> Numbers:
    finite = widths[np.isfinite(widths)]
    if not len(finite):
        return {}
    return {
        "policy/entropy_relative": float(finite.mean()),
        "policy/entropy_relative_min": float(finite.min()),
    }


def of_draw(draw: Draw) -> Numbers:
    """Return what the networks say about transitions of the replay buffer."""
    d = draw
    first = d.q_values[:, 0]
    numbers = {
        **_described("data/reward", d.rewards, "mean", "std", "min", "max"),
        **_paid(d.rewards),
        **_described("value/q", first, "mean", "min", "max"),
        "value/outside_feasible": _outside(d),
    }
    if d.q_values.shape[1] > 1:
        second = d.q_values[:, 1]
        numbers["value/twin_gap"] = value.twin_gap(first, second)
        numbers["value/q_spread"] = abs(float(first.mean() - second.mean()))
    if d.targets is not None:
        errors = value.td_error_stats(d.targets - first, d.terminal)
        numbers["value/td_abs_mean"] = errors["abs_mean"]
        numbers["value/td_terminal_share"] = errors["terminal_share"]
        numbers |= _described("value/target", d.targets, "mean", "std", "min", "max")
        numbers["value/explained_variance"] = value.explained_variance(first, d.targets)
    if d.episode_q is not None and d.episode_returns is not None and len(d.episode_q) >= 5:
        numbers["value/q_bias"] = value.q_bias(d.episode_q, d.episode_returns)
    return known(numbers | _of_policy(d))


def _of_policy(d: Draw) -> Numbers:
    numbers: Numbers = {}
    if d.actions is not None:
        one = np.ones(d.actions.shape[1])
        numbers["policy/action_std_min"] = float(d.actions.std(axis=0).min())
        numbers["policy/saturation_max"] = _largest(policy.saturation(d.actions, -one, one))
    if d.log_probs is not None and d.actions is not None:
        dims = d.actions.shape[1]
        entropy = -float(d.log_probs.mean())
        numbers["policy/entropy_relative"] = min(1.0, float(np.exp(entropy / dims - np.log(2))))
        numbers["policy/log_prob_min"] = float(d.log_probs.min())
    if d.std is not None:
        numbers["policy/std_min"] = float(d.std.mean(axis=0).min())
        numbers["policy/std_max"] = float(d.std.mean(axis=0).max())
    return numbers


OPTIMISM = 0.5
"""Of the feasible range: a maximum over noisy estimates stands above it while it learns. A sound
DQN on CartPole at gamma 0.98 reaches 1.4 times the largest value that rewards allow."""


def _outside(d: Draw) -> float:
    """The entropy bonus counts: what a soft Q may hold beyond rewards."""
    bonus = 0.0 if d.log_probs is None else d.alpha * float(np.abs(d.log_probs).max())
    low, high = value.feasible_range(
        float(d.rewards.min()), float(d.rewards.max()), d.gamma, entropy_bonus=bonus
    )
    return value.share_outside(d.q_values[:, 0], low, high, slack=OPTIMISM)


def _described(name: str, values: Array, *keys: str) -> Numbers:
    """Return moments under `name`: ``value/mean`` for ``value``, ``data/reward_mean`` else."""
    found = distributions.describe(values)
    between = "_" if "/" in name else "/"
    return {f"{name}{between}{key}": found[key] for key in keys}


def _largest(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else np.nan


def _over(a: float, b: float) -> float:
    return float(a / b) if b > 0 else np.nan


def known(numbers: Mapping[str, float]) -> Numbers:
    """Leave out what is not defined."""
    return {key: float(number) for key, number in numbers.items() if not np.isnan(number)}
