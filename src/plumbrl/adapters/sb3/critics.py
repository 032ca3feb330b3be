"""DQN, SAC and TD3 under the same names: networks, optimisers, Q-values, what is due when."""

from typing import Any

import torch
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFrequencyUnit

Tensor = torch.Tensor


class Learner:
    """What a gradient step of `model` consists of.

    Args:
        model: DQN, SAC, TD3 or DDPG, or a subclass.
    """

    def __init__(self, model: OffPolicyAlgorithm) -> None:
        self.model: Any = model
        self.over_actions = isinstance(model, DQN)
        policy: Any = model.policy
        if self.over_actions:
            self.networks = {"q_net": policy.q_net}
            self.targets = {"q_net": policy.q_net_target}
            self.optimisers = {id(policy.optimizer): "q_net"}
        else:
            self.networks = {"actor": policy.actor, "critic": policy.critic}
            names = ("critic", "actor") if isinstance(model, TD3) else ("critic",)
            self.targets = {name: getattr(policy, f"{name}_target") for name in names}
            self.optimisers = {id(net.optimizer): name for name, net in self.networks.items()}
        if isinstance(model, SAC) and model.ent_coef_optimizer is not None:
            self.optimisers[id(model.ent_coef_optimizer)] = "ent_coef"
        self.critic = "q_net" if self.over_actions else "critic"

    def trainable(self) -> dict[str, Tensor]:
        """Return every tensor that learns, once, under the name of the first network it is in."""
        named, seen = {}, set()
        for network, module in self.networks.items():
            for name, tensor in module.named_parameters():
                if tensor.requires_grad and id(tensor) not in seen:
                    seen.add(id(tensor))
                    named[f"{network}.{name}"] = tensor
        if "ent_coef" in self.optimisers.values():
            named["ent_coef.log"] = self.model.log_ent_coef
        return named

    def followed(self) -> dict[str, Tensor]:
        """Return the online tensors that target networks follow."""
        return _named({name: self.networks[name] for name in self.targets})

    def following(self) -> dict[str, Tensor]:
        """Return the tensors of the target networks, under the names of those they follow."""
        return _named(self.targets)

    def alpha(self) -> float:
        """Return the weight of the entropy term, 0 where there is none."""
        if not isinstance(self.model, SAC):
            return 0.0
        log = self.model.log_ent_coef
        return float(self.model.ent_coef_tensor if log is None else log.detach().exp())

    def q_values(self, observations: Any, actions: Tensor) -> Tensor:
        """Return Q of observations and actions by each online critic, (n, C)."""
        if self.over_actions:
            return self.networks["q_net"](observations).gather(1, actions.long())
        return torch.cat(self.networks["critic"](observations, actions), dim=1)

    def next_values(self, network: Any, observations: Any, actions: Tensor | None) -> Tensor:
        """Return Q for every action (DQN), or by every critic for given actions, (n, M)."""
        return network(observations) if self.over_actions else torch.cat(
            network(observations, actions), dim=1
        )  # fmt: skip

    def clock(self) -> int:
        """Return what updates of DQN's target network are counted in: calls of `env.step`."""
        return self.model._n_calls if self.over_actions else 0

    def interval(self) -> tuple[int, str]:
        """Return after how many of which unit an update of the target networks is due."""
        model = self.model
        if self.over_actions:
            return max(model.target_update_interval // model.n_envs, 1), "environment steps"
        if isinstance(model, TD3):
            return model.policy_delay, "gradient steps"
        return model.target_update_interval, "gradient steps of an update"

    def target_due(self, clock: int, index: int) -> int:
        """Return how many updates of the targets are due in a gradient step, the `index`-th."""
        interval, _ = self.interval()
        if self.over_actions:
            return self.clock() // interval - clock // interval
        return int(index % interval == 0)

    def actor_due(self) -> bool:
        """Whether the actor learns in the gradient step that runs (TD3 has counted it already)."""
        return not isinstance(self.model, TD3) or self.model._n_updates % self.interval()[0] == 0

    def target_ahead(self) -> bool:
        """Whether DQN's target network may be updated before the next gradient step."""
        if not self.over_actions:
            return False
        interval, freq = self.interval()[0], self.model.train_freq
        steps = freq.frequency if freq.unit == TrainFrequencyUnit.STEP else interval
        return (self.clock() + steps) // interval > self.clock() // interval


def why_unseen(model: OffPolicyAlgorithm) -> str:
    """Return why the gradient steps of a trainer cannot be described; empty if they can."""
    if isinstance(model, DQN | SAC | TD3):
        return ""
    return f"{type(model).__name__} has another kind of target than DQN, SAC and TD3"


def _named(networks: dict[str, Any]) -> dict[str, Tensor]:
    return {
        f"{network}.{name}": tensor
        for network, module in networks.items()
        for name, tensor in module.named_parameters()
    }
