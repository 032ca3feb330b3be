"""Gradients and parameters around optimiser steps, for any trainer that computes with torch."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from plumbrl.adapters.torch_loss import Guard
from plumbrl.snapshots import OptimiserStep, ParameterChange


class GradientCapture:
    """While entered, notes the gradients of `parameters` before and at every optimiser step.

    It may be entered again, wherever no gradient is half computed.

    Args:
        parameters: By name; those that are not trainable are left out.
        guard: Takes errors.

    Attributes:
        steps: What was noted, in order.
        optimisers: Identities of the optimisers that made a step.
    """

    def __init__(
        self,
        parameters: Mapping[str, torch.nn.Parameter],
        guard: Guard,
    ) -> None:
        self._parameters = {name: p for name, p in parameters.items() if p.requires_grad}
        self._before = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._guard = guard
        self._hooks = ExitStack()
        self._largest: dict[str, float] = {}
        self._held: set[int] = set()
        self.steps: list[OptimiserStep] = []
        self.optimisers: set[int] = set()
        self._start()

    def _start(self) -> None:
        self._stale: dict[str, float] = {}
        self._ready: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._start()
        for name, p in self._parameters.items():
            before, after = partial(self._arrives, name), partial(self._arrived, name)
            self._hooks.callback(p.register_hook(partial(_quietly, self._guard, before)).remove)
            handle = p.register_post_accumulate_grad_hook(partial(_quietly, self._guard, after))
            self._hooks.callback(handle.remove)
        handle = register_optimizer_step_pre_hook(partial(_quietly, self._guard, self._steps))
        self._hooks.callback(handle.remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()

    def _arrives(self, name: str, _: torch.Tensor) -> None:
        """A gradient is about to be added to what the parameter already has."""
        if name not in self._stale:
            self._stale[name] = _norm(self._parameters[name].grad)

    def _arrived(self, name: str, p: torch.Tensor) -> None:
        self._ready[name] = _norm(p.grad)

    def _steps(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        used = {n: _norm(p.grad) for n, p in self._parameters.items() if p.grad is not None}
        for name, norm in used.items():
            self._largest[name] = max(norm, self._largest.get(name, 0.0))
        groups = optimizer.param_groups
        self._held |= {id(p) for group in groups for p in group["params"]}
        self.optimisers.add(id(optimizer))
        self.steps.append(
            OptimiserStep(
                stale_norm=_total(self._stale),
                gradient_norm=_total(self._ready),
                step_norm=_total(used),
                learning_rates=tuple(float(group["lr"]) for group in groups if "lr" in group),
                epsilons=tuple(float(group["eps"]) for group in groups if "eps" in group),
            )
        )
        self._start()

    def changes(self) -> tuple[ParameterChange, ...]:
        """Return what became of every trainable parameter since this object was made."""
        return tuple(
            ParameterChange(
                name=name,
                change=float((p.detach() - self._before[name]).abs().max()) if p.numel() else 0.0,
                gradient=self._largest.get(name),
                held=id(p) in self._held,
            )
            for name, p in self._parameters.items()
        )


def _quietly(guard: Guard, look: Callable[..., None], *args: Any) -> None:
    """Hooks of torch replace what they return, unless it is None."""
    guard(look, *args)


def _norm(gradient: torch.Tensor | None) -> float:
    return 0.0 if gradient is None else float(torch.linalg.vector_norm(gradient.detach()))


def _total(norms: Mapping[str, float]) -> float:
    return sum(norm**2 for norm in norms.values()) ** 0.5
