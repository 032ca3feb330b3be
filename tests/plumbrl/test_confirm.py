"""A suspected cause is put to the test; what noise could do is not called confirmed."""

import json

import pytest

from plumbrl.causes import finding
from plumbrl.cli.confirm import run as confirm_command
from plumbrl.errors import UserError
from plumbrl.history import Facts
from plumbrl.training.config import TrainConfig
from plumbrl.training.config_file import config_of
from plumbrl.training.confirm import Trial, confirm, judged
from plumbrl.training.remedy import changes_of, read_changes, scaled
from plumbrl.training.train import train


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
        "name": "slow", "env": {"id": "CartPole-v1"}, "num_envs": 8, "total_timesteps": 12_288,
        "algo": {"name": "PPO", "kwargs": {"learning_rate": 1e-8, "n_steps": 64, "gamma": 0.98}},
        "eval": {"episodes": 16}, "out": str(tmp_path_factory.mktemp("runs")),
        "normalize_reward": False, "checkpoints": 0,
    }  # fmt: skip
    return train(config_of(settings, tmp_path_factory.getbasetemp(), None, "slow")).folder


@pytest.mark.slow
def test_the_right_remedy_is_confirmed_and_another_is_not(slow_run, capsys):
    rate = {"algo.kwargs.learning_rate": 1e-3}
    right = confirm(slow_run, changes=rate, seeds=(0, 1, 2), timesteps=16_384)
    assert right.verdict == "confirmed", right
    kept = json.loads((slow_run / "confirm" / "confirmation.json").read_text())
    assert kept["verdict"] == "confirmed" and kept["changes"] == rate
    code = confirm_command(
        [str(slow_run), "--set", "vf_coef=0.6", "--seeds", "0", "1", "--timesteps", "2048"]
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
