"""Layout, manifest and atomic writes of a run folder.

``runs/<env>/<algo>/<date>_<name>_s<seed>/``; see docs/run-folder.md for every file in it.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from plumbrl.findings import Finding, Report, finite
from plumbrl.runs.files import whole

SCHEMA = 1
PACKAGES = ("plumbrl", "gymnasium", "stable-baselines3", "torch", "numpy", "mujoco")


class RunFolder:
    """One run's folder; nothing in it is overwritten without being asked.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path, env: str, algo: str, name: str, seed: int) -> "RunFolder":
        """Make a new folder; a number is appended if two runs start in the same second."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        base = root / _safe(env) / _safe(algo) / f"{stamp}_{_safe(name)}_s{seed}"
        for attempt in range(1000):
            path = base if attempt == 0 else base.with_name(f"{base.name}.{attempt}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            (path / "checkpoints").mkdir()
            return cls(path)
        raise FileExistsError(f"cannot make a new folder beside {base}")

    def write_text(self, name: str, text: str) -> Path:
        """Write a file atomically: a reader sees the old content or the new, never half."""
        path = self.path / name
        with whole(path) as temporary:
            temporary.write_text(text)
        return path

    def write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Write an ``.npz`` file atomically."""
        with whole(self.path / name) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    def keep_lines(self, name: str, number: int) -> None:
        """Cut a JSON-lines file down to its first lines, as when a run goes on from earlier."""
        path = self.path / name
        if path.exists():
            self.write_text(name, "".join(path.read_text().splitlines(keepends=True)[:number]))

    def append_line(self, name: str, record: Mapping[str, Any]) -> None:
        """Append a record to a JSON-lines file; NaN and infinities are written as null."""
        with (self.path / name).open("a") as file:
            file.write(json.dumps(finite(record)) + "\n")

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Save the resolved configuration; called before anything could change it."""
        self.write_text("config.yaml", yaml.safe_dump(dict(config), sort_keys=False))

    def write_manifest(self, **facts: Any) -> None:
        """Save what is needed to understand and repeat the run; never environment variables."""
        manifest = {
            "schema": SCHEMA,
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "packages": _versions(),
            "git_commit": _git_commit(),
        } | facts
        self.write_text("manifest.json", json.dumps(finite(manifest), indent=2))

    def add_finding(self, finding: Finding, by: str) -> None:
        """Record a finding at the moment it was raised.

        Args:
            finding: It.
            by: What raised it: ``identity``, ``settings``, ``rule`` or ``evaluation``.
        """
        line = {"raised": finding.step, "by": by, **asdict(finding)}
        self.append_line("findings.jsonl", line)

    def count_lines(self, name: str) -> int:
        """Return the number of lines of a JSON-lines file; 0 if it is not there."""
        path = self.path / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def write_report(self, report: Report) -> None:
        """Save the report of the run as ``report.json``."""
        self.write_text("report.json", report.to_json())


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git_commit() -> str | None:
    """Commit of the code in the current folder, with ``+dirty`` if files were changed."""
    try:
        run = [
            subprocess.run(["git", *args], capture_output=True, text=True, timeout=10, check=True)
            for args in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return run[0].stdout.strip() + ("+dirty" if run[1].stdout.strip() else "")
