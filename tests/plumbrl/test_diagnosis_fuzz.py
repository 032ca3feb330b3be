"""No history, however odd, ends in anything but a report."""

import json

import numpy as np
import pytest

from plumbrl.diagnosis import diagnose_history
from plumbrl.history import Facts, History
from plumbrl.report.html import report_page
from plumbrl.rules.table import table

OTHERS = {"rollout/ep_rew_mean", "eval/mean_reward", "rollout/ep_rew_std", "train/loss",
          "data/non_finite", "value/residual_variance"}  # fmt: skip
ROWS = (0, 1, 2, 3, 5, 9, 10, 11, 30, 100, 300)


def names():
    entries = table().values()
    read = {key for e in entries for key in (e.metric, e.over, *e.and_above, *e.and_below) if key}
    return sorted(read | OTHERS)


def odd_column(rng, n):
    """Numbers of any size, constant, missing, infinite or rising."""
    kind = rng.integers(0, 8)
    low, high = (-300, 300) if kind == 7 else (-8, 9)
    values = rng.normal(size=n) * 10.0 ** rng.integers(low, high)
    changed = rng.random(n) < 0.3
    if kind in (1, 2):
        values[:] = 0 if kind == 1 else np.nan
    elif kind in (3, 4, 5):
        values[changed] = {3: np.nan, 4: np.inf, 5: -np.inf}[int(kind)]
    return np.cumsum(values) if kind == 6 else values


def odd_history(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice(ROWS))
    steps = np.sort(rng.integers(0, 10 ** int(rng.integers(1, 9)), n))
    facts = Facts(
        algo=rng.choice(["PPO", "SAC", "Unheard", None]),
        total_timesteps=int(rng.integers(1, 10**6)) if rng.random() < 0.5 else None,
        rollout=64 if rng.random() < 0.5 else None,
        buffer_size=10 if rng.random() < 0.3 else None,
        random_return=float(rng.normal()) if rng.random() < 0.3 else None,
    )
    columns = {key: odd_column(rng, n) for key in names() if rng.random() < 0.7}
    return History(steps, columns, facts=facts)


@pytest.mark.parametrize("seed", range(40))
def test_any_history_gets_a_report(seed):
    history = odd_history(seed)
    for rules in ("default", "classic"):
        report = diagnose_history(history, "odd", rules=rules)
        assert json.loads(report.to_json())["verdict"] == report.verdict
        assert all(f.step <= max(history.steps, default=0) for f in report.findings)
    if seed % 8 == 0:
        assert report.verdict.replace("_", " ").capitalize() in report_page(report, history)
