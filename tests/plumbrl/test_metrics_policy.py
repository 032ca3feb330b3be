"""Entropy, divergence, clipping, saturation: against loops, by hand, and odd cases."""

from math import e, exp, log, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbrl.metrics.policy import (
    action_roughness,
    clip_asymmetry,
    clip_fraction,
    effective_sample_size,
    greedy_churn,
    kl_k1,
    kl_k3,
    ratio_extremes,
    relative_entropy,
    relative_width,
    saturation,
)
from twins import EMPTY, NANS, ONE, mean, paired, quotient, samples

RATIOS = st.floats(-4, 4, width=32)


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


def test_relative_entropy():
    uniform, sure = -sum(0.25 * log(0.25) for _ in range(4)), 0.0
    assert relative_entropy(np.array([uniform, uniform]), 4) == near(1)
    assert relative_entropy(np.array([uniform, sure]), 4) == near(0.5)
    half = np.array([np.log(2.0), 0.0])  # two actions allowed, then one
    assert relative_entropy(half, np.array([2.0, 1.0])) == near(1)
    assert np.isnan(relative_entropy(np.zeros(2), np.ones(2)))
    assert np.isnan(relative_entropy(EMPTY, 4))
    assert np.isnan(relative_entropy(ONE, 1))
    assert np.isnan(relative_entropy(NANS, 4))


def test_relative_width_is_the_difference_of_entropies():
    std, low, high = np.array([0.1, 0.02]), np.array([-1.0, 0.0]), np.array([1.0, 4.0])
    literal = [
        exp(0.5 * log(2 * pi * e * s**2) - log(h - b))
        for s, b, h in zip(std, low, high, strict=True)
    ]
    assert relative_width(std, low, high) == near(literal)


def test_relative_width_at_the_edges():
    high = np.array([1.0, np.inf, -1.0, 1.0, 1.0, 1.0])
    std = np.array([50.0, 1.0, 1.0, -0.1, np.nan, 0.0])
    found = relative_width(std, np.full(6, -1.0), high)
    assert found == near([1, np.nan, np.nan, np.nan, np.nan, 0])


@given(samples(RATIOS, least=1))
def test_divergences_agree_with_loops(log_ratio):
    assert kl_k1(log_ratio) == near(mean(-x for x in log_ratio))
    assert kl_k3(log_ratio) == pytest.approx(mean(exp(x) - 1 - x for x in log_ratio), abs=1e-12)
    assert kl_k3(log_ratio) >= 0


def test_divergences_estimate_that_of_two_gaussians():
    x = np.random.default_rng(0).normal(size=200_000)
    log_ratio = -((x - 0.3) ** 2) / 2 + x**2 / 2
    assert kl_k1(log_ratio) == pytest.approx(0.3**2 / 2, rel=0.05)
    assert kl_k3(log_ratio) == pytest.approx(0.3**2 / 2, rel=0.05)


def test_small_divergences_keep_their_digits():
    assert kl_k3(np.array([1e-6])) == pytest.approx(5e-13, rel=1e-3)
    assert kl_k3(np.array([1e-17, -1e-17])) >= 0


@pytest.mark.parametrize("far", [1000.0, np.inf, -np.inf])
def test_divergence_overflows_to_infinity(far):
    assert kl_k3(np.array([0.0, far])) == np.inf


@given(samples(RATIOS, least=1), st.sampled_from([0.1, 0.2, 0.3]))
def test_clip_fraction_agrees_with_a_loop(log_ratio, clip_range):
    literal = mean(abs(exp(x) - 1) > clip_range for x in log_ratio)
    assert clip_fraction(log_ratio, clip_range) == near(literal)


@given(paired(RATIOS))
def test_clip_asymmetry_agrees_with_a_loop(both):
    log_ratio, advantages = both
    shares = []
    for sign in (1, -1):
        group = [x for x, a in zip(log_ratio, advantages, strict=True) if sign * a > 0]
        shares.append(mean(abs(exp(x) - 1) > 0.2 for x in group))
    assert clip_asymmetry(log_ratio, advantages, 0.2) == near(quotient(*shares))


def test_clip_asymmetry_by_hand():
    log_ratio = np.log([1.5, 1.5, 0.5, 1.0, 9.0])
    advantages = np.array([1.0, 2.0, -1.0, -1.0, 0.0])
    assert clip_asymmetry(log_ratio, advantages, 0.2) == 2
    assert np.isnan(clip_asymmetry(log_ratio, -np.abs(advantages), 0.2))
    assert np.isnan(clip_asymmetry(log_ratio, np.full(5, np.nan), 0.2))


