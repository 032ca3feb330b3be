"""Temporal-difference targets against a literal recomputation from what the batch says.

y = r + (1 - d) gamma v', with v' = max_a Q'(s', a) (Mnih et al. 2015), min_i Q'_i(s', a') (Fujimoto
et al. 2018), or the latter minus alpha log pi(a'|s') (Haarnoja et al. 2018). Q' is the target
network, and d is 1 for terminal states only. The targets of Double DQN, whose action the online
network chooses (van Hasselt et al. 2016), are accepted.
"""

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
from plumbrl.snapshots.off_policy import OffPolicyUpdate, TDTargets

TOLERANCE = 2e-5
"""Relative to the largest term of a target; float32 rounding gives about 1e-6."""


@dataclass(frozen=True)
class _Batch:
    """Ingredients of the targets of one gradient step, each (n,); next values by formula."""

    rewards: Array
    live: Array
    discounts: Array
    values: dict[str, Array]
    entropy: Array
    """alpha log pi(a'|s'); zeros where there is no entropy term."""

    def target(self, value: Array, discounts: Array | None = None) -> Array:
        """Return r + (1 - d) gamma v'."""
        return (
            self.rewards + self.live * (self.discounts if discounts is None else discounts) * value
        )


def check_loss_operands(update: OffPolicyUpdate) -> Outcome:
    """Check that targets have the shape of the predictions and that no gradient flows into them."""
    name, seen = "operands of the critic's loss", _seen(update)
    if not seen:
        return skipped(name, why_unseen(update))
    for td in seen:
        uneven = [shapes for shapes in td.shapes if shapes[0] != shapes[1]]
        if uneven:
            told = f"{uneven[0][0]} is compared with {uneven[0][1]}"
            share = Evidence("losses of unequal shapes", len(uneven) / len(td.shapes), "0")
            return found(name, "value.broadcast", told, share, step=update.step)
        if td.carries_gradient:
            flows = Evidence("targets that a gradient flows through", 1.0, "0")
            told = "the gradient of the loss flows through the target into what is trained"
            return found(name, "value.target-not-detached", told, flows, step=update.step)
    return passed(name, sum(len(td.shapes) for td in seen), 0.0)


@np.errstate(invalid="ignore", over="ignore")
def check_td_targets(update: OffPolicyUpdate) -> Outcome:
    """Recompute targets from rewards, flags, discounts and the target network's values.

    A mismatch is explained, if possible, by the one change of the formula that reproduces it.
    """
    name, seen = "temporal-difference targets recomputed", _seen(update)
    if not seen:
        return skipped(name, why_unseen(update))
    batches = [_ingredients(td) for td in seen]
    stored = [td.targets for td in seen]
    gap = _gap(stored, batches, [b.target(b.values["right"] - b.entropy) for b in batches])
    if not gap.wrong.any():
        ends = sum(int((td.dones > 0).sum()) for td in seen)
        check, _ = passed(name, gap.wrong.size, gap.worst)
        return Check(name, "passed", f"{check.reason}, {ends} of terminal states"), None
    wrong = list(zip(*(_suspects(b) for b in batches), strict=True))
    for named in wrong:
        other = _gap(stored, batches, [target for _, target in named])
        if not other.wrong.any():
            cause = named[0][0]
            if not cause:
                check, _ = passed(name, other.wrong.size, other.worst)
                return Check(name, "passed", f"{check.reason}, those of Double DQN"), None
            break
    else:
        cause = "value.wrong-target"
    return failed(
        name, cause, gap, what="targets", tolerance=TOLERANCE, step=update.step,
        update=update.update,
    )  # fmt: skip


def check_predictions(update: OffPolicyUpdate) -> Outcome:
    """Compare the Q-values that entered the loss with those of the batch, critic by critic."""
    name, seen = "Q-values in the loss recomputed", _seen(update)
    if not seen:
        return skipped(name, why_unseen(update))
    critics = seen[0].q_values.shape[1]
    losses = min(len(td.predictions) for td in seen)
    if losses < critics:
        told = f"{losses} of {critics} critics take part in the loss"
        share = Evidence("critics in the loss", losses, f"{critics}")
        return found(name, "value.critic-not-trained", told, share, step=update.step)
    gap = difference(
        np.concatenate([td.predictions[:critics].ravel() for td in seen]),
        np.concatenate([td.q_values.T.ravel() for td in seen]),
        TOLERANCE,
    )
    if not gap.wrong.any():
        return passed(name, gap.wrong.size, gap.worst)
    return failed(
        name, "value.wrong-prediction", gap, what="Q-values", tolerance=TOLERANCE,
        step=update.step, update=update.update,
    )  # fmt: skip


