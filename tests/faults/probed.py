"""SB3 trainers with a mistake that breaks no identity: only what they learn gives them away."""

from dataclasses import dataclass, field

import numpy as np
import torch
from gymnasium.vector import VectorActionWrapper
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from torch import nn

from faults.loop import Rewards
from plumbrl.adapters.sb3.factories import ready


class Blind(FlattenExtractor):
    """Observations are multiplied by 0."""

    def forward(self, observations):
        return 0 * super().forward(observations)


class OneInput(CombinedExtractor):
    """Uses the first entry of a dictionary for all of them."""

    def forward(self, observations):
        first = observations["left"]
        return super().forward(dict.fromkeys(observations, first))


class Unscaled(VectorActionWrapper):
    """Actions reach the environment in [-1, 1], whatever the action space."""

    def actions(self, actions):
        low, high = self.single_action_space.low, self.single_action_space.high
        return 2 * (actions - low) / (high - low) - 1


class Swapped(VectorActionWrapper):
    """The last action dimension is used for all of them."""

    def actions(self, actions):
        return np.repeat(actions[:, -1:], actions.shape[1], axis=1)


def last_layer(activation):
    def alter(model):
        if hasattr(model.policy, "value_net"):
            model.policy.value_net = nn.Sequential(model.policy.value_net, activation())
        for name in ("q_net", "q_net_target"):
            if hasattr(model, name):
                net = getattr(model, name)
                net.q_net.append(activation())
        _renew(model)

    return alter


def dead(model):
    """The first layer of the value network never fires."""
    first = model.policy.mlp_extractor.value_net
    first[1] = nn.ReLU()
    nn.init.constant_(first[0].bias, -10.0)


def linear(model):
    for net in (model.policy.mlp_extractor.value_net, model.policy.mlp_extractor.policy_net):
        for i in (1, 3):
            net[i] = nn.Identity()


def _renew(model):
    """Give the optimiser the parameters that there are now."""
    old = model.policy.optimizer
    parameters = list(model.policy.parameters())
    if hasattr(model, "q_net"):
        parameters = list(model.q_net.parameters())
    model.policy.optimizer = type(old)(parameters, **old.defaults)


@dataclass(frozen=True)
class Fault:
    """A fault; the first finding must be one of `causes`."""

    name: str
    algo: str
    causes: tuple[str, ...]
    kind: str = "discrete"
    settings: dict = field(default_factory=dict)
    wrap: object = None
    alter: object = None
    extractor: object = None
    inputs: str = ""
    """The only probe whose observations the extractor is made for; all if empty."""


NOW = {"learning_starts": 0}
GREEDY = NOW | {"exploration_initial_eps": 0.0, "exploration_final_eps": 0.0}
SLOW = ("optimiser.learning-rate-too-low",)
CLIPPED = ("configuration.gradients-clipped-away", "configuration.gradient-clip-tiny", *SLOW)
BLIND = ("network.ignores-input", "network.zero-gradient")
NO_VALUE = ("value.not-updated", "value.no-gradient", "network.zero-gradient")
FROZEN = ("value.target-network-never-updated", "configuration.target-never-updated")
LOW, HIGH = "network.output-not-negative", "network.output-bounded"
SCALED, SIGNED = ("data.reward-scaled",), ("data.reward-sign-flipped",)


def with_rewards(change):
    return lambda envs: Rewards(envs, change)


def fifth(rewards):
    return 0.2 * rewards


FAULTS = [
    Fault("slow ppo", "PPO", SLOW, settings={"learning_rate": 1e-5}),
    Fault("clip 1e-7", "PPO", CLIPPED, settings={"max_grad_norm": 1e-7}),
    Fault("entropy", "PPO", ("policy.entropy-dominates",), settings={"ent_coef": 3.0}),
    Fault("vf_coef 0", "PPO", NO_VALUE, settings={"vf_coef": 0}),
    Fault("relu value", "PPO", (LOW,), alter=last_layer(nn.ReLU)),
    Fault("tanh value", "PPO", (HIGH,), alter=last_layer(nn.Tanh)),
    Fault("dead value", "PPO", BLIND, alter=dead),
    Fault("blind", "PPO", BLIND, extractor=Blind),
    Fault("no activation", "PPO", ("network.linear",), alter=linear),
    Fault("clipped ppo", "PPO", ("data.reward-clipped",), wrap=with_rewards(np.sign)),
    Fault("scaled ppo", "PPO", SCALED, wrap=with_rewards(fifth)),
    Fault("sign a2c", "A2C", SIGNED, wrap=with_rewards(np.negative)),
    Fault("relu q", "DQN", (LOW,), alter=last_layer(nn.ReLU)),
    Fault("sigmoid q", "DQN", (HIGH, LOW), alter=last_layer(nn.Sigmoid)),
    Fault("no epsilon", "DQN", ("policy.no-exploration",), settings=GREEDY),
    Fault("frozen target", "DQN", FROZEN, settings={"target_update_interval": 10**9}),
    Fault("slow dqn", "DQN", SLOW, settings={"learning_rate": 2e-6}),
    Fault("sign dqn", "DQN", SIGNED, wrap=with_rewards(np.negative)),
    Fault("unscaled", "SAC", ("policy.action-scaling",), "continuous", wrap=Unscaled),
    Fault("one dimension", "SAC", ("policy.action-dimensions",), "continuous", wrap=Swapped),
    Fault("scaled sac", "SAC", SCALED, "continuous", wrap=with_rewards(fifth)),
    Fault("slow td3", "TD3", SLOW, "continuous", settings={"learning_rate": 1e-5}),
    Fault("clipped td3", "TD3", ("data.reward-clipped",), "continuous", wrap=with_rewards(np.sign)),
    Fault("one input", "PPO", ("network.input-missing",), extractor=OneInput, inputs="dictionary"),
]  # fmt: skip


def factory(fault):
    """Return make_trainer for a fault."""
    make = ready(fault.algo)

    def make_trainer(envs, seed, gamma):
        torch.set_num_threads(1)
        wrapped = fault.wrap(envs) if fault.wrap else envs
        settings = dict(fault.settings)
        if fault.extractor and fault.inputs in ("", envs.problem.name):
            settings["policy_kwargs"] = {"features_extractor_class": fault.extractor}
        model = make(wrapped, seed, gamma, **settings)
        if fault.alter:
            fault.alter(model)
        return model

    make_trainer.num_envs = make.num_envs
    return make_trainer
