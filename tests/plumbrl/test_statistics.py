"""Intervals against scipy."""

import numpy as np
import pytest
from scipy import stats

from plumbrl.metrics.statistics import mean_interval


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
