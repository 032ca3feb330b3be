"""Curves of a run, read and drawn without a display."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from plumbrl.cli import ballbot_plot_training, main
from plumbrl.errors import UserError
from plumbrl.findings import Finding
from plumbrl.history import History
from plumbrl.logs import read
from plumbrl.plots import details, groups, marks, training
from plumbrl.plots.lines import envelope
from plumbrl.plots.read import read_run

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


def test_smoothing_changes_nothing_where_nothing_changes():
    assert np.ptp(training.smooth(np.full(500, 1e-3))) == 0


def test_thinning_keeps_every_spike_and_the_ends():
    rng = np.random.default_rng(0)
    x, y = np.arange(100_000.0), rng.normal(size=100_000)
    y[[17, 50_001, 99_000]] = 40, -60, 80
    thin_x, thin_y = envelope(x, y, 400)
    assert len(thin_x) <= 802
    assert set(thin_y) >= {40, -60, 80, y[0], y[-1]}
    assert (np.diff(thin_x) > 0).all()
    column = np.minimum(x / x[-1] * 400, 399).astype(int)
    thin_column = np.minimum(thin_x / x[-1] * 400, 399).astype(int)
    for c in (0, 1, 200, 399):
        assert thin_y[thin_column == c].max() == y[column == c].max()
        assert thin_y[thin_column == c].min() == y[column == c].min()
    few = envelope(x[:50], y[:50])
    assert few[0] is not None and len(few[0]) == 50
    still = envelope(np.zeros(5000), y[:5000], 10)
    assert set(still[1]) >= {y[:5000].max(), y[:5000].min()}


def run_of(level, seed, rows=60):
    steps = np.linspace(100, 6000, rows)
    noise = np.random.default_rng(seed).normal(0, 1, rows)
    return History(steps, {"rollout/ep_rew_mean": level + steps / 1000 + noise})


def test_seeds_become_one_band_around_their_interquartile_mean():
    runs = [run_of(10 * (seed == 4), seed) for seed in range(5)]  # one seed is far off
    found = groups.band(runs, "rollout/ep_rew_mean")
    assert found is not None
    straight = found.steps / 1000
    assert np.abs(found.middle - straight).max() < 2  # the mean would be 2 above
    assert (found.low <= found.middle).all() and (found.middle <= found.high).all()
    assert (found.low < straight + 1).all() and found.high.max() > straight.max()
    assert groups.band(runs[:1], "rollout/ep_rew_mean") is None
    assert groups.band(runs, "train/loss") is None


def test_a_better_group_stands_apart_and_an_equal_one_does_not():
    def ends(level):
        ours = groups.Group("a", tuple(run_of(0, seed) for seed in range(5)))
        theirs = groups.Group("b", tuple(run_of(level, 10 + seed) for seed in range(5)))
        bands = [groups.band(group.runs, "rollout/ep_rew_mean") for group in (ours, theirs)]
        return bands[0].high[-1], bands[1].low[-1]

    high, low = ends(5)
    assert high < low
    high, low = ends(0)
    assert high > low


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("20261121-212412_flat_s0", "flat"),
        ("20261121-212412_flat_s12.1", "flat"),
        ("ppo-cartpole_s3", "ppo-cartpole"),
        ("Hopper-v4__ppo__1__1700000000", "Hopper-v4__ppo"),
        ("mine", "mine"),
    ],
)
def test_runs_are_grouped_by_what_is_left_without_date_and_seed(name, group, tmp_path):
    (tmp_path / name).mkdir()
    assert groups.group_name(tmp_path / name) == group
    (tmp_path / name / "progress.csv").write_text(CSV)
    assert groups.group_name(tmp_path / name / "progress.csv") == group


def test_moments_of_findings_are_marked_errors_first():
    def finding(step, severity):
        return Finding(f"c.{step}", "policy", severity, 0.9, step, (), "", "")

    many = [finding(step, "warning") for step in range(100, 1000, 100)] + [finding(950, "error")]
    seen = marks.marked(many)
    assert len(seen) == marks.MARKED
    assert seen[-1].step == 950
    ax = Figure().add_subplot()
    marks.mark(ax, seen)
    assert not ax.lines  # nothing is marked where nothing is drawn
    training.returns(ax, run_of(0, 0))
    marks.mark(ax, seen)
    assert [line.get_xdata()[0] for line in ax.lines[-len(seen) :]] == [f.step for f in seen]
    assert "(6) c.950 from step 950" in marks.told(seen)
    assert marks.told([]) == ""


def test_the_gap_between_training_and_held_out_seeds():
    steps = np.arange(1.0, 101.0)
    held_out = np.where(steps % 10 == 0, steps, np.nan)
    history = History(steps, {"rollout/ep_rew_mean": 2 * steps, "eval/mean_reward": held_out})
    ax = Figure().add_subplot()
    details.gap(ax, history)
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), np.arange(10, 101, 10))


def test_shares_of_reward_terms_sum_to_one():
    steps = np.arange(10.0)
    ax = Figure().add_subplot()
    details.reward_shares(ax, History(steps, {"reward/a": steps - 20, "reward/b": steps + 1}))
    assert ax.get_legend_handles_labels()[1] == ["a", "b"]
    top = ax.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1)


@pytest.fixture
def run_folder(tmp_path):
    """A folder whose watch knows losses, and whose table the reward's terms."""
    folder = tmp_path / "20260101-000000_mine_s0"
    folder.mkdir()
    rows = [
        {"step": s, "metrics": {"rollout/ep_rew_mean": s / 10, "train/value_loss": 1 / s}}
        for s in range(100, 2100, 100)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = "time/total_timesteps,reward/drive,reward/stay,term/fall\n"
    (folder / "progress.csv").write_text(table + "".join(f"{s},{s},-1,0.5\n" for s in range(100)))
    return folder


def test_a_run_folder_gives_all_pictures_and_its_tables_columns_too(run_folder, capsys):
    assert read_run(run_folder).named("reward/") == ["reward/drive", "reward/stay"]
    with pytest.raises(SystemExit) as end:
        main(["plot", str(run_folder), "--what", "all", "--theme", "dark"])
    assert end.value.code == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()[-4:]]
    names = ["training", "training_progress", "training_losses", "training_rewards"]
    assert [path.stem for path in written] == names
    assert all(path.parent == run_folder / "plots" and path.exists() for path in written)


