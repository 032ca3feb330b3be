"""A few gradient steps in a row, and the state of the replay buffer before them."""

from typing import Any

import numpy as np
from stable_baselines3 import SAC

from plumbrl.adapters.sb3.critics import Learner
from plumbrl.adapters.sb3.gradient_step import Look
from plumbrl.adapters.sb3.replay import (
    Recorder,
    action_round_trip,
    drawn_rows,
    normaliser_round_trip,
)
from plumbrl.snapshots.off_policy import Array, GradientStep, OffPolicyUpdate

LENGTH = 4
"""Gradient steps looked at in a row: TD3 moves its actor in every second one only,
or more rarely, then it looks for longer."""


class Window:
    """Collects gradient steps until there are enough for a snapshot.

    Args:
        model: The trainer.
        learner: Its networks; None if its gradient steps cannot be described.
        recorder: What happened up to now.
        update: Index of the first gradient step.
    """

    def __init__(
        self, model: Any, learner: Learner | None, recorder: Recorder, update: int
    ) -> None:
        self._model, self._learner, self._update = model, learner, update
        self._step, self._rows = model.num_timesteps, model.replay_buffer.size()
        self._transitions = recorder.transitions()
        self._trips = {**action_round_trip(model), **normaliser_round_trip(model)}
        self._steps: list[GradientStep] = []
        self._ages: list[Array] = []
        self._count = 0
        self.look: Look | None = None

    @property
    def full(self) -> bool:
        """Whether enough gradient steps were seen."""
        return self._count >= max(LENGTH, getattr(self._model, "policy_delay", 1))

    def begin(self, batch: Any, rows: Array | None, index: int) -> None:
        """Start to look at a gradient step.

        Args:
            batch: What it learns from.
            rows: Of the replay buffer that were drawn, if that could be seen.
            index: Of the gradient step within its update.
        """
        self._count += 1
        buffer = self._model.replay_buffer
        if rows is not None:
            age = (buffer.pos - 1 - rows) % buffer.buffer_size
            self._ages.append((age + 1) / buffer.size())
        if self._learner is not None:
            drawn = None if rows is None else drawn_rows(self._model, batch, rows)
            self.look = Look(self._learner, batch, drawn, self._model.gamma, index)

    def end(self) -> None:
        """Finish the gradient step that is being looked at; the next one begins."""
        look, self.look = self.look, None
        if look is not None:
            self._steps.append(look.close())

    def snapshot(self, unseen: str) -> OffPolicyUpdate:
        """Return everything seen, and why the rest was not."""
        model, space = self._model, self._model.action_space
        happened, stored = self._transitions or (None, None)
        tuned = isinstance(model, SAC) and model.ent_coef_optimizer is not None
        return OffPolicyUpdate(
            step=self._step,
            update=self._update,
            gamma=model.gamma,
            gradient_steps=tuple(self._steps),
            unseen=unseen,
            happened=happened,
            stored=stored,
            action_low=getattr(space, "low", None),
            action_high=getattr(space, "high", None),
            round_trips=self._trips,
            sampled_ages=np.concatenate(self._ages) if self._ages else None,
            rows=self._rows,
            target_entropy=float(model.target_entropy) if tuned else None,
        )


def nothing_seen(model: Any, why: str) -> OffPolicyUpdate:
    """Return the snapshot of a watch that failed before it saw anything."""
    return OffPolicyUpdate(
        step=model.num_timesteps,
        update=0,
        gamma=model.gamma,
        gradient_steps=(),
        unseen=why,
        happened=None,
        stored=None,
        action_low=None,
        action_high=None,
        round_trips={},
        sampled_ages=None,
        rows=0,
        target_entropy=None,
    )