def why_unseen(update: OffPolicyUpdate) -> str:
    """Return why the targets of an update are not known."""
    return update.unseen or (
        "no regression of a critic was seen, its next values were not, or its networks are random"
    )


def _seen(update: OffPolicyUpdate) -> list[TDTargets]:
    return [step.td for step in update.gradient_steps if step.td is not None]


def _ingredients(td: TDTargets) -> _Batch:
    best = np.max if td.over == "actions" else np.min
    none = np.zeros_like(td.rewards)
    entropy = none if td.next_log_probs is None else td.alpha * td.next_log_probs
    values = {
        "right": best(td.next_target, axis=1),
        "online": best(td.next_online, axis=1),
        "worst": (np.min if td.over == "actions" else np.max)(td.next_target, axis=1),
        "mean": td.next_target.mean(axis=1),
        "first": td.next_target[:, 0],
        "last": td.next_target[:, -1],
    }
    rows = np.arange(len(td.rewards))
    if td.over == "actions":
        values["double"] = td.next_target[rows, td.next_online.argmax(axis=1)]
        values["index"] = td.next_target.argmax(axis=1).astype(float)
    return _Batch(td.rewards.astype(float), 1.0 - td.dones, td.discounts, values, entropy)


def _gap(stored: list[Array], batches: list[_Batch], expected: list[Array]) -> Difference:
    """Compare relative to the terms: they may cancel."""
    ours, theirs = [], []
    for targets, batch, right in zip(stored, batches, expected, strict=True):
        terms = (1.0, abs(batch.rewards), abs(batch.values["right"]), abs(batch.entropy))
        scale = np.nan_to_num(np.max(np.broadcast_arrays(*terms), axis=0), nan=1.0, posinf=1.0)
        ours.append((targets / scale).ravel())
        theirs.append(np.broadcast_to(right / scale, targets.shape).ravel())
    return difference(np.concatenate(ours), np.concatenate(theirs), TOLERANCE)


def _suspects(b: _Batch) -> Iterator[tuple[str, Array]]:
    """Yield causes with the targets each would give; the empty one is no fault."""
    soft = b.values["right"] - b.entropy
    if "double" in b.values:
        yield "", b.target(b.values["double"])
        yield "value.argmax-as-value", b.target(b.values["index"])
    yield "value.bootstrap-at-terminal", b.rewards + b.discounts * soft
    yield "value.mask-inverted", b.rewards + (1 - b.live) * b.discounts * soft
    yield "value.terminal-reward-lost", b.live * b.target(soft)
    yield "configuration.gamma-ignored", b.target(soft, np.ones_like(b.discounts))
    yield "configuration.gamma-squared", b.target(soft, b.discounts**2)
    yield "value.online-network-in-target", b.target(b.values["online"] - b.entropy)
    yield "value.entropy-term-missing", b.target(b.values["right"])
    yield "value.entropy-sign-flipped", b.target(b.values["right"] + b.entropy)
    yield from _aggregates(b)
    yield "value.next-value-missing", b.rewards
    yield "value.next-value-sign-flipped", b.target(-soft)
    yield "value.reward-sign-flipped", b.target(soft) - 2 * b.rewards
    yield "value.reward-missing", b.target(soft) - b.rewards


def _aggregates(b: _Batch) -> Iterator[tuple[str, Array]]:
    """Yield other ways to make one value of several."""
    critics = "double" not in b.values
    mean = "value.twin-minimum-missing" if critics else "value.mean-over-actions"
    yield mean, b.target(b.values["mean"] - b.entropy)
    worst = "value.twin-minimum-missing" if critics else "value.worst-action-in-target"
    yield worst, b.target(b.values["worst"] - b.entropy)
    if critics:
        for single in ("first", "last"):
            yield "value.twin-minimum-missing", b.target(b.values[single] - b.entropy)
