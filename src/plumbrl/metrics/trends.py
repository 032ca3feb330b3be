"""Where a curve goes: slopes and tests that single outliers do not move.

Curves are (n,), one number per update or evaluation. Entries that are not finite are left out,
except where a result has one entry per input. Long curves are thinned to evenly spaced points, for
the cost grows with the square. What is undefined is NaN.
"""

from math import ceil, erfc, sqrt

import numpy as np

from plumbrl.metrics.arithmetic import Array, double, equal_shapes, quiet
from plumbrl.metrics.statistics import Interval

FEWEST = 5
"""Points without which a mean over part of a curve is not trusted."""
CELLS = 1 << 17
"""Numbers that are sorted at a time: fresh memory takes longer to get than few numbers to sort."""
POOLINGS = 8
"""Of all blocks at once; each leaves half of those of a noisy curve."""


@quiet
def theil_sen(x: Array, y: Array, most: int = 300) -> float:
    """Return the median slope over all pairs of points, (y_j - y_i) / (x_j - x_i).

    In units of y per unit of x. Up to 29 % of outliers do not move it far. NaN for fewer than two
    different x.

    Args:
        x: (n,).
        y: (n,).
        most: Points to thin to.

    Raises:
        ValueError: Shapes differ.

    Reference: P. K. Sen, Estimates of the regression coefficient based on Kendall's tau (1968).
    """
    equal_shapes(x=x, y=y)
    finite = np.isfinite(double(x)) & np.isfinite(double(y))
    x, y = _thinned(double(x)[finite], most), _thinned(double(y)[finite], most)
    i, j = np.triu_indices(len(x), k=1)
    run, rise = x[j] - x[i], y[j] - y[i]
    slopes = rise[run != 0] / run[run != 0]
    return float(np.median(slopes)) if slopes.size else np.nan


@quiet
def mann_kendall(y: Array, most: int = 300) -> tuple[float, float]:
    """Return Kendall's tau of a curve against time, in [-1, 1], and its two-sided p.

    S = sum over i < j of sign(y_j - y_i); tau = S / sqrt(N (N - ties)) with N pairs, ties of them
    equal. p is that of (S -+ 1) / std, standard normal, where Var(S) =
    (n(n-1)(2n+5) - sum t(t-1)(2t+5)) / 18 for groups of t equal values, times n / n_eff.

    tau: 1 = always rises, 0 = no trend, -1 = always falls; how steep is `theil_sen`. A small p: the
    trend is not chance. Serial correlation, which every training curve has, makes the textbook's p
    too small; `effective_count` widens the variance for it, but not by enough above a lag-1
    correlation of 0.8, where 5 % of false alarms become 10 to 35 %.

    Args:
        y: (n,).
        most: Points to thin to.

    Returns:
        NaN for both where fewer than two points are left or all are equal.

    Reference: H. B. Mann, Nonparametric tests against trend (1945); K. H. Hamed and A. R. Rao, A
    modified Mann-Kendall trend test for autocorrelated data (1998).
    """
    y = _thinned(_finite(y), most)
    n = len(y)
    if n < 2 or y.min() == y.max():
        return np.nan, np.nan
    s = float(np.triu(np.sign(y[None, :] - y[:, None])).sum())
    t = np.unique(y, return_counts=True)[1].astype(np.float64)
    pairs, ties = n * (n - 1) / 2, float((t * (t - 1)).sum()) / 2
    variance = (n * (n - 1) * (2 * n + 5) - float((t * (t - 1) * (2 * t + 5)).sum())) / 18
    z = max(abs(s) - 1, 0) / sqrt(variance * n / effective_count(y))
    return s / sqrt(pairs * (pairs - ties)), erfc(z / sqrt(2))


