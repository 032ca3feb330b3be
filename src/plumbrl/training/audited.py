"""What `plumbrl audit` is given: an environment by name, run folder or file, and who acts in it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from plumbrl.audits.oracle import own_baseline
from plumbrl.audits.subject import MakePolicy
from plumbrl.audits.target import is_registered
from plumbrl.errors import UserError
from plumbrl.training.config import EnvSection, TrainConfig
from plumbrl.training.envs import has_native_vector, make_single, make_vector

if TYPE_CHECKING:
    from plumbrl.training.policy import TrainedPolicy

VECTOR = 4
"""Environments of a vector that is audited."""


@dataclass(frozen=True)
class Audited:
    """What to audit.

    Attributes:
        name: For the report.
        env: An id, or a function that returns a new environment.
        vector: Returns a new vector of environments; None if the environment has none of its own.
        policy: Makes the trained policy; None if there is none.
        oracle: Makes the environment's own baseline; None if it has none.
        gamma: Discount of the training; None if there is none.
        rollout: Steps between its updates; None if there is none, or they are not fixed.
    """

    name: str
    env: Any
    vector: Callable[[], Any] | None = None
    policy: MakePolicy | None = None
    oracle: MakePolicy | None = None
    gamma: float | None = None
    rollout: int | None = None


def audited(env: str | None, policy: Path | None, *, trust: bool = False) -> Audited:
    """Return what to audit.

    Args:
        env: An id, ``module:function``, a run folder, a training's YAML file or the ballbot's; None
            is the environment of the policy.
        policy: Run folder or zip of a policy; a run folder given as `env` brings its own.
        trust: Load pickles too.

    Raises:
        UserError: One of them is missing or does not fit.
    """
    if env is None and policy is None:
        raise UserError("Name an environment, or --policy RUN to audit the one it was trained in.")
    path = Path(env) if env is not None else None
    if path is not None and path.is_dir():
        policy = policy or path
    loaded = _loaded(policy, trust) if policy else None
    config = loaded.config if loaded else None
    if path is None or path.is_dir():
        section = _read(path / "config.yaml").env if path else _env_of(loaded)
    elif path.suffix in (".yaml", ".yml"):
        section, config = _from_file(path, config)
    else:
        section = EnvSection(id=str(env))
        if not is_registered(section.id):
            return Audited(str(env), str(env), None, _making(loaded), own_baseline, *_facts(config))
    native = has_native_vector(section.id)
    return Audited(
        section.id, lambda: make_single(section),
        (lambda: make_vector(section, VECTOR)) if native else None,
        _making(loaded), own_baseline, *_facts(config),
    )  # fmt: skip


def _loaded(path: Path, trust: bool) -> "TrainedPolicy":
    from plumbrl.training.policy import load_policy  # torch: only where a policy acts

    return load_policy(path, trust=trust)


def _read(path: Path) -> TrainConfig:
    from plumbrl.training.config_file import load_config

    return load_config(path)


def _env_of(policy: "TrainedPolicy | None") -> EnvSection:
    assert policy is not None
    return policy.env


def _from_file(path: Path, config: TrainConfig | None) -> tuple[EnvSection, TrainConfig | None]:
    """Read a training's configuration, or one of the ballbot."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    data = yaml.safe_load(path.read_text())
    if isinstance(data, dict) and {"algo", "env", "preset", "problem"} & set(data):
        config = _read(path)
        return config.env, config
    return EnvSection(config=str(path.resolve())), config


def _making(policy: "TrainedPolicy | None") -> MakePolicy | None:
    if policy is None:
        return None
    from plumbrl.training.acting import Acting

    return lambda env: Acting(policy, env)


def _facts(config: TrainConfig | None) -> tuple[float | None, int | None]:
    """Return the discount and the rollout's length, as far as the configuration says."""
    if config is None:
        return None, None
    gamma, steps = config.algo.kwargs.get("gamma"), config.algo.kwargs.get("n_steps")
    return (
        float(gamma) if isinstance(gamma, int | float) else None,
        int(steps) if isinstance(steps, int | float) else None,
    )
