"""A hand-written PPO with plumbrl's lines in it: for faults that need a policy gradient."""

import sys
from pathlib import Path
from typing import Any

import gymnasium
import torch

sys.path.append(str(Path(__file__).parents[3] / "examples"))

from hand_written_loop import STEPS, Trainer  # type: ignore[import-not-found]

import plumbrl

ENVS = 8


class PPO(Trainer):
    """The loop of the examples, watched.

    Args:
        envs: A vector of environments; None makes CartPole.
        seed: Of everything random.
        gamma: Discount factor.
        folder: Watched from there; None without a watch.
    """

    total, whole = 8_000, 16_000

    def __init__(
        self, envs: Any, seed: int, gamma: float = 0.98, folder: Path | None = None
    ) -> None:
        super().__init__(made() if envs is None else envs, seed, gamma)
        self.optimiser.param_groups[0]["lr"] = 2e-3 if envs is None else 5e-3
        self.t, self.watch = 0, None
        if folder is not None:
            self.watch = plumbrl.Watch(
                folder, algo="PPO", networks={"actor": self.actor, "critic": self.critic},
                action_space=self.envs.single_action_space, gamma=gamma,
                gae_lambda=self.gae_lambda, total_timesteps=self.total, every=256, sinks=(),
            )  # fmt: skip

    def train(self, timesteps: int) -> None:
        """Go on training for at least so many timesteps."""
        for _ in range(0, timesteps, STEPS * self.envs.num_envs):
            rollout = self.collect()
            rollout["advantage"] = self.advantages(rollout)
            rollout["return"] = self.returns(rollout)
            self.t += STEPS * self.envs.num_envs
            if self.watch:
                self.watch.rollout(
                    step=self.t, rewards=rollout["reward"], values=rollout["value"],
                    advantages=rollout["advantage"], returns=rollout["return"],
                    dones=rollout["terminated"] + rollout["truncated"],
                    actions=rollout["action"], log_probs=rollout["log_prob"],
                )  # fmt: skip
            self.update(rollout)
            if self.watch:
                self.watch.update(**self.told(rollout))

    def returns(self, rollout: dict[str, torch.Tensor]) -> torch.Tensor:
        return rollout["advantage"] + rollout["value"]

    @torch.no_grad()
    def told(self, rollout: dict[str, torch.Tensor]) -> dict[str, Any]:
        policy = self.policy(rollout["observation"])
        return {
            "log_ratio": policy.log_prob(rollout["action"]) - rollout["log_prob"],
            "entropy": policy.entropy().mean(),
        }

    def finish(self) -> None:
        self.envs.close()


def made() -> gymnasium.vector.VectorEnv:
    """Return CartPoles that are reset within the step."""
    return gymnasium.make_vec(
        "CartPole-v1", num_envs=ENVS, vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP},
    )  # fmt: skip
