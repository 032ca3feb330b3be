"""Logs of runs that nobody watched, from files that their own writers wrote wherever possible."""

import csv
import io
import json
import math
import shutil
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbrl.errors import UserError
from plumbrl.history import History
from plumbrl.logs import read
from plumbrl.logs.order import aligned, filled, in_order

WANDB = Path(__file__).parents[1] / "data/wandb/run-abcd1234.wandb"
FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def points(history, key):
    return [values.tolist() for values in history.points(key)]


# Steps


def test_steps_that_rise_are_left_alone():
    kept, note = in_order(np.array([1.0, 2, 2, 5]))
    assert kept.tolist() == [0, 1, 2, 3]
    assert note is None


def test_a_restart_keeps_the_later_part():
    steps = np.array([10.0, 20, 30, 40, 20, 30, 50])
    kept, note = in_order(steps)
    assert kept.tolist() == [0, 4, 5, 6]
    assert "from 40 to 20" in note
    assert "3 earlier rows" in note


def test_a_restart_of_a_restart_keeps_the_last_part():
    steps = np.array([10.0, 20, 30, 40, 50, 60, 30, 40, 50, 10, 20, 30])
    kept, note = in_order(steps)
    assert steps[kept].tolist() == [10, 20, 30]
    assert kept.tolist() == [9, 10, 11]
    assert "2 times" in note


def test_rows_in_disorder_are_sorted():
    steps = np.random.default_rng(0).permutation(50).astype(float)
    kept, note = in_order(steps)
    assert steps[kept].tolist() == list(range(50))
    assert "disorder" in note


@FUZZ
@given(st.lists(st.integers(0, 20), max_size=30))
def test_steps_never_fall(steps):
    kept, note = in_order(np.array(steps, dtype=float))
    assert np.all(np.diff(np.array(steps, dtype=float)[kept]) >= 0)
    assert (note is None) == (sorted(steps) == steps)


def test_a_row_without_a_step_is_as_old_as_the_one_before():
    nan = math.nan
    assert filled(np.array([nan, 1, nan, 3, nan])).tolist() == [1, 1, 1, 3, 3]


def test_series_with_clocks_of_their_own_share_rows():
    series = {
        "a": (np.array([1.0, 2, 2, 4]), np.array([10.0, 20, 21, 40])),
        "b": (np.array([2.0, 3]), np.array([200.0, 300])),
    }
    steps, columns = aligned(series, [])
    assert steps.tolist() == [1, 2, 2, 3, 4]
    np.testing.assert_array_equal(columns["a"], [10, 20, 21, np.nan, 40])
    np.testing.assert_array_equal(columns["b"], [np.nan, 200, np.nan, 300, np.nan])


# CSV


def test_sb3_s_last_update_is_as_old_as_the_row_before(tmp_path):
    text = "rollout/ep_rew_mean,time/total_timesteps,train/approx_kl\n1,100,\n2,200,0.01\n,,0.02\n"
    history = read(written(tmp_path / "progress.csv", text))
    assert history.steps.tolist() == [100, 200, 200]
    assert points(history, "train/approx_kl") == [[200, 200], [0.01, 0.02]]
    assert history.source == "progress.csv"
    assert not history.notes


@pytest.mark.parametrize("name", ["step", "global_step", "_step", "timesteps", "Step", "#step"])
def test_other_step_columns_and_bare_names_are_known(name, tmp_path):
    history = read(written(tmp_path / "log.csv", f"{name},value_loss,mine\n1,2,3\n2,3,4\n"))
    assert history.steps.tolist() == [1, 2]
    assert points(history, "train/value_loss") == [[1, 2], [2, 3]]
    assert points(history, "mine") == [[1, 2], [3, 4]]
    assert name not in history


def test_a_better_step_column_is_preferred_unless_it_is_empty(tmp_path):
    better = read(written(tmp_path / "a.csv", "_step,global_step,x\n0,128,1\n1,256,2\n"))
    assert better.steps.tolist() == [128, 256]
    empty = read(written(tmp_path / "b.csv", "_step,global_step,x\n0,,1\n1,,2\n"))
    assert empty.steps.tolist() == [0, 1]


