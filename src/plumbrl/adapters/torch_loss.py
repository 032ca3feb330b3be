"""What happens between a minibatch and `backward`, for any trainer that computes with torch.

Nothing of the trainer is changed: functions are seen through `torch.overrides`, gradients through
hooks that return nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from plumbrl.snapshots import Broadcast

ELEMENTWISE = frozenset(
    f"{side}{name}" for side in ("", "r") for name in ("add", "sub", "mul", "div", "truediv", "pow")
) | {"true_divide", "min", "max", "minimum", "maximum", "mse_loss", "l1_loss", "smooth_l1_loss"}
"""Names without underscores: ``__rsub__`` and ``sub_`` are the same to us."""
BACKWARD = (torch.Tensor.backward, torch.autograd.backward)
_NAMES: dict[Any, str] = {}


class Guard:
    """Calls what looks on; after its first error it calls nothing more, and training goes on."""

    def __init__(self) -> None:
        self.problem = ""

    def __call__(self, look: Callable[..., None], *args: Any) -> None:
        """Call `look`; an error is kept as `problem`."""
        if self.problem:
            return
        try:
            look(*args)
        except Exception as error:
            self.problem = f"watching failed: {type(error).__name__}: {error}"


class LossCapture(TorchFunctionMode):
    """While active, notes scalars on which `backward` is called, and suspicious broadcasts.

    Args:
        guard: Takes errors.

    Attributes:
        losses: Values of those scalars since the last `forget`.
        broadcasts: Operations whose operands (n,) and (n, 1) made (n, n), n > 1.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self._known: dict[str, torch.Tensor] = {}
        self.losses: list[float] = []
        self.broadcasts: dict[Broadcast, None] = {}

    def know(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Give names to tensors, so that a broadcast can tell what met."""
        self._known.update(tensors)

    @property
    def outermost(self) -> bool:
        """Whether leaving it now leaves nothing that was entered after it."""
        return bool(_get_current_function_mode_stack()[-1:] == [self])

    def forget(self) -> None:
        """Let go of all tensors and losses: a new minibatch begins."""
        self._known, self.losses = {}, []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Look at a function of torch before it is called."""
        kwargs = kwargs or {}
        name = _NAMES.get(func)
        if name is None:  # every function of torch passes here: look at its name only once
            name = _NAMES[func] = _name(func)
        if name == "backward":
            self._guard(self._note_loss, *args[:1])
        elif name:
            self._guard(self._note_operands, name, (*args, *kwargs.values()))
        return func(*args, **kwargs)

    def _note_loss(self, loss: Any = None) -> None:
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            self.losses.append(float(loss.detach()))

    def _note_operands(self, name: str, values: tuple) -> None:
        tensors = [value for value in values[:2] if isinstance(value, torch.Tensor)]
        if len(tensors) == 2 and _outer(tensors[0].shape, tensors[1].shape):
            names = {origin for tensor in tensors for origin in self._origins(tensor)}
            if names:
                shapes = (tuple(tensors[0].shape), tuple(tensors[1].shape))
                self.broadcasts[Broadcast(name, shapes, frozenset(names))] = None

    def _origins(self, tensor: torch.Tensor) -> Iterator[str]:
        """Yield the names of known tensors that share memory with `tensor` or led to it."""
        nodes = {known.grad_fn: name for name, known in self._known.items() if known.grad_fn}
        for name, known in self._known.items():
            if known.data_ptr() == tensor.data_ptr() and known.numel() == tensor.numel():
                yield name
        open_nodes, seen = [tensor.grad_fn], set()
        while open_nodes:
            node = open_nodes.pop()
            if node in nodes:
                yield nodes[node]
            elif node is not None and node not in seen:
                seen.add(node)
                open_nodes += [following for following, _ in node.next_functions]


def _name(func: Any) -> str:
    """Return the name of a function that is looked at, without underscores; empty for others."""
    name = getattr(func, "__name__", "").strip("_")
    return name if name in ELEMENTWISE or func in BACKWARD else ""


def _outer(one: torch.Size, other: torch.Size) -> bool:
    """Whether two shapes, meant to be equal, broadcast to (n, n)."""
    for row, column in ((one, other), (other, one)):
        if len(column) == 2 and column[0] > column[1] == 1 and row[-1:] == column[:1]:
            return len(row) == 1 or row[0] == 1
    return False


class Derivative:
    """Derivative of the loss by every entry of a tensor, summed over backward passes.

    Attributes:
        total: Flat, as many entries as the tensor; 0 where no gradient flowed.
    """

    def __init__(self, tensor: torch.Tensor, guard: Guard) -> None:
        self.total = np.zeros(tensor.numel())
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: guard(self._add, gradient))

    def _add(self, gradient: torch.Tensor) -> None:
        self.total += flat(gradient)


def flat(tensor: torch.Tensor) -> np.ndarray:
    """Return a copy of a tensor's entries, (numel,), in double precision."""
    return tensor.detach().cpu().double().numpy().reshape(-1).copy()
