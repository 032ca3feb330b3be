"""Slopes, tests and change points of curves: with loops, against scipy, on planted curves."""

import dataclasses
from itertools import combinations, pairwise
from math import erfc, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats

from plumbrl.metrics.trends import (
    effective_count,
    gain,
    growth,
    last_peak,
    mann_kendall,
    theil_sen,
    trailing_median,
)
from twins import EMPTY, median, paired, samples

COARSE = st.integers(-9, 9)
HOLES = st.one_of(COARSE, st.just(np.nan))


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)


def correlated(rng, n, phi):
    """A stationary first-order autoregressive process of variance 1, (n,)."""
    values, step = rng.normal(size=n), sqrt(1 - phi**2)
    for i in range(1, n):
        values[i] = phi * values[i - 1] + step * values[i]
    return values


@given(paired(COARSE))
def test_theil_sen_agrees_with_a_loop(both):
    points = list(zip(*both, strict=True))
    slopes = [(d - b) / (c - a) for (a, b), (c, d) in combinations(points, 2) if c != a]
    assert theil_sen(*both) == near(median(slopes))


def test_theil_sen_is_not_moved_by_outliers():
    rng, x = np.random.default_rng(0), np.arange(1000) * 2048.0
    y = 1e-3 * x + rng.normal(size=1000)
    y[rng.random(1000) < 0.2] += 1e6
    y[[5, 90]] = np.nan, np.inf
    assert theil_sen(x, y) == pytest.approx(1e-3, rel=0.02)
    assert theil_sen(x, y) == theil_sen(x, y)
    assert theil_sen(x[:250], y[:250]) == near(
        stats.theilslopes(y[:250][np.isfinite(y[:250])], x[:250][np.isfinite(y[:250])]).slope
    )
    with pytest.raises(ValueError, match="same shape"):
        theil_sen(x, y[:, None])


def literal_count(y):
    n = len(y)
    fits = (optimize.isotonic_regression(y, increasing=up).x for up in (True, False))
    rests = sorted((y - fit for fit in fits), key=lambda r: float(r @ r))
    errors = [float(r @ r) for r in rests]
    assume(errors[1] - errors[0] > 1e-9 or errors[1] < 1e-9)  # else rounding decides
    rest = [float(r) for r in rests[0]]
    square = sum(r * r for r in rest)
    if square <= 1e-20:
        return n
    r1 = sum(a * b for a, b in pairwise(rest)) / square
    r = r1 + (1 + 4 * r1) / n
    return n if r <= 0 else 2 if r >= 1 else min(max(n * (1 - r) / (1 + r), 2), n)


@given(samples(COARSE, least=2))
def test_effective_count_agrees_with_a_loop(y):
    assert effective_count(y) == pytest.approx(literal_count(y))


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_effective_count_of_a_planted_correlation(phi):
    y = correlated(np.random.default_rng(0), 20_000, phi) + np.arange(20_000) / 2000
    assert effective_count(y) == pytest.approx(20_000 * (1 - phi) / (1 + phi), rel=0.1)


def test_effective_count_at_the_edges():
    assert effective_count(np.arange(9.0)) == 9
    assert effective_count(np.full(9, 0.1)) == 9
    assert effective_count(np.minimum(np.arange(99.0), 30)) == 99
    assert effective_count(np.repeat([0.0, 1.0, 0.0], 500)) < 4
    assert effective_count(np.array([1.0, 5.0])) == 2
    assert np.isnan(effective_count(np.array([1.0, np.nan])))
    assert np.isnan(effective_count(EMPTY))


@given(samples(COARSE, least=2))
def test_mann_kendall_agrees_with_a_loop(y):
    n, groups = len(y), [list(y).count(v) for v in set(y)]
    s = sum((b > a) * 1 - (b < a) * 1 for a, b in combinations(y, 2))
    if len(groups) == 1:
        assert np.isnan(mann_kendall(y)).all()
        return
    variance = n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in groups)
    deviation = sqrt(variance / 18 * n / literal_count(y))
    p = 2 * stats.norm.sf(max(abs(s) - 1, 0) / deviation)
    tau, found = mann_kendall(y)
    assert tau == near(stats.kendalltau(np.arange(n), y).statistic)
    assert found == pytest.approx(p, rel=1e-6)


def test_a_bend_is_no_correlation():
    """A smooth curve that rises and levels out has a trend beyond doubt."""
    t = np.arange(50)
    assert mann_kendall(np.minimum(t, 15.0))[1] < 1e-6
    assert mann_kendall(1 - np.exp(-t / 8) + 0.01 * np.cos(9 * t))[1] < 1e-6


def test_mann_kendall_without_correlation_is_the_textbooks():
    """Of 8 values in order, S = 28 and Var(S) = 65.33."""
    assert mann_kendall(np.arange(8.0)) == near((1, erfc(27 / sqrt(196 / 3) / sqrt(2))))
    assert mann_kendall(-np.arange(8.0))[0] == -1


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_mann_kendall_alarms_as_rarely_as_promised(phi):
    rng = np.random.default_rng(1)
    flat = [mann_kendall(correlated(rng, 200, phi))[1] for _ in range(300)]
    assert 0.01 < np.mean(np.array(flat) < 0.05) < 0.11
    rising = [mann_kendall(correlated(rng, 200, phi) + np.linspace(0, 3, 200)) for _ in range(50)]
    assert np.mean([tau > 0 and p < 0.05 for tau, p in rising]) > 0.8


