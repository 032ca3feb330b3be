"""What a Q-network can answer at all: its last activation, linearity, and whether it listens."""

from collections.abc import Iterator

import torch

from plumbrl.adapters.loop.batch import Batch
from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Outcome, found, passed

Tensor = torch.Tensor
LAST = {
    "ReluBackward": ("network.output-not-negative", 0.0, float("inf")),
    "SoftmaxBackward": ("network.output-bounded", 0.0, 1.0),
    "SigmoidBackward": ("network.output-bounded", 0.0, 1.0),
    "TanhBackward": ("network.output-bounded", -1.0, 1.0),
}
"""Last operations of a network by torch's names: the cause, and the range that is left."""
CLOSE = 1e-4
"""Relative; float32 rounding of a few layers gives about 1e-6."""


def outputs(network: torch.nn.Module, batch: Batch) -> Iterator[Outcome]:
    """Look at what a network makes of a batch."""
    answer = network(batch.observations)
    yield _range(answer, batch.targets.detach())
    yield _listens(answer.detach(), batch.observations)
    with torch.no_grad():
        yield _bends(network, batch.observations)


def _range(answer: Tensor, targets: Tensor) -> Outcome:
    name = "values are not cut off"
    made_by = "" if answer.grad_fn is None else answer.grad_fn.name().rstrip("0123456789")
    if made_by not in LAST:
        return passed(name, answer.numel(), 0.0)
    cause, low, high = LAST[made_by]
    outside = float(((targets < low) | (targets > high)).double().mean())
    told = f"the last operation of the network is {made_by.removesuffix('Backward').lower()}"
    share = Evidence("targets that no output reaches", outside, "a network that ends linearly")
    return found(name, cause, told, share, confidence=1.0 if outside else 0.7)


def _listens(answer: Tensor, observations: Tensor) -> Outcome:
    name = "values depend on the observation"
    differ = bool((observations != observations[:1]).any())
    if not differ or bool((answer != answer[:1]).any()):
        return passed(name, len(answer), 0.0)
    told = f"{len(answer)} observations that differ have equal values"
    spread = Evidence("largest difference of values", 0.0, "above 0")
    return found(name, "network.ignores-input", told, spread)


def _bends(network: torch.nn.Module, observations: Tensor) -> Outcome:
    """f((a + b) / 2) = (f(a) + f(b)) / 2 everywhere if, and only if, f is affine."""
    name = "the network is not linear"
    layers = sum(p.ndim > 1 for p in network.parameters())
    wide = 10 * observations / observations.abs().max().clamp_min(1e-12)
    a, b = wide, -wide.flip(0) + 1
    middle, ends = network((a + b) / 2), (network(a) + network(b)) / 2
    gap = float((middle - ends).abs().max() / ends.abs().max().clamp_min(1e-12))
    if layers < 2 or gap > CLOSE:
        return passed(name, len(observations), gap)
    told = f"{layers} layers give a linear function: there is no activation between them"
    bend = Evidence("departure from a linear function", gap, f"above {CLOSE:g}")
    return found(name, "network.linear", told, bend)
