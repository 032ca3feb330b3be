"""Whatever make_trainer returns, as a subject."""

import sys
from typing import Any

from plumbrl.adapters.loop.subject import subject_of as loop_subject
from plumbrl.adapters.subject import Subject


def subject_of(trainer: Any, *, closely: bool = False) -> Subject:
    """Return an SB3 model, or anything with `train(timesteps)`, as a subject.

    Args:
        trainer: The trainer.
        closely: Look at its first updates too, where that is possible.

    Raises:
        UserError: It is neither, or cannot be asked anything.
    """
    if "stable_baselines3" in sys.modules:
        from stable_baselines3.common.base_class import BaseAlgorithm

        if isinstance(trainer, BaseAlgorithm):
            from plumbrl.adapters.sb3.subject import subject_of as sb3_subject

            return sb3_subject(trainer, closely=closely)
    return loop_subject(trainer)
