"""A hand-written training loop: anything with `train(timesteps)` that can be asked questions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from plumbrl.adapters.subject import Array, Checkpoint, Observations, Subject
from plumbrl.errors import UserError

QUESTIONS = ("value", "q", "action")


def subject_of(trainer: Any) -> Subject:
    """Return a hand-written trainer as a subject.

    Args:
        trainer: Has `train(timesteps)`, which goes on from where it stopped, and at least one of
            ``value(observations) -> (n,)``, ``q(observations, actions) -> (n,)`` and
            ``action(observations) -> (n, ...)``; arguments are numpy arrays with a leading
            dimension n. It may say its `gamma`, its `gae_lambda` and whether it is `recurrent`.

    Raises:
        UserError: Something is missing, in one sentence.
    """
    if not callable(getattr(trainer, "train", None)):
        raise UserError(
            f"make_trainer returned {type(trainer).__name__}, which is no SB3 model and has no"
            " method train(timesteps)."
        )
    asked = {name: _question(trainer, name) for name in QUESTIONS}
    if not any(asked.values()):
        raise UserError(
            f"{type(trainer).__name__} can be trained but not asked: give it a method"
            " value(observations), q(observations, actions) or action(observations)."
        )
    return Subject(
        learn=_learner(trainer),
        family="value" if asked["value"] or not asked["q"] else "q",
        gamma=getattr(trainer, "gamma", None),
        gae_lambda=getattr(trainer, "gae_lambda", None),
        recurrent=bool(getattr(trainer, "recurrent", False)),
        **asked,  # type: ignore[arg-type]
    )


def _learner(trainer: Any) -> Callable[[int, int, Checkpoint], None]:
    def learn(budget: int, every: int, checkpoint: Checkpoint) -> None:
        for _ in range(0, budget, every):
            trainer.train(every)
            if checkpoint():
                return

    return learn


def _question(trainer: Any, name: str) -> Callable[..., Array] | None:
    """Return a method that answers in numpy, one row per observation."""
    method: Any = getattr(trainer, name, None)
    if not callable(method):
        return None

    def ask(observations: Observations, *rest: Array) -> Array:
        answer: Any = method(observations, *rest)
        array = np.asarray(answer.detach().cpu() if hasattr(answer, "detach") else answer)
        n = len(
            next(iter(observations.values())) if isinstance(observations, dict) else observations
        )
        if array.ndim == 0 or len(array) != n:
            raise UserError(
                f"{name}() answered an array of shape {array.shape} for {n} observations;"
                f" its first dimension must be {n}."
            )
        return array if name == "action" else array.reshape(n).astype(np.float64)

    return ask
