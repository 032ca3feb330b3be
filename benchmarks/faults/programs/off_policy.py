"""Faulty DQN programs: each class is the clean loop with one change, as it was published."""

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from programs.dqn import DQN, tensor


class NotClosed(DQN):
    """The environment is not closed."""

    def finish(self) -> None:
        pass


class Greedy(DQN):
    """Never explores."""

    def act(self, observation: Any) -> Any:
        return self.best(observation)

    def told(self) -> dict[str, float]:
        return {}


class NeverReset(DQN):
    """Goes on after the end of an episode."""

    def start_anew(self) -> Any:
        return self.observation


class NeverStepped(DQN):
    """Never steps the environment."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool]:
        return self.observation, 1.0, False, False


class ResultIgnored(DQN):
    """The environment is stepped, and what it returns is dropped."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool]:
        self.env.step(action)
        return self.observation, 1.0, False, False


class EndsIgnored(DQN):
    """The branch that handles the end of an episode is gone."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool]:
        after, reward, _, _, _ = self.env.step(action)
        return after, float(reward), False, False


class EpsilonStays(DQN):
    """Acts at random for ever."""

    def epsilon(self) -> float:
        return 1.0


class EpsilonHigh(DQN):
    """Acts at random nearly always."""

    def epsilon(self) -> float:
        return 0.9


class EpsilonGrows(DQN):
    """Divides epsilon by its decay instead of multiplying."""

    def epsilon(self) -> float:
        return float(0.99**-self.t) if self.t < 5000 else 0.99**-5000


class EpsilonGoneAtOnce(DQN):
    """Explores for a few dozen steps."""

    def epsilon(self) -> float:
        return max(0.01, 0.9**self.t)


class CopiedOften(DQN):
    """Copies to the target network every other gradient step."""

    copy_every = 2


class CopiedAtEveryStep(DQN):
    """Copies to the target network at every gradient step."""

    copy_every = 1


class CopiedBack(DQN):
    """Copies the target network to the trained one."""

    def copy(self) -> None:
        self.q_net.load_state_dict(self.target.state_dict())


class NeverCopied(DQN):
    """Leaves the target network as it is."""

    def copy(self) -> None:
        pass


class Relu(DQN):
    """Values are never negative."""

    last = nn.ReLU()


class Softmax(DQN):
    """Values sum to one."""

    last = nn.Softmax(dim=-1)


class Sigmoid(DQN):
    """Values lie between 0 and 1."""

    last = nn.Sigmoid()


class NeverCreated(DQN):
    """Sizes are written down, so that only the first use of the environment fails."""

    def made(self) -> Any:
        return None

    def sizes(self) -> tuple[int, int]:
        return 4, 2


class LargestValueAsAction(DQN):
    """Takes the largest value for the action."""

    def best(self, observation: Any) -> Any:
        with torch.no_grad():
            return float(self.q_net(tensor(observation[None])).max())


class WrongTarget(DQN):
    """The target is gamma (r - V)."""

    def targets(self, reward: Any, after: Any, terminal: Any) -> Any:
        with torch.no_grad():
            return self.gamma * (reward - (1 - terminal) * self.following(after))


class NoDiscount(DQN):
    """No discount, -1 at the end instead of the reward, and a target network copied too often."""

    copy_every = 2

    def remember(
        self, observation: Any, action: Any, reward: float, after: Any, terminated: bool,
        truncated: bool,
    ) -> None:  # fmt: skip
        self.store(observation, action, -1.0 if terminated else reward, after, terminated)

    def targets(self, reward: Any, after: Any, terminal: Any) -> Any:
        with torch.no_grad():
            return reward + (1 - terminal) * self.following(after)


class Dueling(nn.Module):
    """Value plus centred advantages (Wang et al. 2016)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.value, self.advantage = nn.Linear(64, 1), nn.Linear(64, n_out)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        hidden = self.body(observations)
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(-1, keepdim=True)


class DuelingHalfCopied(DQN):
    """Only the shared layers of a dueling network reach the target network."""

    def network(self, n_in: int, n_out: int) -> Any:
        return Dueling(n_in, n_out)

    def copy(self) -> None:
        pair: Any = self.target, self.q_net
        pair[0].body.load_state_dict(pair[1].body.state_dict())


class DuelingClean(DuelingHalfCopied):
    """Healthy: the whole dueling network is copied."""

    def copy(self) -> None:
        self.target.load_state_dict(self.q_net.state_dict())


class NoTargetNetwork(DQN):
    """The trained network gives its own targets."""

    def watched(self, folder: Any) -> Any:
        target, self.target = self.target, None
        watch = super().watched(folder)
        self.target = target
        return watch

    def following(self, after: Any) -> Any:
        return self.q_net(after).max(1).values