def test_iterations_are_steps_of_last_resort_and_said(tmp_path):
    history = read(written(tmp_path / "a.csv", "iteration,x\n1,1\n2,2\n"))
    assert "'iteration'" in history.notes[0]


def test_an_export_of_wandb_is_one_run_s(tmp_path):
    head = (
        '"Step","fast - losses/entropy","fast - losses/entropy__MIN","fast - losses/entropy__MAX"'
    )
    history = read(
        written(tmp_path / "wandb.csv", head + '\n"1","0.7","0.7","0.7"\n"2","0.6","",""\n')
    )
    assert list(history) == ["train/entropy_loss"]
    assert points(history, "train/entropy_loss") == [[1, 2], [-0.7, -0.6]]
    two = written(tmp_path / "two.csv", '"Step","fast - x","fast - x__MIN","slow - x"\n1,2,2,3\n')
    with pytest.raises(UserError, match="fast, slow"):
        read(two)


def test_semicolons_and_decimal_commas_are_understood(tmp_path):
    text = 'step;loss;n\n1000;0,5;"1,234.5"\n2000;-1,25e-1;7\n'
    history = read(written(tmp_path / "excel.csv", text))
    assert points(history, "train/loss") == [[1000, 2000], [0.5, -0.125]]
    assert points(history, "n") == [[1000, 2000], [1234.5, 7]]
    assert any("ommas" in note for note in history.notes)


def test_mended_tables_say_what_was_mended(tmp_path):
    text = (
        "step,loss,kind,loss\n"
        "1,5,a,0.5\n"
        "2,5,b\n"
        "3,5,c,0.3,9\n"
        "step,loss,fps\n"  # a restart with other columns
        "2,0.2,100\n"
        "3,oops,100\n"
        "4,0.1,1"
    )
    history = read(written(tmp_path / "log.csv", text))
    assert history.steps.tolist() == [1, 2, 3]
    assert points(history, "train/loss") == [[1, 2], [0.5, 0.2]]
    assert points(history, "time/fps") == [[2, 3], [100, 100]]
    said = " ".join(history.notes)
    for hint in ("does not end", "middle", "'loss' stands twice", "fewer", "'kind'", "from 3 to 2"):
        assert hint in said


def test_infinities_and_truths_are_numbers(tmp_path):
    text = "step,a,b\n1,inf,True\n2,-Infinity,False\n3,nan,None\n"
    history = read(written(tmp_path / "log.csv", text))
    assert points(history, "a") == [[1, 2], [math.inf, -math.inf]]
    assert points(history, "b") == [[1, 2], [1, 0]]


def test_a_large_table_is_read_in_a_good_second(tmp_path):
    values = np.random.default_rng(0).normal(size=(100_000, 20)).round(6)
    values[:, 0] = np.arange(100_000)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["global_step", *(f"c{i}" for i in range(19))])
    writer.writerows([[*row[:5], "", *row[6:]] for row in values.tolist()])
    path = written(tmp_path / "progress.csv", out.getvalue())
    start = time.process_time()
    history = read(path)
    assert time.process_time() - start < 1.5
    assert history.rows == 100_000
    np.testing.assert_array_equal(history["c18"], values[:, 19])
    assert np.isnan(history["c4"]).all()


def test_quick_and_careful_reading_agree(tmp_path):
    rng = np.random.default_rng(1)
    rows = [
        [str(i), *("" if rng.random() < 0.3 else repr(rng.normal()) for _ in range(5))]
        for i in range(50)
    ]
    head = "step,a,b,c,d,e\n"
    body = "".join(",".join(row) + "\n" for row in rows)
    quick = read(written(tmp_path / "quick.csv", head + body))
    careful = read(written(tmp_path / "careful.csv", head + body.replace("0,", '"0",', 1)))
    for name in quick:
        np.testing.assert_array_equal(quick[name], careful[name])


