"""A training that was killed and resumed is the training that was not."""

import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from long_runs import LONG
from plumbrl.errors import UserError
from plumbrl.runs.progress import ProgressFile, read_progress
from plumbrl.training.config_file import load_config
from plumbrl.training.keeper import Keeper
from plumbrl.training.plain import from_plain, to_plain
from plumbrl.training.state import read_state
from plumbrl.training.train import resume, train
from plumbrl.training.watching import CHECK

CHANGING = ("time/", "gpu/")
BALLBOT = {
    "env": {"kwargs": {"terrain": {"type": "perlin", "resolution": 33}, "episode_seconds": 1.0}},
    "num_envs": 4, "seed": 3, "watch_every": 128,
    "eval": {"episodes": 2, "every": 512}, "checkpoints": 2,
}  # fmt: skip
ON_POLICY = {"n_steps": 32, "batch_size": 64, "n_epochs": 2}
OFF_POLICY = {"learning_starts": 64, "batch_size": 32, "buffer_size": 500, "train_freq": 4}
ALGORITHMS = {
    "PPO": ON_POLICY | {"learning_rate": {"type": "adaptive"}},
    "PPO with gSDE": ON_POLICY | {"use_sde": True, "sde_sample_freq": 8},
    "A2C": {"n_steps": 16},
    "TRPO": {"n_steps": 32, "batch_size": 64},
    "RecurrentPPO": ON_POLICY,
    "SAC": OFF_POLICY,
    "TD3": OFF_POLICY,
    "TQC": OFF_POLICY,
}


def configuration(folder, algorithm, total=1024, **changes):
    kwargs = ALGORITHMS[algorithm]
    section = {"name": algorithm.split()[0], "net_arch": [16], "kwargs": kwargs}
    data = BALLBOT | {"algo": section, "total_timesteps": total, "out": str(folder)} | changes
    path = folder / "config.yaml"
    folder.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(data))
    return load_config(path)


def rows(folder):
    """What was logged, without how long it took."""
    with (folder / "progress.csv").open() as file:
        return [
            {key: value for key, value in row.items() if value and not key.startswith("time/")}
            for row in csv.DictReader(file)
        ]


def metrics(folder):
    """What the watch wrote, without how long it took and how warm the machine was."""
    first, *lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    timeless = [
        line | {"metrics": {k: v for k, v in line["metrics"].items() if not k.startswith(CHANGING)}}
        for line in lines
    ]
    return [first, *timeless]


class PowerCutError(Exception):
    """The moment the power went off."""


def stopped(config, monkeypatch, at):
    """Train until the given timestep, saving at the start of every rollout until then."""
    saved = Keeper._on_rollout_start

    def then_stop(self):
        self._next = 0.0
        saved(self)
        if self.num_timesteps >= at:
            raise PowerCutError

    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(Keeper, "_on_rollout_start", then_stop)
        train(config)
    (folder,) = Path(config.out).glob("*/*/*")
    return folder


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_resumed_is_the_same_as_never_stopped(algo, tmp_path, monkeypatch):
    whole = train(configuration(tmp_path / "whole", algo))
    folder = stopped(configuration(tmp_path / "stopped", algo), monkeypatch, at=400)
    with (folder / "progress.csv").open("a") as file:
        file.write("1,2,3,torn")  # what came after the last state, half written
    again = resume(folder)
    assert rows(folder) == rows(whole.folder)
    assert len(rows(folder)) >= 2
    assert metrics(folder) == metrics(whole.folder)
    assert len(metrics(folder)) >= 3
    assert [c.verdict for c in again.report.checks if c.name == CHECK] == []  # the watch held out
    first, second = (r.evaluations[0].returns for r in (whole, again))
    np.testing.assert_array_equal(first, second)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["resuming"] == "exact"
    assert manifest["resumed"][0]["how"] == "episodes went on"
    with (
        np.load(folder / "evaluations.npz") as mine,
        np.load(whole.folder / "evaluations.npz") as theirs,
    ):
        for key in mine:
            np.testing.assert_array_equal(mine[key], theirs[key])


