"""Schedules: what they give, what they refuse, and that a training really follows them."""

import csv

import pytest
import yaml

from plumbrl.errors import UserError
from plumbrl.training.algorithms import check_algorithm
from plumbrl.training.config import AlgoSection
from plumbrl.training.config_file import load_config
from plumbrl.training.schedules import Schedule, read_schedule
from plumbrl.training.train import train


def schedule(value, name="learning_rate"):
    return Schedule(read_schedule(name, value))


def test_constant_linear_and_three_stage():
    assert schedule(3e-4)(0.5) == 3e-4
    line = schedule({"type": "linear", "start": 1.0, "end": 0.5})
    assert [line(r) for r in (1.0, 0.5, 0.0)] == [1.0, 0.75, 0.5]
    stages = schedule({"type": "three_stage"})
    assert [stages(r) for r in (1.0, 0.67, 0.66, 0.34, 0.33, 0.0)] == [
        1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5,
    ]  # fmt: skip


def test_adaptive_follows_the_divergence_within_its_bounds():
    rate = schedule({"type": "adaptive", "start": 1e-3, "target_kl": 0.01, "low": 5e-4})
    rate.observe(0.01)
    assert rate(0.5) == 1e-3
    rate.observe(0.021)
    assert rate(0.5) == pytest.approx(1e-3 / 1.5)
    for _ in range(5):
        rate.observe(1.0)
    assert rate(0.5) == 5e-4
    rate.observe(float("nan"))
    assert rate(0.5) == 5e-4
    rate.observe(0.004)
    assert rate(0.5) == pytest.approx(7.5e-4)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ({"type": "linnear", "start": 1}, "'linear'"),
        ({"start": 1}, "schedule"),
        ({"type": "linear"}, "start"),
        ({"type": "linear", "start": 1, "ends": 0}, "'end'"),
        ({"type": "three_stage", "remaining": [0.3, 0.6]}, "fall"),
        ({"type": "adaptive", "start": 5.0}, "between low and high"),
        ("fast", "number"),
    ],
)
def test_nonsense_is_refused(value, hint):
    with pytest.raises(UserError, match=hint):
        read_schedule("learning_rate", value)


def test_algorithms_refuse_schedules_they_would_not_follow():
    entropy = {"ent_coef": {"type": "linear", "start": 1}}
    with pytest.raises(UserError, match="SAC takes a number or 'auto'"):
        check_algorithm(AlgoSection(name="SAC", kwargs=entropy))
    check_algorithm(AlgoSection(name="PPO", kwargs=entropy))
    with pytest.raises(UserError, match="no approx_kl"):
        check_algorithm(AlgoSection(name="A2C", kwargs={"learning_rate": {"type": "adaptive"}}))


def test_only_learning_rates_adapt():
    with pytest.raises(UserError, match="only learning_rate"):
        read_schedule("clip_range", {"type": "adaptive"})


def test_a_training_follows_its_schedules(tmp_path):
    config = {
        "env": {"id": "CartPole-v1"}, "num_envs": 2, "total_timesteps": 4096, "out": str(tmp_path),
        "algo": {
            "net_arch": [8],
            "kwargs": {
                "n_steps": 256, "batch_size": 512, "n_epochs": 2,
                "learning_rate": {"type": "adaptive", "start": 1e-2, "target_kl": 1e-6},
                "clip_range": {"type": "linear", "start": 0.4, "end": 0.0},
                "ent_coef": {"type": "linear", "start": 0.1},
            },
        },
        "eval": {"episodes": 2, "every": 0},
    }  # fmt: skip
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    result = train(load_config(path))
    with (result.folder / "progress.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/n_updates"]]
    rates = [float(row["train/learning_rate"]) for row in rows]
    clips = [float(row["train/clip_range"]) for row in rows]
    assert rates[0] == 1e-2
    assert rates == sorted(rates, reverse=True)
    assert rates[2] == pytest.approx(1e-2 / 1.5**2)  # the divergence is far above 1e-6
    assert clips == pytest.approx([0.4 * (1 - i / 8) for i in range(1, 9)])