# Monitors and evaluations


def test_monitors_are_means_over_the_last_hundred_episodes(tmp_path):
    rng = np.random.default_rng(0)
    for env in range(2):
        rows = "".join(f"{rng.normal():.4f},{rng.integers(1, 9)},{t}\n" for t in range(1, 151))
        head = json.dumps({"t_start": 5.0, "env_id": "CartPole-v1"})
        written(tmp_path / f"{env}.monitor.csv", f"#{head}\nr,l,t\n{rows}")
    history = read(tmp_path)
    tables = [
        np.loadtxt(tmp_path / f"{env}.monitor.csv", delimiter=",", skiprows=2) for env in range(2)
    ]
    merged = np.stack(tables, axis=1).reshape(-1, 3)
    assert history.steps[-1] == merged[:, 1].sum()
    assert history["rollout/ep_rew_mean"][-1] == pytest.approx(merged[-100:, 0].mean())
    assert history["rollout/ep_len_mean"][9] == pytest.approx(merged[:10, 1].mean())
    assert (history.facts.env, history.facts.num_envs) == ("CartPole-v1", 2)


def test_evaluations_join_a_log_that_has_none(tmp_path):
    written(tmp_path / "progress.csv", "time/total_timesteps,train/loss\n100,1\n200,2\n300,3\n")
    np.savez(
        tmp_path / "evaluations.npz",
        timesteps=[150, 300],
        results=[[1.0, 3.0], [5.0, 7.0]],
        ep_lengths=[[10, 20], [30, 40]],
    )
    history = read(tmp_path)
    assert points(history, "eval/mean_reward") == [[150, 300], [2, 6]]
    assert points(history, "eval/mean_ep_length") == [[150, 300], [15, 35]]
    assert points(history, "train/loss") == [[100, 200, 300], [1, 2, 3]]
    assert read(tmp_path / "evaluations.npz").rows == 2
    (tmp_path / "evaluations.npz").write_bytes(b"PK\x03\x04 torn")
    torn = read(tmp_path)
    assert "eval/mean_reward" not in torn
    assert "evaluations.npz" in torn.notes[0]


# JSON lines


def metrics(*rows, facts=None):
    first = {"schema": 1, "facts": facts or {}}
    return "".join(json.dumps(row) + "\n" for row in (first, *rows))


def test_our_metrics_are_the_truth(tmp_path):
    rows = [
        {"step": 10, "update": 1, "metrics": {"train/loss": 1.5, "value/mean": None}},
        {"step": 20, "update": 2, "metrics": {"train/loss": "Infinity", "value/mean": "NaN"}},
        {"step": 30, "update": 3, "metrics": {"train/loss": "-Infinity"}},
    ]
    facts = {"algo": "PPO", "gamma": 0.9, "num_envs": 4, "unheard": 1, "rollout": "much"}
    written(tmp_path / "metrics.jsonl", metrics(*rows, facts=facts) + '{"step": 40, "met')
    written(tmp_path / "progress.csv", "time/total_timesteps,train/std\n10,1\n")
    written(tmp_path / "config.yaml", yaml.safe_dump({"num_envs": 9, "total_timesteps": "1e6"}))
    history = read(tmp_path)
    assert history.steps.tolist() == [10, 20, 30]
    assert points(history, "train/loss") == [[10, 20, 30], [1.5, math.inf, -math.inf]]
    assert np.isnan(history["value/mean"]).all()
    assert "train/std" not in history
    facts = history.facts
    assert (facts.algo, facts.gamma, facts.num_envs, facts.rollout) == ("PPO", 0.9, 4, None)
    assert facts.total_timesteps == 1_000_000
    assert "1 line" in history.notes[0]


def test_a_log_without_rows_makes_way_for_another(tmp_path):
    written(tmp_path / "metrics.jsonl", metrics())
    written(tmp_path / "progress.csv", "time/total_timesteps,train/std\n10,1\n")
    assert points(read(tmp_path), "train/std") == [[10], [1]]


