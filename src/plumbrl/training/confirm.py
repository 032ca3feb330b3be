"""Is a suspected cause the cause? Train again, short and seeded, with and without it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from typing import Any, Literal

import numpy as np

from plumbrl.diagnosis import diagnose
from plumbrl.errors import UserError, unknown
from plumbrl.findings import Finding, finite
from plumbrl.history import Facts
from plumbrl.logs import read
from plumbrl.runs.files import whole
from plumbrl.training.config_file import load_config
from plumbrl.training.remedy import changes_of
from plumbrl.training.session import Trained
from plumbrl.training.train import train

Verdict = Literal["confirmed", "refuted", "undecided"]
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Two-sided 95 % points of Student's distribution with 1, 2, ... degrees of freedom."""
LEAST = 2
"""Pairs of trainings without which nothing can be said."""
ENOUGH = 3
"""Pairs before anything is said where as many seeds are given: the interval of two is enormous."""
TIMESTEPS = 100_000
RETURN = "rollout/ep_rew_mean"


@dataclass(frozen=True)
class Trial:
    """One seed, trained as it was and with the change.

    Attributes:
        seed: Of both.
        before: Mean return of the last training episodes, as it was.
        after: The same with the change.
        still: Whether the cause was found again with the change.
    """

    seed: int
    before: float
    after: float
    still: bool


@dataclass(frozen=True)
class Confirmation:
    """What an experiment says of a suspected cause.

    Attributes:
        cause: The suspect.
        changes: What was changed, by dotted key.
        verdict: ``confirmed``: the change raises the return beyond the noise; ``refuted``: it
            lowers it, or what it could raise it by is less than a tenth of the return's size;
            ``undecided``: neither.
        gain: Mean difference in return, over seeds.
        low: Lower end of its 95 % interval (Student's, over seeds).
        high: Upper end.
        timesteps: Of each training.
        trials: One per seed.
    """

    cause: str
    changes: dict[str, Any]
    verdict: Verdict
    gain: float
    low: float
    high: float
    timesteps: int
    trials: tuple[Trial, ...]

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(finite({"schema": 1, **asdict(self)}), indent=2)


def suspect(run: Path, cause: str | None = None) -> Finding:
    """Return the finding to put to the test: the first with a remedy that is a setting.

    Raises:
        UserError: The diagnosis accuses nothing, or not this cause.
    """
    findings = [f for f in diagnose(run).findings if f.severity != "info"]
    if cause is not None:
        named = {f.cause: f for f in findings}
        if cause not in named:
            raise unknown("finding", cause, named) if named else UserError(f"{run}: no findings.")
        return named[cause]
    if not findings:
        raise UserError(f"The diagnosis of {run} accuses nothing; try a change of yours: --set.")
    return next((f for f in findings if f.change), findings[0])


def confirm(
    run: Path,
    *,
    cause: str | None = None,
    changes: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    timesteps: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Confirmation:
    """Train pairs, with and without a change, until their difference says something.

    Args:
        run: The run folder that was diagnosed.
        cause: The suspect; None for the first finding whose remedy is a setting.
        changes: What to change instead, by dotted key.
        seeds: At most; as many are used as decide, at least three, or two if only two are given.
        timesteps: Of each training; None for those of the run, at most 100,000.
        say: Called with what is going on.

    Raises:
        UserError: There is nothing to test, or the changed configuration is not valid.
    """
    if len(seeds) < LEAST:
        raise UserError(f"--seeds: at least {LEAST} are needed, or noise cannot be told.")
    config = load_config(run / "config.yaml")
    if changes:
        name, chosen = cause or "your change", dict(changes)
    else:
        found = suspect(run, cause)
        name, chosen = found.cause, changes_of(found, config, _facts(run))
    steps = timesteps or min(config.total_timesteps, TIMESTEPS)
    trials: list[Trial] = []
    for seed in seeds:
        trials.append(_trial(run, name, chosen, seed, steps, say))
        if len(trials) >= ENOUGH and judged(trials)[0] != "undecided":
            break
    result = Confirmation(name, chosen, *judged(trials), steps, tuple(trials))
    with whole(run / "confirm" / "confirmation.json") as temporary:
        temporary.write_text(result.to_json())
    return result


def judged(trials: Sequence[Trial]) -> tuple[Verdict, float, float, float]:
    """Return the verdict, the mean gain and its 95 % interval over seeds."""
    gains = np.array([trial.after - trial.before for trial in trials])
    gain = float(gains.mean())
    spread = float(gains.std(ddof=1)) / sqrt(len(gains))
    half = spread * T_95[min(len(gains) - 1, len(T_95)) - 1]
    low, high = gain - half, gain + half
    size = max(float(np.mean([abs(trial.before) for trial in trials])), 1e-12)
    if low > 0:
        return "confirmed", gain, low, high
    return ("refuted" if high < 0.1 * size else "undecided"), gain, low, high


def _facts(run: Path) -> Facts:
    try:
        return read(run).facts
    except UserError:
        return Facts()


def _return(result: Trained) -> float:
    """Return what episodes of training earned at its end.

    Held-out episodes of the most likely action are no measure here: an untrained policy may do
    well on them by luck, seed by seed.
    """
    history = read(result.folder)
    if RETURN in history:
        values = history.points(RETURN)[1]
        return float(np.mean(values[-max(1, len(values) // 10) :]))
    return float(np.mean(result.evaluations[0].returns))


def _trial(
    run: Path, cause: str, changes: dict[str, Any], seed: int, steps: int, say: Callable
) -> Trial:
    reached: list[float] = []
    still = False
    for label, change in (("as it was", {}), ("changed", changes)):
        say(f"seed {seed}, {label}")
        overrides = {
            "seed": seed, "total_timesteps": steps, "out": str(run / "confirm"),
            "checkpoints": 0, "eval.record": 0, "name": label.replace(" ", "-"),
        }  # fmt: skip
        result = train(load_config(run / "config.yaml", overrides | change))
        reached.append(_return(result))
        still = cause in {f.cause for f in result.report.findings}
    return Trial(seed, reached[0], reached[1], still)
