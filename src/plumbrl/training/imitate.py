"""Begin a training with what a classical controller does, and with what that is worth.

The controller acts in the training's own environments, with noise on its actions (Laskey et al.
2017, DART). The policy's mean is fitted to the actions it meant, the value function to the
discounted rewards that followed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import obs_as_tensor

from plumbrl.errors import UserError
from plumbrl.training.config import ImitateSection
from plumbrl.training.demonstrate import Array, Shown, controller, returns_of, show

BATCH, LEARNING_RATE = 512, 1e-3
VALUE_WEIGHT = 0.1
"""Of the values' error beside the actions': they are learned again soon, actions are not."""

TINY = 1e-6
HELD = 100
"""As if the normaliser had seen so many demonstrations."""


@dataclass(frozen=True)
class Imitated:
    """How well a policy imitates.

    Attributes:
        timesteps: Shown, of all environments together.
        falls: Episodes that were terminated meanwhile.
        error: Mean squared error of the actions over their variance.
        value_error: That of the values over the mean square of the returns.
    """

    timesteps: int
    falls: int
    error: float
    value_error: float


def check_imitation(model: Any, section: ImitateSection) -> None:
    """Refuse what cannot be imitated, before anything is shown or written.

    Raises:
        UserError: The environment has no such controller, or the model cannot imitate one.
    """
    policy = model.policy
    gaussian = isinstance(policy, ActorCriticPolicy) and isinstance(
        policy.action_dist, DiagGaussianDistribution
    )
    if not gaussian or hasattr(policy, "lstm_actor"):
        raise UserError(
            "imitate: only an on-policy algorithm with continuous actions can imitate, such as PPO"
            " (no memory, no gSDE)."
        )
    controller(model.get_env(), section.controller or "")


def imitate(model: Any, section: ImitateSection, seed: int) -> Imitated:
    """Let a new model imitate a controller of its environment.

    Observation and reward normaliser take in what is shown. The spread of actions becomes that of
    the noise, and the optimiser's state stays empty.

    Args:
        model: Just built, see `check_imitation`.
        section: What to imitate, and how long.
        seed: Of noise and minibatches.
    """
    rng = np.random.default_rng(seed)
    shown = show(model.get_env(), section, rng)
    _hold(model.get_vec_normalize_env())
    found = _fit(model, shown, section.gradient_steps, rng)
    with torch.no_grad():
        model.policy.log_std.fill_(float(np.log(section.noise)))
    return found


def _hold(venv: Any) -> None:
    """Let the observation normaliser move slowly from here on.

    A policy that leans more makes leaning count for less, if the normaliser follows: its gains
    drop, and it leans more still.
    """
    if venv is not None and venv.norm_obs:
        known = venv.obs_rms
        for moments in known.values() if isinstance(known, dict) else (known,):
            moments.count *= HELD


def _fit(model: Any, shown: Shown, steps: int, rng: np.random.Generator) -> Imitated:
    """Fit means and values; the last tenth of the minibatches says how well."""
    policy, device = model.policy, model.device
    seen, actions, values, known = _targets(model, shown)
    scale = actions.var().clamp(min=TINY), values[known].square().mean().clamp(min=TINY)
    with torch.no_grad():
        policy.value_net.bias.fill_(values[known].mean())  # of a constant reward nothing is left
    optimiser = torch.optim.Adam(policy.parameters(), lr=LEARNING_RATE)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    errors = []
    for _ in range(steps):
        which, valued = rng.integers(0, len(actions), BATCH), rng.choice(known, BATCH)
        mean = policy.get_distribution(_rows(seen, which, device)).distribution.mean
        value = policy.predict_values(_rows(seen, valued, device)).flatten()
        of_action = (mean - actions[which]).square().mean() / scale[0]
        of_value = (value - values[valued]).square().mean() / scale[1]
        optimiser.zero_grad()
        (of_action + VALUE_WEIGHT * of_value).backward()
        optimiser.step()
        slower.step()
        errors.append(torch.stack([of_action, of_value]).detach())
    error, value_error = torch.stack(errors[-max(1, steps // 10) :]).mean(0).tolist()
    return Imitated(len(actions), int(shown.terminated.sum()), error, value_error)


def _targets(model: Any, shown: Shown) -> tuple[Any, torch.Tensor, torch.Tensor, Array]:
    """Return observations as the policy sees them, actions, values, and whose values are known."""
    venv = model.get_vec_normalize_env()
    rewards = shown.rewards if venv is None else venv.normalize_reward(shown.rewards)
    returns, known = returns_of(rewards, shown.terminated, shown.truncated, model.gamma)
    rows = {key: part.reshape(-1, *part.shape[2:]) for key, part in shown.observations.items()}
    plain: Any = rows.get("", rows)
    seen = plain if venv is None else venv.normalize_obs(plain)
    actions = torch.as_tensor(shown.actions.reshape(known.size, -1), device=model.device)
    values = torch.as_tensor(returns.ravel(), dtype=torch.float32, device=model.device)
    return seen, actions, values, np.flatnonzero(known.ravel())


def _rows(seen: Any, which: Array, device: Any) -> Any:
    part = {key: x[which] for key, x in seen.items()} if isinstance(seen, dict) else seen[which]
    return obs_as_tensor(part, device)
