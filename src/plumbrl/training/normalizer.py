"""The running normalisation of observations and rewards as plain numbers."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.runs.files import whole

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecNormalize

Array = np.ndarray
SETTINGS = ("clip_obs", "clip_reward", "gamma", "epsilon")


@dataclass(frozen=True)
class Moments:
    """Running moments of a quantity.

    Attributes:
        mean: float64, of the quantity's shape.
        var: The same shape, not negative.
        count: How many samples they rest on.
    """

    mean: Array
    var: Array
    count: float


@dataclass(frozen=True)
class Normalizer:
    """What SB3's `VecNormalize` has learnt, without the environment and without a pickle.

    Attributes:
        observation: Moments of the observation (Box), by key (Dict; keys that are absent are left
            alone), or None if observations are not normalised.
        returns: Moments of the running discounted return; rewards are divided by its deviation.
        norm_reward: Whether rewards were normalised.
        clip_obs: Largest normalised observation, in deviations.
        clip_reward: Largest normalised reward.
        gamma: Discount of the running return.
        epsilon: Added to every variance.
    """

    observation: Moments | Mapping[str, Moments] | None
    returns: Moments
    norm_reward: bool
    clip_obs: float
    clip_reward: float
    gamma: float
    epsilon: float

    @classmethod
    def of(cls, vec_normalize: "VecNormalize") -> "Normalizer":
        """Copy the numbers of an SB3 `VecNormalize`; later updates do not reach the copy."""
        rms = vec_normalize.obs_rms if vec_normalize.norm_obs else None
        observation = (
            {key: _moments(rms[key]) for key in vec_normalize.norm_obs_keys or rms}
            if isinstance(rms, dict)
            else _moments(rms) if rms is not None else None
        )  # fmt: skip
        return cls(
            observation,
            _moments(vec_normalize.ret_rms),
            bool(vec_normalize.norm_reward),
            **{name: float(getattr(vec_normalize, name)) for name in SETTINGS},
        )

    def observations(self, obs: Any) -> Any:
        """Return normalised observations, exactly as `VecNormalize.normalize_obs`.

        Args:
            obs: An array or a dictionary of arrays, batched or single.

        Returns:
            float32 in [-clip_obs, clip_obs]; what is not normalised is passed through.
        """
        if self.observation is None:
            return obs
        if isinstance(self.observation, Moments):
            return self._scaled(obs, self.observation)
        scaled = {key: self._scaled(obs[key], m) for key, m in self.observation.items()}
        return dict(obs) | scaled

    def restore(self, vec_normalize: "VecNormalize") -> None:
        """Put the numbers into an SB3 `VecNormalize`, which goes on from them.

        Raises:
            UserError: It normalises something else than this.
        """
        theirs = Normalizer.of(vec_normalize)
        if _shapes(theirs.observation) != _shapes(self.observation):
            raise UserError(
                f"The normaliser is of {_shapes(self.observation)}, but the environment needs "
                f"{_shapes(theirs.observation)}."
            )
        for name in SETTINGS:
            setattr(vec_normalize, name, getattr(self, name))
        _put(self.returns, vec_normalize.ret_rms)
        if isinstance(self.observation, Moments):
            _put(self.observation, vec_normalize.obs_rms)
        elif self.observation is not None:
            for key, moments in self.observation.items():
                _put(moments, vec_normalize.obs_rms[key])  # type: ignore[index]

    def save(self, path: Path) -> None:
        """Write an ``.npz`` of plain numbers, atomically."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in (*SETTINGS, "norm_reward")}
        arrays |= _named("return", self.returns)
        if isinstance(self.observation, Moments):
            arrays |= _named("observation", self.observation)
        elif self.observation is not None:
            arrays["keys"] = np.array(list(self.observation), dtype=np.str_)
            for key, moments in self.observation.items():
                arrays |= _named(f"observation/{key}", moments)
        with whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Normalizer":
        """Read what `save` wrote; nothing in the file is ever run.

        Raises:
            UserError: The file cannot be read or is no normaliser.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            return cls._from(arrays)
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile):
            raise UserError(f"{path} is no normaliser of this package.") from None

    @classmethod
    def load_pickle(cls, path: Path, *, trust: bool = False) -> "Normalizer":
        """Read SB3's ``vecnormalize.pkl``: its numbers only, nothing in it is run.

        Args:
            path: The file.
            trust: Unpickle it, which runs whatever it holds.

        Raises:
            UserError: It cannot be read, or holds more than numbers and `trust` is False.
        """
        import pickle

        from plumbrl.training.pickles import read_inert

        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
        try:
            return cls.of(pickle.loads(data) if trust else read_inert(data, str(path)))
        except UserError:
            raise
        except Exception:  # a foreign pickle can raise anything
            raise UserError(f"{path} is no VecNormalize of Stable-Baselines3.") from None

    @classmethod
    def _from(cls, arrays: dict[str, Array]) -> "Normalizer":
        observation: Moments | dict[str, Moments] | None = None
        if "keys" in arrays:
            keys = [str(key) for key in arrays["keys"]]
            observation = {key: _read(f"observation/{key}", arrays) for key in keys}
        elif "observation.mean" in arrays:
            observation = _read("observation", arrays)
        settings = {name: float(arrays[name]) for name in SETTINGS}
        return cls(observation, _read("return", arrays), bool(arrays["norm_reward"]), **settings)

    def _scaled(self, obs: Array, moments: Moments) -> Array:
        deviation = np.sqrt(moments.var + self.epsilon)
        scaled = np.clip((obs - moments.mean) / deviation, -self.clip_obs, self.clip_obs)
        return scaled.astype(np.float32)


def _moments(rms: Any) -> Moments:
    mean, var = (np.array(getattr(rms, name), dtype=np.float64) for name in ("mean", "var"))
    return _checked(Moments(mean, var, float(rms.count)))


def _checked(moments: Moments) -> Moments:
    if moments.mean.shape != moments.var.shape or not np.isfinite(moments.mean).all():
        raise ValueError("moments that do not fit")
    if not (np.isfinite(moments.var).all() and (moments.var >= 0).all()):
        raise ValueError("variances that are none")
    return moments


def _put(moments: Moments, rms: Any) -> None:
    rms.mean, rms.var, rms.count = moments.mean.copy(), moments.var.copy(), moments.count


def _shapes(observation: Moments | Mapping[str, Moments] | None) -> Any:
    if isinstance(observation, Moments):
        return observation.mean.shape
    return {k: m.mean.shape for k, m in observation.items()} if observation else "nothing"


def _named(prefix: str, moments: Moments) -> dict[str, Any]:
    return {f"{prefix}.{name}": getattr(moments, name) for name in ("mean", "var", "count")}


def _read(prefix: str, arrays: dict[str, Array]) -> Moments:
    mean, var = (np.asarray(arrays[f"{prefix}.{n}"], dtype=np.float64) for n in ("mean", "var"))
    return _checked(Moments(mean, var, float(arrays[f"{prefix}.count"])))
