"""Moments and histograms."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from plumbrl.metrics.distributions import describe, histogram
from twins import EMPTY, mean, samples, variance


@given(samples(least=1))
def test_agrees_with_loops(values):
    found = describe(values)
    assert found["min"] == min(values)
    assert found["max"] == max(values)
    assert found["abs_max"] == max(abs(v) for v in values)
    assert found["mean"] == pytest.approx(mean(values), abs=1e-9)
    assert found["std"] == pytest.approx(variance(values) ** 0.5, abs=1e-6)


def test_kurtosis_is_scipys_and_0_for_a_gaussian():
    values = np.random.default_rng(0).normal(3.0, 2.0, 20_000)
    assert describe(values)["kurtosis"] == pytest.approx(stats.kurtosis(values))
    assert abs(describe(values)["kurtosis"]) < 0.2
    values[0] = 1e3
    assert describe(values)["kurtosis"] > 1000


def test_by_hand():
    found = describe(np.array([[1, 2], [3, 6]]))
    assert found == pytest.approx(
        {"min": 1, "max": 6, "mean": 3, "std": 3.5**0.5, "abs_max": 6, "kurtosis": 2 - 3}
    )


def test_only_finite_entries_count():
    given_, clean = np.array([1.0, np.nan, -4.0, np.inf, -np.inf, 2.0]), np.array([1.0, -4.0, 2.0])
    assert describe(given_) == describe(clean)
    assert histogram(given_)[0].sum() == 3


@pytest.mark.parametrize("values", [EMPTY, np.array([np.nan, np.inf])])
def test_nothing_has_no_moments(values):
    assert len(describe(values)) == 6
    assert all(np.isnan(v) for v in describe(values).values())
    counts, edges = histogram(values, 4)
    assert counts.tolist() == [0, 0, 0, 0]
    assert np.isnan(edges).all()
    assert len(edges) == 5


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e12])
def test_equal_values_have_no_spread(value):
    found = describe(np.full(7, value))
    assert (found["mean"], found["std"]) == (value, 0)
    assert np.isnan(found["kurtosis"])


def test_what_overflows_is_silent():
    assert describe(np.array([1e300, -1e300, 0.0]))["std"] == np.inf


@given(samples(least=1))
def test_every_value_falls_into_one_bin(values):
    counts, edges = histogram(values, 7)
    assert counts.sum() == len(values)
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= values.min() <= values.max() <= edges[-1]
    if np.ptp(values) > 1e-3:
        assert edges[[0, -1]].tolist() == [values.min(), values.max()]
        literal = [np.sum((values >= a) & (values < b)) for a, b in pairwise(edges)]
        literal[-1] += np.sum(values == edges[-1])
        assert counts.tolist() == literal


@pytest.mark.parametrize(
    "values",
    [np.full(3, 1e18), np.array([1.0, np.nextafter(1.0, 2.0)]), np.array([1.7e308, -1.7e308, 0.0])],
)
def test_ranges_that_cannot_be_divided(values):
    counts, edges = histogram(values)
    assert counts.sum() == len(values)
    assert np.isfinite(edges).all()
