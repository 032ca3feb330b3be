"""What an update does to torch networks: gradients as the optimisers get them, and the weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from plumbrl.adapters.wrapping import wrapped
from plumbrl.metrics import gradients

Numbers = dict[str, float]
Parameters = dict[str, torch.Tensor]
SUMMED = 64
"""Gradients at most that are added up, as if they were of one large batch."""


class UpdateWatch:
    """Looks at one update: gradients as optimisers get them, and the weights before and after.

    Gradients are looked at before they are clipped where `torch.nn.utils.clip_grad_norm_` does
    that. Nothing of the trainer's is changed.

    Args:
        networks: Trainable tensors by network and name.
        clip: Gradients are scaled down to this norm; None if they are not.
        batch_size: Samples of a gradient step, for the noise scale; None if unknown.
        every: Looks at every so many gradient steps.
    """

    def __init__(
        self,
        networks: Mapping[str, Parameters],
        clip: float | None = None,
        batch_size: int | None = None,
        every: int = 1,
    ) -> None:
        self._clip, self._batch_size, self._every = clip, batch_size, every
        self._all = {f"{net}.{k}": p for net, ps in networks.items() for k, p in ps.items()}
        self._network = {f"{net}.{k}": net for net, ps in networks.items() for k in ps}
        self._looks: list[tuple[int, tuple[str, ...], torch.Tensor]] = []
        self._sums: list[list[torch.Tensor]] = [[], []]
        self._counts = [0, 0]
        self._summed: tuple[str, ...] = ()
        self._seen_by_clip = False
        self.steps = 0
        self.failure = ""
        self._before = {key: p.detach().clone() for key, p in self._all.items()}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while an update runs."""
        with ExitStack() as stack:
            hook = register_optimizer_step_pre_hook(self._before_step)
            stack.callback(hook.remove)
            stack.enter_context(wrapped(torch.nn.utils, "clip_grad_norm_", self._clipping))
            yield

    def _clipping(
        self, original: Callable[..., Any], parameters: Any, *rest: Any, **kw: Any
    ) -> Any:
        tensors = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
        self._look(tensors)
        self._seen_by_clip = True
        return original(tensors, *rest, **kw)

    def _before_step(self, optimiser: torch.optim.Optimizer, *_: Any) -> None:
        if not self._seen_by_clip:
            self._look([p for group in optimiser.param_groups for p in group["params"]])
        self._seen_by_clip = False
        self.steps += 1

    def _look(self, tensors: list[torch.Tensor]) -> None:
        """Look at a gradient; an error of ours must not end the update."""
        if self.steps % self._every == 0 and not self.failure:
            try:
                self._take(tensors)
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"

    def _take(self, tensors: list[torch.Tensor]) -> None:
        wanted = {id(p) for p in tensors}
        here = [k for k, p in self._all.items() if p.grad is not None and id(p) in wanted]
        if not here:
            return
        grads: list[torch.Tensor] = [self._all[key].grad for key in here]  # type: ignore[misc]
        norms = torch.stack(torch._foreach_norm(grads))  # type: ignore[attr-defined]
        self._looks.append((self.steps, tuple(here), norms))
        self._add(tuple(here), grads)

    def _add(self, names: tuple[str, ...], grads: list[torch.Tensor]) -> None:
        """Keep two sums, of every other look at the first optimiser each, while there are few."""
        self._summed = self._summed or names
        if names != self._summed or sum(self._counts) >= SUMMED:
            return
        half = sum(self._counts) % 2
        if self._sums[half]:
            torch._foreach_add_(self._sums[half], grads)  # type: ignore[attr-defined]
        else:
            self._sums[half] = [grad.clone() for grad in grads]
        self._counts[half] += 1

    @property
    def first_bad(self) -> str:
        """The first gradient seen that is not finite, in words; empty if all are."""
        for step, names, norms in self._looks:
            bad = (~torch.isfinite(norms)).nonzero()
            if len(bad):
                return f"gradient of {names[int(bad[0, 0])]} in gradient step {step + 1} of it"
        return ""

    def numbers(self) -> Numbers:
        """Return gradient and step statistics, of every network and layer too."""
        return self._gradients() | self._noise() | self._steps()

    def _gradients(self) -> Numbers:
        if not self._looks:
            return {}
        norms = np.array([float(n.norm()) for _, names, n in self._looks if names == self._summed])
        found = {"gradient/norm": float(np.mean(norms)), "gradient/norm_max": float(np.max(norms))}
        if self._clip is not None and np.isfinite(norms).all():
            share, over = gradients.clip_activity(norms, self._clip)
            found |= {"gradient/clipped_share": share, "gradient/over_limit": over}
        by_network: dict[str, list[float]] = {}
        for _, names, layers in self._looks:
            for name in {self._network[key] for key in names}:
                own = [i for i, key in enumerate(names) if self._network[key] == name]
                by_network.setdefault(name, []).append(float(layers[own].norm()))
        return found | {f"gradient/{k}_norm": float(np.mean(v)) for k, v in by_network.items()}

    def _noise(self) -> Numbers:
        """The mean of many gradients is that of a large batch, nearly: weights moved between."""
        count = sum(self._counts)
        if not count:
            return {}
        halves = [[p.double().cpu().numpy() for p in half] for half in self._sums]
        sums = [np.sum(parts, axis=0) for parts in zip(*[h for h in halves if h], strict=True)]
        mean = [total / count for total in sums]
        found = gradients.statistics_of(mean)
        result = {f"gradient/{key}": found[key] for key in ("abs_max", "mean_square")}
        for key, part in zip(self._summed, mean, strict=True):
            result[f"layer_gradient/{key}"] = float(np.linalg.norm(part))
        if self._batch_size and min(self._counts) >= 2:
            result["gradient/half_cosine"] = gradients.half_cosine(*halves)
            looks = [n for _, names, n in self._looks if names == self._summed][:count]
            small = float(torch.stack(looks).double().square().sum(1).mean())
            big = float(sum(np.sum(part**2) for part in mean))
            size = self._batch_size
            result["gradient/noise_scale"] = gradients.noise_scale(small, big, size, size * count)
        return result

    def _steps(self) -> Numbers:
        before = {k: p.double().cpu().numpy() for k, p in self._before.items()}
        after = {k: p.detach().double().cpu().numpy() for k, p in self._all.items()}
        moved = gradients.statistics_of([after[k] - before[k] for k in before])
        ratios = {
            key: gradients.update_ratio([before[key]], [after[key]])
            for key in before
            if before[key].ndim > 1
        }
        found = {
            "optimiser/step_abs_max": moved["abs_max"],
            "optimiser/step_mean_square": moved["mean_square"],
            "optimiser/update_ratio": gradients.update_ratio(
                list(before.values()), list(after.values())
            ),
            "optimiser/weight_norm": gradients.norm_of(list(after.values())),
        }
        if ratios:
            found["optimiser/update_ratio_min"] = min(ratios.values())
            found["optimiser/update_ratio_max"] = max(ratios.values())
        return found | {f"layer_update/{key}": ratio for key, ratio in ratios.items()}


def first_not_finite(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the name of the first tensor that holds NaN or infinity; empty if none does."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return name
    return ""
