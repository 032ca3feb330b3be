"""What a policy of sb3-contrib acted on beside its observation: masks of actions, or its memory."""

from typing import Any

import numpy as np
import torch

Array = np.ndarray
MEMORY = ("hidden_states_pi", "cell_states_pi", "hidden_states_vf", "cell_states_vf")


class Beside:
    """The same of some rows of a rollout; nothing for a policy that needs nothing else.

    Every row of a recurrent policy is a sequence of one step, with the memory that it had then.

    Args:
        buffer: A full rollout buffer, not flattened yet.
        t: Steps of the rows, (n,).
        b: Their environments, (n,).
    """

    def __init__(self, buffer: Any, t: Array, b: Array) -> None:
        masks = getattr(buffer, "action_masks", None)
        self._masks: Array | None = None if masks is None else masks[t, b]
        self._memory = [
            getattr(buffer, name)[t, :, b].swapaxes(0, 1)
            for name in MEMORY
            if hasattr(buffer, name)
        ]
        self._starts = buffer.episode_starts[t, b].astype(np.float32)

    def arguments(self, device: Any) -> tuple[Any, ...]:
        """Return what `evaluate_actions` wants after observations and actions."""
        if self._masks is not None:
            return (self._masks,)
        if not self._memory:
            return ()
        from sb3_contrib.common.recurrent.type_aliases import RNNStates

        states = [torch.tensor(part, device=device) for part in self._memory]
        starts = torch.tensor(self._starts, device=device)
        return RNNStates((states[0], states[1]), (states[2], states[3])), starts

    def allowed(self, actions: int | None) -> int | Array | None:
        """Return how many of so many discrete actions were allowed, (n,) where there were masks."""
        return actions if actions is None or self._masks is None else self._masks.sum(axis=1)
