"""Which parameters optimiser steps moved, and which they had to move."""

import numpy as np

from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Outcome, found, passed, skipped
from plumbrl.snapshots.off_policy import GradientStep, OffPolicyUpdate


def check_parameters_learn(update: OffPolicyUpdate) -> Outcome:
    """Check that every trainable tensor changed that had to.

    A tensor whose gradient is exactly zero may stay (dead units); one that no gradient reaches, or
    whose gradient is not used, may not.
    """
    name, steps = "every trainable parameter learns", update.gradient_steps
    if not steps:
        return skipped(name, update.unseen or "no gradient step was seen")
    effects = [effect for step in steps for effect in step.optimiser_steps]
    if effects and all(effect.learning_rate == 0 for effect in effects):
        return skipped(name, "the learning rate is 0 at this point of its schedule")
    steps = [step for step in steps if not _resting(step)]
    due = frozenset().union(*(step.due for step in steps))
    tensors = [t for t in steps[0].changed if t.partition(".")[0] in due]
    still = [t for t in tensors if not any(step.changed[t] for step in steps)]
    unused = [t for t in still if _reached(update, t) is not False]
    if not unused:
        return passed(name, len(tensors), 0.0)
    cut = all(_reached(update, t) is None for t in unused) and effects and len(still) < len(tensors)
    stepped = {effect.network for effect in effects}
    idle = not stepped & {"", *(t.partition(".")[0] for t in unused)}
    cause = "network.no-gradient" if cut else "optimiser.no-step" if idle else "optimiser.no-update"
    told = f"{len(unused)} of {len(tensors)} tensors stay as they are, the first is {unused[0]}"
    share = Evidence("share of tensors that do not change", len(unused) / len(tensors), "0")
    count = Evidence("optimiser steps", len(effects), "at least one per gradient step")
    return found(name, cause, told, share, count, step=update.step)


def _resting(step: GradientStep) -> bool:
    """Whether every optimiser stepped with a learning rate of 0, as where a schedule ends."""
    effects = step.optimiser_steps
    return bool(effects) and all(effect.learning_rate == 0 for effect in effects)


def check_optimisers_keep_to_their_network(update: OffPolicyUpdate) -> Outcome:
    """Check that the step of one network's optimiser moves nothing else."""
    name = "optimisers keep to their network"
    effects = [e for step in update.gradient_steps for e in step.optimiser_steps if e.network]
    if not effects:
        return skipped(name, update.unseen or "no step of a known optimiser was seen")
    foreign = [(e, t) for e in effects for t in sorted(e.moved) if t.partition(".")[0] != e.network]
    if not foreign:
        return passed(name, len(effects), 0.0)
    told = f"the step of {foreign[0][0].network} moves {foreign[0][1]}"
    share = len({id(effect) for effect, _ in foreign}) / len(effects)
    steps = Evidence("share of steps that move another network", share, "0")
    return found(name, "optimiser.foreign-parameters", told, steps, step=update.step)


def _reached(update: OffPolicyUpdate, tensor: str) -> bool | None:
    """Whether a gradient other than zero reached a tensor; None if its optimiser found none."""
    network = tensor.partition(".")[0]
    gradients = [
        effect.gradients[tensor]
        for step in update.gradient_steps
        for effect in step.optimiser_steps
        if effect.network in (network, "")
    ]
    if not gradients:
        return True
    known = [gradient for gradient in gradients if not np.isnan(gradient)]
    return any(gradient != 0 for gradient in known) if known else None