def test_a_later_schema_is_refused(tmp_path):
    path = written(tmp_path / "metrics.jsonl", '{"schema": 2, "facts": {}}\n{"step": 1}\n')
    with pytest.raises(UserError, match="schema 2"):
        read(path)


def test_json_lines_of_others_are_read(tmp_path):
    rows = [{"_step": i, "losses": {"entropy": i / 10}, "name": "x"} for i in range(3)]
    lines = written(tmp_path / "wandb-history.jsonl", "\n".join(map(json.dumps, rows)))
    assert points(read(lines), "train/entropy_loss") == [[0, 1, 2], [0, -0.1, -0.2]]
    whole = written(tmp_path / "export.json", json.dumps(rows, indent=1))
    assert points(read(whole), "train/entropy_loss") == points(read(lines), "train/entropy_loss")


# Facts


def test_facts_come_from_the_configuration_of_our_runs(tmp_path):
    config = {
        "name": "flat",
        "env": {"id": "Ballbot-v0", "kwargs": {"max_episode_steps": 500}},
        "num_envs": 8,
        "total_timesteps": 1000,
        "algo": {
            "name": "PPO",
            "kwargs": {
                "learning_rate": {"type": "linear", "start": 1e-3, "end": 0},
                "clip_range": 0.3,
                "n_steps": 16,
            },
        },
        "eval": {"gamma": 0.1, "num_envs": 99},
    }
    written(tmp_path / "config.yaml", yaml.safe_dump(config))
    written(tmp_path / "manifest.json", json.dumps({"algo": "PPO", "env": "Ballbot-v0"}))
    written(tmp_path / "progress.csv", "time/total_timesteps,train/std\n10,1\n")
    facts = read(tmp_path).facts
    assert (facts.algo, facts.env, facts.num_envs) == ("PPO", "Ballbot-v0", 8)
    assert (facts.learning_rate, facts.clip_range, facts.rollout) == (1e-3, 0.3, 128)
    assert (facts.max_episode_steps, facts.gamma) == (500, None)


def test_facts_come_from_rl_zoo_s_files(tmp_path):
    head = "!!python/object/apply:collections.OrderedDict\n"
    args = "- - - algo\n    - ppo\n  - - env\n    - CartPole-v1\n  - - n_timesteps\n    - -1\n"
    config = "- - - n_envs\n    - 8\n  - - n_timesteps\n    - 100000.0\n  - - learning_rate\n"
    written(tmp_path / "CartPole-v1/args.yml", head + args)
    written(tmp_path / "CartPole-v1/config.yml", f"{head}{config}    - lin_0.001\n")
    written(tmp_path / "0.monitor.csv", '#{"t_start": 0.0}\nr,l,t\n1,5,0.1\n2,6,0.2\n')
    facts = read(tmp_path).facts
    assert (facts.algo, facts.env, facts.total_timesteps) == ("PPO", "CartPole-v1", 100_000)
    assert facts.learning_rate == 1e-3


@pytest.mark.parametrize("text", ["{", "- 1", "!!python/object/apply:os.system [ls]", "a: &a [*a]"])
def test_settings_that_cannot_be_read_say_nothing(text, tmp_path):
    written(tmp_path / "config.yaml", text)
    written(tmp_path / "progress.csv", "time/total_timesteps,train/std\n10,1\n")
    assert read(tmp_path).facts.algo is None


# TensorBoard, CleanRL, rsl_rl


@pytest.fixture
def writer(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "tb") as open_writer:
        yield open_writer


