"""Curves of a run, read and drawn without a display."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from plumbrl.cli import main
from plumbrl.errors import UserError
from plumbrl.history import History
from plumbrl.logs import read
from plumbrl.plots import training

WANDB = Path(__file__).parents[1] / "data/wandb/run-abcd1234.wandb"
CSV = """rollout/ep_rew_mean,time/total_timesteps,train/approx_kl,eval/mean_reward
1.0,100,,
2.0,200,0.01,5.0
,,0.02,
"""


@pytest.fixture
def progress(tmp_path):
    path = tmp_path / "progress.csv"
    path.write_text(CSV + "4.0,30")
    return path


def test_columns_stay_aligned_with_their_steps(progress):
    history = read(progress)
    assert history.steps.tolist() == [100, 200, 200]
    assert [v.tolist() for v in history.points("train/approx_kl")] == [[200, 200], [0.01, 0.02]]
    assert [v.tolist() for v in history.points("eval/mean_reward")] == [[200], [5.0]]
    assert history.points("train/loss")[0].size == 0
    assert history.named("train/") == ["train/approx_kl"]
    with pytest.raises(UserError, match="'train/approx_kl'"):
        history["train/aprox_kl"]


def test_smoothing_keeps_the_ends_and_the_mean_of_a_line():
    line = np.linspace(0, 1, 101)
    np.testing.assert_allclose(training.smooth(line, 0.2), line)
    noisy = line + np.random.default_rng(0).normal(0, 0.1, 101)
    smoothed = training.smooth(noisy, 0.2)
    assert (smoothed[0], smoothed[-1]) == pytest.approx((noisy[0], noisy[-1]))
    assert np.std(smoothed - line) < 0.5 * np.std(noisy - line)


def test_panels_show_what_is_there_and_say_what_is_not(progress):
    history = read(progress)
    ax = Figure().add_subplot()
    training.returns(ax, history)
    assert ax.get_legend_handles_labels()[1] == ["training", "held-out seeds"]
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[100, 1], [200, 2]])
    empty = Figure().add_subplot()
    training.losses(empty, history)
    assert [text.get_text() for text in empty.texts] == ["not logged"]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_command_writes_a_picture(progress, suffix, tmp_path, capsys):
    out = tmp_path / f"pictures/curves.{suffix}"
    with pytest.raises(SystemExit) as end:
        main(["plot", str(progress), "--out", str(out)])
    assert end.value.code == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(out)
    assert "last line" in said.err
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["nowhere"], "nowhere"),
        (["progress.csv", "--out", "x.bmp"], "png"),
        (["empty"], "no rows"),
    ],
)
def test_wrong_input_gets_one_sentence(args, hint, progress, monkeypatch, capsys):
    monkeypatch.chdir(progress.parent)
    (progress.parent / "empty").write_text("a,b\n")
    with pytest.raises(SystemExit) as end:
        main(["plot", *args])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert hint in said
    assert len(said.strip().splitlines()) == 1


def test_a_run_without_evaluations_has_curves_too():
    steps = np.arange(1.0, 6.0)
    history = History(steps, {"rollout/ep_rew_mean": steps})
    figure = Figure()
    for ax, panel in zip(figure.subplots(2, 4).flat, training.PANELS, strict=True):
        panel(ax, history)


def test_infinities_are_left_out_of_a_picture():
    values = np.array([1.0, np.inf, 3.0, -np.inf, np.nan])
    ax = Figure().add_subplot()
    assert training.line(ax, History(np.arange(5.0), {"a": values}), "a", "a", "red")
    assert all(line.get_xdata().tolist() == [0, 2] for line in ax.lines)
    nothing = History(np.zeros(1), {"a": np.array([np.inf])})
    assert not training.line(ax, nothing, "a", "a", "red")


def test_runs_of_others_are_drawn_too(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["plot", str(WANDB), "--out", str(tmp_path / "wandb.png")])
    assert end.value.code == 0
    assert (tmp_path / "wandb.png").exists()
    assert "over 100 episodes" in capsys.readouterr().err
