"""A hand-written PPO with one mistake each: nothing can be recomputed, only the probes see it."""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gymnasium.vector import VectorRewardWrapper
from torch import nn

sys.path.append(str(Path(__file__).parents[2] / "examples"))
import hand_written_loop as healthy
from hand_written_loop import Trainer


class AdvantageSign(Trainer):
    def advantages(self, rollout):
        self.returns = super().advantages(rollout)
        return -self.returns

    def update(self, rollout):
        rollout["return"] = self.returns + rollout["value"]
        super().update(rollout)


class EndsIgnored(Trainer):
    def advantages(self, rollout):
        never = torch.zeros_like(rollout["terminated"])
        following = torch.cat([rollout["value"][1:], rollout["next_value"][-1:]])
        changes = {"terminated": never, "truncated": never, "next_value": following}
        return super().advantages(rollout | changes)


class TerminalBootstrap(Trainer):
    def advantages(self, rollout):
        ended = rollout["terminated"] + rollout["truncated"]
        never = torch.zeros_like(ended)
        return super().advantages(rollout | {"terminated": never, "truncated": ended})


class NoTruncationBootstrap(Trainer):
    def advantages(self, rollout):
        ended = rollout["terminated"] + rollout["truncated"]
        return super().advantages(rollout | {"terminated": ended})


class ResetBootstrap(Trainer):
    def advantages(self, rollout):
        with torch.no_grad():
            last = self.values(self.tensor(self.observation))
        following = torch.cat([rollout["value"][1:], last[None]])
        return super().advantages(rollout | {"next_value": following})


class NoRolloutEndBootstrap(Trainer):
    def advantages(self, rollout):
        following = rollout["next_value"].clone()
        following[-1] = 0
        return super().advantages(rollout | {"next_value": following})


class GammaOne(Trainer):
    def advantages(self, rollout):
        gamma, self.gamma = self.gamma, 1.0
        advantages = super().advantages(rollout)
        self.gamma = gamma
        return advantages


class GammaSquared(Trainer):
    def advantages(self, rollout):
        gamma, self.gamma = self.gamma, self.gamma**2
        advantages = super().advantages(rollout)
        self.gamma = gamma
        return advantages


class GammaLambdaSwapped(Trainer):
    def advantages(self, rollout):
        self.gamma, self.gae_lambda = self.gae_lambda, self.gamma
        advantages = super().advantages(rollout)
        self.gamma, self.gae_lambda = self.gae_lambda, self.gamma
        return advantages


class LambdaZero(Trainer):
    def advantages(self, rollout):
        self.gae_lambda, kept = 0.0, self.gae_lambda
        advantages = super().advantages(rollout)
        self.gae_lambda = kept
        return advantages


class Broadcast(Trainer):
    """(n, 1) minus (n,) in the value loss."""

    def loss(self, batch):
        wrong = self.values(batch["observation"])[:, None] - batch["return"]
        right = self.values(batch["observation"]) - batch["return"]
        return super().loss(batch) + 0.5 * (wrong.square().mean() - right.square().mean())


class NoPolicyLoss(Trainer):
    """The log-probability in the ratio is detached."""

    def policy(self, observation):
        distribution = super().policy(observation)
        return torch.distributions.Categorical(logits=distribution.logits.detach())


class NoValueLoss(Trainer):
    def loss(self, batch):
        return super().loss(batch | {"return": self.values(batch["observation"]).detach()})


class OtherActions(Trainer):
    """Actions are shuffled against advantages in every minibatch."""

    def loss(self, batch):
        order = torch.randperm(len(batch["action"]))
        mixed = {"action": batch["action"][order], "log_prob": batch["log_prob"][order]}
        return super().loss(batch | mixed)


class ObservationsShuffled(Trainer):
    def update(self, rollout):
        order = torch.randperm(len(rollout["observation"]))
        super().update(rollout | {"observation": rollout["observation"][order]})


class EnvironmentsMixed(Trainer):
    """Time and environment axes of observations are swapped before flattening."""

    def update(self, rollout):
        swapped = rollout["observation"].transpose(0, 1)
        super().update(rollout | {"observation": swapped.reshape(rollout["observation"].shape)})


class NextObservation(Trainer):
    def update(self, rollout):
        last = self.tensor(self.observation)[None]
        shifted = torch.cat([rollout["observation"][1:], last])
        super().update(rollout | {"observation": shifted})


class RewardLate(Trainer):
    def advantages(self, rollout):
        last = getattr(self, "last", torch.zeros_like(rollout["reward"][:1]))
        self.last = rollout["reward"][-1:]
        late = torch.cat([last, rollout["reward"][:-1]])
        return super().advantages(rollout | {"reward": late})


class EntropyTooStrong(Trainer):
    def loss(self, batch):
        return super().loss(batch) - 3.0 * self.policy(batch["observation"]).entropy().mean()


class Greedy(Trainer):
    """Collects with the most probable action."""

    def policy(self, observation):
        policy = super().policy(observation)
        policy.sample = lambda: policy.probs.argmax(-1)
        return policy


