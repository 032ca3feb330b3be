"""How well the task was done, by a number of the infos that the user named."""

import numpy as np

from plumbrl.audits.sample import Sample
from plumbrl.errors import unknown

Array = np.ndarray


def episode_metric(sample: Sample, metric: str) -> Array | None:
    """Return the metric of each finished episode; None if no metric is named.

    The mean over the steps of an episode that have it; of zeros and ones, whether there is a one.

    Args:
        sample: Of any policy.
        metric: Key of a number of the infos or name of a term; a leading ``-`` turns it round.

    Raises:
        UserError: No step has a number of this name.
    """
    name = metric.removeprefix("-")
    if not name:
        return None
    series = sample.infos | {f"reward_{key}": values for key, values in sample.terms.items()}
    if name not in series:
        raise unknown("number of the infos", name, series)
    values = series[name]
    binary = bool(np.isin(values[np.isfinite(values)], (0, 1)).all())
    told = np.array([_of_episode(values[e], binary) for e in sample.finished])
    return -told if metric.startswith("-") else told


def _of_episode(values: Array, binary: bool) -> float:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0
    return float(finite.max() if binary else finite.mean())


def correlation(one: Array, other: Array) -> float:
    """Return Pearson's correlation, 0 where one of the two does not vary."""
    if len(one) < 3 or np.ptp(one) < 1e-12 or np.ptp(other) < 1e-12:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
