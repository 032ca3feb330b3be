"""Textbook formulas as loops over Python floats, and samples to try metrics on."""

from math import isfinite, nan

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

EMPTY, ONE, NANS = np.array([]), np.array([0.5]), np.array([0.1, np.nan, 0.3])
NUMBERS = st.floats(-100, 100, width=32)


def samples(elements=NUMBERS, least=0, most=30):
    return hnp.arrays(np.float64, st.integers(least, most), elements=elements)


def paired(elements=NUMBERS, least=0, most=30):
    """Two samples of the same length."""
    rows = st.lists(st.tuples(elements, elements), min_size=least, max_size=most)
    return rows.map(lambda pairs: np.array(pairs, dtype=np.float64).reshape(-1, 2).T)


def mean(values):
    values = [float(v) for v in values]
    return sum(values) / len(values) if values else nan


def variance(values):
    centre = mean(values)
    return mean((float(v) - centre) ** 2 for v in values)


def median(values):
    ordered = sorted(float(v) for v in values if isfinite(v))
    if not ordered:
        return nan
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def quotient(numerator, denominator):
    return numerator / denominator if denominator else nan


def norm(arrays):
    return sum(float(x) ** 2 for array in arrays for x in np.ravel(array)) ** 0.5
