"""Episodes of one policy on fixed seeds, and how policies differ."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plumbrl.metrics.statistics import Interval, mean_interval

Array = np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """One episode per seed of one policy.

    Attributes:
        policy: Its name.
        seeds: (n,).
        returns: Undiscounted, (n,).
        lengths: Steps, (n,).
        terminated: Whether each episode ended in a terminal state, not at a limit, (n,).
        causes: How often each cause ended an episode, where the environment says so.
        metrics: Mean over each episode's steps of every number in the environment's info, (n,);
            names that end in ``_at_end`` are of its last step.
    """

    policy: str
    seeds: Array
    returns: Array
    lengths: Array
    terminated: Array
    causes: dict[str, int]
    metrics: dict[str, Array]

    def return_interval(self) -> Interval:
        """Mean return with its 95 % interval."""
        return mean_interval(self.returns)

    def gain_over(self, other: "Evaluation") -> Interval:
        """Mean paired difference in return to another policy on the same seeds."""
        if not np.array_equal(self.seeds, other.seeds):
            raise ValueError("the two policies were evaluated on different seeds")
        return mean_interval(self.returns - other.returns)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Evaluation":
        """Return an evaluation from what `to_dict` returned; null is NaN."""
        arrays = {key: _array(plain[key]) for key in ("seeds", "returns", "lengths", "terminated")}
        metrics = {name: _array(values) for name, values in plain["metrics"].items()}
        return cls(plain["policy"], **arrays, causes=dict(plain["causes"]), metrics=metrics)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: arrays as lists."""
        data = asdict(self)
        data["metrics"] = {name: m.tolist() for name, m in self.metrics.items()}
        for key in ("seeds", "returns", "lengths", "terminated"):
            data[key] = data[key].tolist()
        return data


def _array(values: Sequence[Any]) -> Array:
    return np.array([np.nan if value is None else value for value in values])
