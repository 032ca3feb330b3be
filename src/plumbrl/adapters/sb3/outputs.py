"""What the networks of an SB3 or sb3-contrib model answer, with gradients where they are wanted."""

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

Array = np.ndarray
Tensor = torch.Tensor


def outputs(model: BaseAlgorithm, observations: Any) -> dict[str, Tensor]:
    """Return what the networks make of observations, differentiable.

    Args:
        model: The model; of a recurrent one nothing is returned, for it needs a memory.
        observations: Tensor (n, ...) or a dictionary of them, as the network takes them.

    Returns:
        ``action``: mean, logits, or Q of every action, (n, k); ``value``: V, or Q of what the
        policy would do, (n, 1), where the model has one.
    """
    policy: Any = model.policy
    if "Recurrent" in type(model).__name__:
        return {}
    if hasattr(policy, "predict_values"):
        distribution = policy.get_distribution(observations).distribution
        return {"action": _centre(distribution), "value": policy.predict_values(observations)}
    if hasattr(policy, "q_net") or hasattr(policy, "quantile_net"):
        q = (
            policy.quantile_net(observations).mean(dim=1)
            if hasattr(policy, "quantile_net")
            else policy.q_net(observations)
        )
        return {"action": q, "value": q.max(dim=1, keepdim=True).values}
    if hasattr(policy, "critic"):
        stochastic = hasattr(policy.actor, "action_log_prob")
        action = policy.actor(observations, *([True] if stochastic else []))
        return {"action": action, "value": _q(policy.critic(observations, action))}
    return {"action": policy(observations)}


def values_of(model: BaseAlgorithm, observations: Any, actions: Array) -> Array:
    """Return what a model expects from observations on, (n,); NaN if it has no value function.

    Args:
        model: The model.
        observations: As the network takes them, batched.
        actions: Made there, (n, ...): Q is asked about them.
    """
    policy: Any = model.policy
    n = len(actions)
    if "Recurrent" in type(model).__name__ or not _judges(policy):
        return np.full(n, np.nan)
    tensor = policy.obs_to_tensor(observations)[0]
    with torch.no_grad():
        if hasattr(policy, "critic"):
            scaled = policy.scale_action(np.asarray(actions, dtype=np.float32).reshape(n, -1))
            value = _q(policy.critic(tensor, torch.as_tensor(scaled, device=model.device)))
        elif hasattr(policy, "predict_values"):
            value = policy.predict_values(tensor)
        else:
            q = outputs(model, tensor)["action"]
            value = q.gather(1, torch.as_tensor(actions, device=q.device).long().reshape(-1, 1))
    return value.reshape(-1).cpu().numpy().astype(np.float64)


def _judges(policy: Any) -> bool:
    return any(hasattr(policy, n) for n in ("critic", "predict_values", "q_net", "quantile_net"))


def _centre(distribution: Any) -> Tensor:
    """Return means of Gaussians, logits of anything discrete, (n, k)."""
    several = distribution if isinstance(distribution, list) else [distribution]
    return torch.cat([d.logits if hasattr(d, "logits") else d.mean for d in several], dim=1)


def _q(critics: Any) -> Tensor:
    """Return the smallest of several critics, or the mean of their quantiles, (n, 1)."""
    if isinstance(critics, Tensor):  # quantiles (n, critics, quantiles)
        return critics.flatten(1).mean(dim=1, keepdim=True)
    return torch.cat(tuple(critics), dim=1).min(dim=1, keepdim=True).values
