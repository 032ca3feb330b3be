"""Faulty learners: PPO and A2C with one mistake each, and what must be said of it.

Every mistake is made between the rollout and the weights: in drawing, in the loss, or in the step.
"""

from dataclasses import dataclass, field
from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer

from faults.drawing import (
    NormalisedWhileDrawn,
    ObservationsMixed,
    RemainderDropped,
    ReturnsMixed,
    Stale,
    WithReplacement,
)
from faults.mistaken import FaultyA2C, FaultyPPO
from faults.on_policy import make_model


@dataclass(frozen=True)
class Fault:
    """A fault, and the causes that may be named first.

    Attributes:
        name: For reports; the mistake in the update, if that is where it sits.
        causes: Acceptable diagnoses; the first finding must be one of them.
        buffer: Faulty rollout buffer, if that is where it sits.
        settings: Of the trainer, if they are at fault or needed to show it.
        algo: The trainer.
        updates: How many updates it takes to show.
    """

    name: str
    causes: tuple[str, ...]
    buffer: type[RolloutBuffer] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    algo: type = FaultyPPO
    updates: int = 1


FAST = {"learning_rate": 1e-2}
SHUFFLED = ("data.minibatch-shuffled",)
UNEVEN = ("data.samples-used-unevenly",)
FAULTS = [
    Fault("old log-prob recomputed", ("policy.ratio-always-one",)),
    Fault("log-prob not detached", ("policy.no-gradient",)),
    Fault("ratio detached", ("policy.no-gradient",)),
    Fault("policy broadcast", ("policy.broadcast",)),
    Fault("value broadcast", ("value.broadcast",)),
    Fault("value broadcast", ("value.broadcast",), algo=FaultyA2C),
    Fault("log-ratio clipped", ("policy.ratio-clipped-in-log-space",), settings=FAST),
    Fault("wrong clip range", ("policy.wrong-clip-range",), settings=FAST),
    Fault("not clipped", ("policy.clipping-ignored",), settings=FAST),
    Fault("minimum forgotten", ("policy.minimum-forgotten",), settings=FAST),
    Fault("policy sign", ("policy.loss-sign-flipped",)),
    Fault("policy sum", ("policy.sum-instead-of-mean",)),
    Fault("normalised over the wrong axis", ("policy.no-gradient",)),
    Fault("normalisation inverted", ("policy.advantages-not-normalised",)),
    Fault("normalisation inverted", ("policy.advantages-normalised",), algo=FaultyA2C),
    Fault("returns for advantages", ("policy.returns-as-advantages",)),
    Fault("returns for advantages", ("policy.returns-as-advantages",), algo=FaultyA2C),
    Fault("resampled actions", ("policy.other-actions-in-loss",)),
    Fault("observations moved", ("policy.other-observations-in-loss",)),
    Fault("entropy sign", ("policy.entropy-sign-flipped",)),
    Fault("entropy sign", ("policy.entropy-sign-flipped",), algo=FaultyA2C),
    Fault("entropy twice", ("policy.entropy-coefficient-twice",)),
    Fault("ent_coef ignored", ("policy.entropy-coefficient-ignored",)),
    Fault("no bonus", ("policy.entropy-ignored",)),
    Fault("vf_coef ignored", ("value.coefficient-ignored",)),
    Fault("vf_coef twice", ("value.coefficient-twice",)),
    Fault("value sign", ("value.loss-sign-flipped",)),
    Fault("value sum", ("value.sum-instead-of-mean",)),
    Fault("values detached", ("value.no-gradient",)),
    Fault("advantages as targets", ("value.target-is-advantage",)),
    Fault("old values as targets", ("value.target-is-old-value",)),
    Fault("absolute advantages", ("policy.wrong-loss",)),
    Fault("bonus reduced", ("policy.wrong-entropy-bonus",)),
    Fault("absolute error", ("value.wrong-loss",)),
    Fault("value tripled", ("value.wrong-coefficient",)),
    Fault("values not clipped", ("value.wrong-clipping",), settings={"clip_range_vf": 0.02}),
    Fault("another term", ("policy.unknown-loss-term",)),
    Fault("no zero_grad", ("optimiser.gradients-accumulate",)),
    Fault("zero_grad too late", ("optimiser.gradient-lost",)),
    Fault("not clipped by norm", ("optimiser.gradient-clipping-ignored",)),
    Fault("clipped to a tenth", ("optimiser.wrong-gradient-clipping",)),
    Fault("learning rate x100", ("optimiser.learning-rate-ignored",)),
    Fault("stale optimiser", ("optimiser.no-update",)),
    Fault("half an optimiser", ("optimiser.parameters-missing",)),
    Fault("no step", ("optimiser.no-step",)),
    Fault(
        "clipped to 1e-6", ("configuration.gradients-clipped-away",),
        settings={"max_grad_norm": 1e-6},
    ),
    Fault("one epoch", ("configuration.n-epochs-ignored",)),
    Fault("observations mixed while drawn", SHUFFLED, ObservationsMixed),
    Fault("returns mixed while drawn", SHUFFLED, ReturnsMixed),
    Fault("normalised while drawn", ("data.minibatch-altered",), NormalisedWhileDrawn),
    Fault("stale rollout", ("data.stale-rollout",), Stale, updates=2),
    Fault("remainder dropped", UNEVEN, RemainderDropped, {"batch_size": 70}),
    Fault("drawn with replacement", UNEVEN, WithReplacement),
    Fault("batch of one", ("configuration.minibatch-of-one",), settings={"batch_size": 199}),
    Fault(
        "normalised alone", ("policy.advantages-normalised-alone",),
        settings={"batch_size": 199, "n_epochs": 1},
    ),
]  # fmt: skip


def make_learner(fault=None, env="CartPole-v1", seed=0, algo=FaultyPPO, **settings):
    """Return a trainer with this fault; without one it is healthy."""
    if fault:
        settings, algo = {**fault.settings, **settings}, fault.algo
    defaults = {"learning_rate": 3e-3, "ent_coef": 0.05, "vf_coef": 0.4}
    if issubclass(algo, FaultyPPO):
        defaults |= {"batch_size": 50, "n_epochs": 4}
    buffer = fault.buffer if fault else None
    model = make_model(env, buffer, seed=seed, algo=algo, **(defaults | settings))
    model.mistake = fault.name if fault else ""
    return model
