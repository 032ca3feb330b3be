"""A suspected cause is put to the test; what noise could do is not called confirmed."""

import json
from io import StringIO

import pytest
from rich.console import Console

from plumbrl.causes import finding
from plumbrl.cli.confirm import run as confirm_command
from plumbrl.errors import UserError
from plumbrl.history import Facts
from plumbrl.report.confirmation import print_confirmation
from plumbrl.training.config import TrainConfig
from plumbrl.training.config_file import config_of
from plumbrl.training.confirm import Confirmation, Trial, confirm, judged
from plumbrl.training.remedy import changes_of, read_changes, scaled
from plumbrl.training.train import train

FAST = {"n_steps": 32, "batch_size": 256, "n_epochs": 20, "gae_lambda": 0.8, "gamma": 0.98}
"""Learns CartPole in some 15,000 steps."""


def trials(*pairs):
    return [Trial(k, before, after, False) for k, (before, after) in enumerate(pairs)]


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ([(10, 100), (12, 104), (9, 95)], "confirmed"),
        ([(100, 10), (104, 12), (95, 9)], "refuted"),
        ([(100, 100.5), (100, 100.4), (100, 100.6)], "confirmed"),  # small, and certain
        ([(100, 101), (100, 99), (100, 100)], "refuted"),  # it could not raise it by a tenth
        ([(10, 100), (100, 10), (50, 60)], "undecided"),
    ],
)
def test_the_interval_over_seeds_decides(pairs, verdict):
    said, gain, low, high = judged(trials(*pairs))
    assert said == verdict
    assert low <= gain <= high


@pytest.mark.parametrize(("given", "used"), [((0, 1), 2), ((0, 1, 2), 3), ((0, 1, 2, 3), 3)])
def test_two_seeds_decide_only_where_no_more_are_given(given, used, tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("env: {id: CartPole-v1}\n")
    (tmp_path / "confirm").mkdir()
    monkeypatch.setattr(
        "plumbrl.training.confirm._trial",
        lambda run, cause, changes, seed, steps, say: Trial(seed, 10.0 + seed, 100.0, False),
    )
    found = confirm(tmp_path, changes={"num_envs": 2}, seeds=given)
    assert found.verdict == "confirmed" and len(found.trials) == used


@pytest.mark.parametrize(
    ("pairs", "open"), [([(10, 100), (100, 10)], True), ([(10, 100), (12, 104), (9, 95)], False)]
)
def test_what_would_decide_is_said_of_the_undecided(pairs, open):
    tested = trials(*pairs)
    console = Console(width=120, record=True, quiet=False, file=StringIO())
    print_confirmation(Confirmation("x", {}, *judged(tested), 1000, tuple(tested)), console)
    said = console.export_text()
    assert "found again when changed" in said
    assert ("--seeds 0 1 2 3:" in said and "--timesteps 10000:" in said) == open


def test_remedies_become_changes_of_the_configuration():
    config = TrainConfig.model_validate({"algo": {"kwargs": {"learning_rate": 1e-8}}})
    slow = finding("optimiser.learning-rate-too-low", step=0, evidence=())
    changed = changes_of(slow, config, Facts())["algo.kwargs.learning_rate"]
    assert changed == pytest.approx(1e-7)
    unaligned = finding("environment.baseline-fails", step=0, evidence=())
    assert changes_of(unaligned, config, Facts()) == {"env.kwargs.wheel_model": "sphere"}
    clip = finding("configuration.clip-range-tiny", step=0, evidence=())
    assert changes_of(clip, config, Facts())["algo.kwargs.clip_range"] == 0.2
    epochs = finding("policy.ratio-explodes", step=0, evidence=())
    assert changes_of(epochs, config, Facts(n_epochs=10))["algo.kwargs.n_epochs"] == 5
    with pytest.raises(UserError, match="no setting"):
        changes_of(finding("reward.constant", step=0, evidence=()), config, Facts())


def test_schedules_are_scaled_as_a_whole():
    schedule = {"type": "linear", "start": 1e-3, "end": 1e-4}
    assert scaled(schedule, 0.1) == {"type": "linear", "start": 1e-4, "end": 1e-5}
    assert scaled(3, 0.1, whole=True) == 1


def test_changes_are_read_from_the_command_line():
    assert read_changes(("gamma=0.9", "env.kwargs.wheel_model=sphere", "num_envs=2")) == {
        "algo.kwargs.gamma": 0.9, "env.kwargs.wheel_model": "sphere", "num_envs": 2,
    }  # fmt: skip
    for text in ("gamma", "=3", "gamma="[:-1]):
        with pytest.raises(UserError, match="key=value"):
            read_changes((text,))


@pytest.fixture(scope="module")
def slow_run(tmp_path_factory):
    """A training whose learning rate is far too low."""
    settings = {
        "name": "slow", "env": {"id": "CartPole-v1"}, "num_envs": 8, "total_timesteps": 4096,
        "algo": {"name": "PPO", "kwargs": {"learning_rate": 1e-8} | FAST},
        "eval": {"episodes": 4}, "out": str(tmp_path_factory.mktemp("runs")),
        "normalize_reward": False, "checkpoints": 0,
    }  # fmt: skip
    return train(config_of(settings, tmp_path_factory.getbasetemp(), None, "slow")).folder


@pytest.mark.slow
def test_the_right_remedy_is_confirmed_and_another_is_not(slow_run, capsys):
    rate = {"algo.kwargs.learning_rate": 1e-3}
    right = confirm(slow_run, changes=rate, seeds=(0, 1, 2), timesteps=6144)
    assert right.verdict == "confirmed", right
    kept = json.loads((slow_run / "confirm" / "confirmation.json").read_text())
    assert kept["verdict"] == "confirmed" and kept["changes"] == rate
    code = confirm_command(
        [str(slow_run), "--set", "vf_coef=0.6", "--seeds", "0", "1", "--timesteps", "512"]
    )
    said = capsys.readouterr().out
    assert code == 3 and "confirmed" not in said and "return as it was" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0"], "at least 2"),
        (["--timesteps", "0"], "above 0"),
        (["--set", "gamma"], "key=value"),
        (["--cause", "no.such-cause"], "no.such-cause|no findings"),
    ],
)
def test_bad_usage_is_said_in_a_sentence(slow_run, arguments, said):
    with pytest.raises(UserError, match=said):
        confirm_command([str(slow_run), *arguments])


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        confirm_command([str(tmp_path)])
