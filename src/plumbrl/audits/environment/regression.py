"""Small regressions on random features: enough to tell what can be foreseen from what."""

import numpy as np

from plumbrl.audits.environment.columns import spreads

Array = np.ndarray
FOLDS, FEATURES = 5, 150
PAIRED = 20
"""Columns of which products are taken."""


def standardised(values: Array) -> Array:
    """Return columns with mean 0 and standard deviation 1; those that do not change become 0."""
    spread = spreads(values)
    return (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)


def features(inputs: Array, seed: int) -> Array:
    """Return a constant, the inputs and random smooth functions of them.

    Args:
        inputs: Standardised, (N, K).
        seed: Of the functions.
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(inputs.shape[1], FEATURES)) / np.sqrt(max(1, inputs.shape[1]))
    random = np.tanh(inputs @ weights + rng.uniform(-1, 1, FEATURES))
    return np.hstack([np.ones((len(inputs), 1)), inputs, random])


def products(inputs: Array) -> Array:
    """Return products of pairs: forces are products of angles and speeds more often than not."""
    first, second = np.triu_indices(min(inputs.shape[1], PAIRED))
    return inputs[:, first] * inputs[:, second]


def predicted(x: Array, y: Array, groups: Array) -> Array:
    """Return what ridge regression predicts for each fold from all others, (N, D)."""
    out = np.zeros_like(y)
    for fold in np.unique(groups):
        test = groups == fold
        out[test] = x[test] @ _ridge(x[~test], y[~test])
    return out


def folds(episode: Array, seed: int) -> Array:
    """Return the fold of each row: by episode, or by stretches of time where there are few."""
    names = np.unique(episode)
    if len(names) >= 2 * FOLDS:
        fold = np.random.default_rng(seed).permutation(len(names)) % FOLDS
        return fold[np.searchsorted(names, episode)]
    return np.arange(len(episode)) * 2 * FOLDS // len(episode) % FOLDS


def area_under_curve(scores: Array, positive: Array) -> float:
    """Return the probability that a positive has a higher score than a negative, in [0, 1].

    Args:
        scores: (N,).
        positive: bool (N,); some and not all of them.
    """
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def _ridge(x: Array, y: Array) -> Array:
    penalty = 1e-3 * len(x) * np.eye(x.shape[1])
    penalty[0, 0] = 0
    return np.linalg.solve(x.T @ x + penalty, x.T @ y)
