"""A trained policy as one pure function: from raw observations to the action that is taken."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import Tensor, nn

from plumbrl.errors import UserError
from plumbrl.training.normalizer import Moments, Normalizer
from plumbrl.training.policy import TrainedPolicy

ON_POLICY = ("PPO", "A2C", "TRPO")
SQUASHED = ("SAC", "TQC", "CrossQ")
VALUES = ("DQN", "QRDQN")
DETERMINISTIC = ("TD3", "DDPG", "ARS")
EXPORTABLE = (*ON_POLICY, *SQUASHED, *VALUES, *DETERMINISTIC)
BOX = "observation"
"""Name of the input of a policy whose observation is one array."""


class Deployed(nn.Module):
    """The deterministic action of a policy, with everything before and after its network inside.

    In this order: images through the frozen encoder, normalisation in double precision (as in
    training), channels first, the network, then scaling or clipping to the action's range.

    Args:
        policy: The policy.
        space: Raw observations of one environment.

    Attributes:
        names: Of the inputs of `forward`, in order.

    Raises:
        UserError: The algorithm's policy is no function of the observation alone.
    """

    def __init__(self, policy: TrainedPolicy, space: spaces.Space) -> None:
        super().__init__()
        if policy.algo not in EXPORTABLE:
            raise UserError(
                f"{policy.algo} cannot be exported: its policy needs more than the observation."
            )
        self._algo = policy.algo
        self.network = policy.model.policy.eval()
        self.encoder = policy.encoder
        self._raw = dict(space.spaces) if isinstance(space, spaces.Dict) else {BOX: space}
        self._dict = isinstance(space, spaces.Dict)
        self.names = tuple(self._raw)
        self._norms = nn.ModuleDict(_norms(policy.normalizer))
        self._finish = _Finish(self.network)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return actions (N, ...) for raw observations, each (N, ...), in the order of `names`."""
        obs = {name: self._prepared(name, x) for name, x in zip(self.names, inputs, strict=True)}
        seen = obs if self._dict else obs[BOX]
        network = self.network
        ready = preprocess_obs(
            seen,  # pyright: ignore[reportArgumentType]
            network.observation_space,
            normalize_images=network.normalize_images,
        )
        return self._finish(self._action(network, ready))

    def _prepared(self, name: str, x: Tensor) -> Tensor:
        raw = self._raw[name]
        if self.encoder is not None and len(raw.shape or ()) == 3 and raw.dtype == np.uint8:
            x = self.encoder(x)
        if name in self._norms:
            x = self._norms[name](x)
        space = self.network.observation_space
        wanted = space[name] if isinstance(space, spaces.Dict) else space
        return x.permute(0, 3, 1, 2) if _channels_last(raw, wanted) and x.ndim == 4 else x

    def _action(self, network: Any, ready: Any) -> Tensor:
        """Return the network's deterministic action; `ready` is what its extractor takes."""
        if self._algo in ON_POLICY:
            latent = network.mlp_extractor.forward_actor(network.pi_features_extractor(ready))
            return _mode(network, network.action_net(latent))
        if self._algo in SQUASHED:
            actor = network.actor
            latent = actor.latent_pi(actor.features_extractor(ready))
            return torch.tanh(actor.mu(latent))
        if self._algo in ("TD3", "DDPG"):
            return network.actor.mu(network.actor.features_extractor(ready))
        if self._algo == "ARS":
            return _mode(network, network.action_net(network.features_extractor(ready)))
        if self._algo == "DQN":
            net = network.q_net
            return net.q_net(net.features_extractor(ready)).argmax(dim=1)
        net = network.quantile_net
        quantiles = net.quantile_net(net.features_extractor(ready))
        values = quantiles.reshape(-1, net.n_quantiles, int(net.action_space.n)).mean(dim=1)
        return values.argmax(dim=1)


class _Norm(nn.Module):
    def __init__(self, moments: Moments, normalizer: Normalizer) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(moments.mean))
        deviation = np.sqrt(moments.var + normalizer.epsilon)
        self.register_buffer("deviation", torch.as_tensor(deviation))
        self._clip = normalizer.clip_obs

    def forward(self, x: Tensor) -> Tensor:
        scaled = (x.double() - self.mean) / self.deviation  # pyright: ignore[reportOperatorIssue]
        return scaled.clamp(-self._clip, self._clip).float()


class _Finish(nn.Module):
    """Brings a network's output to the range and shape of the action, as SB3's `predict`."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        space = network.action_space
        self._shape = tuple(space.shape)
        self._box = isinstance(space, spaces.Box)
        self._squashed = bool(network.squash_output)
        if self._box:
            self.register_buffer("low", torch.as_tensor(space.low))
            self.register_buffer("high", torch.as_tensor(space.high))

    def forward(self, action: Tensor) -> Tensor:
        action = action.reshape(-1, *self._shape)
        if not self._box:
            return action
        low, high = self.low, self.high
        if self._squashed:
            return low + 0.5 * (action + 1.0) * (high - low)  # pyright: ignore[reportOperatorIssue]
        return torch.minimum(torch.maximum(action, low), high)  # pyright: ignore[reportArgumentType]


def _mode(network: Any, output: Tensor) -> Tensor:
    """Return the most likely action of an actor-critic policy from its last layer."""
    space = network.action_space
    if isinstance(space, spaces.Discrete):
        return output.argmax(dim=1)
    if isinstance(space, spaces.MultiDiscrete):
        parts: tuple[Tensor, ...] = output.split(network.action_space.nvec.tolist(), dim=1)
        return torch.stack([part.argmax(dim=1) for part in parts], dim=1)
    if isinstance(space, spaces.MultiBinary):
        return (output > 0).to(torch.int8)
    sampled_noise = hasattr(network, "action_dist") and network.squash_output
    return torch.tanh(output) if sampled_noise else output  # ARS has its tanh inside


def _norms(normalizer: Normalizer | None) -> Mapping[str, nn.Module]:
    if normalizer is None or normalizer.observation is None:
        return {}
    moments = normalizer.observation
    by_key = {BOX: moments} if isinstance(moments, Moments) else moments
    return {key: _Norm(m, normalizer) for key, m in by_key.items()}


def _channels_last(raw: Any, wanted: Any) -> bool:
    """Whether SB3 turned these images: the raw shape ends with what it begins with for the net."""
    shape = tuple(raw.shape or ())
    if len(shape) != 3:
        return False
    turned = (shape[2], shape[0], shape[1])
    return tuple(wanted.shape) == turned != shape
