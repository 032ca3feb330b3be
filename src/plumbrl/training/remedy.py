"""A finding's remedy as changes of a training's configuration."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml

from plumbrl.errors import UserError
from plumbrl.findings import Finding
from plumbrl.history import Facts
from plumbrl.training.config import TrainConfig

FACTOR = "x "
WHOLE = ("n_epochs", "batch_size", "n_steps", "learning_starts", "buffer_size")
"""Settings that are whole numbers, at least 1."""


def changes_of(finding: Finding, config: TrainConfig, facts: Facts) -> dict[str, Any]:
    """Return what the remedy changes, by dotted key of the configuration.

    Args:
        finding: Its `change` holds values, and factors such as ``x 0.3``.
        config: The training.
        facts: What the model was built with, for settings that the configuration leaves open.

    Raises:
        UserError: The remedy is not a setting, or the setting to multiply is unknown.
    """
    if not finding.change:
        raise UserError(
            f"The remedy of {finding.cause} is no setting, so it cannot be tried by itself: "
            f"{finding.remedy.strip()} If you know one, say it: --set gamma=0.99."
        )
    return {
        dotted(key): _value(key, change, config, facts) for key, change in finding.change.items()
    }


def dotted(key: str) -> str:
    """Return where a setting stands in the configuration: the algorithm's own by their name."""
    known = "." in key or key in TrainConfig.model_fields
    return key if known else f"algo.kwargs.{key}"


def read_changes(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return what ``key=value`` says.

    Raises:
        UserError: One of them is not of this form.
    """
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UserError(f"--set takes key=value, such as gamma=0.99; got {text!r}.")
        found[dotted(key)] = yaml.safe_load(value)
    return found


def _value(key: str, change: str, config: TrainConfig, facts: Facts) -> Any:
    if not change.startswith(FACTOR):
        return yaml.safe_load(change)
    factor = float(change.removeprefix(FACTOR))
    now = config.algo.kwargs.get(key, asdict(facts).get(key))
    if now is None:
        raise UserError(f"{key} is not known, so it cannot be changed by {change}; use --set.")
    return scaled(now, factor, whole=key in WHOLE)


def scaled(value: Any, factor: float, *, whole: bool = False) -> Any:
    """Return a number, or the numbers of a schedule, times a factor."""
    if isinstance(value, Mapping):
        kept = {"type", "factor", "target_kl", "remaining"}
        return {k: v if k in kept else scaled(v, factor) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [scaled(v, factor) for v in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return max(1, round(value * factor)) if whole else float(f"{value * factor:.6g}")
