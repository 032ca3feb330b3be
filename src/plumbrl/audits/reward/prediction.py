"""How well one number of a step can be told from others; on episodes that were not learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from plumbrl.audits.sample import Sample

Array = np.ndarray
ROWS, CHUNK, FOLDS = 4000, 100, 4
"""Rows that are fitted at most, in chunks of consecutive steps, and parts of cross-validation."""
FEATURES = 200
"""Random cosines; with squares and products they follow rewards that are smooth."""
WIDE, NARROW = 42, 12
"""Columns up to which products are formed, and up to which neighbours are near enough."""
RIDGE = 1e-4


@dataclass(frozen=True)
class Fit:
    """A prediction of values on parts of the data that it was not fitted to.

    Attributes:
        values: What was to be predicted, (n,).
        predicted: NaN where nothing like it was seen, (n,).
        folds: Index of the part that a row belongs to, (n,).
    """

    values: Array
    predicted: Array
    folds: Array

    @cached_property
    def residuals(self) -> Array:
        """Values minus predictions, (n,)."""
        return self.values - self.predicted

    @cached_property
    def known(self) -> Array:
        """Where there is a prediction, (n,)."""
        return np.isfinite(self.predicted)

    @cached_property
    def unexplained(self) -> float:
        """Mean square of the residuals over the variance: 1 minus R^2, at least 0."""
        return self._share(self.known)

    @cached_property
    def by_fold(self) -> Array:
        """What is unexplained in each part."""
        return np.array([self._share(self.known & (self.folds == k)) for k in range(FOLDS)])

    def dependence(self, seed: int = 0, permutations: int = 199) -> float:
        """Return the p-value of no dependence: predictions against values that are shuffled."""
        rng = np.random.default_rng(seed)
        values, predicted = self.values[self.known], self.predicted[self.known]
        seen = np.mean((values - predicted) ** 2)
        chance = [np.mean((rng.permutation(values) - predicted) ** 2) for _ in range(permutations)]
        return float((1 + sum(c <= seen for c in chance)) / (1 + permutations))

    def _share(self, rows: Array) -> float:
        if not rows.any():
            return float("nan")
        return float(np.mean(self.residuals[rows] ** 2) / np.var(self.values))


def chunks(allowed: Array) -> Array:
    """Return indices of rows that are allowed, in evenly spread chunks of consecutive ones."""
    rows = np.flatnonzero(allowed)
    if len(rows) <= ROWS:
        return rows
    starts = np.linspace(0, len(rows) - CHUNK, ROWS // CHUNK).astype(int)
    return rows[(starts[:, None] + np.arange(CHUNK)).ravel()]


def transitions(sample: Sample, rows: Array) -> Array:
    """Return state, action and next state of some steps, (n, D + A + D)."""
    return np.column_stack(
        [sample.observations[rows], sample.actions[rows], sample.next_observations[rows]]
    )


def discrete(sample: Sample) -> bool:
    """Whether states and actions are labels, which have no distance: one whole number each."""
    whole = bool(np.all(sample.actions == np.round(sample.actions)))
    return len(sample.names) == 1 and sample.kinds[0] in "iub" and whole


def fit_labels(inputs: Array, values: Array) -> Fit:
    """Predict by the mean of the values seen with equal inputs."""
    _, groups = np.unique(inputs, axis=0, return_inverse=True)
    groups = groups.ravel()
    predicted, folds = np.empty(len(values)), _folds(len(values))
    for test in _tests(folds):
        counts = np.bincount(groups[~test], minlength=groups.max() + 1)
        sums = np.bincount(groups[~test], values[~test], minlength=len(counts))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        predicted[test] = means[groups[test]]
    return Fit(values, predicted, folds)


def fit(inputs: Array, values: Array, extra: Array | None = None) -> Fit:
    """Predict by the best of the mean, squares and products, random cosines, and near neighbours.

    Args:
        inputs: (n, d), any scale.
        values: (n,).
        extra: Columns used as they are, beside the others, (n, e); none go to neighbours.
    """
    scaled = standardised(inputs)
    designs = [_products(scaled), _cosines(scaled)]
    if extra is not None:
        designs = [np.column_stack([design, standardised(extra)]) for design in designs]
    fits = [_ridge(design, values) for design in (scaled[:, :0], *designs)]
    if scaled.shape[1] <= NARROW and extra is None:
        fits.append(_neighbours(scaled, values))
    return min(fits, key=lambda one: one.unexplained)


def standardised(columns: Array) -> Array:
    """Return columns with mean 0 and deviation 1; those that stay constant are left out."""
    spread = columns.std(axis=0)
    moving = spread > 1e-9 * (1 + np.abs(columns).max(axis=0, initial=0.0))
    return np.clip((columns[:, moving] - columns[:, moving].mean(axis=0)) / spread[moving], -8, 8)


def _products(scaled: Array) -> Array:
    if scaled.shape[1] > WIDE:
        return np.column_stack([scaled, scaled**2])
    one, other = np.triu_indices(scaled.shape[1])
    return np.column_stack([scaled, scaled[:, one] * scaled[:, other]])


def _cosines(scaled: Array) -> Array:
    rng = np.random.default_rng(0)
    width = max(scaled.shape[1], 1)
    waves = rng.normal(size=(scaled.shape[1], FEATURES)) / np.sqrt(width)
    return np.column_stack([scaled, np.cos(scaled @ waves + rng.uniform(0, 2 * np.pi, FEATURES))])


def _ridge(design: Array, values: Array) -> Fit:
    design = np.column_stack([np.ones(len(design)), design])
    predicted, folds = np.empty(len(values)), _folds(len(values))
    square, moment = design.T @ design, design.T @ values
    for test in _tests(folds):
        held = design[test]
        normal = square - held.T @ held
        normal[np.diag_indices_from(normal)] += RIDGE * len(design)
        weights = np.linalg.solve(normal, moment - held.T @ values[test])
        predicted[test] = held @ weights
    low, high = values.min(), values.max()
    return Fit(values, np.clip(predicted, low, high), folds)


def _neighbours(scaled: Array, values: Array, k: int = 5) -> Fit:
    predicted, folds = np.empty(len(values)), _folds(len(values))
    for test in _tests(folds):
        known, asked = scaled[~test], scaled[test]
        distance = (known**2).sum(axis=1) - 2 * asked @ known.T
        near = np.argpartition(distance, k, axis=1)[:, :k]
        predicted[test] = values[~test][near].mean(axis=1)
    return Fit(values, predicted, folds)


def _folds(n: int) -> Array:
    """Consecutive parts: neighbours in time share what is hidden, and must not tell of each other.

    Two stretches make a part, so that a trend over the data is in all of them.
    """
    return (np.arange(n) * 2 * FOLDS // max(n, 1)) % FOLDS


def _tests(folds: Array) -> Iterator[Array]:
    for k in range(FOLDS):
        yield folds == k
