"""What every metric needs: float64 inside, and NaN, without a warning, where nothing is defined."""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

quiet = np.errstate(all="ignore")
"""Decorator: overflow gives inf and 0 / 0 gives NaN in silence; a diverged run has both."""


def double(values: Array) -> Array:
    """Return `values` as float64."""
    return np.asarray(values, dtype=np.float64)


@quiet
def mean(values: Array) -> float:
    """Return the mean of all entries; NaN if there are none."""
    return float(np.mean(values, dtype=np.float64)) if np.size(values) else np.nan


@quiet
def ratio(numerator: float, denominator: float) -> float:
    """Return numerator / denominator; NaN where the denominator is 0."""
    return float(np.float64(numerator) / denominator) if denominator != 0 else np.nan


def share(mask: Array, of: Array) -> float:
    """Return the share of True in `mask`; NaN if it is empty or has a NaN in `of`, its source."""
    return np.nan if np.isnan(of).any() else mean(mask)


@quiet
def correlation(first: Array, second: Array) -> float:
    """Return Pearson's correlation in [-1, 1]; NaN where one of the two is constant."""
    if len(first) < 2 or is_constant(first) or is_constant(second):
        return np.nan
    x, y = first - first.mean(), second - second.mean()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1, 1))


@quiet
def is_constant(values: Array) -> bool:
    """Return whether `values` vary no more than rounding to float32 makes them; none are."""
    return not len(values) or bool(np.var(values) <= 1e-14 * np.mean(values) ** 2)


def equal_shapes(**arrays: Array) -> None:
    """Refuse arrays that would broadcast.

    Raises:
        ValueError: Their shapes differ.
    """
    if len({np.shape(array) for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {np.shape(array)}" for name, array in arrays.items())
        raise ValueError(f"arrays must have the same shape; got {shapes}")


def equal_lists(first: Sequence[Array], second: Sequence[Array]) -> None:
    """Refuse two lists of arrays that are not paired one to one.

    Raises:
        ValueError: Their lengths, or the shapes of a pair, differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} arrays cannot be paired with {len(second)}")
    for one, other in zip(first, second, strict=True):
        equal_shapes(first=one, second=other)
