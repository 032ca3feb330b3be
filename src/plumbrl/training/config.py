"""What a training is made of, read from YAML; unknown keys are refused by name."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from plumbrl.errors import UserError, first_problem, nearest, unknown

SB3_HOMES = {
    "PPO": "stable_baselines3",
    "A2C": "stable_baselines3",
    "TRPO": "sb3_contrib",
}
"""On-policy algorithms that `train` can build so far."""


TINY = 1e-12
RANGES: dict[str, tuple[float, float]] = {
    "learning_rate": (TINY, 10), "gamma": (TINY, 1), "gae_lambda": (0, 1), "clip_range": (TINY, 10),
    "n_steps": (1, 1e9), "batch_size": (1, 1e9), "n_epochs": (1, 1e6), "ent_coef": (0, 1e6),
    "vf_coef": (0, 1e6), "max_grad_norm": (TINY, 1e12), "target_kl": (TINY, 1e6),
}  # fmt: skip
"""What each argument of an algorithm may be."""


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class Model(BaseModel):
    """A frozen configuration that refuses unknown keys with the nearest valid name."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise unknown("key", str(key), cls.model_fields)
        return data


class EnvSection(Model):
    """Which environment to train in."""

    id: str
    """Gymnasium id, with its module if it must be imported first: ``ballbot:Ballbot-v0``."""
    config: str | None = None
    """Path of a file the environment reads, relative to the training file; passed as `config`."""
    kwargs: dict[str, Any] = {}
    """Further arguments of the environment."""


class AlgoSection(Model):
    """Which algorithm, with its own arguments."""

    name: str = "PPO"
    policy: str = "MultiInputPolicy"
    net_arch: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(max_length=8)] = (128, 128)
    """Hidden layers of actor and critic."""
    activation: str = "Tanh"
    """A class of torch.nn."""
    log_std_init: float = 0.0
    kwargs: dict[str, Any] = {}
    """Arguments of the algorithm, by SB3's names: learning_rate, n_steps, batch_size, ..."""

    @field_validator("kwargs")
    @classmethod
    def _in_range(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Turn 1e-3, which YAML reads as text, into a number, and refuse what cannot be."""
        numbers = {key: _number(value) for key, value in kwargs.items()}
        for key, (low, high) in RANGES.items():
            value = numbers.get(key)
            if value is not None and not (isinstance(value, int | float) and low <= value <= high):
                raise ValueError(f"{key} must be a number from {low:g} to {high:g}, not {value!r}")
        return numbers

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name.upper() not in SB3_HOMES:
            raise unknown("algorithm", name, SB3_HOMES)
        return name.upper()


class EvalSection(Model):
    """How the trained policy is judged."""

    episodes: Annotated[int, Field(ge=2, le=10_000)] = 32
    seed: Annotated[int, Field(ge=0)] = 1_000_000
    """First evaluation seed; training seeds are drawn elsewhere."""


class TrainConfig(Model):
    """A training."""

    name: str = "train"
    env: EnvSection
    num_envs: Annotated[int, Field(ge=1, le=4096)] = 64
    """Environments side by side; more collect faster and make each update larger."""
    algo: AlgoSection = AlgoSection()
    total_timesteps: Annotated[int, Field(gt=0)] = 1_000_000
    seed: Annotated[int, Field(ge=0)] = 0
    normalize_observation: bool = True
    """Scale observations by their running mean and variance (images are left alone)."""
    normalize_reward: bool = True
    """Scale rewards by the running variance of the return."""
    torch_threads: Annotated[int, Field(ge=1)] = 1
    """One is fastest for small networks, and by far on a busy machine."""
    eval: EvalSection = EvalSection()
    out: str = "runs"
    """Root of the run folders."""

    @field_validator("total_timesteps", "num_envs", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """Accept 10e6 and its like, which YAML reads as text."""
        number = float(value) if isinstance(value, str | float) else value
        return int(number) if isinstance(number, float) and number.is_integer() else number


def load_config(path: Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a training configuration.

    Args:
        path: YAML file.
        overrides: Values by dotted key, e.g. ``{"algo.kwargs.n_steps": 64}``.

    Raises:
        UserError: The file cannot be read or something in it is wrong.
    """
    data = _read(path)
    for key, value in (overrides or {}).items():
        _set(data, key.split("."), value)
    try:
        config = TrainConfig.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from None
    check_algorithm(config.algo)
    return _with_absolute_env_config(config, path.parent)


def algorithm_class(name: str) -> Any:
    """Return the SB3 class of an algorithm."""
    return getattr(import_module(SB3_HOMES[name]), name)


def check_algorithm(algo: AlgoSection) -> None:
    """Refuse arguments that the algorithm does not have.

    Raises:
        UserError: With the nearest argument that it has.
    """
    ours = {
        "self",
        "policy",
        "env",
        "seed",
        "policy_kwargs",
        "tensorboard_log",
        "_init_setup_model",
    }
    valid = set(inspect.signature(algorithm_class(algo.name)).parameters) - ours
    for key in algo.kwargs:
        if key not in valid:
            raise UserError(f"algo.kwargs: {algo.name} has no {key!r}; {nearest(key, valid)}")


def _with_absolute_env_config(config: TrainConfig, folder: Path) -> TrainConfig:
    if config.env.config is None:
        return config
    here = Path(config.env.config)
    path = here if here.is_absolute() else folder / here
    if not path.is_file():
        raise UserError(f"env.config: there is no file {path}.")
    env = config.env.model_copy(update={"config": str(path.resolve())})
    return config.model_copy(update={"env": env})


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold a mapping of settings.")
    return data


def _set(data: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value; what stands in the way and is no mapping is an error."""
    for depth, part in enumerate(path[:-1]):
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise UserError(f"{'.'.join(path)}: {'.'.join(path[: depth + 1])} holds no settings.")
    data[path[-1]] = value
