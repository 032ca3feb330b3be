"""A hand-written PPO, and how plumbrl probes it.

Run `plumbrl probe --algo hand_written_loop:make_trainer` in this folder. The probes need no more
than the last four methods of `Trainer`: `train`, and `value` and `action` to ask what was learnt.
"""

import gymnasium
import numpy as np
import torch
from torch import nn

STEPS, EPOCHS, MINIBATCH, CLIP = 16, 6, 64, 0.2


def network(n_in: int, n_out: int) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(n_in, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, n_out)
    )


class Trainer:
    """PPO for plain observations and discrete actions, on a vector of environments."""

    gae_lambda = 0.95

    def __init__(self, envs: gymnasium.vector.VectorEnv, seed: int, gamma: float) -> None:
        torch.manual_seed(seed)
        self.envs, self.gamma = envs, gamma
        n_in = int(np.prod(envs.single_observation_space.shape))
        self.actor = network(n_in, int(envs.single_action_space.n))
        self.critic = network(n_in, 1)
        parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=5e-3)
        self.observation, _ = envs.reset(seed=seed)

    def collect(self) -> dict[str, torch.Tensor]:
        """Return a rollout of (STEPS, num_envs, ...) tensors."""
        rows = []
        for _ in range(STEPS):
            observation = self.tensor(self.observation)
            policy = self.policy(observation)
            action = policy.sample()
            after, reward, terminated, truncated, info = self.envs.step(action.numpy())
            final = np.array(after)
            for i in np.flatnonzero(terminated | truncated):
                final[i] = info["final_obs"][i]
            rows.append({
                "observation": observation, "action": action, "log_prob": policy.log_prob(action),
                "value": self.values(observation), "reward": self.tensor(reward),
                "next_value": self.values(self.tensor(final)),
                "terminated": self.tensor(terminated), "truncated": self.tensor(truncated),
            })  # fmt: skip
            self.observation = after
        return {key: torch.stack([row[key] for row in rows]).detach() for key in rows[0]}

    def advantages(self, rollout: dict[str, torch.Tensor]) -> torch.Tensor:
        """Generalised advantage estimation; nothing follows a terminal state."""
        follows = 1 - rollout["terminated"]
        goes_on = follows * (1 - rollout["truncated"])
        delta = rollout["reward"] + self.gamma * follows * rollout["next_value"] - rollout["value"]
        advantages, later = torch.zeros_like(delta), torch.zeros(delta.shape[1])
        for t in reversed(range(STEPS)):
            later = delta[t] + self.gamma * self.gae_lambda * goes_on[t] * later
            advantages[t] = later
        return advantages

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The clipped objective and the squared error of values."""
        ratio = (
            self.policy(batch["observation"]).log_prob(batch["action"]) - batch["log_prob"]
        ).exp()
        advantage = (batch["advantage"] - batch["advantage"].mean()) / (
            batch["advantage"].std() + 1e-8
        )
        clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
        policy_loss = -torch.min(ratio * advantage, clipped * advantage).mean()
        value_loss = (self.values(batch["observation"]) - batch["return"]).square().mean()
        return policy_loss + 0.5 * value_loss

    def update(self, rollout: dict[str, torch.Tensor]) -> None:
        """Take EPOCHS passes over a rollout."""
        flat = {key: part.flatten(0, 1) for key, part in rollout.items()}
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(flat["reward"])).split(MINIBATCH):
                loss = self.loss({key: part[rows] for key, part in flat.items()})
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()

    def policy(self, observation: torch.Tensor) -> torch.distributions.Categorical:
        """Return the policy in observations (..., n)."""
        return torch.distributions.Categorical(logits=self.actor(observation))

    def values(self, observation: torch.Tensor) -> torch.Tensor:
        """Return V of observations (..., n), (...)."""
        return self.critic(observation).squeeze(-1)

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """Return an array as float32."""
        return torch.as_tensor(np.asarray(array), dtype=torch.float32)

    def train(self, timesteps: int) -> None:
        """Go on training for at least so many timesteps."""
        for _ in range(0, timesteps, STEPS * self.envs.num_envs):
            rollout = self.collect()
            rollout["advantage"] = self.advantages(rollout)
            rollout["return"] = rollout["advantage"] + rollout["value"]
            self.update(rollout)

    def value(self, observations: np.ndarray) -> np.ndarray:
        """Return V of observations (n, ...), (n,)."""
        with torch.no_grad():
            return self.values(self.tensor(observations)).numpy()

    def action(self, observations: np.ndarray) -> np.ndarray:
        """Return the most probable actions, (n,)."""
        with torch.no_grad():
            return self.actor(self.tensor(observations)).argmax(-1).numpy()


def make_trainer(envs: gymnasium.vector.VectorEnv, seed: int, gamma: float) -> Trainer:
    """Return a trainer; `gamma` lets each probe use the discount factor at which it decides."""
    torch.set_num_threads(1)
    return Trainer(envs, seed, gamma)
