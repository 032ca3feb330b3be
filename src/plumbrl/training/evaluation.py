"""A trained policy on held-out episodes: against baselines, chance, and other grounds."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from plumbrl.errors import UserError
from plumbrl.findings import finite
from plumbrl.metrics.episodes import Evaluation
from plumbrl.metrics.outcomes import DEFINITION, Difference, difference, succeeded, summarize
from plumbrl.metrics.statistics import Interval, interquartile_interval, rate_interval
from plumbrl.runs import RunFolder
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_vector
from plumbrl.training.evaluate import Act, evaluate_baselines, evaluate_fresh
from plumbrl.training.held_out import first_env_seed, milestone_seeds
from plumbrl.training.outline import outline, said
from plumbrl.training.policy import TrainedPolicy

Array = np.ndarray
TRAINED, SAMPLED, RANDOM = "trained", "trained, sampled", "random"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Study:
    """Everything an evaluation found.

    Attributes:
        policy: What was evaluated.
        seeds: One per episode, (n,).
        place: Where `main` took place.
        main: The policy, the policy sampled (if asked), baselines, random actions.
        elsewhere: By ground: the policy, and the baseline that was best in `main` if there is one.
        notes: What a reader should know, a sentence each.
    """

    policy: TrainedPolicy
    seeds: Array
    place: str
    main: list[Evaluation]
    elsewhere: dict[str, list[Evaluation]]
    notes: tuple[str, ...]

    @property
    def better_than_random(self) -> bool:
        """Whether the 95 % interval of the paired difference in return lies above 0."""
        return self.main[0].gain_over(self.main[-1]).low > 0

    @property
    def best_baseline(self) -> str | None:
        """Name of the baseline with the highest return, if the environment has any."""
        names = [e for e in self.main if e.policy not in (TRAINED, SAMPLED, RANDOM)]
        return max(names, key=lambda e: e.returns.mean()).policy if names else None

    def differences(self) -> list[Difference]:
        """The policy against every other in the same place, paired by seed."""
        return [difference(self.main[0], e, TRAINED, e.policy) for e in self.main[1:]]

    def shifts(self) -> dict[str, list[Difference]]:
        """On every other ground: the policy against itself in `place`, and against the baseline."""
        return {
            ground: [difference(own, self.main[0], ground, self.place)]
            + [difference(own, e, ground, e.policy) for e in others]
            for ground, (own, *others) in self.elsewhere.items()
        }

    def overall(self) -> tuple[Interval, Interval] | None:
        """Success rate and interquartile mean of the return over all grounds, if there are more."""
        if not self.elsewhere:
            return None
        grounds = [self.main[0], *(own for own, *_ in self.elsewhere.values())]
        good = np.concatenate([succeeded(e) for e in grounds])
        rate = rate_interval(int(good.sum()), len(good))
        return rate, interquartile_interval([e.returns for e in grounds])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, every episode included."""
        overall = self.overall()
        return finite(
            {
                "schema": 1,
                "subject": str(self.policy.path),
                "algo": self.policy.algo,
                "timesteps": self.policy.timesteps,
                "success": DEFINITION,
                "seeds": self.seeds.tolist(),
                "notes": list(self.notes),
                "better_than_random": self.better_than_random,
                "place": self.place,
                "policies": [_said(e) for e in self.main],
                "differences": [asdict(d) for d in self.differences()],
                "elsewhere": {k: [_said(e) for e in v] for k, v in self.elsewhere.items()},
                "shifts": {k: [asdict(d) for d in v] for k, v in self.shifts().items()},
                "overall": overall
                and {"success": asdict(overall[0]), "interquartile_return": asdict(overall[1])},
            }
        )

    def to_json(self) -> str:
        """Return `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=1)


def held_out(policy: TrainedPolicy, first: int, episodes: int) -> tuple[Array, list[str]]:
    """Return the seeds of an evaluation, and what is to be said about them.

    Args:
        policy: What is evaluated.
        first: The first seed.
        episodes: How many.

    Raises:
        UserError: A training environment started from one of them, or they are no seeds.
    """
    if not 0 <= first < 2**31 - episodes:
        raise UserError(f"--seed must be from 0 to {2**31 - episodes - 1}; got {first}.")
    seeds = first + np.arange(episodes)
    if policy.config is None or policy.folder is None:
        return seeds, ["The seeds of its training are not known, so they may be among these."]
    trained = _training_seeds(policy)
    shared = np.intersect1d(seeds, trained)
    if len(shared):
        raise UserError(
            f"Seeds {first} to {first + episodes - 1} are not held out: training used "
            f"{trained[0]} to {trained[-1]}; choose another --seed, such as {trained[-1] + 1}."
        )
    chosen = np.intersect1d(seeds, milestone_seeds(policy.config))
    kept = policy.path is not None and policy.path.stem.startswith("best")
    if kept and len(chosen):
        return seeds, ["The best model was chosen on some of these seeds, which flatters it."]
    return seeds, []


def study(
    policy: TrainedPolicy,
    seeds: Array,
    *,
    place: tuple[str, EnvSection] | None = None,
    elsewhere: Mapping[str, EnvSection] | None = None,
    sampled: bool = True,
    num_envs: int = 64,
    notes: tuple[str, ...] = (),
    say: Say = lambda _: None,
) -> Study:
    """Evaluate a policy.

    Args:
        policy: The policy.
        seeds: One per episode, the same for every policy and ground, (n,).
        place: Name and environment of the main evaluation; None: where it was trained.
        elsewhere: Other grounds by name.
        sampled: Also with actions drawn from the policy's distribution.
        num_envs: Episodes side by side, at most.
        notes: To be kept with the result.
        say: Told what begins.

    Raises:
        UserError: An environment's observations or actions are not those of the policy.
    """
    name, section = place or ("where trained", policy.env)
    env = _fitting(policy, section, min(num_envs, len(seeds)))
    try:
        say(f"{name}: {TRAINED}")
        main = [_evaluated(TRAINED, env, policy, seeds, True)]
        if sampled:
            say(f"{name}: {SAMPLED}")
            main.append(_evaluated(SAMPLED, env, policy, seeds, False))
        say(f"{name}: baselines and random actions")
        main += evaluate_baselines(env, seeds)
    finally:
        env.close()
    result = Study(policy, seeds, name, main, {}, notes)
    for ground, section in (elsewhere or {}).items():
        say(ground)
        env = _fitting(policy, section, min(num_envs, len(seeds)))
        try:
            there = [_evaluated(TRAINED, env, policy, seeds, True)]
            if result.best_baseline:
                there += evaluate_baselines(env, seeds, only=result.best_baseline)
        finally:
            env.close()
        result.elsewhere[ground] = there
    return result


def save(result: Study) -> Path | None:
    """Write ``evaluation_<stamp>.json`` into the run folder, if the policy has one."""
    folder = result.policy.folder
    if folder is None:
        return None
    stamp = f"evaluation_{datetime.now():%Y%m%d-%H%M%S}"
    name, number = f"{stamp}.json", 1
    while (folder / name).exists():
        name, number = f"{stamp}.{number}.json", number + 1
    return RunFolder(folder).write_text(name, result.to_json())


def _training_seeds(policy: TrainedPolicy) -> Array:
    assert policy.config is not None and policy.folder is not None
    try:
        seeds = json.loads((policy.folder / "manifest.json").read_text())["seeds"]
        first = int(seeds["environments"])
    except (OSError, ValueError, KeyError, TypeError):
        first = first_env_seed(policy.config)
    return first + np.arange(policy.config.num_envs)


def _fitting(policy: TrainedPolicy, section: EnvSection, num: int) -> Any:
    """Build an environment that has the policy's observations and actions."""
    env = make_vector(section, num)
    if section == policy.env:
        return env
    own = make_vector(policy.env, 1)
    own.close()
    for what in ("observation", "action"):
        theirs, ours = (
            outline(getattr(e, f"single_{what}_space"), bounds=what == "action") for e in (env, own)
        )
        if theirs != ours:
            env.close()
            raise UserError(
                f"The policy does not fit {section.id}: its {what}s are {said(ours)}, the "
                f"environment's are {said(theirs)}."
            )
    return env


def _evaluated(
    name: str, env: Any, policy: TrainedPolicy, seeds: Array, deterministic: bool
) -> Evaluation:
    policy.seed(int(seeds[0]) % 2**32)

    def fresh() -> Act:
        policy.reset()
        return policy.acting_in(env, deterministic)

    return evaluate_fresh(name, env, fresh, seeds)


def _said(evaluation: Evaluation) -> dict[str, Any]:
    episodes = evaluation.to_dict()
    return asdict(summarize(evaluation)) | {
        "each": {key: episodes[key] for key in ("returns", "lengths", "terminated")}
        | episodes["metrics"]
    }
