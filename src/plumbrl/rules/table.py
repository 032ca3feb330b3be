"""Rules as data: a YAML table of numbers, limits, and the reasons for them.

An entry says which `metric` it looks at, how (`as`), and which side of a limit is unhealthy. Limits
that depend on scale are taken from reference bands, measured on healthy runs (``bands.yaml``, by
``benchmarks/healthy.py --bands``).
"""

from functools import cache
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from plumbrl.findings import Severity
from plumbrl.history import Facts
from plumbrl.metrics.trends import growth, trailing_median
from plumbrl.rules.derived import share_of_start, start
from plumbrl.rules.rule import Array, Columns, Rule, Verdicts
from plumbrl.shipped import table as shipped_table

ON_POLICY = ("PPO", "A2C", "TRPO", "MaskablePPO", "RecurrentPPO", "MMRKHS")
OFF_POLICY = ("DQN", "SAC", "TD3", "DDPG", "TQC", "CROSSQ", "C51", "RAINBOW", "IQN")
"""Parts of names: loops call themselves DoubleDQN or sac_continuous."""
WINDOW = 20
"""Rows before one that its growth is measured against."""


class Band(BaseModel):
    """A limit taken from healthy runs: `times` the end of the band, but at least `least`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: Literal["low", "high"]
    times: float
    least: float | None = None
    most: float | None = None


class Entry(BaseModel):
    """One rule of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cause: str
    metric: str
    over: str | None = None
    """Divide the metric by this one."""
    look: Literal["value", "size", "growth", "start", "share of start", "median"] = Field(
        "value", alias="as"
    )
    """`size` is the absolute value, `growth` the value over the median of the 20 rows before,
    `start` that of its first rows, `share of start` the value over it, `median` the median of the
    last 20 rows."""
    above: float | Band | None = None
    below: float | Band | None = None
    and_above: dict[str, float] = {}
    and_below: dict[str, float] = {}
    unless_fine: bool = True
    """Silent while the run has learned and holds what it learned."""
    persist: int = 5
    warm_up: float = 0.05
    algos: tuple[str, ...] = ()
    family: Literal["on-policy", "off-policy"] | None = None
    actions: Literal["discrete", "continuous"] | None = None
    rollout: int = 0
    """Timesteps in a rollout, at least: fewer are too few samples for it."""
    confidence: float = 0.6
    severity: Severity | None = None
    expected: str
    reason: str
    """Where the limit comes from."""


@cache
def table(name: str = "table") -> dict[str, Entry]:
    """Return the entries of a table that ships with the package, by name."""
    return {
        key: Entry(**entry) for key, entry in shipped_table("plumbrl.rules", f"{name}.yaml").items()
    }


@cache
def bands() -> dict[str, dict[str, dict[str, float]]]:
    """Return the ends of the healthy bands, by family and metric."""
    return shipped_table("plumbrl.rules", "bands.yaml")


@cache
def rules_of(name: str = "table") -> tuple[Rule, ...]:
    """Return the rules of a table."""
    return tuple(_rule(key, entry) for key, entry in table(name).items())


def _rule(name: str, entry: Entry) -> Rule:
    needs = [entry.metric, *([entry.over] if entry.over else []), *entry.and_above]
    needs += [*entry.and_below, *(["fine"] if entry.unless_fine else [])]
    return Rule(
        name=name.replace("-", " "),
        cause=entry.cause,
        needs=tuple(dict.fromkeys(needs)),
        judge=lambda columns, facts: _judge(entry, columns, facts),
        expected=entry.expected,
        persist=entry.persist,
        warm_up=entry.warm_up,
        applies=lambda facts: _applies(entry, facts),
        confidence=entry.confidence,
        severity=entry.severity,
    )


def _judge(entry: Entry, columns: Columns, facts: Facts) -> Verdicts:
    seen = _seen(entry, columns)
    above, below = (limit_of(limit, entry.metric, facts) for limit in (entry.above, entry.below))
    with np.errstate(invalid="ignore"):
        bad = np.zeros(len(seen), dtype=bool)
        if above is not None:
            bad |= seen > above
        if below is not None:
            bad |= seen < below
        for key, limit in entry.and_above.items():
            bad &= columns[key] > limit
        for key, limit in entry.and_below.items():
            bad &= columns[key] < limit
    if entry.unless_fine:
        bad &= columns["fine"] < 0.5
    limit = above if above is not None else below
    return Verdicts(bad, np.nan if limit is None else limit, seen)


def _seen(entry: Entry, columns: Columns) -> Array:
    values = columns[entry.metric]
    if entry.over is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            values = values / columns[entry.over]
    if entry.look == "growth":
        return growth(np.abs(values), WINDOW)
    if entry.look == "start":
        return np.full(len(values), start(values))
    if entry.look == "share of start":
        return share_of_start(values)
    if entry.look == "median":
        return trailing_median(values, WINDOW)
    return np.abs(values) if entry.look == "size" else values


def limit_of(limit: float | Band | None, metric: str, facts: Facts) -> float | None:
    """Return what a limit of an entry comes down to; None for none, NaN without a band for it.

    Args:
        limit: Of the entry.
        metric: That it is about.
        facts: Of the run.
    """
    if limit is None or isinstance(limit, int | float):
        return limit
    measured = bands().get(family(facts), {}).get(metric)
    value = np.nan if measured is None else limit.times * measured[limit.of]
    if limit.least is not None:
        value = np.fmax(value, limit.least)
    return float(value if limit.most is None else np.fmin(value, limit.most))


def family(facts: Facts) -> str:
    """Return whether the algorithm learns on-policy or off-policy; on-policy if unknown."""
    if facts.algo in ON_POLICY:
        return "on-policy"
    named = any(part in (facts.algo or "").upper() for part in OFF_POLICY)
    known = facts.buffer_size is not None or facts.target_entropy is not None
    return "off-policy" if named or known else "on-policy"


def _applies(entry: Entry, facts: Facts) -> bool:
    if entry.algos and facts.algo is not None and facts.algo not in entry.algos:
        return False
    if entry.family is not None and facts.algo is not None and family(facts) != entry.family:
        return False
    if (facts.rollout or entry.rollout) < entry.rollout:
        return False
    if entry.actions == "discrete" and facts.action_dims is not None:
        return False
    return not (entry.actions == "continuous" and facts.actions is not None)
