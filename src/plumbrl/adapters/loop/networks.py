"""What happens to the networks of a hand-written loop between two of its lines."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch

from plumbrl.adapters.gpu import gpu_numbers
from plumbrl.adapters.torch_layers import activations
from plumbrl.adapters.torch_layers import numbers as layer_numbers
from plumbrl.adapters.torch_update import UpdateWatch, first_not_finite
from plumbrl.errors import UserError
from plumbrl.monitor.numbers import known

Numbers = dict[str, float]
CRITIC = ("critic", "value", "vf", "qf", "q_net")
ACTOR = ("actor", "policy", "pi")
NOISE = ("logstd", "log_std")


class Networks:
    """The networks that a loop trains.

    Args:
        given: A module, or modules by name; no target networks, for nothing trains those.

    Raises:
        UserError: It is neither.
    """

    def __init__(self, given: Any) -> None:
        modules = {"": given} if isinstance(given, torch.nn.Module) else given
        right = isinstance(modules, Mapping) and all(
            isinstance(module, torch.nn.Module) for module in modules.values()
        )
        if not right:
            raise UserError(
                f"networks is of type {type(given).__name__}, not a torch module or a dictionary"
                " of them."
            )
        self.modules: dict[str, torch.nn.Module] = dict(modules)

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Trainable tensors by their full name."""
        return {
            f"{name}.{key}".lstrip("."): tensor
            for name, module in self.modules.items()
            for key, tensor in module.named_parameters()
            if tensor.requires_grad
        }

    @property
    def all_tensors(self) -> dict[str, torch.Tensor]:
        """Parameters by their full name, trainable or not."""
        return {
            f"{name}.{key}".lstrip("."): tensor
            for name, module in self.modules.items()
            for key, tensor in module.named_parameters()
        }

    def by_role(self) -> dict[str, dict[str, torch.Tensor]]:
        """Return the same as actor, critic, and what is neither by its own name."""
        found: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in self.tensors.items():
            found.setdefault(_role(name.partition(".")[0]), {})[name] = tensor
        return found

    def noise(self) -> np.ndarray | None:
        """Return the standard deviation of a policy whose noise is a parameter, (A,)."""
        for name, tensor in self.tensors.items():
            if name.endswith(NOISE):
                return np.exp(tensor.detach().cpu().double().numpy().ravel())
        return None

    def gpu(self) -> Numbers:
        """Return the numbers of the GPU that they are on; empty if they are on none."""
        first = next(iter(self.tensors.values()), None)
        return {} if first is None else gpu_numbers(first.device)


class Look:
    """Looks at networks from now until it is finished.

    Args:
        networks: Of the loop.
        clip: Gradients are scaled down to this norm; None if they are not.
        batch_size: Samples of a gradient step; None if unknown.
        every: Looks at every so many gradient steps.
    """

    def __init__(
        self, networks: Networks, clip: float | None, batch_size: int | None, every: int
    ) -> None:
        self._networks, self._stack = networks, ExitStack()
        self._update = UpdateWatch(networks.by_role(), clip, batch_size, every)
        self._stack.enter_context(self._update.watching())
        self._found = {
            name: self._stack.enter_context(activations(module))
            for name, module in networks.modules.items()
        }

    @property
    def steps(self) -> int:
        """Gradient steps so far."""
        return self._update.steps

    def close(self) -> None:
        """Take everything off the networks again."""
        self._stack.close()

    def finish(self) -> tuple[Numbers, str]:
        """Return the numbers of what was seen, and in words what is not finite."""
        self.close()
        bad = first_not_finite(self._networks.tensors)
        where = self._update.first_bad or (f"weights: {bad}" if bad else "")
        if bad:
            return {}, where
        if not self._update.steps:
            return {}, where
        found = {f"{n}.{k}": out for n, part in self._found.items() for k, out in part.items()}
        return known({**self._update.numbers(), **layer_numbers(found)}), where


def _role(name: str) -> str:
    if name.startswith(CRITIC):
        return "critic"
    return "actor" if name.startswith(ACTOR) else name
