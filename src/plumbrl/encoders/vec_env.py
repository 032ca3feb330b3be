"""Between environment and policy: images become features, each image encoded once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvWrapper

from plumbrl.encoders.images import Shape, channels_first, image_shapes
from plumbrl.encoders.network import Encoder
from plumbrl.errors import UserError

Array = np.ndarray
BATCH = 256
"""Images encoded at a time."""


class EncodedVecEnv(VecEnvWrapper):
    """Replaces every image of a dictionary observation by its features, under the same key.

    Only images that changed since the last step are encoded. Features of an image do not depend on
    what else is in the batch, so the result is the same as if all were. Observations in
    ``infos[i]["terminal_observation"]`` are encoded too.

    Args:
        venv: An SB3 vector environment with dictionary observations.
        encoder: The encoder; it is frozen here.

    Attributes:
        encoder: The encoder.
        images_seen: Images that came in observations.
        images_encoded: Images that had to be encoded.

    Raises:
        UserError: There is no image, or one that the encoder was not made for.
    """

    def __init__(self, venv: VecEnv, encoder: Encoder) -> None:
        space = encoded_space(venv.observation_space, encoder)
        super().__init__(venv, observation_space=space)
        self.encoder = encoder.freeze()
        self.images_seen = self.images_encoded = 0
        keys = image_shapes(venv.observation_space)
        self._images: dict[str, Array] = {}
        self._features = {
            key: np.zeros((venv.num_envs, encoder.size), dtype=np.float32) for key in keys
        }

    def reset(self) -> dict[str, Array]:  # type: ignore[override]
        """Start all episodes."""
        obs: Any = self.venv.reset()
        return self._encoded(obs)

    def step_wait(self) -> tuple[dict[str, Array], Array, Array, list[dict[str, Any]]]:  # type: ignore[override]
        """Step; robots whose episode ended are already in their next one."""
        obs, rewards, dones, infos = self.venv.step_wait()
        for i in np.flatnonzero(dones):
            last = infos[i].get("terminal_observation")
            if last is not None:
                infos[i]["terminal_observation"] = self._encoded_one(last)
        return self._encoded(obs), rewards, dones, infos  # type: ignore[arg-type]

    def _encoded(self, obs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the observation with features; encode what changed, all cameras in one batch."""
        changed = {key: self._changed(key, obs[key]) for key in self._features}
        fresh = [
            channels_first(obs[key][which], self.encoder.image_shape)
            for key, which in changed.items()
        ]
        features = features_of(self.encoder, np.concatenate(fresh))
        cuts = np.cumsum([len(images) for images in fresh])[:-1]
        for (key, which), part in zip(changed.items(), np.split(features, cuts), strict=True):
            self._features[key][which] = part
            self._remember(key, obs[key], which)
        self.images_seen += self.num_envs * len(changed)
        self.images_encoded += len(features)
        return dict(obs) | {key: values.copy() for key, values in self._features.items()}

    def _changed(self, key: str, images: Array) -> Array:
        """Return the indices of robots whose image is not the one of the last step, (M,)."""
        if key not in self._images:
            return np.arange(self.num_envs)
        different = images != self._images[key]
        return np.flatnonzero(different.reshape(self.num_envs, -1).any(axis=1))

    def _remember(self, key: str, images: Array, which: Array) -> None:
        """Keep a copy: an environment may write its next images into the same array."""
        if key not in self._images:
            self._images[key] = images.copy()
        self._images[key][which] = images[which]

    def _encoded_one(self, obs: Mapping[str, Array]) -> dict[str, Array]:
        self.images_seen += len(self._features)
        self.images_encoded += len(self._features)
        one = encode({key: np.asarray(value)[None] for key, value in obs.items()}, self.encoder)
        return {key: value[0] for key, value in one.items()}


def encode(obs: Mapping[str, Array], encoder: Encoder) -> dict[str, Array]:
    """Replace every image of a batched observation by its features.

    Args:
        obs: Arrays by key, each (N, ...); images are uint8 with four axes.
        encoder: The encoder.

    Returns:
        The same keys; features are float32 (N, size) in [-1, 1].

    Raises:
        UserError: An image is not of the encoder's shape.
    """
    result = dict(obs)
    for key, value in obs.items():
        if value.dtype == np.uint8 and value.ndim == 4:
            try:
                images = channels_first(value, encoder.image_shape)
            except ValueError:
                raise _misfit(key, value.shape[1:], encoder) from None
            result[key] = features_of(encoder, images)
    return result


def encoded_space(space: spaces.Space, encoder: Encoder) -> spaces.Dict:
    """Return an observation space with features instead of images.

    Raises:
        UserError: There is no image, or one that the encoder was not made for.
    """
    if not isinstance(space, spaces.Dict):
        raise UserError(f"Only dictionary observations can be encoded; this one is {space}.")
    shapes = image_shapes(space)
    if not shapes:
        raise UserError(f"There is no image to encode among: {', '.join(space.spaces)}.")
    for key, shape in shapes.items():
        if shape != encoder.image_shape:
            raise _misfit(key, shape, encoder)
    features = spaces.Box(-1, 1, (encoder.size,), dtype=np.float32)
    return spaces.Dict({k: features if k in shapes else part for k, part in space.spaces.items()})


def features_of(encoder: Encoder, images: Array) -> Array:
    """Return the features (N, size), float32, of images (N, C, H, W), uint8.

    An image has bit for bit the same features whatever else is in the batch: convolutions over
    channels-last images see to it, except for a batch of one, which is therefore doubled.
    """
    result = np.empty((len(images), encoder.size), dtype=np.float32)
    with torch.inference_mode():
        for at in range(0, len(images), BATCH):
            batch = images[at : at + BATCH]
            doubled = batch.repeat(2, axis=0) if len(batch) == 1 else batch
            result[at : at + BATCH] = encoder(torch.from_numpy(doubled)).numpy()[: len(batch)]
    return result


def _misfit(key: str, shape: Shape | tuple[int, ...], encoder: Encoder) -> UserError:
    wanted = " x ".join(map(str, encoder.image_shape))
    given = " x ".join(map(str, shape))
    return UserError(f"{key}: the encoder was made for images of {wanted}, these are {given}.")
