"""What a training is made of. Reading it from files is in `config_file`."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from plumbrl.training.model import Model

TINY = 1e-12
RANGES: dict[str, tuple[float, float]] = {
    "learning_rate": (TINY, 10), "gamma": (TINY, 1), "gae_lambda": (0, 1), "clip_range": (TINY, 10),
    "n_steps": (1, 1e9), "batch_size": (1, 1e9), "n_epochs": (1, 1e6), "ent_coef": (0, 1e6),
    "vf_coef": (0, 1e6), "max_grad_norm": (0, 1e12), "target_kl": (TINY, 1e6), "tau": (0, 1),
    "buffer_size": (1, 1e9), "learning_starts": (0, 1e9), "gradient_steps": (-1, 1e6),
    "target_update_interval": (1, 1e9), "exploration_fraction": (0, 1), "policy_delay": (1, 1e6),
    "exploration_initial_eps": (0, 1), "exploration_final_eps": (0, 1),
    "target_policy_noise": (0, 1e6), "target_noise_clip": (0, 1e6), "clip_range_vf": (TINY, 1e6),
    "n_delta": (1, 1e6), "n_top": (1, 1e6), "n_eval_episodes": (1, 1e6), "delta_std": (TINY, 1e6),
    "cg_max_steps": (1, 1e6), "n_critic_updates": (1, 1e6), "sub_sampling_factor": (1, 1e6),
    "train_freq": (1, 1e9), "stats_window_size": (1, 1e9), "sde_sample_freq": (-1, 1e9),
}  # fmt: skip
"""What each argument of an algorithm may be."""
WHOLE = ("n_steps", "batch_size", "n_epochs", "buffer_size", "learning_starts", "gradient_steps",
         "target_update_interval", "policy_delay", "n_delta", "n_top", "n_eval_episodes",
         "cg_max_steps", "n_critic_updates", "sub_sampling_factor", "train_freq",
         "stats_window_size", "sde_sample_freq")  # fmt: skip
OFF_POLICY = ("CrossQ", "DDPG", "DQN", "QRDQN", "SAC", "TD3", "TQC")
"""Algorithms with a replay buffer."""
Layers = Annotated[tuple[Annotated[int, Field(gt=0, le=65536)], ...], Field(max_length=16)]


def number(value: Any) -> Any:
    """Return the number in a text such as 1e-3, which YAML reads as text; else the value itself."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def whole(value: Any) -> Any:
    """Return 10e6 and its like as the whole number that is meant; else the value itself."""
    value = number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes`; a mapping that brings its own `type` starts from scratch."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and _same_type(old, value):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def _same_type(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return new.get("type", old.get("type")) == old.get("type")


class EnvSection(Model):
    """Which environment to train in."""

    id: str = "ballbot:Ballbot-v0"
    """Gymnasium id, with its module if it must be imported first."""
    config: str | None = None
    """Path of a file the environment reads, relative to the training file; passed as `config`."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the environment."""
    processes: bool = False
    """Each environment in a process of its own (SB3's SubprocVecEnv), where the environment has no
    vector form of its own. Worth it when a step takes longer than about a millisecond."""


class AlgoSection(Model):
    """Which algorithm, with its own arguments."""

    name: str = "PPO"
    """Any algorithm of stable_baselines3 or sb3_contrib."""
    policy: str = "auto"
    """MlpPolicy, CnnPolicy, MultiInputPolicy, ...; auto takes the one that fits."""
    net_arch: Layers = (128, 128)
    """Hidden layers of actor and critic each."""
    activation: str = "Tanh"
    """A class of torch.nn."""
    log_std_init: float | None = None
    """Logarithm of the initial standard deviation of actions; None: the library's default."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Above 0: AdamW with this decay instead of Adam."""
    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the algorithm, by SB3's names: n_steps, batch_size, ... `learning_rate`,
    `clip_range` and `ent_coef` may also be schedules; see `schedules`."""

    @field_validator("kwargs")
    @classmethod
    def _in_range(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        numbers = {k: whole(v) if k in WHOLE else number(v) for k, v in kwargs.items()}
        for key, (low, high) in RANGES.items():
            value = numbers.get(key)
            if value is None or isinstance(value, dict) or (key == "ent_coef" and _auto(value)):
                continue
            kind = "whole number" if key in WHOLE else "number"
            fits = isinstance(value, int if key in WHOLE else int | float)
            if not fits or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{key} must be a {kind} from {low:g} to {high:g}, not {value!r}")
        return numbers

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        from plumbrl.training.algorithms import algorithm_name

        return algorithm_name(name)


class EvalSection(Model):
    """How the policy is judged, during training and at its end, on held-out seeds."""

    episodes: Annotated[int, Field(ge=2, le=10_000)] = 32
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1_000_000
    """First evaluation seed; training seeds are drawn elsewhere."""
    every: Annotated[int, Field(ge=0)] | None = None
    """Timesteps between evaluations during training, from which `best_model.zip` is chosen; 0: only
    at the end; None: ten times a training."""

    record: Annotated[int, Field(ge=0, le=100)] = 2
    """Episodes with the lowest return that are recorded at the end, and the best one; 0: none."""
    env: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the environment that are different in evaluation, such as harder ground."""

    @field_validator("every", "seed", "episodes", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        return whole(value)


class EncoderSection(Model):
    """What turns depth images into features."""

    path: str | None = None
    """An `encoder.pt` from `plumbrl pretrain`; None: a new one is trained with the policy."""
    frozen: bool = True
    """Images are encoded once, when they are seen, by an encoder that never changes."""
    fusion: bool = False
    """A small transformer over proprioception and cameras instead of concatenation."""


class ImitateSection(Model):
    """What a training begins with instead of chance: a controller of the environment, imitated.

    The policy's mean is fitted to its actions and the value function to what they are worth; then
    training goes on as configured.
    """

    controller: str | None = None
    """One of the environment's own, such as `balance` of the ballbot; None: nothing is imitated."""
    timesteps: Annotated[int, Field(gt=0, le=100_000_000)] = 25_600
    """Shown before training, of all environments together."""
    noise: Annotated[float, Field(gt=0, le=2)] = 0.2
    """Standard deviation added to the controller's actions, so that it shows how to recover; the
    policy's own begins with it, whatever `algo.log_std_init` says."""
    gradient_steps: Annotated[int, Field(gt=0, le=10_000_000)] = 4_000

    @field_validator("timesteps", "gradient_steps", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        return whole(value)


class TrainConfig(Model):
    """A training."""

    name: str = "train"
    env: EnvSection = EnvSection()
    num_envs: Annotated[int, Field(ge=1, le=4096)] = 0
    """Environments side by side; more collect faster and make each update larger. By default 64
    ballbots, 8 of any other environment, 1 for an algorithm with a replay buffer."""
    algo: AlgoSection = AlgoSection()
    encoder: EncoderSection = EncoderSection()
    start_from: str | None = None
    """A run folder or model whose policy this training begins with, its normaliser included."""
    imitate: ImitateSection = ImitateSection()
    total_timesteps: Annotated[int, Field(gt=0)] = 1_000_000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    normalize_observation: bool = True
    """Scale observations by their running mean and variance (images are left alone)."""
    normalize_reward: bool = True
    """Scale rewards by the running variance of the return."""
    torch_threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """One is fastest for small networks, and by far on a busy machine."""
    checkpoints: Annotated[int, Field(ge=0, le=10_000)] = 5
    """Models kept along the way."""
    save_seconds: Annotated[float, Field(gt=0, le=1e6)] = 30.0
    """Wall time between saves of the whole state, from which a stopped run goes on exactly."""
    eval: EvalSection = EvalSection()
    watch: bool = True
    """Measure what every update does, and raise alerts; see docs/watching.md."""
    watch_every: Annotated[int, Field(gt=0)] | None = None
    """Timesteps between two rows of metrics; None: about 400 rows in a training, at least 1,024
    timesteps apart (256 for off-policy algorithms)."""
    stop_on_error: bool = False
    """Stop at the first alert that is an error, with exit code 4."""
    out: str = "runs"
    """Root of the run folders."""

    @property
    def begins_with(self) -> str | None:
        """A trained policy or a controller that the policy begins with; None for chance."""
        return self.start_from or self.imitate.controller

    @property
    def eval_env(self) -> EnvSection:
        """The environment that the policy is judged in."""
        return self.env.model_copy(update={"kwargs": merged(self.env.kwargs, self.eval.env)})

    @model_validator(mode="before")
    @classmethod
    def _side_by_side(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("num_envs") is not None:
            return data
        return {
            **data,
            "num_envs": _usual_envs(_part(data, "env", "id"), _part(data, "algo", "name")),
        }

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.start_from is not None and self.imitate.controller is not None:
            raise ValueError("start_from and imitate.controller both say how to begin; keep one")
        return self

    @field_validator("total_timesteps", "num_envs", "seed", "checkpoints", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        return whole(value)


def _part(data: Mapping[str, Any], section: str, key: str) -> str:
    """Return a value of a section that is still as it was written; empty if it is not there."""
    written = data.get(section)
    value = written.get(key) if isinstance(written, Mapping) else getattr(written, key, None)
    return value if isinstance(value, str) else ""


def _usual_envs(env: str, algo: str) -> int:
    """A replay buffer learns once a step of all environments; SB3's rollouts are 2,048 of each."""
    if algo.upper() in map(str.upper, OFF_POLICY):
        return 1
    return 64 if env.rpartition(":")[2] in ("", "Ballbot-v0") else 8


def _auto(value: Any) -> bool:
    """SAC's and its relatives' own adjustment of the entropy coefficient."""
    return isinstance(value, str) and value.startswith("auto")
