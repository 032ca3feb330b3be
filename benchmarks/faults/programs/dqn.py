"""A hand-written DQN in one piece: what most of the published faulty programs are one change from.

The four lines that plumbrl needs are those with `self.watch`.
"""

import copy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

import plumbrl

TOTAL, WHOLE = 2_500, 6_000
"""Timesteps after which faults must have been named; and those in which the clean loop triples its
return on CartPole."""


class DQN:
    """Deep Q-learning (Mnih et al. 2015) for plain observations and discrete actions.

    Args:
        env: One environment; None makes CartPole.
        seed: Of everything random.
        gamma: Discount factor.
        folder: Watched from there; None without a watch.
    """

    total, whole = TOTAL, WHOLE
    learning_starts, batch, capacity, rate = 200, 64, 10_000, 2e-3
    learn_every, epsilon_end, decay_steps, copy_every = 2, 0.05, 1250, 50
    last: Any = None
    """Activation after the last layer."""

    def __init__(
        self, env: gymnasium.Env | None, seed: int, gamma: float = 0.99, folder: Path | None = None
    ) -> None:
        torch.manual_seed(seed)
        self.rng, self.gamma, self.t, self.steps = np.random.default_rng(seed), gamma, 0, 0
        self.env = self.made() if env is None else env
        n_in, self.n = self.sizes()
        self.q_net = self.network(n_in, self.n)
        self.target = copy.deepcopy(self.q_net)
        self.optimiser = torch.optim.Adam(self.q_net.parameters(), lr=self.rate, fused=True)
        self.memory: list[tuple[Any, ...]] = []
        self.watch = None if folder is None else self.watched(folder)
        self.observation = self.env.reset(seed=seed)[0]

    def watched(self, folder: Path) -> plumbrl.Watch:
        watch = plumbrl.Watch(
            folder, algo="DQN", networks=self.q_net, target_networks=self.target, gamma=self.gamma,
            total_timesteps=self.total, buffer_size=self.capacity, batch_size=self.batch,
            learning_rate=self.rate, every=256, sinks=(),
        )  # fmt: skip
        self.env = watch.environment(self.env)
        return watch

    def made(self) -> Any:
        return gymnasium.make("CartPole-v1")

    def sizes(self) -> tuple[int, int]:
        space: Any = self.env.action_space
        return int(np.prod(self.env.observation_space.shape or ())), int(space.n)

    def network(self, n_in: int, n_out: int) -> nn.Sequential:
        layers = [
            nn.Linear(n_in, 64),
            nn.ReLU(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, n_out),
        ]
        return nn.Sequential(*layers, *([self.last] if self.last else []))

    def epsilon(self) -> float:
        return max(self.epsilon_end, 1 - self.t / self.decay_steps)

    def act(self, observation: np.ndarray) -> Any:
        if self.rng.random() < self.epsilon():
            return int(self.rng.integers(self.n))
        return self.best(observation)

    def best(self, observation: np.ndarray) -> Any:
        with torch.no_grad():
            return int(self.q_net(tensor(observation[None])).argmax())

    def train(self, timesteps: int) -> None:
        """Go on training for so many timesteps."""
        for _ in range(timesteps):
            action = self.act(self.observation)
            after, reward, terminated, truncated = self.step(action)
            self.remember(self.observation, action, reward, after, terminated, truncated)
            self.observation = after
            self.t += 1
            if terminated or truncated:
                self.observation = self.start_anew()
            if self.t >= self.learning_starts and self.t % self.learn_every == 0:
                self.learn()

    def step(self, action: Any) -> tuple[Any, float, bool, bool]:
        after, reward, terminated, truncated, _ = self.env.step(action)
        return after, float(reward), terminated, truncated

    def start_anew(self) -> Any:
        return self.env.reset()[0]

    def remember(
        self, observation: Any, action: Any, reward: float, after: Any, terminated: bool,
        truncated: bool,
    ) -> None:  # fmt: skip
        self.store(observation, action, reward, after, terminated)

    def store(self, *transition: Any) -> None:
        if len(self.memory) >= self.capacity:
            self.memory[self.t % self.capacity] = transition
        else:
            self.memory.append(transition)

    def sample(self) -> tuple[torch.Tensor, ...]:
        rows = [self.memory[i] for i in self.rng.integers(len(self.memory), size=self.batch)]
        first, action, reward, after, terminal = (
            np.array(part) for part in zip(*rows, strict=True)
        )
        indices = torch.as_tensor(action, dtype=torch.int64)
        return tensor(first), indices, tensor(reward), tensor(after), tensor(terminal)

    def predicted(self, first: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        return self.q_net(first)[torch.arange(len(action)), action]

    def targets(
        self, reward: torch.Tensor, after: torch.Tensor, terminal: torch.Tensor
    ) -> torch.Tensor:
        with torch.no_grad():
            return reward + self.gamma * (1 - terminal) * self.following(after)

    def following(self, after: torch.Tensor) -> torch.Tensor:
        return self.target(after).max(1).values

    def loss(self, predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return mse_loss(predicted, targets)

    def learn(self) -> None:
        first, action, reward, after, terminal = self.sample()
        predicted, targets = self.predicted(first, action), self.targets(reward, after, terminal)
        loss = self.loss(predicted, targets)
        if self.watch:
            self.watch.batch(
                observations=first, actions=action, rewards=reward, next_observations=after,
                terminal=terminal, targets=targets, predictions=predicted,
            )  # fmt: skip
        self.descend(loss)
        self.steps += 1
        if self.steps % self.copy_every == 0:
            self.copy()
        if self.watch:
            self.watch.update(self.t, loss=loss, **self.told())

    def told(self) -> dict[str, float]:
        return {"epsilon": self.epsilon()}

    def descend(self, loss: torch.Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def copy(self) -> None:
        self.target.load_state_dict(self.q_net.state_dict())

    def finish(self) -> None:
        self.env.close()

    def q(self, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return Q of observations (n, ...) and actions (n,), (n,): what the probes ask."""
        with torch.no_grad():
            rows = self.q_net(tensor(observations))
        return rows.numpy()[np.arange(len(actions)), np.asarray(actions).reshape(-1)]

    def action(self, observations: np.ndarray) -> np.ndarray:
        """Return the best actions, (n,)."""
        with torch.no_grad():
            return self.q_net(tensor(observations)).argmax(1).numpy()


def tensor(array: Any) -> torch.Tensor:
    """Return an array as float32, rows flat."""
    plain = torch.as_tensor(np.asarray(array), dtype=torch.float32)
    return plain.flatten(1) if plain.ndim > 2 else plain