@quiet
def effective_count(y: Array) -> float:
    """Return how many independent points a serially correlated curve is worth.

    n (1 - r) / (1 + r), within [2, n], with r = r1 + (1 + 4 r1) / n the lag-1 autocorrelation of
    what is left of the curve less its best monotone fit, rising or falling, corrected for its bias
    in short curves; n where r is negative or nothing is left. Right for a first-order
    autoregressive process about a curve that rises or falls but need not be straight: less a line,
    the bend of a healthy curve would look like correlation, and its rise like chance. Curves that
    rise and fall count for too little.

    Args:
        y: (n,).

    Returns:
        NaN for fewer than two points.

    Reference: G. V. Bayley and J. M. Hammersley, The effective number of independent observations
    in an autocorrelated time series (1946); M. G. Kendall, Note on bias in the estimation of
    autocorrelation (1954).
    """
    y = _finite(y)
    n = len(y)
    if n < 2:
        return np.nan
    rest = min(y - _rising(y), y + _rising(-y), key=_error)
    square = _error(rest)
    if not square > 1e-26 * (y @ y):  # what is left is rounding
        return float(n)
    r1 = float(rest[1:] @ rest[:-1] / square)
    r = min(r1 + (1 + 4 * r1) / n, 1.0)
    return float(np.clip(n * (1 - r) / (1 + r), 2, n)) if r > 0 else float(n)


