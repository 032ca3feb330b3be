"""`plumbrl evaluate RUN`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from plumbrl.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from plumbrl.training.config import EnvSection
    from plumbrl.training.evaluation import Study
    from plumbrl.training.policy import TrainedPolicy


@dataclass(frozen=True)
class Options:
    """Evaluate a trained policy on held-out episodes, against baselines and random actions.

    An episode fails if it ends in a terminal state (the ballbot: a fall), and succeeds otherwise;
    where an environment reports is_success, that counts instead. Every policy gets the same seeds,
    none of which training used. Intervals are of 95 %: Wilson's for rates, Newcombe's for paired
    differences of rates, bootstrap for everything else; IQM is the mean of the middle half.

    Exit code 3: the policy is not better than random actions.
    """

    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder, or a saved model: model.zip."""
    path: Path | None = None
    """The same, as an option."""
    which: Literal["best", "final"] = "best"
    """Of a run folder: the model that did best in evaluations while training, or the last."""
    n_test: int = 32
    """Episodes for each policy and ground."""
    seed: int = 42
    """First seed; episode i has seed + i."""
    override_terrain_type: str | None = None
    """Evaluate on this terrain instead, such as flat or perlin:hard."""
    terrains: tuple[str, ...] = ()
    """Evaluate on these terrains too, or on all."""
    sampled: bool = True
    """Also with actions drawn from the policy's distribution."""
    algo: str | None = None
    """Algorithm of a model without a run folder, if the file does not say."""
    env: str | None = None
    """Gymnasium id for a model without a run folder; the ballbot if not given."""
    config: Path | None = None
    """YAML file of the environment, instead of the one trained in."""
    num_envs: int = 64
    """Episodes side by side, at most."""
    record: int = 2
    """Episodes with the lowest return that are recorded for `plumbrl replay`, and the best one; 0
    records none."""
    json: bool = False
    """Print everything as JSON and nothing else."""
    trust: bool = False
    """Load pickles in the files too, which runs whatever they hold."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl evaluate", args=args)
    path = _path(options)

    from rich.console import Console

    from plumbrl.cli.named import named_env
    from plumbrl.training.episodes import record_extremes
    from plumbrl.training.evaluation import held_out, save, study
    from plumbrl.training.policy import load_policy

    policy = load_policy(
        path,
        which=options.which,
        trust=options.trust,
        algo=options.algo,
        env=named_env(options.env, options.config),
    )
    _settle(policy)
    seeds, said = held_out(policy, options.seed, options.n_test)
    place, elsewhere, skipped = _places(options, policy)
    console = Console(quiet=options.json)
    with console.status("evaluating ...") as status:
        result = study(
            policy,
            seeds,
            place=place,
            elsewhere=elsewhere,
            sampled=options.sampled,
            num_envs=options.num_envs,
            notes=(*policy.notes, *said, *skipped),
            say=lambda what: status.update(f"evaluating {what} ..."),
        )
        status.update("recording episodes ...")
        rows = min(options.num_envs, options.n_test)
        episodes, unseen = record_extremes(
            policy, result.main[0], place=place, rows=rows, worst=options.record
        )
    file = save(result)
    if options.json:
        print(result.to_json())
    else:
        tell(result, console)
        for note in unseen:
            console.print(f"note: {note}", style="yellow", highlight=False)
        if file:
            console.print(f"written to  {file}", soft_wrap=True, highlight=False)
        if episodes:
            command = f"plumbrl replay {policy.folder}"
            console.print(f"replay      {command}", soft_wrap=True, highlight=False)
    return 0 if result.better_than_random else 3


def tell(result: "Study", console: "Console") -> None:
    """Print what an evaluation found."""
    from plumbrl.metrics.outcomes import summarize
    from plumbrl.report import evaluation as tables

    outcomes = [summarize(e) for e in result.main]
    first, last = result.seeds[0], result.seeds[-1]
    title = f"{result.place}: {len(result.seeds)} held-out episodes each, seeds {first} to {last}"
    console.print(tables.outcome_table(outcomes, title, console.width))
    how = tables.behaviour_table(outcomes, console.width)
    if how:
        console.print(how)
    title = "Paired by seed: the trained policy minus"
    console.print(tables.difference_table(result.differences(), title))
    if result.elsewhere:
        _tell_elsewhere(result, console)
    for note in result.notes:
        console.print(f"note: {note}", style="yellow", highlight=False)
    gain = tables.number(result.differences()[-1].returns, sign=True)
    if result.better_than_random:
        console.print(f"better than random actions, by {gain}", style="green", highlight=False)
    else:
        said = f"NOT better than random actions: the difference in return is {gain}"
        console.print(said, style="red", highlight=False)


def _tell_elsewhere(result: "Study", console: "Console") -> None:
    from plumbrl.metrics.outcomes import summarize
    from plumbrl.report import evaluation as tables

    outcomes = {result.place: summarize(result.main[0])}
    outcomes |= {ground: summarize(own) for ground, (own, *_) in result.elsewhere.items()}
    console.print(
        tables.ground_table(outcomes, result.shifts(), result.best_baseline, console.width)
    )
    overall = result.overall()
    assert overall is not None
    console.print(
        f"over all {len(outcomes)} grounds: success {tables.percent(overall[0])} %, "
        f"interquartile mean return {tables.number(overall[1])}",
        highlight=False,
    )


def _path(options: Options) -> Path:
    if (options.run is None) == (options.path is None):
        raise UserError("name one run folder or model, as in: plumbrl evaluate RUN.")
    if not 2 <= options.n_test <= 100_000:
        raise UserError(f"--n_test must be from 2 to 100000; got {options.n_test}.")
    if options.seed < 0 or options.num_envs < 1:
        raise UserError("--seed must not be negative, and --num_envs at least 1.")
    if not 0 <= options.record <= 100:
        raise UserError(f"--record must be from 0 to 100; got {options.record}.")
    path = options.run or options.path
    assert path is not None
    if not path.exists():
        raise UserError(f"there is no run folder or model {path}.")
    return path


def _settle(policy: "TrainedPolicy") -> None:
    import torch

    torch.set_num_threads(policy.config.torch_threads if policy.config else 1)


def _places(
    options: Options, policy: "TrainedPolicy"
) -> "tuple[tuple[str, EnvSection] | None, dict[str, EnvSection], list[str]]":
    """Return where to evaluate, where else, and what could not be done."""
    from plumbrl.cli.named import named_env
    from plumbrl.cli.terrains import grounds, is_ballbot, on_ground

    place, env = None, policy.env
    named = named_env(options.env, options.config)
    if named is not None and policy.folder is not None:
        env = named if options.env else named.model_copy(update={"id": policy.env.id})
        place = (options.config.name if options.config else env.id, env)
    if options.override_terrain_type:
        env = on_ground(env, options.override_terrain_type)
        place = (options.override_terrain_type, env)
    if options.terrains and not is_ballbot(env):
        return place, {}, [f"{env.id} has no terrains; only the one environment was evaluated."]
    return place, grounds(env, options.terrains) if options.terrains else {}, []
