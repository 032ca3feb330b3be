"""Everything that was measured, as one object."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from plumbrl.profiling.advice import Advice, amdahl, bottleneck
from plumbrl.profiling.environment import EnvironmentProfile
from plumbrl.profiling.learner import TrainingProfile

SCHEMA = 1


@dataclass(frozen=True)
class Profile:
    """What an environment and a training in it take."""

    subject: str
    setting: str
    """What was trained, in words."""
    environment: EnvironmentProfile
    training: TrainingProfile | None
    memory: dict[str, float]
    """Resident memory (MB): before, with the environment, with the training, the peak."""
    advice: list[Advice]
    seconds: float
    """Wall time of measuring."""
    notes: list[str] = field(default_factory=list)

    @property
    def shares(self) -> dict[str, float]:
        """Share by part: of the training, or of a step where no training was measured."""
        return self.training.shares if self.training else self.environment.layers

    @property
    def bottleneck(self) -> tuple[str, float] | None:
        """The part with the largest share, if that is large."""
        return bottleneck(self.shares)

    @property
    def ceiling(self) -> float:
        """Gain if the bottleneck took no time; infinite if it takes all of it, 0 without one."""
        return amdahl(self.bottleneck[1]) if self.bottleneck else 0.0

    def to_json(self) -> str:
        """Return everything as JSON; what is not finite is null."""
        data: dict[str, Any] = {"schema": SCHEMA} | asdict(self)
        data["environment"]["of_physics"] = self.environment.of_physics
        data["environment"]["step"]["per_second"] = self.environment.step.per_second
        if self.training:
            shown = {"groups": self.training.groups, "per_second": self.training.per_second}
            data["training"] |= shown
        named = self.bottleneck
        data["bottleneck"] = (
            {"part": named[0], "share": named[1], "gain": self.ceiling} if named else None
        )
        return json.dumps(_finite(data), indent=2)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
