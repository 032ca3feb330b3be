"""Ask a policy something, and leave no trace of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def untouched(policy: torch.nn.Module) -> Iterator[None]:
    """Compute without gradients; random state, layer buffers and every mode are put back."""
    kept = {name: buffer.clone() for name, buffer in policy.named_buffers()}
    modes = [(module, module.training) for module in policy.modules()]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        yield
        for name, buffer in policy.named_buffers():
            buffer.copy_(kept[name])
    for module, mode in modes:  # target networks stay in evaluation mode while the rest trains
        module.training = mode
