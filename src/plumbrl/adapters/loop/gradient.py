"""The gradient that an optimiser of a hand-written Q-learner gets, against that of its loss."""

from collections.abc import Iterable, Iterator

import torch
from torch.nn.functional import mse_loss, smooth_l1_loss
from torch.optim.optimizer import register_optimizer_step_pre_hook

from plumbrl.adapters.loop.batch import Batch, flows
from plumbrl.adapters.loop.hooks import Hooks
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, passed

Tensor = torch.Tensor
NAME = "gradient of the loss as the optimiser gets it"
SAME = 0.9995
"""Cosine from which on two gradients have one direction; clipping of the norm keeps it."""
BATCHES = 50
"""Batches after which an optimiser must have made a step."""


class GradientWatch:
    """Compares gradients of announced batches with their recomputation.

    Args:
        network: That is trained.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        self._trained = [p for p in network.parameters() if p.requires_grad]
        self._ids = {id(p) for p in self._trained}
        self._expected: dict[str, Tensor] = {}
        self._had_graph = True
        self._before: tuple[int, Tensor] | None = None
        self._seen: list[Outcome] = []
        self.batches = self.steps = self.foreign = 0
        self._hooks = Hooks()
        self._hooks.add(register_optimizer_step_pre_hook, self._before_step)

    def close(self) -> None:
        """Take the hook off."""
        self._hooks.remove()

    def announce(self, batch: Batch, network: torch.nn.Module) -> None:
        """Compute what the next step's gradient should be, for each usual loss."""
        rows = torch.arange(len(batch.actions), device=batch.actions.device)
        q = network(batch.observations)[rows, batch.actions]
        goal = batch.targets.detach().reshape(-1).to(q.dtype)
        losses = {"mse": mse_loss(q, goal), "huber": smooth_l1_loss(q, goal), "plain": q.mean()}
        losses["plain square"] = q.square().mean()
        self._expected = {
            key: _flat(torch.autograd.grad(loss, self._trained, retain_graph=True))
            for key, loss in losses.items()
        }
        self._had_graph = flows(batch.predictions, network)

    def outcomes(self) -> Iterator[Outcome]:
        """Return what was found since the last time."""
        yield from self._seen
        self._seen = []
        if self.batches >= BATCHES and not self.steps and not self._hooks.failure:
            cause = "optimiser.no-update" if self.foreign else "optimiser.no-step"
            told = f"no optimiser has made a step on the network in {self.batches} batches"
            steps = Evidence("steps on the trained network", 0.0, "one for a batch")
            yield found("the optimiser trains the network", cause, told, steps)

    def _before_step(self, optimiser: torch.optim.Optimizer) -> None:
        if not any(id(p) in self._ids for g in optimiser.param_groups for p in g["params"]):
            self.foreign += 1
            return
        self.steps += 1
        if self._expected:
            actual = _flat(torch.zeros_like(p) if p.grad is None else p.grad for p in self._trained)
            self._seen.append(self._judge(actual))
            self._before, self._expected = (self.steps, actual), {}

    def _judge(self, actual: Tensor) -> Outcome:
        usual = [self._expected[key] for key in ("mse", "huber")]
        if not any(bool(part.any()) for part in usual):
            return Check(NAME, "skipped", "predictions equal targets"), None
        if not bool(actual.any()):
            lost = self._had_graph
            cause = "optimiser.gradient-lost" if lost else "value.no-gradient"
            told = "it is 0, though predictions differ from targets"
            return found(NAME, cause, told, Evidence("norm of the gradient", 0.0, "above 0"))
        best = max(_cosine(actual, part) for part in usual)
        if best > SAME:
            return passed(NAME, actual.numel(), 1 - best)
        return self._named(actual, usual, best)

    def _named(self, actual: Tensor, usual: list[Tensor], best: float) -> Outcome:
        cosine = Evidence("cosine with the gradient of the loss", best, "1")
        told = f"its cosine with that of a squared or Huber loss is {best:.3g}"
        at, before = self._before or (0, actual)
        if at and at == self.steps - 1 and any(_sum_of(actual, before, g) for g in usual):
            return found(NAME, "optimiser.gradients-accumulate", told, cosine)
        fits = {"value.loss-sign-flipped": max(-_cosine(actual, part) for part in usual)}
        plain = (_cosine(actual, self._expected[key]) for key in ("plain", "plain square"))
        fits["value.wrong-loss"] = max(plain)
        cause = max(fits, key=lambda name: fits[name])
        if min(fits.values()) > SAME:
            return Check(NAME, "inconclusive", f"{told}; every error is the same here"), None
        if fits[cause] > SAME:
            return found(NAME, cause, told, cosine)
        return Check(NAME, "inconclusive", f"{told}; another loss may be meant"), None


def _flat(parts: Iterable[Tensor]) -> Tensor:
    return torch.cat([part.detach().double().reshape(-1) for part in parts])


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()).clamp_min(1e-30))


def _sum_of(actual: Tensor, before: Tensor, new: Tensor) -> bool:
    """Whether a gradient is a sum of the one before and the new one, scaled or not."""
    basis = torch.stack([before, new], dim=1)
    weights = torch.linalg.lstsq(basis, actual[:, None]).solution
    rest = float((basis @ weights - actual[:, None]).norm() / actual.norm().clamp_min(1e-30))
    return rest < 0.01 and bool((weights > 0.1).all())
