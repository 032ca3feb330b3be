"""Target networks of a hand-written loop: whether they follow, how often, and who follows whom."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from plumbrl.adapters.loop.hooks import Hooks
from plumbrl.findings import Evidence
from plumbrl.oracles.compare import Outcome, found, passed, skipped

Tensors = Mapping[str, torch.Tensor]
NAME = "target networks follow"
LOOKS = 2048
"""First gradient steps between which networks are compared."""
LARGE, FEWER = 10**6, 128
"""Numbers in the networks beyond which fewer are."""
FEW = 1000
"""Gradient steps in which a target network may well stay as it is."""
STRAY = 0.01
"""Part of a change of the target network that does not lead to the trained one."""
COPIES, OFTEN = 20, 4
"""Full copies that are seen, at least; and the gradient steps between them that are too few."""


class TargetWatch:
    """Compares target networks with those they follow, between gradient steps.

    Args:
        online: Trained tensors by name.
        target: The same of the target networks.
        tell: Called with what is found while the loop runs.
    """

    def __init__(self, online: Tensors, target: Tensors, tell: Callable[[Outcome], None]) -> None:
        self._pairs = [(online[key], target[key]) for key in target]
        self._ids = {id(p) for p, _ in self._pairs}
        self._tell = tell
        self._first = self._last = self._copies_of(1)
        self._begun = self._copies_of(0)
        self._after: list[torch.Tensor] | None = None
        size = sum(p.numel() for p, _ in self._pairs)
        self._looks = LOOKS if size <= LARGE else FEWER
        self.steps, self.moves, self.copies = 0, 0, 0
        self._hooks = Hooks()
        self._hooks.add(register_optimizer_step_pre_hook, self._before_step)
        self._hooks.add(register_optimizer_step_post_hook, self._after_step)

    def close(self) -> Iterator[Outcome]:
        """Take the hooks off, and say what was seen in all."""
        self._hooks.remove()
        if self._hooks.failure:
            yield skipped(NAME, self._hooks.failure)
        elif not self.steps or not self._pairs:
            yield skipped(NAME, "no gradient step of what they follow was seen")
        elif self._moved(1, self._first):
            yield passed(NAME, self.steps, 0.0)[0], None
        elif not self._moved(0, self._begun):
            yield skipped(NAME, "what they follow has not changed either")
        elif self.steps < FEW:
            yield skipped(NAME, f"not within {self.steps} gradient steps, which are few")
        else:
            told = f"they have not changed in {self.steps} gradient steps"
            updates = Evidence("updates of the target network", 0.0, "above 0")
            yield found(NAME, "value.target-network-never-updated", told, updates)

    def _before_step(self, optimiser: torch.optim.Optimizer) -> None:
        if self._ours(optimiser) and self._after is not None:
            self._compare(self._after)

    def _after_step(self, optimiser: torch.optim.Optimizer) -> None:
        if not self._ours(optimiser):
            return
        self.steps += 1
        self._after = self._copies_of(0) if self.steps < self._looks else None

    def _ours(self, optimiser: torch.optim.Optimizer) -> bool:
        return any(id(p) in self._ids for group in optimiser.param_groups for p in group["params"])

    def _compare(self, after: list[torch.Tensor]) -> None:
        """See what became of both networks since the gradient step before."""
        moved = self._moved(1, self._last)
        equal = all(torch.equal(a, b) for a, b in self._pairs)
        if self._moved(0, after) and equal and not moved:
            self._swapped()
        if moved:
            self._follows()
            self.moves += 1
            self.copies += equal
            self._last = self._copies_of(1)
        often = self.copies >= COPIES and self.steps / self.copies <= OFTEN
        if often and self.copies == self.moves:
            self._too_often()

    def _follows(self) -> None:
        """Whatever the rate of the average, it is one for all parameters."""
        old, online = _flat(self._last), _flat(p for p, _ in self._pairs)
        way, made = online - old, _flat(p for _, p in self._pairs) - old
        tau = float(way @ made / (way @ way).clamp_min(1e-30))
        rest = float((made - tau * way).norm() / made.norm().clamp_min(1e-30))
        if rest > STRAY:
            told = "its change is no part of the way to the trained network"
            share = Evidence("share of the change beside that way", rest, f"below {STRAY:g}")
            self._tell(found(NAME, "value.wrong-target-network", told, share))

    def _swapped(self) -> None:
        told = "the trained network was overwritten by the target network, which did not change"
        copies = Evidence("copies to the trained network", 1.0, "0", where=f"step {self.steps}")
        self._tell(found(NAME, "value.target-network-roles-swapped", told, copies))

    def _too_often(self) -> None:
        each = self.steps / self.copies
        told = f"they are copied every {each:.2g} gradient steps"
        steps = Evidence("gradient steps between copies", each, "hundreds")
        self._tell(found(NAME, "configuration.target-is-online", told, steps, confidence=0.8))

    def _copies_of(self, which: int) -> list[torch.Tensor]:
        return [pair[which].detach().clone() for pair in self._pairs]

    def _moved(self, which: int, since: list[torch.Tensor]) -> bool:
        now = (pair[which] for pair in self._pairs)
        return any(not torch.equal(a, b) for a, b in zip(now, since, strict=True))


def _flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.cat([part.detach().double().reshape(-1) for part in tensors])
