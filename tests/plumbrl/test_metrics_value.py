"""Values against returns: with loops, by hand, and odd cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from literal import ROLLOUTS, episodes
from plumbrl.metrics.value import (
    calibration,
    distance,
    explained_variance,
    feasible_range,
    monte_carlo_returns,
    q_bias,
    residual_variance,
    share_outside,
    td_error_stats,
    terminal_correlation,
    twin_gap,
)
from twins import EMPTY, mean, paired, quotient, variance

COARSE = st.integers(-50, 50)


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


@given(paired(COARSE))
def test_explained_variance_agrees_with_a_loop(both):
    values, returns = both
    spread = variance(returns)
    defined = spread > 1e-10 * (1 + mean(returns) ** 2)
    literal = variance(returns - values) / spread if defined else np.nan
    assert residual_variance(values, returns) == near(literal)
    assert explained_variance(values, returns) == near(1 - literal)


def test_explained_variance_by_hand():
    returns = np.array([0.0, 1.0, 2.0, 3.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(returns + 7, returns) == 1
    assert explained_variance(np.zeros(4), returns) == 0
    assert explained_variance(-returns, returns) == -3


@pytest.mark.parametrize(
    "returns",
    [EMPTY, np.ones(1), np.full(9, 0.1), 500 + 1e-4 * np.arange(9), np.array([1.0, np.nan])],
)
def test_returns_that_hardly_vary_explain_nothing(returns):
    values = np.random.default_rng(0).normal(size=len(returns))
    assert np.isnan(explained_variance(values, returns))
    assert np.isnan(residual_variance(values, returns))


def test_infinite_values_are_silent():
    assert not np.isfinite(explained_variance(np.array([np.inf, 0.0]), np.array([1.0, 2.0])))
    assert np.isnan(calibration(np.array([np.inf, 0.0]), np.array([1.0, 2.0]))).all()


@given(paired(COARSE, least=1))
def test_calibration_agrees_with_a_loop(both):
    values, returns = both
    v, g = mean(values), mean(returns)
    above = sum((a - v) * (b - g) for a, b in zip(values, returns, strict=True))
    slope = quotient(above, sum((a - v) ** 2 for a in values)) if np.ptp(values) else np.nan
    assert calibration(values, returns) == near((slope, g - slope * v))


def test_calibration_recovers_a_planted_line():
    values = np.random.default_rng(0).normal(5, 2, 500)
    assert calibration(values, 3 * values - 4) == near((3, -4))
    tiny = 1e-6 * values  # small is not constant
    assert calibration(tiny, tiny) == near((1, 0))


@pytest.mark.parametrize("values", [EMPTY, np.ones(1), np.full(9, 0.1), np.full(9, 0.1, "f4")])
def test_constant_values_have_no_calibration(values):
    assert np.isnan(calibration(values, np.arange(len(values)) * 1.0)).all()


@given(ROLLOUTS, st.sampled_from([0.0, 0.9, 1.0]))
def test_monte_carlo_returns_agree_with_episodes(data, gamma):
    rewards, _, terminated, truncated, *_ = data
    ends = terminated | truncated
    literal = np.full(rewards.shape, np.nan)
    for b, steps, _ in episodes(data):
        if ends[steps[-1], b]:
            for t in steps:
                literal[t, b] = sum(gamma ** (k - t) * rewards[k, b] for k in steps if k >= t)
    found, known = monte_carlo_returns(rewards, ends, gamma)
    assert found == near(literal)
    assert known.tolist() == (~np.isnan(literal)).tolist()


def test_monte_carlo_returns_by_hand():
    rewards = np.array([[1.0], [2.0], [4.0], [8.0]])
    ends = np.array([[0], [1], [0], [0]])
    found, known = monte_carlo_returns(rewards, ends, 0.5)
    assert found[:, 0] == near([2, 2, np.nan, np.nan])
    assert known[:, 0].tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="must all be"):
        monte_carlo_returns(rewards, ends[:, 0], 0.5)


def ended_rollout(seed=0, length=4, episodes_=30, envs=2):
    """Episodes of `length` steps with a random reward at the end."""
    rng = np.random.default_rng(seed)
    steps = length * episodes_
    ends = np.zeros((steps, envs), bool)
    ends[length - 1 :: length] = True
    rewards = np.where(ends, rng.normal(size=ends.shape), 0.0)
    return rng, rewards, ends, np.roll(ends, 1, axis=0)


def test_terminal_correlation_agrees_with_a_loop():
    rng, rewards, ends, starts = ended_rollout()
    values = rng.normal(size=rewards.shape) + rewards + np.roll(rewards, -1, axis=0)
    last, before, final = [], [], []
    for t in range(len(ends)):
        for b in range(2):
            if ends[t, b]:
                last.append(values[t, b])
                before.append(values[t - 1, b])
                final.append(rewards[t, b])
    literal = stats.pearsonr(last, final)[0], stats.pearsonr(before, final)[0]
    assert terminal_correlation(values, rewards, ends, starts) == near(literal)


def test_terminal_correlation_tells_what_is_not_carried_backwards():
    rng, rewards, ends, starts = ended_rollout()
    healthy = rewards + 0.9 * np.roll(rewards, -1, axis=0)
    assert terminal_correlation(healthy, rewards, ends, starts) == near((1, 1))
    terminal, penultimate = terminal_correlation(
        rewards + 0.01 * rng.normal(size=ends.shape), rewards, ends, starts
    )
    assert terminal > 0.99
    assert abs(penultimate) < 0.4


def test_terminal_correlation_stays_within_episodes_and_the_rollout():
    _, rewards, ends, _ = ended_rollout(length=1)
    terminal, penultimate = terminal_correlation(rewards, rewards, ends, ends)
    assert terminal == near(1)
    assert np.isnan(penultimate)


@pytest.mark.parametrize("case", ["few", "equal rewards", "equal values", "none", "nan"])
def test_terminal_correlation_is_undefined(case):
    _, rewards, ends, starts = ended_rollout(episodes_=2 if case == "few" else 9)
    values = rewards.copy()
    if case == "equal rewards":
        rewards = 5 + 1e-9 * rewards
    elif case == "equal values":
        values = np.full(values.shape, 0.1)
    elif case == "none":
        ends = np.zeros_like(ends)
    elif case == "nan":
        values[:] = np.nan
    assert np.isnan(terminal_correlation(values, rewards, ends, starts)).all()


def test_feasible_range():
    assert feasible_range(-2.0, 1.0, 0.9) == near((-20, 10))
    assert feasible_range(1.0, 1.0, 0.99) == near((0, 100))
    assert feasible_range(-3.0, -1.0, 0.5) == near((-6, 0))
    assert feasible_range(0.0, 1.0, 0.5, entropy_bonus=0.25) == near((-0.5, 2.5))
    assert feasible_range(0.0, 1.0, 0.5, entropy_bonus=-0.25) == near((-0.5, 2.5))
    assert feasible_range(0.0, 1.0, 1.0) == (-np.inf, np.inf)
    assert np.isnan(feasible_range(np.nan, np.nan, 0.9)).all()


def test_every_return_is_feasible():
    rng = np.random.default_rng(0)
    rewards, ends = rng.uniform(-1, 3, (500, 4)), rng.random((500, 4)) < 0.02
    returns, known = monte_carlo_returns(rewards, ends, 0.95)
    low, high = feasible_range(rewards.min(), rewards.max(), 0.95)
    assert share_outside(returns[known], low, high) == 0
    assert share_outside(10 * returns[known], low, high) > 0.1


def test_share_outside():
    values = np.array([-0.011, -0.009, 0.5, 1.009, 1.011])
    assert share_outside(values, 0.0, 1.0) == near(0.4)
    assert share_outside(values, 0.0, 1.0, slack=0.0) == near(0.8)
    assert share_outside(values, 0.0, np.inf) == near(0.4)
    assert share_outside(values, -np.inf, np.inf) == 0
    assert np.isnan(share_outside(EMPTY, 0.0, 1.0))
    assert np.isnan(share_outside(values, np.nan, 1.0))
    assert np.isnan(share_outside(np.array([0.5, np.nan]), 0.0, 1.0))


@given(paired(COARSE))
def test_q_bias_and_twin_gap_agree_with_loops(both):
    q, g = both
    gaps = [a - b for a, b in zip(q, g, strict=True)]
    assert q_bias(q, g) == near(quotient(mean(gaps), mean(abs(x) for x in g)))
    spread = variance([*q, *g]) ** 0.5
    literal = 0.0 if len(q) and not any(gaps) else quotient(mean(abs(x) for x in gaps), spread)
    assert twin_gap(q, g) == near(literal)


def test_twins_that_are_one_have_no_gap():
    assert twin_gap(np.full(3, 2.0), np.full(3, 2.0)) == 0
    assert np.isnan(twin_gap(EMPTY, EMPTY))
    assert np.isnan(twin_gap(np.array([np.nan]), np.array([np.nan])))
    assert np.isnan(q_bias(np.ones(3), np.zeros(3)))


def test_td_errors_by_hand():
    errors, terminal = np.array([3.0, -1.0, np.nan, 0.0, 2.0]), np.array([1, 0, 1, 0, 0])
    found = td_error_stats(errors, terminal)
    assert found["mean"] == near(1)
    assert found["std"] == near(2.5**0.5)
    assert found["abs_mean"] == near(1.5)
    assert found["kurtosis"] == near(stats.kurtosis([3, -1, 0, 2]))
    assert found["terminal_share"] == near((3 / 6) / (1 / 4))
    assert set(found) == {"mean", "std", "abs_mean", "kurtosis", "terminal_share"}


def test_td_errors_at_the_edges():
    none = np.zeros(3, bool)
    assert np.isnan(list(td_error_stats(EMPTY, EMPTY).values())).all()
    assert np.isnan(td_error_stats(np.ones(3), none)["terminal_share"])
    assert np.isnan(td_error_stats(np.zeros(3), ~none)["terminal_share"])
    assert td_error_stats(np.ones(3), ~none)["terminal_share"] == 1
    assert td_error_stats(np.zeros(3), none)["abs_mean"] == 0


def test_distance():
    online, target = (
        [np.array([3.0, 4.0]), np.zeros((1, 1))],
        [np.array([3.0, 3.0]), np.zeros((1, 1))],
    )
    assert distance(online, target) == near(0.2)
    assert distance(online, online) == 0
    assert np.isnan(distance([np.zeros(2)], [np.ones(2)]))
    assert np.isnan(distance([], []))


@pytest.mark.parametrize(
    "metric", [explained_variance, residual_variance, calibration, q_bias, twin_gap, td_error_stats]
)
def test_what_would_broadcast_is_refused(metric):
    with pytest.raises(ValueError, match="same shape"):
        metric(np.zeros((4, 1)), np.zeros(4))
