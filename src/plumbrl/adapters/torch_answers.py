"""What an actor-critic policy answers for a minibatch, and how the loss depends on it."""

from typing import Any

import numpy as np
import torch

from plumbrl.adapters.torch_loss import Derivative, Guard, flat
from plumbrl.snapshots import Evaluation, fingerprint


class Answer:
    """One answer of the policy, and the derivatives of the loss by it.

    Args:
        obs: What it was asked about: a tensor (n, ...) or a dictionary of them.
        actions: (n, ...).
        values: (n,) or (n, 1).
        log_probs: (n,).
        entropies: (n,), or None.
        guard: Takes errors.

    Attributes:
        rows: n; None if the answers are not one per row.
    """

    def __init__(
        self,
        obs: Any,
        actions: torch.Tensor,
        values: torch.Tensor,
        log_probs: torch.Tensor,
        entropies: torch.Tensor | None,
        guard: Guard,
    ) -> None:
        self.values, self.log_probs = flat(values), flat(log_probs)
        self.entropies = None if entropies is None else flat(entropies)
        sizes = {t.numel() for t in (values, log_probs, entropies) if t is not None}
        self.rows = len(self.values) if len(sizes) == 1 else None
        self.observations, self.actions = rows_fingerprint(obs), rows_fingerprint(actions)
        self.by_value = Derivative(values, guard)
        self.by_log_prob = Derivative(log_probs, guard)
        self.by_entropy = None if entropies is None else Derivative(entropies, guard)

    @property
    def used(self) -> bool:
        """Whether the loss depends on it."""
        return bool(self.by_value.total.any() or self.by_log_prob.total.any())


def merge(answers: list[Answer]) -> Evaluation | None:
    """Return answers for one minibatch as one: the first that the loss used, with all derivatives.

    A trainer may ask twice, for instance to detach one of the answers; what reaches the weights is
    the sum.
    """
    if not answers:
        return None
    main = next((answer for answer in answers if answer.used), answers[-1])
    by_entropy = [answer.by_entropy.total for answer in answers if answer.by_entropy]
    return Evaluation(
        observations=main.observations,
        actions=main.actions,
        log_probs=main.log_probs,
        values=main.values,
        entropies=main.entropies,
        log_prob_gradients=np.sum([answer.by_log_prob.total for answer in answers], axis=0),
        value_gradients=np.sum([answer.by_value.total for answer in answers], axis=0),
        entropy_gradients=np.sum(by_entropy, axis=0) if by_entropy else None,
    )


def rows_fingerprint(rows: Any, axes: int = 1) -> np.ndarray:
    """Return one number per row, equal for equal rows.

    Args:
        rows: Tensor or array, or a dictionary of them whose parts make up a row together.
        axes: Over how many leading axes the rows are spread.
    """
    parts = [rows[key] for key in sorted(rows)] if isinstance(rows, dict) else [rows]
    arrays = [np.asarray(p.detach().cpu() if isinstance(p, torch.Tensor) else p) for p in parts]
    return fingerprint(*(a.reshape(int(np.prod(a.shape[:axes])), -1) for a in arrays))