def test_a_state_without_its_random_streams_would_be_noticed(tmp_path, monkeypatch):
    whole = train(configuration(tmp_path / "whole", "PPO"))
    folder = stopped(configuration(tmp_path / "stopped", "PPO"), monkeypatch, at=500)
    monkeypatch.setattr("plumbrl.training.keeper.restore_streams", lambda model, state: None)
    resume(folder)
    assert rows(folder) != rows(whole.folder)


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    """`kill -9` from outside, at moments drawn at random, also before the first update."""
    config = configuration(tmp_path / "whole", "PPO", total=4096)
    whole = train(config)
    rng = random.Random(0)
    for attempt in range(8 if LONG else 2):
        root = tmp_path / f"killed{attempt}"
        file = root / "config.yaml"
        configuration(root, "PPO", total=4096, save_seconds=0.2)
        args = [sys.executable, "-m", "plumbrl", "train", str(file)]
        with subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
            while not list(root.glob("*/*/*/config.yaml")):
                time.sleep(0.05)
            time.sleep(rng.uniform(0, 3))
            run.send_signal(signal.SIGKILL)
        (folder,) = root.glob("*/*/*")
        resume_or_finished(folder)
        assert rows(folder) == rows(whole.folder)


def resume_or_finished(folder):
    try:
        resume(folder)
    except UserError as error:
        assert "trained to its end" in str(error)


def test_other_environments_start_new_episodes_and_say_so(tmp_path, monkeypatch):
    config = configuration(tmp_path / "run", "PPO", env={"id": "CartPole-v1"})
    folder = stopped(config, monkeypatch, at=500)
    resume(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "cannot restore" in manifest["resuming"]
    assert manifest["resumed"][0]["how"] == "new episodes were started"
    assert int(float(rows(folder)[-1]["eval/mean_ep_length"])) > 0


def test_a_finished_run_is_only_trained_longer_when_asked(tmp_path):
    folder = train(configuration(tmp_path / "run", "PPO", total=256)).folder
    with pytest.raises(UserError, match="--total_timesteps"):
        resume(folder)
    before = rows(folder)
    result = resume(folder, total_timesteps=512)
    assert rows(folder)[: len(before)] == before
    assert len(rows(folder)) > len(before)
    assert yaml.safe_load((result.folder / "config.yaml").read_text())["total_timesteps"] == 512


def test_a_run_that_was_trained_longer_can_be_moved_and_trained_longer_again(tmp_path):
    own = tmp_path / "robot.yaml"
    own.write_text(yaml.safe_dump(BALLBOT["env"]["kwargs"]))
    env = {"config": str(own)}
    folder = train(configuration(tmp_path / "run", "PPO", total=256, env=env)).folder
    before = yaml.safe_load((folder / "config.yaml").read_text())
    resume(folder, total_timesteps=512)
    after = yaml.safe_load((folder / "config.yaml").read_text())
    assert after == before | {"total_timesteps": 512}
    assert after["env"]["config"] == "env.yaml"
    own.unlink()
    elsewhere = folder.rename(tmp_path / "elsewhere")
    resume(elsewhere, total_timesteps=768)
    lines = (elsewhere / "evaluations.jsonl").read_text().splitlines()
    policies = [json.loads(line)["policy"] for line in lines]
    assert len(set(policies)) == len(policies)  # one set, of the policy as it is now


def test_a_run_that_cannot_go_on_keeps_its_configuration(tmp_path):
    folder = train(configuration(tmp_path / "run", "PPO", total=256)).folder
    data = yaml.safe_load((folder / "config.yaml").read_text())
    data["algo"]["net_arch"] = [8]
    (folder / "config.yaml").write_text(yaml.safe_dump(data))
    with (folder / "progress.csv").open("a") as file:
        file.write("1,2,3\n")
    before = (folder / "progress.csv").read_text()
    with pytest.raises(UserError, match="configuration was changed"):
        resume(folder, total_timesteps=512)
    assert (folder / "progress.csv").read_text() == before
    assert yaml.safe_load((folder / "config.yaml").read_text()) == data


def test_a_changed_configuration_is_refused(tmp_path, monkeypatch):
    folder = stopped(configuration(tmp_path / "run", "PPO"), monkeypatch, at=300)
    file = folder / "config.yaml"
    data = yaml.safe_load(file.read_text())
    data["algo"]["net_arch"] = [8]
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match="configuration was changed"):
        resume(folder)


