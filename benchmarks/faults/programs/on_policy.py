"""Faulty policy-gradient programs: each class is the clean PPO with one change."""

import torch

from programs.ppo import PPO


class ArraysReversed(PPO):
    """Advantages are collected from the last step on, and never put back in order."""

    def advantages(self, rollout: dict[str, torch.Tensor]) -> torch.Tensor:
        return super().advantages(rollout).flip(0)


class Classifier(PPO):
    """Trained to predict its own actions, as a classifier would be: rewards do not enter."""

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        value = (self.values(batch["observation"]) - batch["return"]).square().mean()
        return 0.5 * value - self.policy(batch["observation"]).log_prob(batch["action"]).mean()


class ArgmaxInLoss(PPO):
    """The loss asks for the best action instead of its probability: no gradient gets through."""

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        best = self.actor(batch["observation"]).argmax(-1)
        ratio = 1.0 + 0.1 * (best == batch["action"]).float()
        value = (self.values(batch["observation"]) - batch["return"]).square().mean()
        return 0.5 * value - (ratio * batch["advantage"]).mean()
