"""From run folders to pages."""

import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from urllib.parse import urlencode

from plumbrl.dashboard.folders import Run, find_runs, look, open_file
from plumbrl.dashboard.judging import FAILED, Judge
from plumbrl.dashboard.keeping import Keep
from plumbrl.dashboard.listing import Listing
from plumbrl.dashboard.parts import Page
from plumbrl.dashboard.rendering import Drawn, compared, drawn, undrawn
from plumbrl.dashboard.run_page import run_page
from plumbrl.dashboard.runs_page import TOGETHER, runs_page
from plumbrl.dashboard.workshop import Workshop
from plumbrl.errors import UserError

SCAN = 1.0
"""Seconds for which the folders are not looked through again."""


class Views:
    """Pages over some folders.

    Args:
        roots: Folders that hold runs, or are one.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [(root, root.resolve()) for root in roots]
        self._runs: dict[str, Run] = {}
        self._looked = -SCAN
        self._workshop = Workshop()
        self._listing, self._judge = Listing(), Judge(self._workshop)
        self._drawn: Keep[Drawn] = Keep()
        self._compared: Keep[Page] = Keep()

    def close(self) -> None:
        """Work out nothing more."""
        self._workshop.close()

    def runs(self) -> Page:
        """Return the list of all runs."""
        rows = [(self._listing.entry(run), self._judge.of(run)) for run in self._all().values()]
        return runs_page(rows, [str(root) for root, _ in self._roots], time.time())

    async def run(self, id_: str) -> Page:
        """Return the page of a run.

        Raises:
            UserError: There is none.
        """
        run = self._find(id_)
        try:
            found = await self._drawn.of(
                run.id, run.files, lambda: self._workshop.submit(drawn, run)
            )
        except BrokenExecutor:
            found = undrawn(FAILED, run)
        return run_page(self._listing.entry(run), found.verdict, found.body, time.time())

    async def compare(self, ids: Sequence[str]) -> Page:
        """Return the page that compares runs.

        Raises:
            UserError: They are too few, too many, not there, or cannot be read.
        """
        known = tuple(dict.fromkeys(ids))
        if not 2 <= len(known) <= TOGETHER:
            raise UserError(f"Choose from 2 to {TOGETHER} runs to compare; got {len(known)}.")
        runs = [self._find(id_) for id_ in known]
        rows = [(self._listing.entry(run), self._judge.of(run)) for run in runs]
        address = f"/compare/changes?{urlencode([('run', id_) for id_ in known])}"
        stamp = [(run.files, judged) for run, (_, judged) in zip(runs, rows, strict=True)]
        try:
            return await self._compared.of(
                known, stamp, lambda: self._workshop.submit(compared, rows, address)
            )
        except BrokenExecutor:
            raise UserError("They could not be compared; a log may be too large.") from None
        except Exception as error:  # whatever lies in their folders, the server stays
            raise UserError(f"They could not be compared: {error}") from None

    def file(self, id_: str, name: str) -> Path:
        """Return the path of a file of a run.

        Raises:
            UserError: It is not there, or not in the folder.
        """
        run = self._find(id_)
        path = open_file(run, name, self._home(run))
        if path is None:
            raise UserError(f"This run has no file {name}.")
        return path

    def _all(self) -> dict[str, Run]:
        if time.monotonic() - self._looked >= SCAN:
            self._runs = find_runs([home for _, home in self._roots])
            self._looked = time.monotonic()
        return self._runs

    def _find(self, id_: str) -> Run:
        """Return a run as it is now."""
        run = self._runs.get(id_) or self._all().get(id_)
        found = run and look(run.path, self._home(run))
        if not found:
            raise UserError("This run is not there; it may have been moved or deleted.")
        return found

    def _home(self, run: Run) -> Path:
        return next(home for _, home in self._roots if run.path.is_relative_to(home))