def test_a_state_runs_nothing(tmp_path):
    class Mischief:
        def __reduce__(self):
            return (Path(tmp_path / "ran").touch, ())

    file = tmp_path / "state.pt"
    torch.save({"schema": 1, "extra": Mischief()}, file)
    with pytest.raises(UserError, match="no state"):
        read_state(file)
    assert not (tmp_path / "ran").exists()


def test_plain_data_survives_and_the_rest_is_refused(tmp_path):
    value = {
        "a": np.arange(3, dtype=np.uint32), "b": (1, 2.5, None), "c": [True, "x"], 4: 2**100,
        "d": np.float32(0.1), "e": np.zeros((0, 2)), "f": {"g": np.array([True])},
    }  # fmt: skip
    torch.save(to_plain(value), tmp_path / "x.pt")
    back = from_plain(torch.load(tmp_path / "x.pt", weights_only=True))
    assert back["b"] == (1, 2.5, None)
    assert back["c"] == [True, "x"]
    assert back[4] == 2**100
    assert back["a"].dtype == np.uint32
    assert back["d"] == np.float32(0.1)
    assert back["e"].shape == (0, 2)
    assert back["f"]["g"].dtype == bool
    for wrong in ({1, 2}, object(), np.array([object()])):
        with pytest.raises(TypeError):
            to_plain(wrong)


def test_progress_grows_columns_and_takes_rows_back(tmp_path):
    path = tmp_path / "progress.csv"
    progress = ProgressFile(path)
    progress.append({"b": 1, "a": np.float32(0.1)})
    progress.append({"a": 2.0, "c": "x, y"})
    assert path.read_text().splitlines() == [
        "a,b,c",
        f"{float(np.float32(0.1))!r},1,",
        '2.0,,"x, y"',
    ]
    with path.open("a") as file:
        file.write("3.0,tor")
    assert read_progress(path)[1][-1] == {"a": "2.0", "c": "x, y"}
    again = ProgressFile(path, keep=1)
    again.append({"a": 5})
    assert [row["a"] for row in read_progress(path)[1]] == [repr(float(np.float32(0.1))), "5"]


def test_a_training_can_begin_with_the_policy_of_another(tmp_path):
    first = train(configuration(tmp_path / "first", "PPO", total=512))
    frozen = {"name": "PPO", "net_arch": [16], "kwargs": ON_POLICY | {"learning_rate": 1e-12}}
    config = configuration(
        tmp_path / "second", "PPO", total=128, algo=frozen, start_from=str(first.folder)
    )
    second = train(config)
    returns = [r.evaluations[0].returns for r in (first, second)]
    np.testing.assert_allclose(*returns, rtol=0.05)  # only the normaliser moved on a little
    fresh = train(configuration(tmp_path / "third", "PPO", total=128, algo=frozen))
    assert np.abs(fresh.evaluations[0].returns - returns[0]).max() > 0.05 * returns[0].max()
    with pytest.raises(UserError, match="another shape"):
        train(configuration(tmp_path / "other", "A2C", algo={"name": "PPO", "net_arch": [8]},
                            start_from=str(first.folder)))  # fmt: skip
    with pytest.raises(UserError, match="only one of"):
        train(configuration(tmp_path / "plain", "PPO", start_from=str(first.folder),
                            normalize_observation=False))  # fmt: skip
