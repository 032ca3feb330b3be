"""`plumbrl export RUN [--out FOLDER]`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Put a trained policy into files that run without this package.

    policy.onnx gives the deterministic action for raw observations: normalisation and a frozen
    image encoder are inside. policy_only.zip is what Stable-Baselines3's policy classes load.
    card.json says what goes in and comes out: names, units, order, shapes, rates, checksums.
    The ONNX file is compared with the policy on 1,000 observations from the environment.

    Exit code 3: they differ, and nothing was written.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder, or a saved model: model.zip."""
    out: Path | None = None
    """New folder for the files; by default export in the run folder."""
    which: Literal["best", "final"] = "best"
    """Of a run folder: the model that did best in evaluations while training, or the last."""
    seed: int = 0
    """Of the observations for the comparison."""
    algo: str | None = None
    """Algorithm of a model without a run folder, if the file does not say."""
    env: str | None = None
    """Gymnasium id for a model without a run folder; the ballbot if not given."""
    config: Path | None = None
    """YAML file of the environment of a model without a run folder."""
    json: bool = False
    """Print the card and nothing else."""
    trust: bool = False
    """Load pickles in the files too, which runs whatever they hold."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl export", args=args)
    if not options.run.exists():
        raise UserError(f"there is no run folder or model {options.run}.")
    if not 0 <= options.seed < 2**31:
        raise UserError(f"--seed must be from 0 to {2**31 - 1}; got {options.seed}.")

    import json

    import torch
    from rich.console import Console

    from plumbrl.cli.named import named_env
    from plumbrl.cli.robot_card import describe
    from plumbrl.cli.terrains import is_ballbot
    from plumbrl.training.export import export
    from plumbrl.training.policy import load_policy

    env = named_env(options.env, options.config)
    policy = load_policy(
        options.run, which=options.which, trust=options.trust, algo=options.algo, env=env
    )
    if env and policy.folder:
        raise UserError(f"{policy.folder} says its environment itself; leave out --env, --config.")
    torch.set_num_threads(policy.config.torch_threads if policy.config else 1)
    out = options.out or _beside(policy.folder or options.run.parent)
    facts = describe(policy.env) if is_ballbot(policy.env) else {}
    result = export(policy, out, facts=facts, seed=options.seed)
    console = Console(quiet=options.json)
    check = result.verification
    if options.json:
        print(json.dumps(result.card, indent=2))
    for note in policy.notes:
        console.print(f"note: {note}", style="yellow", highlight=False)
    said = (
        f"compared    {check.samples:,} observations: largest difference "
        f"{check.largest_difference:.2g} (allowed {check.tolerance:.0e})"
    )
    console.print(said, style="green" if check.passed else "red", highlight=False)
    if result.folder is None:
        console.print("NOT exported: the ONNX policy does not act as the trained one.", style="red")
        return 3
    for file in sorted(result.folder.iterdir()):
        size = file.stat().st_size / 1024
        console.print(f"written     {file} ({size:,.0f} KiB)", soft_wrap=True, highlight=False)
    return 0


def _beside(folder: Path) -> Path:
    """Return the first folder `export`, `export.1`, ... that is not there yet."""
    path, number = folder / "export", 1
    while path.exists():
        path, number = folder / f"export.{number}", number + 1
    return path
