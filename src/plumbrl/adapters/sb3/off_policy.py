"""Off-policy algorithms: from the replay buffer and a few gradient steps to a snapshot."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from plumbrl.adapters.sb3.critics import Learner, why_unseen
from plumbrl.adapters.sb3.eyes import looking_inside
from plumbrl.adapters.sb3.gradient_step import Look
from plumbrl.adapters.sb3.replay import Recorder
from plumbrl.adapters.sb3.window import Window, nothing_seen
from plumbrl.adapters.wrapping import wrapped
from plumbrl.snapshots.off_policy import OffPolicyUpdate

EARLY = 4096
"""Gradient steps after which transitions are recorded only shortly before a later look."""
LATER = (16, 256, 4096, 65536)
"""Gradient steps at which it looks again: some mistakes do not show in networks just made."""
ENDS = 4
"""Ended episodes after which the terminal observations of several can be compared."""


class OffPolicyWatch(BaseCallback):
    """Records what happens and hands over what gradient steps made of it; leaves no trace.

    It looks at the first gradient steps, and again whenever there is something new to see: the
    first end of an episode in the buffer, of either kind; several ends; the first terminal state
    in a batch; DQN's first update of the target network; and at some later gradient steps. An
    error of its own ends the watch, not the training.

    Args:
        receive: Called with each snapshot.
        updates: How many snapshots to take at most; None for one after the other without end.
        transitions: How many steps to remember.
    """

    def __init__(
        self,
        receive: Callable[[OffPolicyUpdate], None],
        updates: int | None = 12,
        transitions: int = 256,
    ) -> None:
        super().__init__()
        self._receive, self._updates, self._length = receive, updates, transitions
        self._seen: set[str] = set()
        self._taken = self._gradient_steps = 0
        self._recording = True
        self._window: Window | None = None
        self._learner: Learner | None = None
        self._unseen = self._failure = ""
        self._stand_in, self._eyes = ExitStack(), ExitStack()

    @property
    def _watching(self) -> bool:
        more = self._updates is None or self._taken < self._updates
        return not self._failure and (more or self._window is not None)

    def _on_training_start(self) -> None:
        assert isinstance(self.model, OffPolicyAlgorithm)
        with self._guarded():
            self._unseen = why_unseen(self.model)
            self._learner = None if self._unseen else Learner(self.model)
            self._recorder = Recorder(self.model, self._length)

    def _on_step(self) -> bool:
        if self._watching and self._recording:
            with self._guarded():
                self._recorder.record(self.locals)
        return True

    def _on_rollout_start(self) -> None:
        self._stand_in.close()
        recording = self._watching and self._worth_recording()
        if recording != self._recording:
            with self._guarded():
                self._recorder.restart()
        self._recording = recording

    def _on_rollout_end(self) -> None:
        """Stand before `train` for one call only: a model saved elsewhere must not contain us."""
        if self._watching:
            self._stand_in.enter_context(wrapped(self.model, "train", self._train))

    def _on_training_end(self) -> None:
        self._stand_in.close()
        self._end_step(last=True)
        if self._failure and not self._taken:
            self._receive(nothing_seen(self.model, self._failure))

    def _train(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run an update with open eyes."""
        self._stand_in.close()
        buffer: Any = self.model.replay_buffer  # type: ignore[attr-defined]
        self._index, self._inside = 0, False
        self._rows: list[Any] = []
        with self._eyes:
            self._eyes.enter_context(wrapped(buffer, "sample", self._sample))
            if hasattr(buffer, "_get_samples"):
                self._eyes.enter_context(wrapped(buffer, "_get_samples", self._get_samples))
            return original(*args, **kwargs)

    def _get_samples(self, original: Callable[..., Any], rows: Any, *args: Any, **kw: Any) -> Any:
        self._rows.append(np.array(rows))
        return original(rows, *args, **kw)

    def _sample(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """End the gradient step before, and look at the one that begins if it is worth it."""
        self._rows.clear()
        batch = original(*args, **kwargs)
        if self._watching:
            self._end_step()
            with self._guarded():
                self._begin_step(batch)
        self._index += 1
        self._gradient_steps += 1
        return batch

    def _begin_step(self, batch: Any) -> None:
        if self._window is None and self._worth_a_look(batch):
            self._window = Window(self.model, self._learner, self._recorder, self._gradient_steps)
        if self._window is None:
            return
        rows = self._rows[0] if len(self._rows) == 1 else None
        self._window.begin(batch, rows, self._index)
        if self._learner is not None and not self._inside:
            inside = looking_inside(self._learner, self._look, self._guarded)
            self._eyes.enter_context(inside)
            self._inside = True

    def _end_step(self, last: bool = False) -> None:
        if self._window is None:
            return
        with self._guarded():
            self._window.end()
        if self._window.full or last or self._failure:
            window, self._window = self._window, None
            self._taken += 1
            self._receive(window.snapshot(self._failure or self._unseen))

    def _look(self) -> Look | None:
        return None if self._window is None or self._failure else self._window.look

    def _worth_recording(self) -> bool:
        done = self._gradient_steps
        soon = any(0.9 * n <= done <= n for n in LATER)
        return done < EARLY or soon or self._updates is None

    def _worth_a_look(self, batch: Any) -> bool:
        """Whether there is something that no snapshot has shown yet."""
        ends = self._recorder.ends
        there = {
            "first": True,
            "terminated": ends["terminated"] > 0,
            "truncated": ends["truncated"] > 0,
            "ends": sum(ends.values()) >= ENDS,
            "target": self._learner is not None and self._learner.target_ahead(),
            "terminal": "terminal" not in self._seen and bool(batch.dones.any()),
        }
        there |= {f"step {n}": self._gradient_steps >= n for n in LATER}
        new = {name for name, visible in there.items() if visible} - self._seen
        self._seen |= new
        more = self._updates is None or self._taken < self._updates
        return more and (bool(new) or self._updates is None)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._failure = self._failure or f"watching failed: {type(error).__name__}: {error}"
