"""The command `plumbrl`: one file per command, loaded only when it is called."""

import sys
from importlib import import_module

from plumbrl.errors import UserError, nearest

COMMANDS = {
    "audit": "ask a reward, an environment and a task what is wrong with them",
    "collect": "gather images to pretrain an encoder on",
    "confirm": "train again with and without a suspected cause",
    "diagnose": "name what is wrong with a run, from its folder or anybody's log",
    "evaluate": "run a trained policy on held-out seeds, beside baselines, over grounds",
    "export": "write a policy as ONNX and as a zip, verified, with a card",
    "look": "draw how a policy behaves and what happens inside its network",
    "plot": "draw the curves of a training, or of several",
    "pretrain": "train an image encoder as an autoencoder",
    "probe": "put a trainer through tiny environments with known answers",
    "profile": "measure where the time of an environment and a training goes",
    "replay": "play episodes back, step by step, in one page that opens offline",
    "serve": "show runs in the browser, live while they train",
    "train": "train a policy under watch, evaluate it, and judge the run",
}
EXIT_CODES = (
    "exit codes: 0 fine, 1 the run failed, 2 bad usage or config, 3 a check failed,\n"
    "            4 stopped by an alert, 130 interrupted"
)


def main(args: list[str] | None = None) -> None:
    """Run a command and exit with its code."""
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help"):
        print(_help())
        sys.exit(0 if args else 2)
    name, *rest = args
    if name not in COMMANDS:
        print(f"plumbrl: unknown command {name!r}; {nearest(name, COMMANDS)}", file=sys.stderr)
        sys.exit(2)
    sys.exit(_run(name, rest))


def ballbot_train() -> None:
    """`ballbot-train --config FILE`: the same as `plumbrl train FILE`."""
    args: list[str] = []
    for arg in sys.argv[1:]:
        args += [arg.removeprefix("--config=")] if arg != "--config" else []
    sys.exit(_run("train", args))


def ballbot_evaluate() -> None:
    """`ballbot-evaluate --path RUN`: the same as `plumbrl evaluate RUN`."""
    sys.exit(_run("evaluate", sys.argv[1:]))


def ballbot_collect() -> None:
    """`ballbot-collect`: the same as `plumbrl collect`."""
    sys.exit(_run("collect", sys.argv[1:]))


def ballbot_plot_training() -> None:
    """`ballbot-plot-training --csv FILE`: what `plumbrl plot` draws, by the published options."""
    sys.exit(_run("plot", sys.argv[1:], "run_published"))


def ballbot_pretrain() -> None:
    """`ballbot-pretrain`: the same as `plumbrl pretrain`."""
    sys.exit(_run("pretrain", sys.argv[1:]))


def ballbot_visualize_model() -> None:
    """`ballbot-visualize-model --model_path MODEL`: episodes of a model as a page."""
    sys.exit(_run("replay", sys.argv[1:], "run_published"))


def _run(name: str, args: list[str], entry: str = "run") -> int:
    if "" not in sys.path:
        sys.path.append("")  # so that environments and policies beside the user are found
    try:
        return getattr(import_module(f"plumbrl.cli.{name}"), entry)(args)
    except (UserError, OSError) as error:
        print(f"plumbrl {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        print(f"interrupted; {error}" if error.args else "interrupted", file=sys.stderr)
        return 130


def _help() -> str:
    commands = "\n".join(f"  {name:10s} {what}" for name, what in COMMANDS.items())
    return (
        "usage: plumbrl COMMAND ...\n\n"
        "Finds out whether a reinforcement-learning run is broken, where, and what to do.\n\n"
        f"{commands}\n\n{EXIT_CODES}\n'plumbrl COMMAND --help' says more."
    )
