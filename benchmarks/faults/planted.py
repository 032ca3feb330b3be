"""Faults planted in whole trainings: settings, rewards, observations, actions, networks.

Each changes what `healthy.build` builds; the clean twin is the healthy run of the same pair.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import torch

ON = ("ppo-cartpole", "ppo-acrobot", "ppo-pendulum-plain", "a2c-cartpole")
PPO = ("ppo-cartpole", "ppo-acrobot", "ppo-pendulum-plain")
OFF = ("dqn-cartpole", "sac-pendulum", "td3-pendulum")
CONTINUOUS = ("sac-pendulum", "td3-pendulum")
ALL = (*ON, *OFF)
AT = 2000
"""Steps of an environment after which numbers break."""


@dataclass(frozen=True)
class Planted:
    """A fault in a whole training.

    Attributes:
        name: For reports.
        family: Of the component at fault.
        causes: Acceptable diagnoses.
        pairs: Healthy pairs that it is planted in.
        settings: Changed in the pair.
        wrapper: Around each environment.
        alter: Changes the model before it learns.
        exact: Whether an identity is violated.
    """

    name: str
    family: str
    causes: tuple[str, ...]
    pairs: tuple[str, ...] = ALL
    settings: dict[str, Any] = field(default_factory=dict)
    wrapper: Callable[[gymnasium.Env], gymnasium.Env] | None = None
    alter: Callable[[Any], None] | None = None
    exact: bool = False


class Rewards(gymnasium.Wrapper):
    """Changes rewards: `change(reward, t, rng)`."""

    def __init__(self, env: gymnasium.Env, change: Callable[..., float]) -> None:
        super().__init__(env)
        self._change, self._t, self._rng = change, 0, np.random.default_rng(0)

    def step(self, action: Any) -> tuple[Any, ...]:
        observation, reward, *rest = self.env.step(action)
        self._t += 1
        return observation, float(self._change(float(reward), self._t, self._rng)), *rest


class Observations(gymnasium.ObservationWrapper):
    """Changes observations: `change(observation, t)`."""

    def __init__(self, env: gymnasium.Env, change: Callable[..., Any]) -> None:
        super().__init__(env)
        self._change, self._t = change, 0

    def observation(self, observation: Any) -> Any:
        self._t += 1
        return np.asarray(self._change(observation.copy(), self._t), observation.dtype)


class Frozen(gymnasium.ActionWrapper):
    """Ignores actions."""

    def action(self, action: Any) -> Any:
        space = self.env.action_space
        return 0 if isinstance(space, gymnasium.spaces.Discrete) else np.zeros_like(action)


class Short(gymnasium.Wrapper):
    """Ends every episode after three steps."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        self._t = 0
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, ...]:
        observation, reward, _, truncated, info = self.env.step(action)
        self._t += 1
        return observation, reward, self._t >= 3, truncated, info


def rewards(change: Callable[..., float]) -> Callable[[gymnasium.Env], gymnasium.Env]:
    return lambda env: Rewards(env, change)


def observations(change: Callable[..., Any]) -> Callable[[gymnasium.Env], gymnasium.Env]:
    return lambda env: Observations(env, change)


def _first_times_1000(observation: Any, t: int) -> Any:
    observation[0] *= 1000
    return observation


def _nan_later(observation: Any, t: int) -> Any:
    return observation * np.nan if t == AT else observation


def dead(model: Any) -> None:
    """Biases of -10 in front of ReLUs: nothing comes through."""
    with torch.no_grad():
        for name, parameter in model.policy.named_parameters():
            if name.endswith("bias") and ".0." in name:
                parameter.fill_(-10.0)


def huge(model: Any) -> None:
    """Weights of the first layers a hundred times too large: tanh saturates."""
    with torch.no_grad():
        for name, parameter in model.policy.named_parameters():
            if name.endswith("weight") and ".0." in name:
                parameter.mul_(100.0)


def frozen(model: Any) -> None:
    """The optimiser holds copies of the parameters."""
    for owner in {id(m): m for m in _optimised(model)}.values():
        old = owner.optimizer
        copies = [
            torch.nn.Parameter(p.detach().clone()) for g in old.param_groups for p in g["params"]
        ]
        owner.optimizer = type(old)(copies, lr=old.param_groups[0]["lr"])


def _optimised(model: Any) -> list[Any]:
    policy = model.policy
    owners = [policy, getattr(policy, "actor", None), getattr(policy, "critic", None)]
    return [o for o in owners if getattr(o, "optimizer", None) is not None]


TOO_FAST = ("optimiser.learning-rate-too-high", "optimiser.diverges", "optimiser.steps-too-large",
            "policy.kl-too-large", "policy.clipping-excessive",
            "configuration.learning-rate-unusual")  # fmt: skip
TOO_SLOW = ("optimiser.learning-rate-too-low", "optimiser.steps-vanish", "policy.does-not-change",
            "configuration.learning-rate-unusual")  # fmt: skip
CLIPPED = ("configuration.gradient-clip-tiny", "configuration.gradients-clipped-away", *TOO_SLOW)
BLIND = ("network.dormant-units", "network.ignores-input", "network.zero-gradient",
         "optimiser.gradient-vanishes")  # fmt: skip