def test_long_curves_are_thinned():
    y = np.sin(np.arange(100_000)) + np.arange(100_000) / 20_000
    tau, p = mann_kendall(y)
    assert tau > 0.5
    assert p < 1e-6
    assert mann_kendall(y, most=1) != mann_kendall(y)


@pytest.mark.parametrize("y", [EMPTY, np.ones(1), np.full(9, 0.1), np.array([np.nan, 1, np.inf])])
def test_no_trend_without_different_points(y):
    assert np.isnan(mann_kendall(y)).all()


@given(samples(HOLES), st.integers(1, 8))
def test_trailing_median_agrees_with_a_loop(values, window):
    literal = [median(values[max(0, i - window + 1) : i + 1]) for i in range(len(values))]
    assert trailing_median(values, window) == near(literal)


@given(samples(HOLES), st.integers(1, 8))
def test_growth_agrees_with_a_loop(values, window):
    literal = []
    for i, value in enumerate(values):
        before = median(values[i - window : i]) if i >= window else np.nan
        literal.append(value / before if before > 0 else np.nan)
    assert growth(values, window) == near(literal)


def test_medians_see_nothing_later():
    values = np.random.default_rng(0).normal(size=200)
    for n in (1, 7, 100):
        assert trailing_median(values, 9)[:n].tolist() == trailing_median(values[:n], 9).tolist()


def test_growth_shows_a_spike_and_is_silent_before():
    values = 5 + np.random.default_rng(0).random(100)
    values[60] = 500
    found = growth(values, 10)
    assert found[60] > 50
    assert 0.5 < np.nanmin(np.delete(found, 60)) < np.nanmax(np.delete(found, 60)) < 2


def test_windows_at_the_edges():
    assert trailing_median(EMPTY, 1).shape == trailing_median(EMPTY, 5).shape == (0,)
    assert growth(EMPTY, 5).shape == (0,)
    assert np.isnan(growth(np.ones(5), 5)).all()
    assert np.isnan(growth(-np.ones(9), 2)).all()
    assert trailing_median(np.array([np.inf, np.inf, 1.0]), 3).tolist() == [np.inf] * 3
    for metric in (trailing_median, growth):
        with pytest.raises(ValueError, match="at least 1"):
            metric(np.ones(3), 0)


def test_gain_by_hand():
    values = np.concatenate([np.full(10, 1.0), np.arange(30.0), np.full(10, 4.0)])
    assert dataclasses.astuple(gain(values)) == (3, 3, 3)
    assert gain(np.arange(50.0)).estimate == 40
    assert gain(np.arange(50.0), share=0.5).estimate == 25
    holes = np.insert(values, [0, 20], [np.nan, np.inf])
    assert gain(holes).estimate == 3


@pytest.mark.parametrize("values", [EMPTY, np.ones(24), np.full(99, np.nan)])
def test_gain_of_too_few(values):
    assert np.isnan(dataclasses.astuple(gain(values))).all()


@pytest.mark.parametrize("share", [0.0, -0.2, 0.6, np.nan])
def test_gain_refuses_shares_that_overlap(share):
    with pytest.raises(ValueError, match=r"0\.5"):
        gain(np.ones(100), share)


@pytest.mark.parametrize("phi", [0.0, 0.6])
def test_gain_covers_the_truth_about_as_often_as_promised(phi):
    rng = np.random.default_rng(2)
    flat = [gain(correlated(rng, 300, phi)) for _ in range(150)]
    assert np.mean([g.low <= 0 <= g.high for g in flat]) > 0.88
    rising = [gain(correlated(rng, 300, phi) + np.linspace(0, 4, 300)) for _ in range(30)]
    assert np.mean([g.low > 0 for g in rising]) > 0.9
    assert gain(np.arange(60.0) % 7) == gain(np.arange(60.0) % 7)


@given(samples(HOLES))
def test_last_peak_agrees_with_a_loop(values):
    smooth = [median(values[max(0, i - 4) : i + 1]) for i in range(len(values))]
    known = [(s, i) for i, s in enumerate(smooth) if not np.isnan(s)]
    index, drop = last_peak(values)
    if not known:
        assert index == -1
        assert np.isnan(drop)
        return
    peak = max(s for s, _ in known)
    assert index == min(i for s, i in known if s == peak)
    start, end = known[0][0], known[-1][0]
    assert drop == near((peak - end) / (peak - start) if peak != start else np.nan)


def test_last_peak_by_hand():
    curve = np.concatenate([np.linspace(0, 10, 50), np.linspace(10, 4, 50)])
    index, drop = last_peak(curve)
    assert 48 <= index <= 54
    assert drop == pytest.approx(0.6, abs=0.06)
    curve[20] = 1e6  # one lucky evaluation is no peak
    assert last_peak(curve)[1] == drop
    assert last_peak(np.linspace(0, 10, 50)) == (49, 0)
