"""Hooks on torch's optimisers that must not end a training."""

from collections.abc import Callable
from typing import Any

from torch.utils.hooks import RemovableHandle

from plumbrl.monitor.monitor import AlertError


class Hooks:
    """Functions at every step of every optimiser; an error of theirs takes them off, no more.

    Attributes:
        failure: What ended them, in words; empty if nothing did.
    """

    def __init__(self) -> None:
        self._handles: list[RemovableHandle] = []
        self.failure = ""

    def add(self, register: Callable[[Any], RemovableHandle], hook: Callable[[Any], None]) -> None:
        """Call a hook with the optimiser, where `register` says."""
        self._handles.append(register(lambda optimiser, *_: self._call(hook, optimiser)))

    def remove(self) -> None:
        """Take all of them off."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _call(self, hook: Callable[[Any], None], optimiser: Any) -> None:
        if self.failure:
            return
        try:
            hook(optimiser)
        except AlertError:
            raise
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
