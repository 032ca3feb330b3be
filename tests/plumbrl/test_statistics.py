"""Intervals against scipy."""

import numpy as np
import pytest
from scipy import stats

from plumbrl.metrics.statistics import (
    interquartile_interval,
    interquartile_mean,
    mean_interval,
    paired_rate_difference,
    rate_interval,
)


def test_agrees_with_scipys_bootstrap():
    values = np.random.default_rng(0).gamma(2.0, 3.0, 40)
    ours = mean_interval(values, replicates=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.estimate == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.1)
    assert ours.high == pytest.approx(theirs.high, abs=0.1)


def test_covers_the_truth_as_often_as_promised():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(400):
        interval = mean_interval(rng.normal(1.0, 2.0, 30), replicates=400)
        inside += interval.low <= 1.0 <= interval.high
    assert 0.90 < inside / 400 < 0.98


def test_same_seed_same_interval():
    values = np.random.default_rng(3).normal(size=10)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)


def test_constant_and_single_samples_have_no_width():
    for values in (np.full(5, 3.0), np.array([3.0])):
        interval = mean_interval(values)
        assert (interval.low, interval.estimate, interval.high) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("values", [np.array([]), np.array([1.0, np.nan]), np.ones((2, 2))])
def test_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="mean_interval"):
        mean_interval(values)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 10), (1, 1), (480, 1000)])
def test_rates_agree_with_scipys_wilson(k, n):
    ours = rate_interval(k, n)
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert ours.estimate == k / n
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("given", [(1, 0), (3, 2), (-1, 5)])
def test_refuses_rates_that_are_none(given):
    with pytest.raises(ValueError, match="successes"):
        rate_interval(*given)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 33])
def test_interquartile_mean_is_scipys_trimmed_mean(n):
    values = np.random.default_rng(n).normal(size=(3, n))
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25, axis=-1))
    assert interquartile_mean(values.T, axis=0) == pytest.approx(interquartile_mean(values))


def test_interquartile_interval_agrees_with_scipys_bootstrap():
    values = np.random.default_rng(4).gamma(2.0, 3.0, 40)
    ours = interquartile_interval([values], replicates=20_000)
    theirs = stats.bootstrap(
        (values,), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis), method="percentile",
        n_resamples=20_000, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert ours.estimate == pytest.approx(stats.trim_mean(values, 0.25))
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.1)


def test_strata_keep_their_share():
    """Between strata nothing is left to chance: two constants have no width, mixed up they do."""
    strata = [np.zeros(20), np.ones(20)]
    kept, mixed = interquartile_interval(strata), interquartile_interval([np.concatenate(strata)])
    assert (kept.low, kept.estimate, kept.high) == (0.5, 0.5, 0.5)
    assert mixed.high - mixed.low > 0.3


def test_an_outlier_does_not_move_the_interquartile_mean():
    values = np.append(np.arange(20.0), 1e6)
    assert interquartile_mean(values) < 20
    assert mean_interval(values).estimate > 1e4


@pytest.mark.parametrize("strata", [[], [np.array([])], [np.array([np.nan])]])
def test_refuses_strata_without_numbers(strata):
    with pytest.raises(ValueError, match="interquartile_interval"):
        interquartile_interval(strata)


@pytest.mark.parametrize("table", [(36, 12, 2, 0), (20, 5, 1, 14), (1, 9, 8, 2), (3, 0, 4, 3)])
def test_paired_rates_follow_the_formula_for_a_table_of_four(table):
    both, one, other, none = table
    n = sum(table)
    first = np.repeat([True, True, False, False], table)
    second = np.repeat([True, False, True, False], table)
    (l1, u1), (l2, u2) = (
        stats.binomtest(k, n).proportion_ci(method="wilson") for k in (both + one, both + other)
    )
    margins = (both + one) * (other + none) * (both + other) * (one + none)
    phi = (both * none - one * other) / np.sqrt(margins)
    p1, p2 = (both + one) / n, (both + other) / n
    below = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    above = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    ours = paired_rate_difference(first, second)
    assert ours.estimate == pytest.approx(p1 - p2)
    assert ours.low == pytest.approx(p1 - p2 - np.sqrt(below))
    assert ours.high == pytest.approx(p1 - p2 + np.sqrt(above))


def test_paired_rates_cover_the_truth_as_often_as_promised():
    rng = np.random.default_rng(5)
    inside = {0.0: 0, 0.6: 0}
    for shared in inside:
        for _ in range(600):
            same = rng.random(25) < shared
            one, other = rng.random(25), rng.random(25)
            other = np.where(same, one, other)
            interval = paired_rate_difference(one < 0.9, other < 0.7)
            inside[shared] += interval.low <= 0.2 <= interval.high
        assert 0.92 < inside[shared] / 600 < 0.99, shared


def test_paired_rates_have_a_width_when_nothing_fails():
    every = np.ones(10, dtype=bool)
    interval = paired_rate_difference(every, every)
    assert interval.estimate == 0
    assert -0.3 < interval.low < -0.2
    assert 0.2 < interval.high < 0.3
    swapped = paired_rate_difference(~every, every)
    assert (swapped.low, swapped.estimate) == (-1, -1)
    with pytest.raises(ValueError, match="paired"):
        paired_rate_difference(every, every[:3])