class ActionAsInput(DQN):
    """What enters the loss is what the network says about the action, not the observation."""

    def predicted(self, first: Any, action: Any) -> Any:
        wide = one_hot(action, first.shape[1] if first.shape[1] >= self.n else self.n).float()
        return super().predicted(wide[:, : first.shape[1]], action)


class LastScore(DQN):
    """The value of the step that was made stands in for that of the best next one."""

    def learn(self) -> None:
        self.drawn: Any = None
        super().learn()

    def predicted(self, first: Any, action: Any) -> Any:
        self.drawn = super().predicted(first, action)
        return self.drawn

    def following(self, after: Any) -> Any:
        return self.drawn.detach()


class LinearAndHasty(DQN):
    """No activation functions, and an epsilon that is gone after a few steps."""

    def network(self, n_in: int, n_out: int) -> Any:
        return nn.Sequential(nn.Linear(n_in, 64), nn.Linear(64, 64), nn.Linear(64, n_out))

    def epsilon(self) -> float:
        return max(0.01, 0.9**self.t)


class ResetAtEveryStep(DQN):
    """Resets before every step."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool]:
        self.observation = self.env.reset()[0]
        return super().step(action)


class NoTerminals(DQN):
    """No transition is stored as terminal."""

    def remember(
        self, observation: Any, action: Any, reward: float, after: Any, terminated: bool,
        truncated: bool,
    ) -> None:  # fmt: skip
        self.store(observation, action, reward, after, False)


class LimitAsEnd(DQN):
    """A step limit of 50 is stored as if the pole had fallen."""

    def made(self) -> Any:
        return gymnasium.make("CartPole-v1", max_episode_steps=50)

    def remember(
        self, observation: Any, action: Any, reward: float, after: Any, terminated: bool,
        truncated: bool,
    ) -> None:  # fmt: skip
        self.store(observation, action, reward, after, terminated or truncated)


class LimitClean(LimitAsEnd):
    """Healthy: a step limit is no end."""

    def remember(
        self, observation: Any, action: Any, reward: float, after: Any, terminated: bool,
        truncated: bool,
    ) -> None:  # fmt: skip
        self.store(observation, action, reward, after, terminated)


class StaleReset(gymnasium.Wrapper):
    """Reset shows the last observation of the old episode."""

    seen: Any = None

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        first, info = self.env.reset(**kwargs)
        return (first if self.seen is None else self.seen), info

    def step(self, action: Any) -> tuple[Any, ...]:
        self.seen, *rest = self.env.step(action)
        return self.seen, *rest


class CustomReset(DQN):
    """Acts in an environment of its own, which resets wrongly."""

    def made(self) -> Any:
        return StaleReset(gymnasium.make("CartPole-v1"))


class ArgmaxInLoss(DQN):
    """What enters the loss is the index of the best action, which has no gradient."""

    def predicted(self, first: Any, action: Any) -> Any:
        return self.q_net(first).argmax(1).float().requires_grad_()


class ErrorNotSquared(DQN):
    """The loss is the mean error."""

    def loss(self, predicted: Any, targets: Any) -> Any:
        return (predicted - targets).mean()


class ValueInsteadOfError(DQN):
    """The derivative is that of the squared value, not of the squared error."""

    def loss(self, predicted: Any, targets: Any) -> Any:
        return predicted.square().mean()


class ActionsMixedUp(DQN):
    """One-hot actions of a step are read back along the wrong axis."""

    def remember(
        self, observation: Any, action: Any, reward: float, after: Any, terminated: bool,
        truncated: bool,
    ) -> None:  # fmt: skip
        stored = int(np.eye(self.n)[action].reshape(-1, 1).argmax(axis=1)[0])
        self.store(observation, stored, reward, after, terminated)


class TargetNotDetached(DQN):
    """The gradient flows through the target as well."""

    def targets(self, reward: Any, after: Any, terminal: Any) -> Any:
        return reward + self.gamma * (1 - terminal) * self.q_net(after).max(1).values


class InvertedGradient(DQN):
    """Climbs the loss."""

    def descend(self, loss: Any) -> None:
        super().descend(-loss)


class GradientCleared(DQN):
    """Clears gradients between the backward pass and the step."""

    def descend(self, loss: Any) -> None:
        loss.backward()
        self.optimiser.zero_grad()
        self.optimiser.step()


class DoubleDQN(DQN):
    """Healthy: the trained network chooses the next action (van Hasselt et al. 2016)."""

    def following(self, after: Any) -> Any:
        best = self.q_net(after).argmax(1)
        return self.target(after)[torch.arange(len(best)), best]


class SoftTarget(DQN):
    """Healthy: the target network follows all the time."""

    copy_every = 1

    def copy(self) -> None:
        for slow, fast in zip(self.target.parameters(), self.q_net.parameters(), strict=True):
            slow.data.copy_(0.98 * slow.data + 0.02 * fast.data)
