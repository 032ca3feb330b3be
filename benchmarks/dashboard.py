"""How fast the dashboard is there, and what it weighs, over 30 run folders of 400 rows."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from httpx2 import Client

from plumbrl.diagnosis import diagnose

RUNS, ROWS = 30, 400
COLUMNS = ("train/approx_kl", "train/clip_fraction", "train/explained_variance",
           "train/value_loss", "train/entropy_loss", "train/loss", "rollout/ep_len_mean",
           "policy/ess", "gradient/norm", "optimiser/update_ratio", "value/mean", "value/std",
           "value/target_mean", "value/target_std",
           *(f"layer_gradient/layer.{i}" for i in range(26)))  # fmt: skip


def write_run(folder: Path, seed: int, report: bool) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    returns = 100 * np.linspace(0, 1, ROWS) ** 0.3 + rng.normal(0, 3, ROWS)
    lines = [json.dumps({"schema": 1, "facts": {"algo": "PPO", "env": "Made-v0"}})]
    for i, value in enumerate(returns):
        metrics = dict(zip(COLUMNS, rng.uniform(0.01, 1, len(COLUMNS)), strict=True))
        metrics["rollout/ep_rew_mean"] = value
        lines.append(json.dumps({"step": 2048 * (i + 1), "update": i, "metrics": metrics}))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    if report:
        (folder / "report.json").write_text(diagnose(folder).to_json())


def measure(root: Path, title: str) -> None:
    begin = time.perf_counter()
    program = [sys.executable, "-m", "plumbrl", "serve", str(root), "--port", "0", "--no-open"]
    server = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    link = server.stdout.readline().strip()
    with Client(timeout=60) as client:
        client.get(link)
        base = link.partition("/?")[0]
        text = client.get(base).text
        print(f"\n{title}")
        said("start to first page", f"{time.perf_counter() - begin:.2f} s")
        said("of it processor time", f"{processor_seconds(server.pid):.2f} s")
        said("memory of the server then", megabytes(server.pid))
        while "judging" in text:
            time.sleep(0.5)
            text = client.get(base).text
        said("start to all verdicts", f"{time.perf_counter() - begin:.2f} s")
        page = base + re.findall(r"/run/\w+", text)[0]
        seconds = [timed(lambda: client.get(page)) for _ in range(5)]
        said("page of a run, first and again", f"{seconds[0]:.2f} s, {min(seconds):.3f} s")
        etag = client.get(f"{base}/changes").headers["etag"]
        same = {"If-None-Match": etag}
        seconds = [timed(lambda: client.get(f"{base}/changes", headers=same)) for _ in range(20)]
        said("asking whether the list changed", f"{1000 * float(np.median(seconds)):.1f} ms")
        said("memory of the server after all this", megabytes(server.pid))
        for child in children(server.pid):
            said("and of a process that ends when idle", megabytes(child))
    server.send_signal(2)
    server.wait()


def said(what: str, value: str) -> None:
    print(f"  {what:44s} {value:>16s}", flush=True)


def timed(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def megabytes(pid: int) -> str:
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return f"{int(kilobytes) / 1e3:.0f} MB"


def processor_seconds(pid: int) -> float:
    """What counts on a machine that is busy with something else."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for kind, report in (("with their reports", True), ("without reports", False)):
            home = Path(folder) / kind.replace(" ", "-")
            for i in range(RUNS):
                write_run(home / f"run_s{i}", i, report)
            measure(home, f"{RUNS} runs of {ROWS} rows, {kind}")
