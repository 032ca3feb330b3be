"""Target networks against their rule: theta' = (1 - tau) theta' + tau theta at the interval."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import (
    Array,
    Difference,
    Outcome,
    difference,
    failed,
    found,
    passed,
    skipped,
)
from plumbrl.snapshots.off_policy import OffPolicyUpdate, TargetNetworks, Tensors

TOLERANCE = 3e-7
"""Relative to a parameter, of one update: two roundings of float32."""


@dataclass(frozen=True)
class _Step:
    """`TargetNetworks` with all parameters in one array, (p,)."""

    trained: Array
    online: Array
    before: Array
    after: Array
    rule: TargetNetworks

    @classmethod
    def of(cls, t: TargetNetworks) -> "_Step":
        return cls(_flat(t.trained), _flat(t.online), _flat(t.before), _flat(t.after), t)


def check_target_networks(update: OffPolicyUpdate) -> Outcome:
    """Compare target networks after each gradient step with the average that was due, or not.

    A mismatch is explained, if possible, by the one other rule that reproduces every step.
    """
    name = "target networks against their update rule"
    steps = [_Step.of(step.target) for step in update.gradient_steps]
    if not steps:
        return skipped(name, update.unseen or "no gradient step was seen")
    gap, cause = _gap(steps, [_expected(t) for t in steps]), ""
    overwritten = [t for t in steps if (t.trained != t.online).any()]
    if overwritten and all(_roles_swapped(t) for t in overwritten):
        gap = _compare(overwritten, [(t.online, t.trained) for t in overwritten])
        cause = "value.target-network-roles-swapped"
    elif not gap.wrong.any():
        return _without_lag(update, steps, name, gap)
    return failed(
        name, cause or _explain(steps), gap, what="parameters", tolerance=TOLERANCE,
        step=update.step, update=update.update,
    )  # fmt: skip


def _expected(t: _Step) -> Array:
    kept = (1 - t.rule.tau) ** t.rule.due
    return kept * t.before + (1 - kept) * t.online


def _without_lag(
    update: OffPolicyUpdate, steps: list[_Step], name: str, gap: Difference
) -> Outcome:
    """The rule is kept; say so if it leaves no target network at all."""
    if len(steps) > 1 and all(t.rule.due and t.rule.tau == 1 for t in steps):
        rate = Evidence("tau", steps[0].rule.tau, "below 1, or a longer interval")
        told = f"the target is copied every {steps[0].rule.interval} {steps[0].rule.unit}"
        return found(name, "configuration.target-is-online", told, rate, step=update.step)
    due = sum(t.rule.due for t in steps)
    check, _ = passed(name, gap.wrong.size, gap.worst)
    return Check(name, "passed", f"{check.reason}, {due} updates were due"), None


def _explain(steps: list[_Step]) -> str:
    """Return the cause whose rule gives exactly what was found in every gradient step."""
    for rule in zip(*(_suspects(t) for t in steps), strict=True):
        if not _gap(steps, [after for _, after in rule]).wrong.any():
            return rule[0][0]
    return "value.wrong-target-network"


def _suspects(t: _Step) -> Iterator[tuple[str, Array]]:
    """Yield causes with the target parameters each would give."""
    before, online = t.before, t.online
    yield "value.target-network-never-updated", before
    yield "value.target-network-updated-too-often", (1 - t.rule.tau) * before + t.rule.tau * online
    yield "value.target-network-copied", online if t.rule.due else before
    yield "value.target-network-updated-too-often", online
    swapped = t.rule.tau * before + (1 - t.rule.tau) * online
    yield "value.target-network-tau-swapped", swapped if t.rule.due else before
    yield "value.target-network-tau-swapped", swapped


def _roles_swapped(t: _Step) -> bool:
    """Whether the online network follows the target instead."""
    trained, before, online = t.trained, t.before, t.online
    rules = (
        (1 - t.rule.tau) * trained + t.rule.tau * before,
        t.rule.tau * trained + (1 - t.rule.tau) * before,
        before,
    )
    return any(not _compare([t], [(online, rule)]).wrong.any() for rule in rules)


def _gap(steps: list[_Step], expected: list[Array]) -> Difference:
    after = [t.after for t in steps]
    return _compare(steps, list(zip(after, expected, strict=True)))


def _compare(steps: list[_Step], pairs: list[tuple[Array, Array]]) -> Difference:
    """Compare relative to each parameter: an update of 1e-6 counts where parameters are small."""
    ours, theirs = [], []
    for t, (left, right) in zip(steps, pairs, strict=True):
        sizes = [abs(part) for part in (t.before, t.online, t.trained)]
        size = max(1, t.rule.due) * np.maximum(np.max(sizes, axis=0), np.finfo(np.float32).tiny)
        ours.append(left / size)
        theirs.append(right / size)
    return difference(np.concatenate(ours), np.concatenate(theirs), TOLERANCE)


def _flat(tensors: Tensors) -> Array:
    return np.concatenate([tensors[n].ravel() for n in sorted(tensors)]).astype(np.float64)
