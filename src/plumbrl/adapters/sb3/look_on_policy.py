"""On-policy algorithms: the numbers of one update, from the rollout to the changed policy."""

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from plumbrl.adapters.sb3.beside import Beside
from plumbrl.adapters.sb3.facts import bounds_of, count_of
from plumbrl.adapters.sb3.on_policy import named_parts
from plumbrl.adapters.sb3.settings import clip_norm
from plumbrl.adapters.sb3.untouched import untouched
from plumbrl.adapters.steps import steps_of_rollout
from plumbrl.adapters.torch_layers import activations
from plumbrl.adapters.torch_layers import numbers as layer_numbers
from plumbrl.adapters.torch_update import UpdateWatch, first_not_finite
from plumbrl.metrics import gradients
from plumbrl.monitor import numbers as named
from plumbrl.snapshots.numbers import Change, Rollout, Steps
from plumbrl.snapshots.trace import last_episode

Array = np.ndarray
Numbers = dict[str, float]
SAMPLE = 512
"""Rows of a rollout on which the changed policy is asked again."""
LOOKS = 64
"""Gradient steps of an update that are looked at."""
PERMUTATIONS = 4
VALUE_PARTS = ("value_net", "vf_features_extractor", "mlp_extractor.value_net", "lstm_critic")