@given(samples(RATIOS, least=1))
def test_effective_sample_size_agrees_with_a_loop(log_ratio):
    weights = [exp(x) for x in log_ratio]
    literal = sum(weights) ** 2 / sum(w * w for w in weights) / len(weights)
    assert effective_sample_size(log_ratio) == near(literal)


def test_effective_sample_size_of_extremes():
    assert effective_sample_size(np.full(9, 5000.0)) == 1
    assert effective_sample_size(np.array([5000.0, 0.0, -np.inf, 3.0])) == near(0.25)
    assert np.isnan(effective_sample_size(np.full(3, -np.inf)))


def test_ratio_extremes():
    assert ratio_extremes(np.log([0.5, 1.0, 3.0])) == near((0.5, 3))
    assert ratio_extremes(np.array([-np.inf, 1e4])) == (0, np.inf)


@pytest.mark.parametrize("values", [EMPTY, NANS])
def test_empty_and_nan_are_undefined(values):
    for metric in (kl_k1, kl_k3, effective_sample_size):
        assert np.isnan(metric(values)), metric
    assert np.isnan(clip_fraction(values, 0.2))
    assert np.isnan(clip_asymmetry(values, values, 0.2))
    assert np.isnan(ratio_extremes(values)).all()


def test_one_sample_is_enough():
    assert kl_k3(ONE) == near(exp(0.5) - 1.5)
    assert clip_fraction(ONE, 0.2) == 1
    assert effective_sample_size(ONE) == 1


@given(samples(st.floats(-2, 2), least=1, most=12), st.sampled_from([0.0, 0.05, 0.5]))
def test_saturation_agrees_with_a_loop(values, margin):
    low, high = np.array([-1.0]), np.array([1.5])
    edge = margin * 2.5 / 2
    literal = mean(x <= -1 + edge or x >= 1.5 - edge for x in values)
    assert saturation(values[:, None], low, high, margin) == near([literal])


def test_saturation_at_the_edges():
    low, high = np.array([-1.0, 0.0, -1.0]), np.array([1.0, np.inf, 1.0])
    actions = np.array([[0.96, 5.0, np.nan], [-3.0, 0.0, 1.0], [0.94, 1.0, 1.0], [0, 1, 0]])
    assert saturation(actions, low, high) == near([0.5, np.nan, np.nan])
    assert saturation(np.zeros((0, 3)), low, high) == near([np.nan] * 3)


@given(st.integers(0, 6), st.integers(0, 3), st.integers(0, 10**6))
def test_roughness_agrees_with_a_loop(steps, envs, seed):
    rng = np.random.default_rng(seed)
    actions, starts = rng.normal(size=(steps, envs, 2)), rng.random((steps, envs)) < 0.3
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 4.0])
    literal = [
        abs(actions[t, b, d] - actions[t - 1, b, d]) / (high[d] - low[d])
        for t in range(1, steps) for b in range(envs) for d in range(2) if not starts[t, b]
    ]  # fmt: skip
    assert action_roughness(actions, starts, low, high) == near(mean(literal))


def test_roughness_of_random_actions_is_a_third_and_leaves_out_what_has_no_range():
    rng = np.random.default_rng(0)
    actions, starts = rng.uniform(-2, 2, (20_000, 1, 2)), np.zeros((20_000, 1), bool)
    low, high = np.array([-2.0, -np.inf]), np.array([2.0, 2.0])
    assert action_roughness(actions, starts, low, high) == pytest.approx(1 / 3, abs=0.01)
    assert np.isnan(action_roughness(actions, starts, low[1:].repeat(2), high))
    assert np.isnan(action_roughness(actions, ~starts, low, high))
    with pytest.raises(ValueError, match="same shape"):
        action_roughness(actions, starts[:, :, None], low, high)


def test_churn():
    assert greedy_churn(np.array([0, 1, 2, 3]), np.array([0, 1, 3, 3])) == 0.25
    assert np.isnan(greedy_churn(EMPTY, EMPTY))
    with pytest.raises(ValueError, match="same shape"):
        greedy_churn(np.zeros(3, int), np.zeros((3, 1), int))
    with pytest.raises(ValueError, match="advantages"):
        clip_asymmetry(np.zeros(3), np.zeros((3, 1)), 0.2)
