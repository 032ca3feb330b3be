"""`plumbrl serve [RUNS ...] [--port N] [--no-open]`."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from plumbrl.errors import UserError


@dataclass(frozen=True)
class Options:
    """Show runs in the browser: verdicts, findings, curves, comparisons, live while they train.

    The page is served on this machine alone, and only to who opens the address that is printed: it
    holds a key that is new every time. Nothing is written. Ctrl-C ends it, with exit code 0.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUNS ...]")] = (
        Path("runs"),
    )
    """Folders that hold runs, at any depth, or are one."""
    port: int = 8777
    """Where to listen; 0 takes a free port."""
    open: bool = True
    """Open the page in a browser, if there is a screen."""


def run(args: list[str]) -> int:
    """Run the command; return its exit code."""
    options = tyro.cli(Options, prog="plumbrl serve", args=args)
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UserError("this needs two more packages: pip install 'plumbrl[dashboard]'.")

    from plumbrl.dashboard.server import serve

    def tell(address: str) -> None:
        print(f"{address}\nCtrl-C ends it.", flush=True)

    serve(options.runs, options.port, tell, show=options.open)
    return 0