@quiet
def trailing_median(values: Array, window: int) -> Array:
    """Return the median of each entry and those before it, up to `window` in all, (n,).

    Causal: element i sees values[max(0, i - window + 1) .. i] and nothing later. NaNs are skipped;
    NaN where there is nothing else.

    Args:
        values: (n,).
        window: Entries, at least 1.

    Raises:
        ValueError: `window` below 1.
    """
    if window < 1:
        raise ValueError(f"a window has at least 1 entry; got {window}")
    padded = np.concatenate([np.full(window - 1, np.nan), double(values).ravel()])
    if len(padded) < window:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)
    block = max(1, CELLS // window)
    parts = (windows[start : start + block] for start in range(0, len(windows), block))
    return np.concatenate([_medians(part) for part in parts])


def _medians(windows: Array) -> Array:
    """Return the median of each row, NaNs aside."""
    ordered = np.sort(windows, axis=1)
    n = windows.shape[1] - np.isnan(ordered).sum(axis=1)  # NaNs are sorted to the end
    rows = np.arange(len(ordered))
    low, high = ordered[rows, np.maximum(n - 1, 0) // 2], ordered[rows, n // 2]
    return np.where(n > 0, (low + high) / 2, np.nan)


@quiet
def growth(values: Array, window: int) -> Array:
    """Return each entry over the median of the `window` entries before it, (n,).

    Free of scale, for norms and losses. Healthy: 0.3 to 3. Above 10: a spike, or a divergence if it
    stays while the median follows.

    Args:
        values: At least 0, (n,).
        window: Entries before, at least 1.

    Returns:
        NaN for the first `window` entries and where the median is not positive.

    Raises:
        ValueError: `window` below 1.
    """
    x = double(values).ravel()
    before = np.full(len(x), np.nan)
    before[window:] = trailing_median(x, window)[window - 1 : -1]
    return np.where(before > 0, x / before, np.nan)


@quiet
def gain(values: Array, share: float = 0.2) -> Interval:
    """Return mean of the last part of a curve minus mean of its first part, with a 95 % interval.

    In the unit of the values. The interval is a moving-block bootstrap's: blocks of neighbours,
    wrapped around at the end of the part, are drawn in each part, so that serial correlation
    counts. A block has k^(1/3) of a part's k points, more where they are worth fewer by the
    `effective_count` of the curve, at most k/4; means are never spread less than that count
    demands. An interval above 0: the curve has risen; one that contains 0: no gain is shown. With a
    lag-1 correlation of 0.8 it still covers too rarely on curves of fewer than 100 points, with
    0.95 of fewer than 1000.

    Args:
        values: (n,).
        share: Of the points in each part, in (0, 0.5].

    Returns:
        NaN for all three where a part has fewer than 5 points.

    Raises:
        ValueError: `share` is outside.

    Reference: H. R. Kuensch, The jackknife and the bootstrap for general stationary observations
    (1989); D. N. Politis and J. P. Romano, A circular block-resampling procedure (1992).
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"a share lies above 0 and up to 0.5; got {share}")
    y = _finite(values)
    k = int(len(y) * share + 1e-9)
    if k < FEWEST:
        return Interval(np.nan, np.nan, np.nan)
    rng, worth = np.random.default_rng(0), max(effective_count(y) * k / len(y), 2.0)
    first, last = y[:k], y[-k:]
    means = _block_means(last, worth, rng) - _block_means(first, worth, rng)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(last.mean() - first.mean()), float(low), float(high))


@quiet
def last_peak(values: Array) -> tuple[int, float]:
    """Return the index of a curve's peak, and how much of the rise to it is lost at the end.

    Of the curve smoothed by a trailing median of 5: (peak - end) / (peak - start). Healthy: below
    0.1. 0 = ends at its peak, 1 = back where it started, above 1 = worse than at the start.

    Args:
        values: (n,); entries that are not finite are skipped.

    Returns:
        The first index of the maximum, -1 where there is none; the drop is NaN where the peak is
        the start's height.
    """
    x = double(values).ravel()
    smooth = trailing_median(np.where(np.isfinite(x), x, np.nan), 5)
    known = np.flatnonzero(np.isfinite(smooth))
    if not known.size:
        return -1, np.nan
    index = int(np.nanargmax(smooth))
    peak, start, end = smooth[index], smooth[known[0]], smooth[known[-1]]
    return index, float((peak - end) / (peak - start)) if peak != start else np.nan


def _finite(values: Array) -> Array:
    """Return the finite entries in order."""
    x = double(values).ravel()
    return x[np.isfinite(x)]


def _thinned(values: Array, most: int) -> Array:
    """Return at most `most` evenly spaced entries, the first and the last among them."""
    n = len(values)
    return values if n <= most else values[np.linspace(0, n - 1, most).round().astype(int)]


def _rising(y: Array) -> Array:
    """Return the increasing curve of least squared error, by pooling what is out of order.

    In whatever order: so most of it is done on all blocks at once, and the rest one by one.
    """
    totals, counts = y.astype(np.float64), np.ones(len(y))
    for _ in range(POOLINGS):
        means = totals / counts
        starts = np.flatnonzero(np.concatenate([[True], means[1:] > means[:-1]]))
        totals, counts = np.add.reduceat(totals, starts), np.add.reduceat(counts, starts)
    return _pooled(totals, counts)


def _pooled(totals: Array, counts: Array) -> Array:
    """Pool blocks until their means rise; return the mean of its block for every point."""
    sums: list[float] = []
    sizes: list[float] = []
    for total, size in zip(totals.tolist(), counts.tolist(), strict=True):
        while sums and sums[-1] * size >= total * sizes[-1]:
            total, size = total + sums.pop(), size + sizes.pop()
        sums.append(total)
        sizes.append(size)
    return np.repeat(np.array(sums) / sizes, np.array(sizes, dtype=int))


def _error(residuals: Array) -> float:
    """Return the sum of squares."""
    return float(residuals @ residuals)


def _block_means(
    part: Array, worth: float, rng: np.random.Generator, replicates: int = 2000
) -> Array:
    """Return means of a part put together anew from blocks of it, (replicates,).

    Blocks of a short part cannot show all of its correlation, so the means are spread to the
    standard error of `worth` independent points where they fall short of it.
    """
    k = len(part)
    shortest = ceil(k ** (1 / 3))
    length = min(max(shortest, ceil(k / worth)), max(shortest, k // 4))
    starts = rng.integers(0, k, (replicates, ceil(k / length)))
    wrapped = np.concatenate([part, part[: length - 1]])
    blocks = np.lib.stride_tricks.sliding_window_view(wrapped, length).mean(axis=1)
    off = blocks[starts].mean(axis=1) - part.mean()
    error, spread = part.std() / sqrt(worth - 1), off.std()
    return part.mean() + off * max(1.0, error / spread if spread > 0 else 1.0)
