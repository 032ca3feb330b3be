"""Norms, steps and noise of gradients."""

import numpy as np
import pytest
from hypothesis import given

from plumbrl.metrics.gradients import (
    clip_activity,
    half_cosine,
    noise_scale,
    norm_of,
    signal_ratio,
    statistics_of,
    update_ratio,
)
from twins import EMPTY, median, norm, paired, quotient, samples

TENSORS = [np.array([[3.0, 0.0], [0.0, -4.0]]), np.array([12.0]), np.zeros((0, 3))]


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


def test_by_hand():
    assert norm_of(TENSORS) == 13
    assert statistics_of(TENSORS) == near({"norm": 13, "abs_max": 12, "mean_square": 169 / 5})
    assert update_ratio(TENSORS, [2 * a for a in TENSORS]) == near(1)
    assert half_cosine(TENSORS, [-a for a in TENSORS]) == near(-1)


@given(paired(least=1))
def test_agree_with_loops(both):
    first, second = ([row[:2], row[2:]] for row in both)
    assert norm_of(first) == near(norm(first))
    step = [b - a for a, b in zip(first, second, strict=True)]
    assert update_ratio(first, second) == near(quotient(norm(step), norm(first)))
    dot = sum(float(a) * float(b) for a, b in zip(*both, strict=True))
    assert half_cosine(first, second) == pytest.approx(
        quotient(dot, norm(first) * norm(second)), abs=1e-9, nan_ok=True
    )


@pytest.mark.parametrize("arrays", [[], [EMPTY]])
def test_nothing_has_no_norm(arrays):
    assert np.isnan(norm_of(arrays))
    assert np.isnan(list(statistics_of(arrays).values())).all()
    assert np.isnan(update_ratio(arrays, arrays))
    assert np.isnan(half_cosine(arrays, arrays))


def test_zero_has_a_norm_but_no_ratio():
    zero = [np.zeros(3)]
    assert norm_of(zero) == 0
    assert np.isnan(update_ratio(zero, [np.ones(3)]))
    assert np.isnan(half_cosine(zero, [np.ones(3)]))
    assert update_ratio([np.ones(3)], [np.ones(3)]) == 0


@pytest.mark.parametrize(("odd", "norm_"), [(np.inf, np.inf), (np.nan, np.nan), (1e200, np.inf)])
def test_what_diverged_shows(odd, norm_):
    arrays = [np.array([1.0, odd]), np.ones(2)]
    assert norm_of(arrays) == near(norm_)
    assert not np.isfinite(update_ratio([np.ones(2), np.ones(2)], arrays))


def test_float32_sums_are_float64():
    assert norm_of([np.full(10, 1e30, np.float32)]) == pytest.approx(1e30 * 10**0.5)


def test_lists_must_pair_up():
    for other in (TENSORS[:2], [TENSORS[0], np.zeros(2), TENSORS[2]]):
        with pytest.raises(ValueError, match=r"paired|same shape"):
            update_ratio(TENSORS, other)
        with pytest.raises(ValueError, match=r"paired|same shape"):
            half_cosine(TENSORS, other)


def test_noise_scale_recovers_a_planted_one():
    """Gradients of mean G and covariance sigma^2 I have the noise scale d sigma^2 / |G|^2."""
    rng, mean, sigma = np.random.default_rng(0), np.full(10, 0.5), 2.0
    squares = {}
    for size in (4, 64):
        drawn = mean + sigma * rng.normal(size=(20_000, 10)) / size**0.5
        squares[size] = float((drawn**2).sum(axis=1).mean())
    assert noise_scale(squares[4], squares[64], 4, 64) == pytest.approx(40 / 2.5, rel=0.05)


def test_noise_scale_at_the_edges():
    assert noise_scale(1.0, 1.0, 4, 8) == 0
    assert np.isnan(noise_scale(2.0, 1.0, 4, 8))  # all noise: |G|^2 is 0
    assert np.isnan(noise_scale(9.0, 1.0, 4, 8))
    assert np.isnan(noise_scale(1.0, 1.0, 8, 8))
    assert np.isnan(noise_scale(np.nan, 1.0, 4, 8))
    assert np.isnan(noise_scale(np.float64(np.inf), np.float64(np.inf), 4, 8))


@given(samples(least=1))
def test_clip_activity_agrees_with_a_loop(values):
    norms = np.abs(values)
    share, over = clip_activity(norms, 0.5)
    assert share == near(sum(float(x) > 0.5 for x in norms) / len(norms))
    assert over == near(median(norms) / 0.5)


@pytest.mark.parametrize(
    ("norms", "limit"), [(EMPTY, 1.0), (np.array([1.0, np.nan]), 1.0), (np.ones(3), 0.0)]
)
def test_clip_activity_is_undefined(norms, limit):
    assert np.isnan(clip_activity(norms, limit)).all()


def test_clip_activity_without_a_limit():
    assert clip_activity(np.ones(3), np.inf) == (0, 0)


def test_signal_ratio():
    assert signal_ratio(3.0, np.array([1.0, 2.0])) == 2
    assert np.isnan(signal_ratio(3.0, EMPTY))
    assert np.isnan(signal_ratio(3.0, np.zeros(2)))
    assert np.isnan(signal_ratio(np.nan, np.ones(2)))
