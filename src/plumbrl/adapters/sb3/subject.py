"""A Stable-Baselines3 model as the probes see it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from plumbrl.adapters.sb3.learning import LearningWatch
from plumbrl.adapters.sb3.off_policy import OffPolicyWatch
from plumbrl.adapters.sb3.on_policy import OnPolicyWatch
from plumbrl.adapters.sb3.untouched import untouched
from plumbrl.adapters.subject import Array, Checkpoint, Observations, Subject
from plumbrl.oracles import Outcome, check_learning, check_off_policy_update, check_update

SAMPLES = 64
"""Actions sampled to estimate the entropy of a policy that has no closed form."""


def subject_of(model: BaseAlgorithm, *, closely: bool = False) -> Subject:
    """Return an SB3 or sb3-contrib model as a subject; oracles look at its first rollout.

    Args:
        model: The model.
        closely: Also look at what the first updates make of it, down to the changed weights.
    """
    model.verbose = 0
    watches: list[BaseCallback] = []
    subject = Subject(
        learn=_learner(model, watches),
        gamma=getattr(model, "gamma", None),
        action=_action(model),
        recurrent="Recurrent" in type(model).__name__,
    )
    subject.watchable = not subject.recurrent
    if isinstance(model, OnPolicyAlgorithm):
        subject.gae_lambda = float(model.gae_lambda)
        if not subject.recurrent:
            subject.value = _value(model)
            watches.append(OnPolicyWatch(_to(subject, check_update), updates=1))
            if closely:
                watches.append(LearningWatch(_to(subject, check_learning)))
    else:
        subject.family, subject.gae_lambda = "q", 0.0
        if closely:
            watches.append(OffPolicyWatch(_to(subject, check_off_policy_update)))
        if hasattr(model, "q_net") or hasattr(model, "quantile_net"):
            subject.q = _q_of_table(model)
            subject.target_interval = int(getattr(model, "target_update_interval", 0))
        elif hasattr(model, "critic"):
            subject.q = _q_of_critics(model)
        if hasattr(model, "log_ent_coef"):
            subject.family, subject.bonus = "soft_q", _bonus(model)
    return subject


def _to(subject: Subject, check: Callable[[Any], list[Outcome]]) -> Callable[[Any], None]:
    return lambda snapshot: subject.identities.extend(check(snapshot))


class _Asks(BaseCallback):
    """Calls a checkpoint every so many timesteps, and leaves no trace of it."""

    def __init__(self, every: int, checkpoint: Checkpoint) -> None:
        super().__init__()
        self._every, self._checkpoint, self._next = every, checkpoint, every

    def _on_step(self) -> bool:
        if self.num_timesteps < self._next:
            return True
        self._next = self.num_timesteps + self._every
        with untouched(self.model.policy):
            return not self._checkpoint()


def _learner(
    model: BaseAlgorithm, watches: list[BaseCallback]
) -> Callable[[int, int, Checkpoint], None]:
    """Learn in one go, so that schedules run as they would in a training of this length."""

    def learn(budget: int, every: int, checkpoint: Checkpoint) -> None:
        model.learn(budget, CallbackList([*watches, _Asks(every, checkpoint)]))

    return learn


def _action(model: BaseAlgorithm) -> Callable[[Observations], Array]:
    return lambda observations: np.asarray(model.predict(observations, deterministic=True)[0])


def _tensor(model: Any, observations: Observations) -> Any:
    return model.policy.obs_to_tensor(observations)[0]


def _numpy(tensor: torch.Tensor) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _value(model: Any) -> Callable[[Observations], Array]:
    return lambda observations: _numpy(
        model.policy.predict_values(_tensor(model, observations))
    ).reshape(-1)


def _q_of_table(model: Any) -> Callable[[Observations, Array], Array]:
    """Q of a network with one output (or one set of quantiles) per action."""

    def q(observations: Observations, actions: Array) -> Array:
        quantiles = hasattr(model, "quantile_net")
        net = model.quantile_net if quantiles else model.q_net
        values = _numpy(net(_tensor(model, observations)))
        values = values.mean(axis=1) if quantiles else values
        return values[np.arange(len(values)), np.asarray(actions, dtype=int).reshape(-1)]

    return q


def _q_of_critics(model: Any) -> Callable[[Observations, Array], Array]:
    """The smallest of several critics, each (n, 1), or the mean of their quantiles."""

    def q(observations: Observations, actions: Array) -> Array:
        scaled = model.policy.scale_action(np.asarray(actions, dtype=np.float32))
        values = model.critic(_tensor(model, observations), torch.as_tensor(scaled))
        if isinstance(values, torch.Tensor):  # quantiles (n, critics, quantiles)
            return _numpy(values.flatten(1).mean(dim=1))
        return np.min([_numpy(value).reshape(-1) for value in values], axis=0)

    return q


def _bonus(model: Any) -> Callable[[Observations], Array]:
    """Return alpha times the entropy of the policy, from samples."""

    def bonus(observations: Observations) -> Array:
        learnt = model.log_ent_coef
        alpha = float(model.ent_coef_tensor if learnt is None else learnt.exp())
        tensor = _tensor(model, observations)
        samples = [_numpy(model.actor.action_log_prob(tensor)[1]) for _ in range(SAMPLES)]
        return -alpha * np.mean(samples, axis=0).reshape(-1)

    return bonus
