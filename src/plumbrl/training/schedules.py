"""How a learning rate, clip range or entropy coefficient changes over a training."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from plumbrl.errors import UserError, first_problem, nearest
from plumbrl.training.model import Model

Value = Annotated[float, Field(ge=0, le=10)]
Schedulable = Literal["learning_rate", "clip_range", "ent_coef"]
SCHEDULABLE: tuple[Schedulable, ...] = ("learning_rate", "clip_range", "ent_coef")


class Constant(Model):
    """The same throughout."""

    type: Literal["constant"] = "constant"
    value: Value


class Linear(Model):
    """A straight line from the first timestep to the last."""

    type: Literal["linear"] = "linear"
    start: Value
    end: Value = 0.0


class ThreeStage(Model):
    """Three constants one after the other."""

    type: Literal["three_stage"] = "three_stage"
    values: tuple[Value, Value, Value] = (1e-4, 5e-5, 1e-5)
    remaining: tuple[float, float] = (0.66, 0.33)
    """The first value holds while more than the first of these shares of the training remains, the
    second while more than the second does."""

    @model_validator(mode="after")
    def _falling(self) -> "ThreeStage":
        if not 1 > self.remaining[0] > self.remaining[1] > 0:
            raise ValueError("remaining must fall from below 1 to above 0")
        return self


class Adaptive(Model):
    """Follows the measured KL divergence: halves the distance to `target_kl` instead of a clock.

    After an update whose `approx_kl` was above twice the target the value is divided by `factor`,
    below half of it multiplied (Schulman et al. 2017, section 4, applied to the learning rate).
    """

    type: Literal["adaptive"] = "adaptive"
    start: Annotated[float, Field(gt=0, le=10)] = 1e-3
    target_kl: Annotated[float, Field(gt=0, le=10)] = 0.01
    factor: Annotated[float, Field(gt=1, le=10)] = 1.5
    low: Annotated[float, Field(gt=0, le=10)] = 1e-5
    high: Annotated[float, Field(gt=0, le=10)] = 1e-2

    @model_validator(mode="after")
    def _ordered(self) -> "Adaptive":
        if not self.low <= self.start <= self.high:
            raise ValueError("start must lie between low and high")
        return self


KINDS = ("constant", "linear", "three_stage", "adaptive")
ScheduleConfig = Annotated[Constant | Linear | ThreeStage | Adaptive, Field(discriminator="type")]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(ScheduleConfig)


def read_schedule(name: str, value: Any) -> "Constant | Linear | ThreeStage | Adaptive":
    """Return the schedule that a setting asks for.

    Args:
        name: Of the setting.
        value: A number, or a mapping with `type`.

    Raises:
        UserError: It is no schedule.
    """
    if not isinstance(value, dict):
        value = {"type": "constant", "value": value}
    kind = value.get("type")
    if kind not in KINDS:
        raise UserError(f"{name}: unknown schedule {kind!r}; {nearest(str(kind), KINDS)}")
    try:
        schedule = _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise UserError(f"{name}: {first_problem(error)}") from None
    if schedule.type == "adaptive" and name != "learning_rate":
        raise UserError(f"{name}: only learning_rate can be adaptive.")
    return schedule


class Schedule:
    """A schedule at work: called by SB3 with the share of the training that remains.

    Attributes:
        value: What an adaptive schedule gives now; it is all that resuming needs to know.
    """

    def __init__(self, config: Any) -> None:
        self._config = config
        self.value = float(config.start) if config.type == "adaptive" else 0.0

    def __call__(self, remaining: float) -> float:
        """Return the value when `remaining` of the training, from 1 to 0, is ahead."""
        by_type: dict[str, Callable[[float], float]] = {
            "constant": lambda _: self._config.value,
            "linear": self._linear,
            "three_stage": self._three_stage,
            "adaptive": lambda _: self.value,
        }
        return float(by_type[self._config.type](remaining))

    @property
    def adaptive(self) -> bool:
        """Whether it wants to hear the KL divergence of each update."""
        return self._config.type == "adaptive"

    def observe(self, kl: float) -> None:
        """Adapt to the `approx_kl` of the last update; a NaN changes nothing."""
        target, factor = self._config.target_kl, self._config.factor
        if kl > 2 * target:
            self.value = max(self._config.low, self.value / factor)
        elif kl < target / 2:
            self.value = min(self._config.high, self.value * factor)

    def _linear(self, remaining: float) -> float:
        return self._config.end + remaining * (self._config.start - self._config.end)

    def _three_stage(self, remaining: float) -> float:
        first, second = self._config.remaining
        stage = 0 if remaining > first else 1 if remaining > second else 2
        return self._config.values[stage]