class OnPolicyLook:
    """Looks at one update of an on-policy algorithm.

    Args:
        model: The algorithm, with a full rollout buffer.
        dones: Whether the last step ended an episode, (B,).
        seed: Of the choice of rows.
        signal: Whether to ask if advantages say more than chance; takes a few backward passes.

    Attributes:
        numbers: Found so far.
        not_finite: What was found to hold NaN or infinity first; empty if nothing was.
        trace: An episode of the rollout; None if there is no whole one in it.
    """

    def __init__(self, model: Any, dones: Array, seed: int, signal: bool) -> None:
        self._model = model
        buffer = model.rollout_buffer
        rollout = _rollout(model, dones)
        self.not_finite = _bad_input(buffer)
        self.numbers: Numbers = {} if self.not_finite else named.of_rollout(rollout)
        begins = buffer.episode_starts[0]
        self.trace = last_episode(rollout, begins, model.num_timesteps)
        rng = np.random.default_rng([seed, model.num_timesteps])
        self._rows = _Rows(buffer, rng)
        if not self.not_finite:
            self.numbers |= named.of_steps(_steps(model, rollout, rng))
        if signal and not self.not_finite:
            self.numbers |= named.known({"policy/signal": self._rows.signal(model)})
        samples = rollout.rewards.size
        batch = getattr(model, "batch_size", None)
        epochs = getattr(model, "n_epochs", 1)
        steps = epochs * max(1, samples // batch) if batch else 1
        self._samples = samples * epochs
        self._update = UpdateWatch(
            networks_of(model.policy),
            clip=clip_norm(model),
            batch_size=batch,
            every=max(1, steps // LOOKS),
        )

    def watching(self) -> AbstractContextManager[None]:
        """Look while the update runs."""
        return self._update.watching()

    def finish(self, seconds: float) -> None:
        """Take the numbers of the update that is over, and of the policy it made."""
        self.numbers |= {
            "time/learner_per_second": self._samples / seconds,
            "data/staleness": float(self._update.steps),
        }
        bad = first_not_finite(dict(self._model.policy.named_parameters()))
        self.not_finite = (
            self.not_finite or self._update.first_bad or (f"weights: {bad}" if bad else "")
        )
        if not bad:
            self.numbers |= named.known(self._update.numbers())
            self.numbers |= self._rows.changed(self._model)
        if self.not_finite:
            self.numbers["data/non_finite"] = 1.0


class _Rows:
    """Some rows of a rollout, kept until the policy has changed."""

    def __init__(self, buffer: Any, rng: np.random.Generator) -> None:
        steps, envs = buffer.rewards.shape
        picks = rng.choice(steps * envs, size=min(SAMPLE, steps * envs), replace=False)
        t, b = np.divmod(np.sort(picks), envs)
        self.observations = {k: part[t, b] for k, part in named_parts(buffer.observations).items()}
        self.actions = buffer.actions[t, b].copy()
        self.log_probs = buffer.log_probs[t, b].astype(np.float64)
        self.advantages = buffer.advantages[t, b].astype(np.float64)
        self.returns = buffer.returns[t, b].astype(np.float64)
        self._beside = Beside(buffer, t, b)
        self._rng = rng

    def changed(self, model: Any) -> Numbers:
        """Return what the changed policy says about the same rows."""
        policy = model.policy
        with untouched(policy), activations(policy) as found:
            policy.set_training_mode(False)
            values, log_probs, entropies = self._asked(model)
            std = _std(policy)
        change = Change(
            log_ratio=_array(log_probs) - self.log_probs,
            entropies=None if entropies is None else _array(entropies),
            advantages=self.advantages,
            values=_array(values).ravel(),
            returns=self.returns,
            std=std,
            actions=self._beside.allowed(count_of(model.action_space)),
            bounds=bounds_of(model.action_space),
            clip_range=_clip(model),
        )
        return named.of_change(change) | layer_numbers(found)

    def signal(self, model: Any) -> float:
        """Return the policy-gradient norm over that of shuffled advantages; 1 is no signal."""
        policy = model.policy
        # CuDNN differentiates recurrent layers in training mode only, in which dropout is on
        with untouched(policy), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            policy.set_training_mode(False)
            _, log_probs, _ = self._asked(model)
            tensors = [p for p in policy.parameters() if p.requires_grad]
            norms = [
                self._gradient_norm(log_probs, advantages, tensors)
                for advantages in (
                    self.advantages,
                    *(self._rng.permutation(self.advantages) for _ in range(PERMUTATIONS)),
                )
            ]
        return gradients.signal_ratio(norms[0], np.array(norms[1:]))

    def _gradient_norm(self, log_probs: Any, advantages: Array, tensors: list[Any]) -> float:
        weights = torch.as_tensor(advantages - advantages.mean(), dtype=log_probs.dtype)
        loss = (log_probs * weights.to(log_probs.device)).mean()
        grads = torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True)
        return gradients.norm_of([_array(g) for g in grads if g is not None])

    def _asked(self, model: Any) -> Any:
        actions = torch.as_tensor(self.actions, device=model.device)
        actions = actions.reshape(len(actions), *model.action_space.shape)
        if count_of(model.action_space) is not None:
            actions = actions.long().flatten()
        seen = {k: torch.as_tensor(v, device=model.device) for k, v in self.observations.items()}
        beside = self._beside.arguments(model.device)
        return model.policy.evaluate_actions(seen.get("", seen), actions, *beside)


def networks_of(policy: torch.nn.Module) -> dict[str, dict[str, torch.Tensor]]:
    """Return the trainable tensors of an actor-critic policy by network."""
    networks: dict[str, dict[str, torch.Tensor]] = {"actor": {}, "critic": {}}
    for name, tensor in policy.named_parameters():
        if tensor.requires_grad:
            networks["critic" if name.startswith(VALUE_PARTS) else "actor"][name] = tensor
    return {name: tensors for name, tensors in networks.items() if tensors}


def _rollout(model: Any, dones: Array) -> Rollout:
    buffer = model.rollout_buffer
    ends = np.concatenate([buffer.episode_starts[1:], np.asarray(dones)[None]]).astype(bool)
    discrete = count_of(model.action_space) is not None
    return Rollout(
        rewards=buffer.rewards.astype(np.float64),
        values=buffer.values.astype(np.float64),
        advantages=buffer.advantages.astype(np.float64),
        returns=buffer.returns.astype(np.float64),
        episode_ends=ends,
        actions=buffer.actions[..., 0] if discrete else buffer.actions,
        log_probs=buffer.log_probs.astype(np.float64),
        gamma=model.gamma,
        bounds=bounds_of(model.action_space),
    )


def _steps(model: Any, rollout: Rollout, rng: np.random.Generator) -> Steps | None:
    seen, count = named_parts(model.rollout_buffer.observations), count_of(model.action_space)
    ends, rewards = rollout.episode_ends, rollout.rewards
    return steps_of_rollout(seen, rollout.actions, rewards, ends, count, rng)


def _bad_input(buffer: Any) -> str:
    """Return which array of the rollout is not finite first; empty if all are."""
    parts = named_parts(buffer.observations)
    arrays = {f"observations {key}".strip(): part for key, part in parts.items()}
    arrays |= {
        name: getattr(buffer, name) for name in ("rewards", "actions", "values", "log_probs")
    }
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            step = int(np.argwhere(~np.isfinite(array))[0][0])
            return f"{name} of the rollout, step {step} of it"
    return ""


def _std(policy: Any) -> Array | None:
    log_std = getattr(policy, "log_std", None)
    if log_std is None or log_std.ndim != 1:
        return None
    return np.exp(_array(log_std))


def _clip(model: Any) -> float | None:
    clip: Any = getattr(model, "clip_range", None)
    if not callable(clip):
        return None
    now: Any = clip(model._current_progress_remaining)
    return float(now)


def _array(tensor: Any) -> Array:
    return tensor.detach().cpu().numpy().astype(np.float64).reshape(tensor.shape)
