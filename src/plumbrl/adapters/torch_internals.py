"""Inside any torch network: activations, gradients, weights, sensitivity, attention."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from plumbrl.adapters.torch_layers import activations
from plumbrl.snapshots.internals import Change, Gradient

Array = np.ndarray
Tensor = torch.Tensor
CRITIC = ("value", "critic", "q_net", "qf", "quantile", "vf_")
"""Parts of the names of parameters that belong to a critic."""
_TINY = 1e-12


def layer_activations(module: torch.nn.Module, run: Callable[[], Any]) -> dict[str, Array]:
    """Return what every activation function of a module gives out, (n, units) each.

    Args:
        module: Any; of convolutions a unit is a channel, averaged over its positions.
        run: Sends a batch through the module.
    """
    with activations(module) as found, torch.no_grad():
        run()
    return {name: out.flatten(1).double().cpu().numpy() for name, out in found.items()}


@contextmanager
def gradients(module: torch.nn.Module) -> Iterator[dict[str, Gradient]]:
    """Collect the first gradient of every parameter that is not 0 while entered, before clipping.

    Parameters that none arrives at have 0; those of target networks, which learn otherwise, are
    left out. The first may be 0 by construction: TRPO begins with the derivative of the divergence
    from itself.
    """
    learning = {
        name: p for name, p in module.named_parameters() if p.requires_grad and "target" not in name
    }
    found = {name: Gradient(0.0, 0.0, network_of(name)) for name in learning}
    seen: set[str] = set()
    hooks = [p.register_hook(partial(_note, found, seen, n)) for n, p in learning.items()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _note(found: dict[str, Gradient], seen: set[str], name: str, gradient: Tensor) -> None:
    norm = float(torch.linalg.vector_norm(gradient.detach()))
    if name in seen or norm == 0:
        return
    seen.add(name)
    size = norm / max(1, gradient.numel()) ** 0.5
    found[name] = Gradient(norm, size, network_of(name))


def network_of(name: str) -> str:
    """Return whether a parameter is of the ``critic`` or of the ``actor``, by its name."""
    return "critic" if any(part in name for part in CRITIC) else "actor"


def weight_changes(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Change]:
    """Return size and relative change of every floating tensor that is in both states.

    Args:
        before: State dictionary at the earlier moment.
        after: At the later one.
    """
    found = {}
    for name, now in after.items():
        old = before.get(name)
        if not isinstance(old, Tensor) or old.shape != now.shape or not now.is_floating_point():
            continue
        if not now.numel() or "target" in name:
            continue
        norm = float(torch.linalg.vector_norm(old.double()))
        moved = float(torch.linalg.vector_norm(now.double() - old.double()))
        size = float(now.double().square().mean().sqrt())
        found[name] = Change(size, moved / norm if norm > 0 else np.nan)
    return found


def sensitivity(answer: Tensor, inputs: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return the mean size of the derivatives of answers by their inputs.

    Args:
        answer: (n, k), computed from the inputs, row by row.
        inputs: Leaves that require gradients, (n, ...) each.

    Returns:
        Of every input an array of a row's shape: over rows, the mean root of the sum over the k
        answers of squared derivatives, each in standard deviations of that answer.
    """
    scale = answer.detach().std(dim=0) if len(answer) > 1 else torch.ones_like(answer[0])
    total = {key: torch.zeros_like(x) for key, x in inputs.items()}
    for column in range(answer.shape[1]):
        weight = 1 / scale[column] if scale[column] > _TINY else 0.0
        derivative = torch.autograd.grad(
            answer[:, column].sum() * weight, list(inputs.values()), retain_graph=True,
            allow_unused=True,
        )  # fmt: skip
        for key, part in zip(inputs, derivative, strict=True):
            if part is not None:
                total[key] += part.square()
    return {k: x.sqrt().mean(dim=0).double().cpu().numpy() for k, x in total.items()}


def attention_of(module: torch.nn.Module) -> tuple[Array, tuple[str, ...]] | None:
    """Return attention weights of the last forward pass and the names of the tokens, or None.

    Any part of the module counts that shows ``attention``, (B, heads, tokens, tokens), and
    ``modalities``, the names of its tokens.
    """
    for part in module.modules():
        weights, names = getattr(part, "attention", None), getattr(part, "modalities", None)
        if isinstance(weights, Tensor) and weights.ndim == 4 and names:
            mean = weights.detach().double().mean(dim=(0, 1)).cpu().numpy()
            return mean, tuple(map(str, names))
    return None