SCALE = ("reward.scale", "environment.observation-scales-differ")
HORIZON = ("configuration.horizon-too-short", "task.horizon-too-short")
FROZEN = ("optimiser.no-update", "optimiser.foreign-parameters", "optimiser.no-step",
          "optimiser.parameters-missing")  # fmt: skip

PLANTED = (
    Planted("learning rate x 100", "optimiser", TOO_FAST, (*PPO, "sac-pendulum"),
            {"learning_rate": 0.1}),
    Planted("learning rate 1e-8", "optimiser", TOO_SLOW, ALL, {"learning_rate": 1e-8}),
    Planted("gradients clipped to 1e-8", "configuration", CLIPPED, ON, {"max_grad_norm": 1e-8}),
    Planted("clip range 1e-4", "configuration", ("configuration.clip-range-tiny",), PPO,
            {"clip_range": 1e-4}),
    Planted("entropy bonus 2", "policy",
            ("configuration.entropy-bonus-large", "policy.entropy-dominates",
             "policy.stays-random", "policy.noise-grows"), ON,
            {"ent_coef": 2.0}),
    Planted("gamma 0.05", "configuration", HORIZON, ALL, {"gamma": 0.05}),
    Planted("gamma 1.2", "configuration", ("configuration.discount-out-of-range",), ALL,
            {"gamma": 1.2}, exact=True),
    Planted("value coefficient 0", "value",
            ("value.not-updated", "value.no-gradient", "value.learns-nothing",
             "network.zero-gradient", "value.anti-correlated"), ON, {"vf_coef": 0.0}),
    Planted("never starts", "configuration", ("configuration.learning-never-starts",), OFF,
            {"learning_starts": 10**7}, exact=True),
    Planted("tiny replay", "configuration", ("configuration.replay-too-small",), OFF,
            {"buffer_size": 64}),
    Planted("no exploration", "policy",
            ("policy.no-exploration", "configuration.exploration-missing"), ("dqn-cartpole",),
            {"exploration_initial_eps": 0.0, "exploration_final_eps": 0.0, "learning_starts": 0}),
    Planted("exploration never ends", "configuration",
            ("configuration.exploration-never-decays", "policy.stays-random"), ("dqn-cartpole",),
            {"exploration_initial_eps": 1.0, "exploration_final_eps": 1.0}),
    Planted("target network frozen", "value",
            ("configuration.target-never-updated", "value.target-network-never-updated"),
            ("dqn-cartpole",), {"target_update_interval": 10**9}),
    Planted("tau 0", "value",
            ("configuration.tau-out-of-range", "configuration.target-never-updated",
             "value.target-network-never-updated"), CONTINUOUS, {"tau": 0.0}),
    Planted("target entropy positive", "configuration",
            ("configuration.target-entropy-sign-flipped",
             "configuration.target-entropy-unreachable"), ("sac-pendulum",),
            {"target_entropy": 1.0}),
    Planted("reward x 1000", "reward", SCALE, (*ON, "sac-pendulum"),
            wrapper=rewards(lambda r, t, rng: 1000 * r)),
    Planted("reward constant 0", "reward", ("reward.constant",), ALL,
            wrapper=rewards(lambda r, t, rng: 0.0)),
    Planted("reward drowned in noise", "reward",
            ("reward.random", "reward.noisy", "reward.noise-drowns-actions", "policy.no-signal",
             "reward.not-observable"), ON,
            wrapper=rewards(lambda r, t, rng: r + 100 * rng.standard_normal())),
    Planted("reward NaN once", "reward", ("reward.not-finite",), ALL, exact=True,
            wrapper=rewards(lambda r, t, rng: float("nan") if t == AT else r)),
    Planted("observation NaN once", "environment", ("environment.observation-not-finite",), ALL,
            exact=True, wrapper=observations(_nan_later)),
    Planted("one observation x 1000", "environment",
            ("environment.observation-scales-differ", "environment.observation-outside-space"),
            ("ppo-cartpole", "ppo-pendulum-plain", "dqn-cartpole", "sac-pendulum"),
            wrapper=observations(_first_times_1000)),
    Planted("actions ignored", "environment",
            ("environment.action-ignored", "environment.actions-alike", "environment.action-inert"),
            ALL, wrapper=Frozen),
    Planted("episodes of three steps", "environment",
            ("environment.episodes-end-at-once", "task.episodes-too-short",
             "environment.limit-reported-as-terminal"), ALL, wrapper=Short),
    Planted("dead units", "network", BLIND, ("dqn-cartpole", "sac-pendulum", "td3-pendulum"),
            alter=dead),
    Planted("saturated units", "network", (*BLIND, "network.saturated-units"),
            ("ppo-cartpole", "ppo-pendulum-plain"), alter=huge),
    Planted("optimiser holds copies", "optimiser", FROZEN, ALL, alter=frozen, exact=True),
)  # fmt: skip


def in_turns(faults: Sequence[Planted]) -> list[tuple[Planted, str]]:
    """Return faults and their pairs so that a few of them cover every fault and every algorithm."""
    places = [
        (k, i, fault, fault.pairs[(i + k) % len(fault.pairs)])
        for i, fault in enumerate(faults) for k in range(len(fault.pairs))
    ]  # fmt: skip
    return [(fault, pair) for _, _, fault, pair in sorted(places, key=lambda place: place[:2])]
