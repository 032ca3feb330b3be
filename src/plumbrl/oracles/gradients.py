"""From the loss to the weights: operands, gradients at the step, step size, changed parameters."""

from collections.abc import Iterable

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, skipped
from plumbrl.snapshots import Learning, OptimiserStep, ParameterChange

TOLERANCE = 1e-3
"""Relative, of norms; clipping itself is exact to 1e-6."""
OF_POLICY = {"log_probs", "old_log_probs", "advantages"}


def check_operands(learning: Learning) -> Outcome:
    """Two arrays of the loss that should have the same shape must not broadcast to (n, n)."""
    name = "shapes of the loss's operands"
    if reason := learning.unseen or ("" if learning.minibatches else "no minibatch was seen"):
        return skipped(name, reason)
    if not learning.broadcasts:
        return Check(name, "passed", "no (n,) met an (n, 1)"), None
    met = learning.broadcasts[0]
    cause = "policy.broadcast" if met.operands & OF_POLICY else "value.broadcast"
    reason = f"{met.operation} of {met.shapes[0]} and {met.shapes[1]}: {_list(met.operands)}"
    n = max(met.shapes[0])
    return _broken(learning, name, cause, reason, ("entries of the result", n * n, f"{n}"))


def check_gradients(learning: Learning) -> Outcome:
    """The optimiser must use the gradient of the loss: no older one added, nothing cleared."""
    name = "gradients at the optimiser's step"
    if reason := _why_not(learning):
        return skipped(name, reason)
    steps = learning.optimiser_steps
    stale = max(step.stale_norm for step in steps)
    if stale > 0:
        reason = f"gradients of norm {stale:.3g} were there before backward"
        evidence = ("norm of the gradient before backward", stale, "0")
        return _broken(learning, name, "optimiser.gradients-accumulate", reason, evidence)
    lost = [step for step in steps if step.step_norm == 0 < step.gradient_norm]
    if lost and learning.optimisers == 1:
        reason = f"{len(lost)} of {len(steps)} steps used no gradient"
        evidence = ("gradient norm at the step", 0.0, f"{lost[0].gradient_norm:.3g}")
        return _broken(learning, name, "optimiser.gradient-lost", reason, evidence)
    return Check(name, "passed", f"{len(steps)} steps"), None


def check_clipping(learning: Learning) -> Outcome:
    """The gradient's norm at the step is that of the loss, or the limit if it was larger."""
    name, limit = "gradient clipping", learning.max_grad_norm
    if reason := _why_not(learning, one_optimiser=True):
        return skipped(name, reason)
    if limit is None:
        return skipped(name, "no limit of the gradient's norm is configured")
    steps = [s for s in learning.optimiser_steps if np.isfinite(s.gradient_norm) and s.step_norm]
    wrong = [step for step in steps if not _clipped(step, limit)]
    if not wrong:
        return Check(name, "passed", f"{len(steps)} steps, limit {limit:g}"), None
    ignored = any(step.step_norm > limit * (1 + TOLERANCE) for step in wrong)
    cause = "gradient-clipping-ignored" if ignored else "wrong-gradient-clipping"
    worst = max(wrong, key=lambda step: step.step_norm)
    evidence = ("gradient norm at the step", worst.step_norm, f"{_target(worst, limit):.3g}")
    reason = f"{len(wrong)} of {len(steps)} steps, norm up to {worst.step_norm:.3g}"
    return _broken(learning, name, f"optimiser.{cause}", reason, evidence)


def check_step_size(learning: Learning) -> Outcome:
    """The optimiser's learning rate is the configured one, and clipping leaves a step."""
    name, rate, limit = (
        "size of the optimiser's steps",
        learning.learning_rate,
        learning.max_grad_norm,
    )
    if reason := _why_not(learning):
        return skipped(name, reason)
    used = {r for step in learning.optimiser_steps for r in step.learning_rates}
    if rate is not None and used and not np.allclose(list(used), rate, rtol=1e-6, atol=0):
        other = max(used, key=lambda r: abs(r - rate))
        evidence = ("learning rate used", other, f"{rate:g}")
        reason = f"the optimiser uses {other:g}, configured is {rate:g}"
        return _broken(learning, name, "optimiser.learning-rate-ignored", reason, evidence)
    # Adam and RMSprop divide by |g| + epsilon: below epsilon, steps shrink with the gradient.
    epsilons = [e for step in learning.optimiser_steps for e in step.epsilons]
    if limit is not None and epsilons and limit < min(epsilons):
        evidence = ("limit of the gradient's norm", limit, f"above epsilon, {min(epsilons):g}")
        reason = f"gradients are clipped to {limit:g}, below the optimiser's epsilon"
        return _broken(learning, name, "configuration.gradients-clipped-away", reason, evidence)
    return Check(name, "passed", f"{len(learning.optimiser_steps)} steps"), None


def check_parameters(learning: Learning) -> Outcome:
    """Every trainable tensor must have changed in the update."""
    name, parameters = "parameters changed by the update", learning.parameters
    if learning.unseen or not parameters:
        return skipped(name, learning.unseen or "the policy has no trainable parameter")
    steps = learning.optimiser_steps
    if not steps and (learning.stops_early or learning.interrupted):
        return skipped(name, "the trainer stopped before its first step")
    if steps and not any(rate for step in steps for rate in step.learning_rates or (1.0,)):
        return skipped(name, "the learning rate is 0 in this update")
    still = [p for p in parameters if p.change == 0]
    if not still:
        return Check(name, "passed", f"{len(parameters)} tensors"), None
    reason = f"{len(still)} of {len(parameters)} unchanged: {_list(p.name for p in still)}"
    evidence = ("share of unchanged tensors", len(still) / len(parameters), "0")
    return _broken(learning, name, _why_still(still, parameters, steps), reason, evidence)


def _why_still(
    still: list[ParameterChange], every: Iterable[ParameterChange], steps: Iterable[OptimiserStep]
) -> str:
    if not any(steps):
        return "optimiser.no-step"
    if not any(p.held for p in every):
        return "optimiser.no-update"
    if not all(p.held for p in still):
        return "optimiser.parameters-missing"
    if all(p.gradient is None for p in still):
        return "network.no-gradient"
    return "network.zero-gradient" if not any(p.gradient for p in still) else "optimiser.no-update"


def _clipped(step: OptimiserStep, limit: float) -> bool:
    return abs(step.step_norm - _target(step, limit)) <= TOLERANCE * _target(step, limit)


def _target(step: OptimiserStep, limit: float) -> float:
    return min(step.gradient_norm, limit)


def _why_not(learning: Learning, one_optimiser: bool = False) -> str:
    if learning.unseen:
        return learning.unseen
    if not learning.optimiser_steps:
        return "no optimiser made a step"
    return "several optimisers made steps" if one_optimiser and learning.optimisers > 1 else ""


def _broken(
    learning: Learning, name: str, cause: str, reason: str, measured: tuple[str, float, str]
) -> Outcome:
    what, value, expected = measured
    evidence = Evidence(what, float(value), expected, "", f"update {learning.update}")
    return Check(name, "failed", reason), finding(cause, step=learning.step, evidence=(evidence,))


def _list(names: Iterable[str], most: int = 4) -> str:
    names = sorted(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
