"""What the hidden layers of torch networks show on a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from plumbrl.metrics import network

ACTIVATIONS = (
    torch.nn.ReLU, torch.nn.Tanh, torch.nn.ELU, torch.nn.LeakyReLU, torch.nn.SiLU, torch.nn.GELU,
)  # fmt: skip
ROWS = 512
"""Of a batch that are looked at: the effective rank takes a singular value decomposition."""


@contextmanager
def activations(module: torch.nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """Collect what the activation functions of a module give out, by name, (n, units) each.

    Of several batches the largest is kept, and of equally large ones the last.
    """
    found: dict[str, torch.Tensor] = {}
    hooks = [
        part.register_forward_hook(_keeper(found, name))
        for name, part in module.named_modules()
        if isinstance(part, ACTIVATIONS)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(found: dict[str, torch.Tensor], name: str) -> Callable[..., None]:
    def keep(_: torch.nn.Module, __: object, out: torch.Tensor) -> None:
        rows = out.detach()
        if name in found and len(found[name]) > len(rows):
            return
        found[name] = rows.flatten(1) if rows.ndim == 2 else rows.flatten(2).mean(-1)

    return keep


def numbers(found: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return the worst layer's shares of units that do nothing, and the last layer's rank."""
    layers = [out[:ROWS].double().cpu().numpy() for out in found.values() if out.ndim == 2]
    layers = [layer for layer in layers if len(layer) > 1 and np.isfinite(layer).all()]
    if not layers:
        return {}
    found_in = {
        "network/dormant": max(network.dormant_share(layer) for layer in layers),
        "network/dead": max(network.dead_share(layer) for layer in layers),
        "network/effective_rank": float(network.effective_rank(layers[-1])),
    }
    bounded = [layer for layer in layers if np.abs(layer).max() <= 1]  # by tanh
    if bounded:
        found_in["network/saturated"] = max(map(network.saturated_share, bounded))
    return found_in