def test_several_runs_make_one_picture(run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "20260102-000000_mine_s1"
    shutil.copytree(run_folder, copy)
    with pytest.raises(SystemExit) as end:
        main(["plot", str(run_folder), str(copy), "--format", "svg"])
    assert end.value.code == 0
    assert "2 runs: mine" in Path("comparison.svg").read_text()
    assert capsys.readouterr().out.strip() == "comparison.svg"


def test_a_run_given_twice_is_one_run(run_folder, capsys):
    nested = run_folder.parent  # holds this run alone
    with pytest.raises(SystemExit) as end:
        main(["plot", str(run_folder), str(nested), f"{run_folder}/../{run_folder.name}"])
    out, err = capsys.readouterr()
    assert end.value.code == 0
    assert out.strip() == str(run_folder / "plots/training.png")
    assert err.count("drawn once") == 2


def test_a_run_in_a_folder_is_drawn_as_itself(run_folder, tmp_path, monkeypatch, capsys):
    from plumbrl.plots import figures

    titles = []
    monkeypatch.setattr(
        figures, "training_figure", lambda history, title, out, **_: titles.append(title) or out
    )
    with pytest.raises(SystemExit) as end:
        main(["plot", str(tmp_path)])
    assert end.value.code == 0 and titles == [run_folder.name]
    assert capsys.readouterr().out.strip() == str(run_folder / "plots/training.png")


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["--show"], "display"),
        (["--what", "rewards", "--out", "a.gif"], "format 'gif'"),
        (["progress.csv", "--what", "losses"], "is of one run"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(
    args, hint, progress, run_folder, monkeypatch, capsys
):
    monkeypatch.chdir(progress.parent)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["plot", str(run_folder), *args])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert hint in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(("train", "name"), [(True, "progress"), (False, "losses")])
def test_the_published_command(train, name, run_folder, monkeypatch, capsys):
    config = run_folder / "config.yaml"
    config.write_text("algo: {name: ppo}\nenv: {id: Ballbot-v0}\n")
    args = ["--csv", str(run_folder), "--config", str(config), *["--plot_train"] * train]
    monkeypatch.setattr("sys.argv", ["ballbot-plot-training", *args])
    with pytest.raises(SystemExit) as end:
        ballbot_plot_training()
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == str(run_folder / f"plots/{name}.png")
    config.write_text("[")
    with pytest.raises(SystemExit) as end:
        ballbot_plot_training()
    assert end.value.code == 2
    assert "no YAML" in capsys.readouterr().err
