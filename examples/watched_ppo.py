"""A hand-written PPO in the manner of CleanRL, and how plumbrl watches it: three lines.

Run `python watched_ppo.py` in this folder. The lines are marked; the last one prints what they saw.
"""

import argparse
import dataclasses

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import plumbrl


@dataclasses.dataclass
class Args:
    """Settings, by the names of CleanRL."""

    env_id: str = "CartPole-v1"
    out: str = "runs/watched_ppo"
    seed: int = 1
    total_timesteps: int = 60_000
    learning_rate: float = 1e-3
    num_envs: int = 8
    num_steps: int = 64
    gamma: float = 0.98
    gae_lambda: float = 0.9
    num_minibatches: int = 4
    update_epochs: int = 8
    clip_coef: float = 0.2
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5


class Agent(nn.Module):
    """Actor and critic for plain observations and discrete actions."""

    def __init__(self, n_in: int, actions: int) -> None:
        super().__init__()
        self.critic = network(n_in, 1, 1.0)
        self.actor = network(n_in, actions, 0.01)

    def value(self, observations: torch.Tensor) -> torch.Tensor:
        """Return V of observations (..., n), (...)."""
        return self.critic(observations).squeeze(-1)

    def policy(self, observations: torch.Tensor) -> Categorical:
        """Return the policy in observations (..., n)."""
        return Categorical(logits=self.actor(observations))


def network(n_in: int, n_out: int, last: float) -> nn.Sequential:
    """Two hidden layers."""
    layers = [layer(n_in, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, n_out, last)]
    return nn.Sequential(*layers)


def layer(n_in: int, n_out: int, gain: float = 2**0.5) -> nn.Linear:
    """Orthogonal weights."""
    linear = nn.Linear(n_in, n_out)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


def collect(
    envs: gymnasium.vector.VectorEnv, agent: Agent, seen: np.ndarray, args: Args
) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Return a rollout of (num_steps, num_envs, ...) tensors, and the next observation."""
    rows = []
    for _ in range(args.num_steps):
        observation = torch.as_tensor(seen, dtype=torch.float32)
        policy = agent.policy(observation)
        action = policy.sample()
        seen, reward, terminated, truncated, info = envs.step(action.numpy())
        final = np.array(seen)  # the observation after a step, not that after a reset
        for i in np.flatnonzero(terminated | truncated):
            final[i] = info["final_obs"][i]
        rows.append({
            "obs": observation, "action": action, "logprob": policy.log_prob(action),
            "value": agent.value(observation), "reward": torch.as_tensor(reward).float(),
            "next_value": agent.value(torch.as_tensor(final, dtype=torch.float32)),
            "terminated": torch.as_tensor(terminated),
            "done": torch.as_tensor(terminated | truncated),
        })  # fmt: skip
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}, seen


def advantages_of(rollout: dict[str, torch.Tensor], args: Args) -> torch.Tensor:
    """Generalised advantage estimation; nothing follows a terminal state."""
    follows = rollout["next_value"] * ~rollout["terminated"]
    delta = rollout["reward"] + args.gamma * follows - rollout["value"]
    advantages, later = torch.zeros_like(delta), torch.zeros(delta.shape[1])
    for t in reversed(range(args.num_steps)):
        later = delta[t] + args.gamma * args.gae_lambda * ~rollout["done"][t] * later
        advantages[t] = later
    return advantages


def learn(
    agent: Agent, optimizer: torch.optim.Optimizer, batch: dict[str, torch.Tensor], args: Args
) -> dict[str, list[float]]:
    """Take all epochs over a rollout, and return what CleanRL logs."""
    logged: dict[str, list[float]] = {}
    size = len(batch["obs"]) // args.num_minibatches
    for _ in range(args.update_epochs):
        for rows in torch.randperm(len(batch["obs"])).split(size):
            part = {key: value[rows] for key, value in batch.items()}
            policy = agent.policy(part["obs"])
            logratio = policy.log_prob(part["action"]) - part["logprob"]
            ratio = logratio.exp()
            advantage = part["advantage"]
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            clipped = ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
            pg_loss = -torch.min(ratio * advantage, clipped * advantage).mean()
            v_loss = 0.5 * (agent.value(part["obs"]) - part["return"]).square().mean()
            entropy = policy.entropy().mean()
            loss = pg_loss - args.ent_coef * entropy + args.vf_coef * v_loss
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
            numbers = {
                "loss": loss, "pg_loss": pg_loss, "v_loss": v_loss, "entropy": entropy,
                "approx_kl": ((ratio - 1) - logratio).mean(), "old_approx_kl": -logratio.mean(),
                "clipfracs": ((ratio - 1).abs() > args.clip_coef).float().mean(),
            }  # fmt: skip
            for key, number in numbers.items():
                logged.setdefault(key, []).append(number.item())
    return logged


def main(args: Args) -> plumbrl.Watch:
    """Train, and print the report."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    envs = gymnasium.make_vec(
        args.env_id,
        num_envs=args.num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP},
    )
    seen, _ = envs.reset(seed=args.seed)
    agent = Agent(seen.shape[1], int(envs.single_action_space.n))  # type: ignore[attr-defined]
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    watch = plumbrl.Watch(  # the first line
        args.out,
        algo="PPO",
        networks=agent,
        action_space=envs.single_action_space,
        minibatch_size=args.num_envs * args.num_steps // args.num_minibatches,
        settings=vars(args),
    )
    batch_size = args.num_envs * args.num_steps
    for step in range(batch_size, args.total_timesteps + 1, batch_size):
        with torch.no_grad():
            rollout, seen = collect(envs, agent, seen, args)
            advantages = advantages_of(rollout, args)
            returns = advantages + rollout["value"]
        watch.rollout(  # the second line
            step=step,
            rewards=rollout["reward"],
            values=rollout["value"],
            advantages=advantages,
            returns=returns,
            dones=rollout["done"],
            observations=rollout["obs"],
            actions=rollout["action"],
            log_probs=rollout["logprob"],
        )
        batch = {**rollout, "advantage": advantages, "return": returns}
        flat = {key: value.flatten(0, 1) for key, value in batch.items()}
        logged = learn(agent, optimizer, flat, args)
        watch.update(**logged)  # the third line
    envs.close()
    report = watch.close()
    print(report.verdict)
    for found in report.findings:
        print(f"{found.severity} {found.cause} since step {found.step:,}: {found.summary}")
    print(report.next_step)
    return watch


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for field in dataclasses.fields(Args):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=type(field.default), default=field.default)
    main(Args(**vars(parser.parse_args())))