def test_cleanrl_is_read_with_sb3_s_names_and_signs(writer, tmp_path):
    args = {
        "exp_name": "ppo_continuous_action",
        "env_id": "Hopper-v4",
        "total_timesteps": 4096,
        "learning_rate": 0.0003,
        "num_envs": 2,
        "num_steps": 512,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "update_epochs": 10,
        "clip_coef": 0.2,
        "ent_coef": 0.01,
        "max_grad_norm": 0.5,
        "target_kl": None,
        "batch_size": 1024,
        "minibatch_size": 32,
    }
    table = "\n".join(f"|{key}|{value}|" for key, value in args.items())
    writer.add_text("hyperparameters", f"|param|value|\n|-|-|\n{table}")
    for episode in range(150):
        writer.add_scalar("charts/episodic_return", float(episode), 10 * (episode // 2))
    for update in (1024, 2048):
        writer.add_scalar("losses/entropy", 1.5, update)
        writer.add_scalar("losses/value_loss", 2.0, update)
        writer.add_scalar("losses/old_approx_kl", 0.25, update)
        writer.add_scalar("losses/clipfrac", 0.125, update)
        writer.add_scalar("charts/SPS", 1000, update)
    writer.close()
    history = read(tmp_path)
    assert points(history, "train/entropy_loss") == [[1024, 2048], [-1.5, -1.5]]
    assert points(history, "train/value_loss")[1] == [4, 4]  # SB3's has no factor of a half
    assert points(history, "policy/kl_k1")[1] == [0.25, 0.25]
    assert points(history, "train/clip_fraction")[1] == [0.125, 0.125]
    assert points(history, "time/fps")[1] == [1000, 1000]
    assert len(history.points("charts/episodic_return")[0]) == 150
    assert history.points("rollout/ep_rew_mean")[1][-1] == np.mean(range(50, 150))
    facts = history.facts
    assert (facts.algo, facts.env, facts.rollout, facts.batch_size) == (
        "PPO",
        "Hopper-v4",
        1024,
        32,
    )
    assert (facts.clip_range, facts.n_epochs, facts.target_kl) == (0.2, 10, None)


def test_cleanrl_s_critics_have_one_name_each(writer, tmp_path):
    for tag in ("losses/qf_loss", "losses/qf1_loss", "losses/qf1_values", "losses/alpha"):
        writer.add_scalar(tag, 1.0, 100)
    writer.close()
    history = read(tmp_path / "tb")
    assert set(history) == {
        "train/critic_loss",
        "losses/qf1_loss",
        "value/q_mean",
        "train/ent_coef",
    }


def test_hyperparameters_of_sb3_s_logger_are_facts(tmp_path):
    from stable_baselines3.common.logger import HParam, Logger, TensorBoardOutputFormat

    logger = Logger(str(tmp_path), [TensorBoardOutputFormat(str(tmp_path))])
    known = {"algorithm": "PPO", "gamma": 0.9, "n_steps": 8, "num_envs": 2, "normalize": True}
    logger.record("hparams", HParam(known, {"train/loss": 0.0}), exclude="csv")
    logger.record("train/loss", 1.0)
    logger.dump(16)
    logger.close()
    facts = read(tmp_path).facts
    assert (facts.algo, facts.gamma, facts.rollout) == ("PPO", 0.9, 16)


def test_rsl_rl_s_steps_are_said_to_be_iterations(writer, tmp_path):
    for iteration in range(5):
        writer.add_scalar("Loss/value", 1.0, iteration)
        writer.add_scalar("Loss/entropy", 2.0, iteration)
        writer.add_scalar("Policy/mean_std", 0.5, iteration)
        writer.add_scalar("Perf/total_fps", 9e4, iteration)
        writer.add_scalar("Train/mean_reward", 7.0, iteration)
        writer.add_scalar("Train/mean_reward/time", 7.0, 100 * iteration)
    writer.close()
    history = read(tmp_path)
    assert history.steps[4] == 4
    assert points(history, "train/entropy_loss")[1] == [-2] * 5
    assert points(history, "train/std")[1] == [0.5] * 5
    assert "Train/mean_reward/time" not in history
    assert any("iterations" in note for note in history.notes)


def test_event_files_agree_with_tensorboard_s_own_reader(writer, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rng = np.random.default_rng(0)
    for step in range(200):
        writer.add_scalar("a", rng.normal(), step)
        writer.add_scalar("b", rng.normal(), 3 * step, new_style=True)
    writer.add_histogram("weights", rng.normal(size=10), 1)
    writer.add_text("words", "none", 1)
    writer.close()
    accumulator = EventAccumulator(str(tmp_path / "tb"), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    history = read(tmp_path)
    assert set(history) == {"a", "b"}
    old = accumulator.Scalars("a")
    assert points(history, "a") == [[e.step for e in old], [e.value for e in old]]
    new = accumulator.Tensors("b")
    assert points(history, "b") == [
        [e.step for e in new],
        [e.tensor_proto.float_val[0] for e in new],
    ]


def test_a_restart_in_a_second_event_file_keeps_the_later_part(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for part, steps in enumerate((range(0, 100, 10), range(50, 150, 10))):
        with SummaryWriter(tmp_path, filename_suffix=f".{9 - part}") as writer:
            for step in steps:
                writer.add_scalar("train/loss", part, step)
    history = read(tmp_path)
    assert history.steps.tolist() == list(range(0, 150, 10))
    assert points(history, "train/loss")[1] == [0] * 5 + [1] * 10
    assert "from 90 to 50" in history.notes[0]


def test_several_runs_in_a_folder_are_named(tmp_path):
    for name in ("fast", "slow"):
        written(tmp_path / name / "progress.csv", "step,loss\n1,2\n")
    written(tmp_path / "fast" / "tb" / "progress.csv", "step,loss\n1,2\n")
    with pytest.raises(UserError, match=r"several runs: fast, slow; .* several to `plumbrl plot`"):
        read(tmp_path)
    shutil.rmtree(tmp_path / "slow")
    assert read(tmp_path).rows == 1


def test_several_offline_runs_in_a_folder_are_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"run-{name}.wandb").write_bytes(WANDB.read_bytes())
    with pytest.raises(UserError, match=r"run-a\.wandb, run-b\.wandb"):
        read(tmp_path)


def test_many_scalars_are_read_in_seconds(writer, tmp_path):
    for step in range(20_000):
        writer.add_scalar("train/loss", step, step)
    writer.close()
    start = time.process_time()
    assert read(tmp_path).rows == 20_000
    assert time.process_time() - start < 1.0


def test_torn_and_damaged_event_files_give_what_they_hold(writer, tmp_path):
    for step in range(50):
        writer.add_scalar("train/loss", step, step)
    writer.close()
    file = next((tmp_path / "tb").iterdir())
    data = file.read_bytes()
    file.write_bytes(data[:-5])
    torn = read(tmp_path)
    assert torn.rows == 49
    assert "torn" in torn.notes[0]
    middle = len(data) // 2
    file.write_bytes(data[:middle] + b"\xff" * 40 + data[middle + 40 :])
    damaged = read(tmp_path)
    assert 20 < damaged.rows < 30
    assert any("damage" in note for note in damaged.notes)


@pytest.mark.slow
def test_sb3_s_own_csv_and_event_files_tell_the_same(tmp_path):
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import configure

    model = PPO("MlpPolicy", "CartPole-v1", n_steps=64, batch_size=32, seed=0, device="cpu")
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard", "json"]))
    model.learn(500)
    model.logger.close()
    table = read(tmp_path)
    lines = read(tmp_path / "progress.json")
    events = read(next(tmp_path.glob("*tfevents*")))
    assert table.source == "progress.csv"
    for name in ("train/approx_kl", "train/entropy_loss", "rollout/ep_len_mean"):
        assert len(table.points(name)[0]) >= 7
        np.testing.assert_allclose(events.points(name)[1], table.points(name)[1], rtol=1e-4)
        np.testing.assert_allclose(lines.points(name)[1], table.points(name)[1], rtol=1e-6)
    np.testing.assert_array_equal(events.steps, np.unique(table.steps))


# TorchRL


def test_torchrl_s_folders_have_a_file_for_every_scalar(tmp_path):
    folder = tmp_path / "exp/scalars"
    written(folder / "train/reward.csv", "100,1.5\n200,2.5\n")
    written(folder / "train/entropy.csv", "step,value\n100,0.5\n")
    written(folder / "eval/reward.csv", "200,nan\n")
    history = read(tmp_path)
    assert points(history, "rollout/ep_rew_mean") == [[100, 200], [1.5, 2.5]]
    assert points(history, "train/entropy_loss") == [[100], [-0.5]]
    assert "eval/mean_reward" in history


# W&B


def test_an_offline_run_that_wandb_wrote(tmp_path):
    target = tmp_path / "wandb/offline-run-20260101_000000-abcd1234/run-abcd1234.wandb"
    target.parent.mkdir(parents=True)
    shutil.copy(WANDB, target)
    history = read(tmp_path)
    steps = [128 * (i + 1) for i in range(12)]
    assert history.steps.tolist() == steps
    np.testing.assert_allclose(
        history["train/entropy_loss"], [-(0.69 - 0.01 * i) for i in range(12)], rtol=1e-12
    )
    assert points(history, "charts/episodic_return") == [[512, 1024, 1536], [13, 17, 21]]
    assert points(history, "info/depth") == [[512, 1024, 1536], [3, 7, 11]]
    assert points(history, "train/value_loss") == [[768, 896], [math.inf, 6]]
    facts = history.facts
    assert (facts.algo, facts.env, facts.gamma, facts.rollout) == ("PPO", "CartPole-v1", 0.97, 128)


def leveldb(records):
    """A second writer of the format, from its description alone."""
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for record in records:
        first = True
        while first or record:
            room = 32768 - len(out) % 32768
            if room < 7:
                out += bytes(room)
                continue
            piece, record = record[: room - 7], record[room - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[
                first, not record
            ]
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return bytes(out)


def message(number, payload):
    size = b""
    length = len(payload)
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    key = number << 3 | 2
    head = bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
    return head + size + bytes([length]) + payload


def row(values):
    items = b"".join(
        message(1, message(2, name.encode()) + message(16, json.dumps(value).encode()))
        for name, value in values.items()
    )
    return message(2, items)


def test_records_of_wandb_go_on_in_the_next_block(tmp_path):
    records = [row({"_step": i, "loss": i / 7, "pad": "x" * (i * 1000)}) for i in range(90)]
    path = tmp_path / "run-x.wandb"
    path.write_bytes(leveldb(records))
    assert points(read(path), "train/loss") == [list(range(90)), [i / 7 for i in range(90)]]
    path.write_bytes(leveldb(records)[:-10])
    torn = read(path)
    assert torn.rows == 89
    assert "torn" in torn.notes[0]
    data = bytearray(leveldb(records))
    data[40_000] ^= 255
    path.write_bytes(data)
    damaged = read(path)
    assert 60 < damaged.rows < 90
    assert "damaged" in damaged.notes[0]


# Whatever else there may be


def answer(path):
    """A history, or one clear sentence."""
    try:
        history = read(path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        return None
    assert isinstance(history, History)
    assert np.isfinite(history.steps).all()
    assert np.all(np.diff(history.steps) >= 0)
    return history


@pytest.mark.parametrize(
    ("name", "data", "hint"),
    [
        ("progress.csv", b"", "is empty"),
        ("progress.csv", b"\n\n", "is empty"),
        ("progress.csv", b"time/total_timesteps,train/loss\n", "no rows"),
        ("progress.csv", b"a,b\n1,2\n", "no rows with timesteps"),
        ("progress.csv", b"step,b\nx,2\n", "no rows with timesteps"),
        ("progress.csv", bytes(range(256)) * 4, "no text"),
        ("metrics.jsonl", b'{"schema": 1, "facts": {}}\n', "no rows"),
        ("log.jsonl", b"{\n", "no JSON objects"),
        ("log.jsonl", b'{"loss": 1}\n', "no rows"),
        ("monitor.csv", b'#{"t_start": 0}\nr,l,t\n', "no episode"),
        ("monitor.csv", b"#{\n", "no monitor.csv"),
        ("evaluations.npz", b"PK", "no evaluations.npz"),
        ("run-x.wandb", b":W&B\xe1\xbe\x00", "nothing was logged"),
        ("run-x.wandb", b"garbage", "no offline run"),
        ("events.out.tfevents.1", b"garbage", "no scalars"),
    ],
)
def test_what_cannot_be_read_gets_one_sentence(name, data, hint, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    for given_path in (path, tmp_path):
        with pytest.raises(UserError, match=hint):
            read(given_path)


def test_folders_without_a_log_and_paths_to_nowhere_get_one_sentence(tmp_path):
    with pytest.raises(UserError, match="holds no log"):
        read(tmp_path)
    for name in ("nowhere", "x" * 5000, "nul\0"):
        with pytest.raises(UserError, match="no such file"):
            read(tmp_path / name)


NAMES = ["progress.csv", "x.jsonl", "monitor.csv", "e.npz", "run.wandb", "events.out.tfevents.1"]
CELLS = st.sampled_from(
    ["", "1", "2.5", "nan", "inf", "-1e400", "0,5", '"1,000"', "x", "step", '"', "#", "1e3", "True"]
)
ROWS = st.lists(st.lists(CELLS, max_size=5), max_size=12)


@FUZZ
@given(st.binary(max_size=400), st.sampled_from(NAMES))
def test_garbage_is_answered(tmp_path, data, name):
    path = tmp_path / name
    path.write_bytes(data)
    answer(path)


@FUZZ
@given(ROWS, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n", "\n\n", ""]))
def test_odd_tables_are_answered(tmp_path, rows, delimiter, end):
    lines = [delimiter.join(cells) for cells in [["step", "loss", "x"], *rows]]
    path = tmp_path / "log.csv"
    path.write_bytes((end or "\n").join(lines).encode() + end.encode())
    answer(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["step", "metrics", "loss", "schema", "facts"]), inner)
    ),
    max_leaves=8,
)


@FUZZ
@given(st.lists(JSON, max_size=6))
def test_odd_json_is_answered(tmp_path, values):
    answer(written(tmp_path / "log.jsonl", "\n".join(map(json.dumps, values)) + "\n"))


@FUZZ
@given(st.data())
def test_damaged_files_are_answered(tmp_path, data):
    whole = WANDB.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(max_size=30))
    end = data.draw(st.integers(start, len(whole)))
    path = tmp_path / "run.wandb"
    path.write_bytes(whole[:start] + noise + whole[end:])
    answer(path)


@FUZZ
@given(st.data())
def test_damaged_event_files_are_answered(tmp_path, data):
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from torch.utils.tensorboard.summary import scalar

    file = tmp_path / "good"
    if not file.exists():
        from tensorboard.compat.proto.event_pb2 import Event

        folder = tmp_path / "tb"
        writer = EventFileWriter(str(folder))
        for step in range(20):
            writer.add_event(Event(step=step, summary=scalar("loss", step / 3)))
        writer.close()
        shutil.move(next(folder.iterdir()), file)
    whole = file.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    noise = data.draw(st.binary(max_size=30))
    path = tmp_path / "events.out.tfevents.2"
    path.write_bytes(whole[:start] + noise + whole[start + len(noise) :])
    answer(path)


def test_columns_that_never_held_a_number_are_known_where_they_say_so(tmp_path, writer):
    (tmp_path / "log.csv").write_text("step,v_loss,b,c\n1,nan,,1\n2,nan,,nan\n3,,,2\n")
    history = read(tmp_path / "log.csv")
    assert history.undefined == {"v_loss"}
    for step in range(4):
        writer.add_scalar("losses/value_loss", float("nan"), step)
        writer.add_scalar("losses/policy_loss", float("nan") if step else 1.0, step)
    writer.flush()
    assert read(tmp_path / "tb").undefined == {"train/value_loss"}
