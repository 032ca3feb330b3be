"""A clean process with heavy imports, from which others are forked."""

import multiprocessing
from multiprocessing import forkserver
from typing import Any


def context(preload: str) -> Any:
    """Return what makes processes: forked from a server that has a module, else new ones.

    Args:
        preload: The module; what it imports need not be imported again.
    """
    if not _forks():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([preload])
    return found


def get_ready(preload: str) -> None:
    """Begin the server's imports; it returns at once, and the first process waits for them."""
    if _forks():
        context(preload)
        forkserver.ensure_running()


def _forks() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()
