"""Ages in replay and normalised observations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from plumbrl.metrics.data import (
    dead_dimensions,
    normaliser_drift,
    outside_share,
    replay_age,
    unique_share,
)
from twins import EMPTY, NANS, mean, samples, variance


@given(samples(st.floats(0, 1), least=1))
def test_replay_age_agrees_with_scipy(ages):
    found = replay_age(ages)
    assert found["ks"] == pytest.approx(stats.kstest(ages, "uniform").statistic)
    assert found["mean"] == pytest.approx(mean(ages))
    assert found["max"] == max(ages)


def test_recent_rows_are_told_from_uniform_ones():
    ages = np.random.default_rng(0).random(1000)
    assert replay_age(ages)["ks"] < 1.6 / 1000**0.5 < replay_age(ages / 2)["ks"]
    assert replay_age(np.array([0.5])) == {"mean": 0.5, "max": 0.5, "ks": 0.5}
    assert replay_age(np.array([2.0]))["ks"] == 1


@pytest.mark.parametrize("ages", [EMPTY, NANS])
def test_unknown_ages(ages):
    assert np.isnan(list(replay_age(ages).values())).all()


def test_unique_share():
    assert unique_share(np.array([3, 3, 1, 2])) == 0.75
    assert unique_share(np.array([[0, 1], [0, 2], [0, 1], [1, 1]])) == 0.75
    assert unique_share(np.array([7])) == 1
    assert np.isnan(unique_share(EMPTY))
    drawn = np.random.default_rng(0).integers(0, 1000, 1000)
    assert unique_share(drawn) == pytest.approx(1 - np.exp(-1), abs=0.03)


def test_drift_is_of_the_worst_dimension():
    now, before = np.array([1.0, 2.0, 9.0]), np.array([1.5, 2.0, 0.0])
    assert normaliser_drift(now, before, np.array([2.0, 1.0, 100.0])) == 0.25
    assert normaliser_drift(now, before, np.array([2.0, 1.0, 0.0])) == 0.25
    assert normaliser_drift(now, now, np.ones(3)) == 0
    assert np.isnan(normaliser_drift(now, before, np.zeros(3)))
    assert np.isnan(normaliser_drift(now, before * np.nan, np.ones(3)))
    assert np.isnan(normaliser_drift(EMPTY, EMPTY, EMPTY))
    with pytest.raises(ValueError, match="same shape"):
        normaliser_drift(now, before, np.ones(1))


@given(samples(least=1))
def test_outside_share_agrees_with_a_loop(values):
    literal = mean(abs(float(v)) >= 10 for v in values)
    assert outside_share(values[:, None]) == pytest.approx(literal)


def test_entries_at_the_limit_are_outside_in_any_precision():
    clipped = np.clip(np.array([[-9.0, 7.0], [0.0, 5.0]]), -5.1, 5.1)
    for precision in (np.float64, np.float32):
        assert outside_share(clipped.astype(precision), 5.1) == 0.5
        assert outside_share(clipped.astype(precision), np.float64(5.1)) == 0.5
    assert np.isnan(outside_share(np.array([[np.nan, 0.0]])))
    assert np.isnan(outside_share(np.zeros((0, 3))))
    assert outside_share(np.array([[20, 3]])) == 0.5


@given(st.integers(2, 9), st.integers(0, 6), st.integers(0, 10**6))
def test_dead_dimensions_agree_with_a_loop(n, dims, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dims)) * rng.choice([0, 1e-9, 1.0], dims) + 3
    literal = sum(variance(column) ** 0.5 < 1e-6 for column in x.T)
    assert dead_dimensions(x) == literal


def test_dead_dimensions_at_the_edges():
    large = np.full((1000, 1), 1.1e12)
    assert dead_dimensions(large) == 1
    assert dead_dimensions(np.zeros((5, 2, 3), np.float32)) == 6
    assert dead_dimensions(np.array([[np.nan, 1.0], [np.nan, 1.0]])) == 1
    assert np.isnan(dead_dimensions(np.zeros((1, 4))))
    assert np.isnan(dead_dimensions(np.zeros((0, 4))))
