"""On-policy algorithms: from one call of `train` to a snapshot of what was learned from."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.optim.optimizer import register_optimizer_step_pre_hook

from plumbrl.adapters.sb3.drawn import Drawn, rollout_samples
from plumbrl.adapters.torch_answers import Answer, merge
from plumbrl.adapters.torch_gradients import GradientCapture
from plumbrl.adapters.torch_loss import Guard, LossCapture
from plumbrl.adapters.wrapping import wrapped
from plumbrl.snapshots import Evaluation, Learning, Minibatch, Objective, Samples

NOTHING = Samples(*np.zeros((6, 0)))
FIRST = 16
"""Minibatches of an update that are all recomputed; of later ones only some are, for time."""
EVERY = 127
"""After them every so many; a prime, so that all places within an epoch have their turn."""


class LearningWatch(BaseCallback):
    """Watches updates from the rollout to the changed weights, and leaves no trace.

    What is drawn is seen of all minibatches, what is made of it of the first ones, of some later
    ones, and wherever the size is a new one.

    Training with and without the watch gives the same numbers: nothing random is drawn, and what
    is wrapped for an update is put back after it.

    Args:
        receive: Called with each snapshot, after the update.
        updates: How many updates to look at, from the first on; None for all.
    """

    def __init__(self, receive: Callable[[Learning], None], updates: int | None = 1) -> None:
        super().__init__()
        self._receive = receive
        self._updates = updates
        self._seen = 0
        self._previous: Samples | None = None
        self._wrapped = ExitStack()
        self.failure = ""

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self._updates is None or self._seen < self._updates:
            model, excluded = self.model, self.model._excluded_save_params()
            # A model that is saved before it trains must not save what is wrapped around it.
            names = [*excluded, "train", "_excluded_save_params"]
            self._wrapped.enter_context(wrapped(model, "train", self._train))
            self._wrapped.enter_context(
                wrapped(model, "_excluded_save_params", lambda _: list(names))
            )

    def _on_training_end(self) -> None:
        self._wrapped.close()

    def _train(self, original: Callable[[], None]) -> None:
        self._wrapped.close()
        assert isinstance(self.model, OnPolicyAlgorithm)
        recorder = _Recorder(self.model)
        try:
            with recorder.watching():
                original()
        finally:  # an update that ends in an error is the one to look at
            self._tell(recorder)

    def _tell(self, recorder: "_Recorder") -> None:
        """An error of the watch ends the watch, not the training."""
        try:
            learning = recorder.learning(self._seen, self._previous)
        except Exception as error:
            self.failure = f"watching failed: {type(error).__name__}: {error}"
            self._updates = 0
            return
        self._previous, self._seen = learning.rollout, self._seen + 1
        self._receive(learning)


class _Recorder:
    """Notes one update; a minibatch is closed by an optimiser step or by the next minibatch."""

    def __init__(self, model: OnPolicyAlgorithm) -> None:
        self._model = model
        self._guard = Guard()
        self._loss = LossCapture(self._guard)
        self._gradients = GradientCapture(dict(model.policy.named_parameters()), self._guard)
        self._rollout = NOTHING
        self._guard(self._look_at_rollout)
        self._drawn = Drawn()
        self._size, self._sizes = 0, set[int]()
        self._closely = ExitStack()
        self._looking = self._stepped = self._open = False
        self._answers: list[Answer] = []
        self._closed: list[tuple[int, Evaluation | None, tuple[float, ...]]] = []
        self._minibatches: tuple[Minibatch, ...] = ()
        self._interrupted = ""

    def _look_at_rollout(self) -> None:
        self._rollout = rollout_samples(self._model.rollout_buffer)

    @contextmanager
    def watching(self) -> Iterator[None]:
        model = self._model
        with (
            wrapped(model.rollout_buffer, "get", self._get),
            wrapped(model.policy, "evaluate_actions", self._ask),
            self._closely,
        ):
            hook = register_optimizer_step_pre_hook(lambda *_: self._guard(self._step))
            self._look(True)
            try:
                yield
            except Exception as error:
                self._interrupted = f"the update ended in an error: {type(error).__name__}"
                raise
            finally:
                hook.remove()
                self._guard(self._close)

    def learning(self, update: int, previous: Samples | None) -> Learning:
        model = self._model
        self._guard(self._finish)
        return Learning(
            step=model.num_timesteps,
            update=update,
            rollout=self._rollout,
            previous=previous,
            minibatches=self._minibatches,
            n_epochs=_n_epochs(model),
            stops_early=getattr(model, "target_kl", None) is not None,
            objective=_objective(model),
            max_grad_norm=model.max_grad_norm if isinstance(model, PPO | A2C) else None,
            learning_rate=float(model.lr_schedule(model._current_progress_remaining)),
            broadcasts=tuple(self._loss.broadcasts),
            optimiser_steps=tuple(self._gradients.steps),
            optimisers=len(self._gradients.optimisers),
            parameters=self._gradients.changes(),
            unseen=self._guard.problem,
            interrupted=self._interrupted,
        )

    def _get(self, get: Callable[..., Iterator[Any]], *args: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            for batch in get(*args, **kwargs):
                self._guard(self._draw, batch)
                yield batch
        finally:
            if self._stepped:
                self._guard(self._look, False)

    def _ask(
        self, evaluate: Callable[..., Any], obs: Any, actions: Any, *args: Any, **kwargs: Any
    ) -> Any:
        answer = evaluate(obs, actions, *args, **kwargs)
        if self._looking and torch.is_grad_enabled():
            self._guard(self._note, obs, actions, answer)
        return answer

    def _step(self) -> None:
        self._close()
        self._stepped = True

    def _draw(self, batch: Any) -> None:
        self._close()
        self._drawn.add(batch)
        self._size, self._open = len(batch.returns), True
        if self._stepped or not self._sizes:  # gradients may be summed over several minibatches
            self._look(self._worth_a_look())
            self._stepped = False
        if self._looking:
            self._loss.know(
                {
                    "old_log_probs": batch.old_log_prob,
                    "old_values": batch.old_values,
                    "advantages": batch.advantages,
                    "returns": batch.returns,
                }
            )

    def _worth_a_look(self) -> bool:
        index, new = len(self._drawn) - 1, self._size not in self._sizes
        self._sizes.add(self._size)
        return new or index < FIRST or index % EVERY == 0

    def _look(self, closely: bool) -> None:
        """Begin or end to look at loss and gradients, which takes longer than they do."""
        if closely == self._looking or not (closely or self._loss.outermost):
            return
        self._looking = closely
        if closely:
            self._closely.enter_context(self._gradients)
            self._closely.enter_context(self._loss)
        else:
            self._closely.close()

    def _note(self, obs: Any, actions: Any, answer: Any) -> None:
        values, log_probs, entropies = answer
        self._loss.know({"values": values, "log_probs": log_probs})
        self._answers.append(Answer(obs, actions, values, log_probs, entropies, self._guard))
        self._open = True

    def _close(self) -> None:
        if self._open and len(self._drawn):
            merged = merge([a for a in self._answers if a.rows == self._size])
            self._closed.append((len(self._drawn) - 1, merged, tuple(self._loss.losses)))
        self._open, self._answers = False, []
        self._loss.forget()

    def _finish(self) -> None:
        samples = self._drawn.samples()
        self._minibatches = tuple(
            Minibatch(samples[index], evaluation, losses)
            for index, evaluation, losses in self._closed
        )


def _objective(model: OnPolicyAlgorithm) -> Objective | None:
    """Return what PPO and A2C minimise; what others do is not known here."""
    if not isinstance(model, PPO | A2C):
        return None
    remaining = model._current_progress_remaining
    clip_vf = model.clip_range_vf if isinstance(model, PPO) else None
    return Objective(
        clip_range=_now(model.clip_range, remaining) if isinstance(model, PPO) else None,
        clip_range_vf=_now(clip_vf, remaining),
        ent_coef=model.ent_coef,
        vf_coef=model.vf_coef,
        normalize_advantage=model.normalize_advantage,
    )


def _now(schedule: Any, remaining: float) -> float | None:
    return None if schedule is None else float(schedule(remaining))


def _n_epochs(model: OnPolicyAlgorithm) -> int | None:
    if isinstance(model, PPO):
        return model.n_epochs
    return 1 if isinstance(model, A2C) else None