class WrongOptimiser(Trainer):
    """The optimiser holds the parameters of networks that were thrown away."""

    def __init__(self, *args):
        super().__init__(*args)
        n_in, n_out = self.actor[0].in_features, self.actor[-1].out_features
        self.actor, self.critic = healthy.network(n_in, n_out), healthy.network(n_in, 1)


class Rate(Trainer):
    def __init__(self, *args, rate):
        super().__init__(*args)
        self.optimiser.param_groups[0]["lr"] = rate


class Net(Trainer):
    """Another network for values (and actions)."""

    def __init__(self, *args, critic=None, both=None):
        super().__init__(*args)
        if critic:
            self.critic = critic(self.critic)
        if both:
            self.actor, self.critic = both(self.actor), both(self.critic)
        parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=5e-3)


class Rewards(VectorRewardWrapper):
    def __init__(self, envs, change):
        super().__init__(envs)
        self.reward = change

    def rewards(self, reward):
        return self.reward(reward)


class Changed(Trainer):
    """Learns from rewards that something changed."""

    def __init__(self, envs, *args, change):
        super().__init__(Rewards(envs, change), *args)


def then(activation):
    return lambda network: nn.Sequential(network, activation())


def linear(network):
    """The activation functions are forgotten."""
    return nn.Sequential(*(layer for layer in network if isinstance(layer, nn.Linear)))


def dead(network):
    """Every unit of the first layer is off, whatever the input."""
    layers = [nn.ReLU() if isinstance(layer, nn.Tanh) else layer for layer in network]
    nn.init.constant_(layers[0].bias, -10.0)
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class Fault:
    """A fault and the causes that may be named first; the first one gives the component."""

    name: str
    make: object
    causes: tuple[str, ...]


REWARD_SCALE = ("data.reward-scaled",)
FAULTS = [
    Fault("advantage sign", AdvantageSign, ("data.advantage-sign-flipped",)),
    Fault("ends ignored", EndsIgnored, ("data.episode-ends-ignored",)),
    Fault("terminal bootstrap", TerminalBootstrap, ("value.bootstrap-at-terminal",)),
    Fault("truncation", NoTruncationBootstrap, ("value.no-bootstrap-at-truncation",)),
    Fault("reset bootstrap", ResetBootstrap, ("data.reset-observation-bootstrapped",)),
    Fault("rollout end", NoRolloutEndBootstrap, ("value.no-bootstrap-at-rollout-end",)),
    Fault("gamma one", GammaOne, ("configuration.gamma-ignored", "value.other-gamma")),
    Fault("gamma squared", GammaSquared, ("value.other-gamma",)),
    Fault("gamma lambda", GammaLambdaSwapped, ("configuration.gamma-lambda-swapped",)),
    Fault("lambda", LambdaZero, ("configuration.lambda-ignored",)),
    Fault("broadcast", Broadcast, ("value.broadcast",)),
    Fault("no policy loss", NoPolicyLoss, ("policy.not-updated",)),
    Fault("no value loss", NoValueLoss, ("value.not-updated",)),
    Fault("other actions", OtherActions, ("policy.learns-noise", "policy.not-updated")),
    Fault("observations", ObservationsShuffled, ("data.shuffled", "network.ignores-input")),
    Fault("mixed", EnvironmentsMixed, ("data.environments-mixed", "data.shuffled")),
    Fault("next observation", NextObservation, ("data.next-observation-stored", "data.shuffled")),
    Fault("reward late", RewardLate, ("data.reward-of-step-before",)),
    Fault("entropy", EntropyTooStrong, ("policy.entropy-dominates",)),
    Fault("greedy", Greedy, ("policy.no-exploration", "policy.not-updated")),
    Fault("wrong optimiser", WrongOptimiser, ("optimiser.no-update",)),
    Fault("slow", partial(Rate, rate=2e-6), ("optimiser.learning-rate-too-low",)),
    Fault("fast", partial(Rate, rate=3.0), ("optimiser.diverges",)),
    Fault("relu", partial(Net, critic=then(nn.ReLU)), ("network.output-not-negative",)),
    Fault("tanh", partial(Net, critic=then(nn.Tanh)), ("network.output-bounded",)),
    Fault("linear", partial(Net, both=linear), ("network.linear",)),
    Fault("dead", partial(Net, both=dead), ("network.ignores-input", "data.shuffled")),
    Fault("clipped", partial(Changed, change=np.sign), ("data.reward-clipped",)),
    Fault("scaled", partial(Changed, change=lambda r: 0.2 * r), REWARD_SCALE),
    Fault("sign", partial(Changed, change=lambda r: -r), ("data.reward-sign-flipped",)),
]  # fmt: skip


def factory(fault):
    """Return make_trainer for a fault."""

    def make_trainer(envs, seed, gamma):
        torch.set_num_threads(1)
        return fault.make(envs, seed, gamma)

    return make_trainer
