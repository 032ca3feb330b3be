"""Ways to see what a trainer computes without changing it: every one is taken away again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import TorchFunctionMode

from plumbrl.adapters.sb3.critics import Learner
from plumbrl.adapters.sb3.gradient_step import Look
from plumbrl.adapters.wrapping import wrapped

LOSSES = {functional.mse_loss, functional.smooth_l1_loss, functional.huber_loss}
Looking = Callable[[], Look | None]
Guard = Callable[[], AbstractContextManager[None]]


@contextmanager
def looking_inside(learner: Learner, look: Looking, guard: Guard) -> Iterator[None]:
    """Show losses, sampled actions and optimiser steps to the look of the moment, if there is one.

    Args:
        learner: Networks of the trainer.
        look: Returns what looks at the gradient step that runs.
        guard: Keeps an error of ours from the trainer.
    """
    with ExitStack() as stack:
        hooks = [
            register_optimizer_step_pre_hook(_before_step(look, guard)),
            register_optimizer_step_post_hook(_after_step(look, guard)),
        ]
        if not learner.over_actions:
            hook = _critic_hook(look, guard)
            critics = (learner.networks["critic"], learner.targets["critic"])
            hooks += [critic.register_forward_pre_hook(hook) for critic in critics]
            actor = learner.networks["actor"]
            if hasattr(actor, "action_log_prob"):
                stack.enter_context(wrapped(actor, "action_log_prob", _sampling(look, guard)))
        for hook in hooks:
            stack.callback(hook.remove)
        stack.enter_context(_Losses(look, guard))
        yield


class _Losses(TorchFunctionMode):
    """Sees the operands of regression losses, and what is differentiated."""

    def __init__(self, look: Looking, guard: Guard) -> None:
        super().__init__()
        self._look, self._guard = look, guard

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        kwargs = kwargs or {}
        look = self._look()
        if look is not None and func in LOSSES:
            with self._guard():
                look.saw_loss(*_operands(*args, **kwargs))
        elif look is not None and func is torch.Tensor.backward:
            with self._guard():
                look.saw_backward(args[0])
        return func(*args, **kwargs)


def _operands(
    input: torch.Tensor, target: torch.Tensor, *_: Any, **__: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    return input, target


def _critic_hook(look: Looking, guard: Guard) -> Callable[..., None]:
    def hook(_: torch.nn.Module, args: Any) -> None:
        seen = look()
        if seen is not None and len(args) == 2:
            with guard():
                seen.saw_critic(*args)

    return hook


def _sampling(look: Looking, guard: Guard) -> Callable[..., Any]:
    def action_log_prob(original: Callable[..., Any], observations: Any) -> Any:
        result = original(observations)
        seen = look()
        if seen is not None:
            with guard():
                seen.saw_sample(observations, *result)
        return result

    return action_log_prob


def _before_step(look: Looking, guard: Guard) -> Callable[..., None]:
    def hook(*_: Any) -> None:
        seen = look()
        if seen is not None:
            with guard():
                seen.before_step()

    return hook


def _after_step(look: Looking, guard: Guard) -> Callable[..., None]:
    def hook(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        seen = look()
        if seen is not None:
            with guard():
                seen.after_step(optimiser)

    return hook
