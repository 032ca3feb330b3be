"""The episode that is kept of a rollout, in its file and on the page."""

import json
import re

import numpy as np
import pytest
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.env_util import make_vec_env

from plumbrl.adapters.sb3.watch_model import watch
from plumbrl.cli import main
from plumbrl.findings import Report
from plumbrl.report.html import report_page
from plumbrl.report.page.episode import QUESTION
from plumbrl.runs import RunFolder
from plumbrl.runs.value_trace import ARRAYS, FILE, read_trace, write_trace
from plumbrl.snapshots.numbers import Rollout
from plumbrl.snapshots.trace import MOST, Trace, last_episode
from plumbrl.training.final import conclude


def rollout(ends, rewards=None):
    """Of (T, B) ends; values are 100 b + t, targets 1000 more."""
    ends = np.array(ends, dtype=bool)
    t, b = np.indices(ends.shape)
    values = 100.0 * b + t
    rewards = -values if rewards is None else rewards
    return Rollout(rewards, values, values * 0, values + 1000, ends, values, values, 0.99)


def found(ends, begins, **more):
    return last_episode(rollout(ends, **more), np.array(begins, dtype=bool), 77)


def test_the_whole_episode_that_ended_last_is_kept():
    ends = [[0, 0], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]
    trace = found(ends, [0, 0])
    assert trace is not None
    assert trace.step == 77
    assert trace.at.tolist() == [0, 1, 2]
    assert trace.values.tolist() == [103, 104, 105]
    assert trace.returns.tolist() == [1103, 1104, 1105]
    assert trace.rewards.tolist() == [-103, -104, -105]


@pytest.mark.parametrize(
    ("ends", "begins", "expected"),
    [
        ([[0], [0], [1], [0]], [1], [0, 1, 2]),  # the first of the rollout began with it
        ([[0], [0], [1], [0]], [0], None),  # its beginning lies before the rollout
        ([[0], [0], [0], [0]], [1], None),  # it goes on
        ([[1], [1], [1], [1]], [0], [3]),
        ([[1], [0], [0], [0]], [0], None),
        ([[0, 0], [0, 1]], [0, 1], [100, 101]),
    ],
)
def test_only_whole_episodes_are_kept(ends, begins, expected):
    trace = found(ends, begins)
    assert (trace and trace.values.tolist()) == expected


def test_numbers_that_are_none_are_not_kept():
    rewards = np.array([[0.0], [np.nan], [0.0]])
    assert found([[0], [0], [1]], [1], rewards=rewards) is None
    assert found([[0], [0], [1]], [1], rewards=np.nan_to_num(rewards)) is not None


def test_a_long_episode_is_thinned_and_keeps_its_rewards():
    steps = 7 * MOST + 3
    ends, rewards = np.zeros((steps, 1)), np.zeros((steps, 1))
    ends[-1], rewards[1234], rewards[9999] = 1, 5.0, -7.0
    trace = found(ends, [1], rewards=rewards)
    assert trace is not None
    assert len(trace.at) == MOST
    assert (np.diff(trace.at) > 0).all()
    assert (trace.values == trace.at).all()
    assert trace.rewards[np.flatnonzero(trace.rewards)].tolist() == [5, -7]
    assert trace.at[np.flatnonzero(trace.rewards)].tolist() == [1234, 9999]


def some():
    at = np.arange(50.0)
    return Trace(12_345, at, np.where(at == 30, 1.0, 0.0), 0.9 ** np.abs(30 - at), at / 3)


def test_file_is_whole_and_says_the_same(tmp_path):
    write_trace(tmp_path, some())
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    trace = read_trace(tmp_path)
    assert trace is not None and trace.step == 12_345
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(trace, name), getattr(some(), name), rtol=1e-6)
    assert set(json.loads((tmp_path / FILE).read_text())) == {"step", *ARRAYS}


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "{}", '{"step": 1, "at": [0', "null", '{"step": null}',
     '{"step": 1, "at": [0], "rewards": [1, 2], "values": [1], "returns": [1]}',
     '{"step": 1, "at": [0], "rewards": [NaN], "values": [1], "returns": [1]}',
     '{"step": 1, "at": [], "rewards": [], "values": [], "returns": []}',
     '{"step": 1, "at": 0, "rewards": 1, "values": 1, "returns": 1}',
     '{"step": 1, "at": [0], "rewards": ["<b>"], "values": [1], "returns": [1]}'],
)  # fmt: skip
def test_a_file_that_is_not_sound_is_none(text, tmp_path):
    (tmp_path / FILE).write_text(text)
    assert read_trace(tmp_path) is None


def test_no_file_is_none(tmp_path):
    assert read_trace(tmp_path) is None
    assert read_trace(tmp_path / FILE) is None  # as with a log that is no folder


def test_page_shows_values_above_rewards():
    page = report_page(Report("x", "HEALTHY"), trace=some())
    told = page[page.index(QUESTION) :]
    assert "step 12,345" in told
    names = re.findall(r'data-name="(\w+)"', told)
    assert names == ["value", "target", "reward"]
    assert "No curves" not in page
    assert QUESTION not in report_page(Report("x", "HEALTHY"))


def learned(folder, env="CartPole-v1"):
    torch.set_num_threads(1)
    settings = {"n_steps": 128, "n_epochs": 1, "policy_kwargs": {"net_arch": [8]}}
    envs = make_vec_env(env, 2, seed=0)
    model = sb3.PPO("MlpPolicy", envs, seed=0, gamma=0.9, **settings)
    callback = watch(model, folder, total_timesteps=1024, every=256)
    model.learn(1024, callback=callback)
    return callback


def test_watch_keeps_an_episode_with_every_row_and_pages_show_it(tmp_path):
    callback = learned(tmp_path)
    assert not callback.failure
    trace = read_trace(tmp_path)
    assert trace is not None
    assert trace.step == int(callback._monitor.history.steps[-1]) == 1024
    assert trace.at.tolist() == list(range(len(trace.at)))
    assert 8 <= len(trace.at) < 128
    assert (trace.rewards == 1).all()
    assert trace.returns[-1] == pytest.approx(1.0, abs=1e-5)  # it fell: nothing comes after
    assert not list(tmp_path.glob(".*"))

    page = tmp_path / "page.html"
    with pytest.raises(SystemExit):
        main(["diagnose", str(tmp_path), "--html", str(page), "--json"])
    conclude(RunFolder(tmp_path), [])
    for file in (page, tmp_path / "report.html"):
        assert QUESTION in file.read_text(encoding="utf-8")


def test_watch_keeps_nothing_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not learned(None).failure
    assert not list(tmp_path.iterdir())


def test_watch_keeps_nothing_without_a_whole_episode(tmp_path):
    assert not learned(tmp_path, "Pendulum-v1").failure  # 200 steps do not fit into 128
    assert not (tmp_path / FILE).exists()


def test_an_error_in_keeping_it_does_not_end_the_training(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("plumbrl.adapters.sb3.watch.write_trace", full)
    callback = learned(tmp_path)
    assert callback.failure == "watching failed: OSError: No space left on device"
    assert callback.model.num_timesteps == 1024
