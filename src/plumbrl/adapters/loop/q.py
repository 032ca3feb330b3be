"""Everything exact about a hand-written Q-learner: batches, gradients, target networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from plumbrl.adapters.loop.batch import Batch, can_be_asked, not_asked, recomputed
from plumbrl.adapters.loop.checks import Checks
from plumbrl.adapters.loop.gradient import GradientWatch
from plumbrl.adapters.loop.networks import Networks
from plumbrl.adapters.loop.outputs import outputs
from plumbrl.adapters.loop.targets import TargetWatch
from plumbrl.adapters.loop.transitions import Happened
from plumbrl.errors import UserError
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found

OFTEN = 32
"""Batches between two that are compared with what happened, for that is cheap."""
ALONE = 3
"""Later looks in which targets must have come from the trained network, to be sure of it."""
LATER = (16, 64, 256, 1024, 4096)
"""Batches at which it looks again, beyond the first four and the first with a terminal state."""
NAMES = ("observations", "actions", "rewards", "next_observations", "terminal", "targets",
         "predictions")  # fmt: skip


class QWatch:
    """Looks at a Q-learner with discrete actions.

    Args:
        networks: One network, that gives (n, A).
        targets: Target networks by the same name; None if there are none.
        gamma: Discount factor.
        checks: Take what it finds.
    """

    def __init__(
        self, networks: Networks, targets: Networks | None, gamma: float, checks: Checks
    ) -> None:
        self._gamma, self._checks = gamma, checks
        self._online = next(iter(networks.modules.values()))
        self._target = next(iter(targets.modules.values())) if targets else None
        self._why = "" if len(networks.modules) == 1 else "there is more than one network"
        if not can_be_asked(self._online):
            self._why = "the network is random"
        self._gradient = GradientWatch(self._online)
        self._following: TargetWatch | None = None
        if targets is not None:
            pairs = targets.all_tensors
            online = {k: v for k, v in networks.all_tensors.items() if k in pairs}
            both = {k: pairs[k] for k in online if pairs[k].shape == online[k].shape}
            self._following = TargetWatch(online, both, lambda outcome: checks.take([outcome]))
        self._terminal, self._happened, self._alone = False, None, 0

    def batch(self, given: Mapping[str, Any], happened: Sequence[Any] | None) -> None:
        """Look at a batch, if it is worth it.

        Args:
            given: `NAMES`.
            happened: Every step so far, the same list each time; None if not all are known.
        """
        at, watch = self._gradient.batches, self._gradient
        self._checks.take(watch.outcomes())
        watch.batches += 1
        if not self._worth(at, given) and (not happened or at % OFTEN):
            return
        if self._why:
            self._checks.take([not_asked("batches recomputed", self._why)])
            return
        with torch.enable_grad():
            batch = Batch.of(given, next(self._online.parameters()))
            if happened:
                self._happened = self._happened or Happened(happened)
                check = self._happened.check
                self._checks.looking("batches against what happened", lambda: [check(batch)])
            self._look(at, batch)

    def _worth(self, at: int, given: Mapping[str, Any]) -> bool:
        if not self._terminal and bool(torch.as_tensor(given["terminal"]).any()):
            self._terminal = True
            return True
        return at < 4 or at in LATER

    def _look(self, at: int, batch: Batch) -> None:
        take = self._checks.looking
        take("batches recomputed", lambda: recomputed(
            batch, self._online, self._target, self._gamma, at))  # fmt: skip
        if at in (0, LATER[2]):
            take("what the network can answer", lambda: outputs(self._online, batch))
        if self._target is None and at in LATER:
            take("targets have a network of their own", lambda: self._own_target(batch))
        self._gradient.announce(batch, self._online)

    def _own_target(self, batch: Batch) -> list[Outcome]:
        """Whether a loop that names no target network has none."""
        name = "targets have a network of their own"
        said = recomputed(batch, self._online, None, self._gamma, 0)
        self._alone += said[-1][0].verdict == "passed"
        if self._alone < ALONE:
            return [(Check(name, "inconclusive", "no target network was named"), None)]
        told = f"in {self._alone} gradient steps they were those of the trained network"
        looks = Evidence("gradient steps without a target network", self._alone, "0")
        cause = "value.online-network-in-target"
        return [found(name, cause, told, looks, confidence=0.8)]

    def greedy(self, observation: Any) -> int:
        """Return the best action by the values of this moment."""
        like = next(self._online.parameters())
        with torch.no_grad():
            row = torch.as_tensor(observation).to(like.device, like.dtype)
            return int(self._online(row[None]).argmax())

    @property
    def can_be_asked(self) -> bool:
        """Whether the greedy action is known."""
        return not self._why

    def close(self) -> None:
        """Take everything off the networks, and say what was seen in all."""
        self._checks.take(self._gradient.outcomes())
        self._gradient.close()
        if self._following is not None:
            self._checks.take(self._following.close())


def complete(given: Mapping[str, Any]) -> None:
    """Raise a `UserError` where parts of a batch do not fit each other."""
    sizes = {name: len(given[name]) for name in NAMES}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in sizes.items())
        raise UserError(f"The parts of a batch are of different lengths: {told}.")
