"""The thin thread, end to end on the real robot, and the verdicts it can come to."""

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from plumbrl.causes import finding
from plumbrl.cli import main
from plumbrl.diagnosis import diagnose, diagnose_history
from plumbrl.errors import UserError
from plumbrl.findings import Check
from plumbrl.history import History
from plumbrl.metrics.episodes import Evaluation
from plumbrl.training.callbacks import EpisodeLog
from plumbrl.training.config import TrainConfig
from plumbrl.training.config_file import config_of, load_config
from plumbrl.training.folder import new_folder
from plumbrl.training.held_out import first_env_seed
from plumbrl.training.policy import load_policy
from plumbrl.training.session import Session
from plumbrl.training.state import read_state

ROOT = Path(__file__).parents[2]
FLAT = ROOT / "configs/train/ballbot_flat.yaml"
TINY = {"total_timesteps": 2048, "num_envs": 16, "eval.episodes": 4, "algo.kwargs.n_steps": 32}


def plumbrl(*args):
    return subprocess.run(
        [sys.executable, "-m", "plumbrl", *map(str, args)], capture_output=True, text=True
    )


def in_process(capsys, *args):
    """The same command without a new interpreter: exit code and what it said."""
    with pytest.raises(SystemExit) as end:
        main([str(arg) for arg in args])
    return end.value.code, capsys.readouterr().err


def flags(settings):
    return [part for key, value in settings.items() for part in (f"--{key}", str(value))]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    run = plumbrl("train", FLAT, *flags(TINY), "--out", root, "--json")
    (folder,) = root.glob("*/*/*")
    return run, folder


def test_writes_the_whole_run_folder(tiny_run):
    run, folder = tiny_run
    assert run.returncode in (0, 3), run.stderr
    names = {p.name for p in folder.iterdir()}
    for name in ("config.yaml", "manifest.json", "progress.csv", "model.zip", "vecnormalize.pkl",
                 "normalizer.npz", "best_model.zip", "best_normalizer.npz", "evaluations.npz",
                 "evaluations.jsonl", "report.json", "checkpoints", "tb", "env.yaml",
                 "metrics.jsonl", "checks.jsonl", "report.html"):  # fmt: skip
        assert name in names
    assert list((folder / "tb").glob("events.out.tfevents*"))
    assert (folder / "checkpoints/state.pt").is_file()
    assert list((folder / "checkpoints").glob("model_*_steps.zip"))


def test_prints_the_report_it_saves(tiny_run):
    run, folder = tiny_run
    report = json.loads(run.stdout)
    assert report == json.loads((folder / "report.json").read_text())
    assert report == json.loads(diagnose(folder).to_json())  # live and afterwards are the same
    checks = {check["name"]: check for check in report["checks"]}
    compared = ("better than", "the return grows")  # so short a training learns nothing
    exact = [c for c in report["checks"] if not c["name"].startswith(compared)]
    assert not [c for c in exact if c["verdict"] not in ("passed", "skipped")]
    stored = checks["log-probabilities recomputed before the first gradient step"]
    assert stored["verdict"] == "passed"
    assert stored["reason"].startswith("512 compared")
    for name in ("policy loss recomputed", "parameters changed by the update"):
        assert checks[name]["verdict"] == "passed"
    assert run.returncode == (3 if report["verdict"] != "HEALTHY" else 0)


def test_progress_holds_every_update_with_sb3s_keys(tiny_run):
    _, folder = tiny_run
    with (folder / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    keys = {"rollout/ep_rew_mean", "rollout/ep_len_mean", "train/approx_kl", "train/value_loss",
            "time/total_timesteps", "rollout/ep_seconds_mean", "reward/direction",
            "reward/survival", "term/tilt_exceeded", "eval/mean_reward", "eval/survived",
            "time/env", "time/policy", "time/learn"}  # fmt: skip
    assert keys <= set(rows[0])
    updates = [int(float(r["train/n_updates"])) for r in rows if r["train/n_updates"]]
    assert len(set(updates)) == 4  # 2048 steps in rollouts of 512: the last update included


def test_the_saved_config_trains_again(tiny_run):
    _, folder = tiny_run
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert TrainConfig.model_validate(saved).num_envs == 16
    assert saved["env"]["config"] == "env.yaml"  # the folder stands alone
    again = load_config(folder / "config.yaml")
    assert again.env.config == str(folder.resolve() / "env.yaml")


def test_policies_are_compared_on_the_same_seeds(tiny_run):
    _, folder = tiny_run
    lines = (folder / "evaluations.jsonl").read_text().splitlines()
    evaluations = [json.loads(line) for line in lines]
    assert [e["policy"] for e in evaluations] == ["trained", "balance", "pid", "random"]
    for e in evaluations:
        assert e["seeds"] == [1_000_000 + i for i in range(4)]
        assert sum(e["causes"].values()) == 4
    balance = evaluations[1]
    assert balance["causes"] == {"max_steps": 4}
    assert np.mean(balance["metrics"]["speed_along_target"]) == pytest.approx(0.3, abs=0.05)


def test_evaluations_say_when_they_were_made(tiny_run):
    _, folder = tiny_run
    with np.load(folder / "evaluations.npz") as saved:
        assert saved["timesteps"].tolist() == [512, 1024, 1536, 2048]
        assert saved["results"].shape == saved["ep_lengths"].shape == (4, 4)


def test_same_seed_same_run(tiny_run, tmp_path):
    _, folder = tiny_run
    plumbrl("train", FLAT, *flags(TINY), "--out", tmp_path)
    (again,) = tmp_path.glob("*/*/*")
    first, second = ((f / "progress.csv").read_text().splitlines() for f in (folder, again))
    timed = [i for i, key in enumerate(first[0].split(",")) if key.startswith("time/")]
    order = {key: i for i, key in enumerate(second[0].split(","))}
    for a, b in zip(first[1:], second[1:], strict=True):
        a, b = a.split(","), b.split(",")
        for i, key in enumerate(first[0].split(",")):
            if i not in timed:
                assert a[i] == b[order[key]], key


def test_interrupting_saves_the_model(tmp_path):
    args = [sys.executable, "-m", "plumbrl", "train", str(FLAT), "--out", str(tmp_path)]
    with subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while not re.match(r" *\d+%", run.stdout.readline()):  # until the first line of progress
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    (folder,) = tmp_path.glob("*/*/*")
    assert f"plumbrl train --resume {folder}" in said
    assert "Traceback" not in said
    saved = read_state(folder / "checkpoints/state.pt")
    policy = load_policy(folder, which="final")
    rollout = policy.config.num_envs * policy.config.algo.kwargs["n_steps"]
    done = saved["counters"]["num_timesteps"]
    assert done == policy.timesteps > 0
    assert done % rollout == 0  # the update that was running was finished
    for name, tensor in policy.model.policy.state_dict().items():
        assert torch.equal(tensor, saved["modules"]["policy"][name])
    np.testing.assert_array_equal(
        policy.normalizer.returns.mean, saved["layers"][0]["returns"]["mean"]
    )
    assert policy.normalizer.returns.count == saved["layers"][0]["returns"]["count"]


@pytest.mark.parametrize("algo", ["PPO", "SAC", "ARS"])
def test_a_request_to_stop_is_met_at_the_next_rollout(algo, tmp_path):
    kwargs = {"PPO": {"n_steps": 16, "batch_size": 32}, "SAC": {"learning_starts": 8},
              "ARS": {"n_delta": 1}}[algo]  # fmt: skip
    session = tiny_session(tmp_path, algo, kwargs)
    asked = AskedToStop(session, at=30)
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        session.run(asked)
    saved = read_state(session.folder.path / "checkpoints/state.pt")["counters"]["num_timesteps"]
    loaded = load_policy(session.folder.path, which="final")
    assert asked.ended
    assert loaded.timesteps == saved == {"PPO": 32, "SAC": 30, "ARS": 800}[algo]


def test_a_request_in_the_last_rollout_changes_nothing(tmp_path):
    session = tiny_session(tmp_path, "PPO", {"n_steps": 16, "batch_size": 32})
    result = session.run(AskedToStop(session, at=session.config.total_timesteps))
    assert (result.folder / "report.json").is_file()


class AskedToStop(BaseCallback):
    """Ctrl-C at a timestep."""

    def __init__(self, session, at):
        super().__init__()
        self._at = at
        self.ended = False

    def callback(self, session):
        return self

    def _on_step(self):
        if self.num_timesteps == self._at:
            signal.raise_signal(signal.SIGINT)
        return True

    def _on_training_end(self):
        self.ended = True


def tiny_session(tmp_path, algo, kwargs):
    data = {
        "env": {"id": "Pendulum-v1"}, "num_envs": 2, "total_timesteps": 1600, "out": str(tmp_path),
        "algo": {"name": algo, "net_arch": [8], "kwargs": kwargs}, "eval": {"episodes": 2},
    }  # fmt: skip
    if algo == "PPO":
        data["total_timesteps"] = 128
    config = config_of(data, tmp_path, None, "test")
    session = Session(config)
    session.open(new_folder(config))
    return session


def test_trains_on_any_environment(tmp_path):
    config = {
        "env": {"id": "CartPole-v1"}, "num_envs": 4, "total_timesteps": 12_000,
        "out": str(tmp_path),
        "algo": {"policy": "MlpPolicy", "kwargs": {"n_steps": 64, "batch_size": 64}},
        "eval": {"episodes": 8},
    }  # fmt: skip
    path = tmp_path / "cartpole.yaml"
    path.write_text(yaml.safe_dump(config))
    run = plumbrl("train", path, "--json")
    report = json.loads(run.stdout)
    assert report["verdict"] in ("HEALTHY", "NOT_CONVERGED"), report  # it may be still rising
    assert run.returncode == 0


def evaluation(policy, returns):
    returns = np.asarray(returns, dtype=float)
    n = len(returns)
    return Evaluation(policy, np.arange(n), returns, np.ones(n), np.ones(n, bool), {}, {})


@pytest.mark.parametrize(
    ("trained", "found", "verdict", "cause"),
    [
        (100, None, "HEALTHY", None),
        (50, None, "NOT_CONVERGED", "task.below-baseline"),
        (80, None, "HEALTHY", None),
        (3, None, "NOT_LEARNING", "task.no-better-than-random"),
        (100, "data.shuffled", "BROKEN", "data.shuffled"),
        (100, "configuration.horizon-too-short", "HEALTHY", "configuration.horizon-too-short"),
    ],
)
def test_verdicts(trained, found, verdict, cause):
    noise = np.random.default_rng(0).normal(0, 1, (3, 20))
    evaluations = [
        evaluation("trained", trained + noise[0]),
        evaluation("pid", 80 + noise[1]),
        evaluation("random", 3 + noise[2]),
    ]
    findings = [finding(found, step=1, evidence=())] if found else []
    checks = [Check("oracle", "failed" if found else "passed")]
    nothing = History(np.array([1000.0]), {})
    report = diagnose_history(nothing, "run", findings, checks, evaluations)
    assert report.verdict == verdict
    assert [f.cause for f in report.findings] == ([cause] if cause else [])
    assert report.exit_code == (0 if verdict == "HEALTHY" else 3)


def test_runs_with_neighbouring_seeds_share_no_environment():
    config = load_config(FLAT)
    firsts = [first_env_seed(config.model_copy(update={"seed": s})) for s in range(20)]
    firsts.append(config.eval.seed)
    gaps = np.diff(np.sort(firsts))
    assert gaps.min() > config.num_envs


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"total_timestep": 5}, "'total_timesteps'"),
        ({"algo.kwargs.learning_rat": 1e-3}, "'learning_rate'"),
        ({"algo.name": "PPPO"}, "'PPO'"),
        ({"algo.activation": "Tanhh"}, "'Tanh'"),
        ({"algo.policy": "MultiInputPolcy"}, "'MultiInputPolicy'"),
        ({"num_envs": 0}, "num_envs"),
        ({"total_timesteps": "lots"}, "total_timesteps"),
        ({"env.config": "nowhere.yaml"}, "nowhere.yaml"),
        ({"env.id": "ballbot:Ballbott-v0"}, "Ballbot"),
        ({"env.id": "balbot:Ballbot-v0"}, "balbot"),
        ({"env.kwargs.terrain.type": "perln"}, "'perlin'"),
        ({"env.kwargs.num_envs": 3}, "num_envs"),
        ({"eval.seed": -5}, "eval.seed"),
        ({"seed": "["}, "seed"),
        ({"env.id": ":"}, "env.id"),
        ({"out": "/proc/nowhere"}, "/proc/nowhere"),
        ({"algo.kwargs.gamma": 2}, "gamma"),
        ({"algo.kwargs.gamma": "x"}, "gamma"),
        ({"algo.kwargs.n_epochs": 0}, "n_epochs"),
        ({"seed.x": 5}, "seed"),
        ({"algo.kwargs.n_steps": -3}, "n_steps"),
        ({"algo.kwargs.n_steps": 1_000_000_000}, "memory"),
        ({"algo.kwargs.learning_rate": "{type: linnear}"}, "'linear'"),
        ({"preset": "agressive"}, "'aggressive'"),
        ({"encoder.path": "nowhere.pt"}, "nowhere.pt"),
        ({"eval.env.terrain.type": "perln"}, "'perlin'"),
        ({"eval.seed": 10**20}, "eval.seed"),
        ({"algo.kwargs.device": "gpu"}, "gpu"),
        ({"algo.name": "ARS", "algo.kwargs": "{n_delta: 0}"}, "n_delta"),
        ({"resume": "log/run7"}, "--resume RUN"),
    ],
)
def test_wrong_settings_get_one_sentence_and_exit_2(settings, hint, tmp_path, capsys):
    code, said = in_process(capsys, "train", FLAT, "--out", tmp_path, *flags(settings))
    assert code == 2, said
    assert hint in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["trian"], "'train'"),
        (["train", "nowhere.yaml"], "nowhere.yaml"),
        (["train", FLAT, "extra"], "extra"),
        (["train", FLAT, "--seed"], "--seed"),
        (["train"], "--resume"),
        (["train", "--resume", "nowhere"], "nowhere"),
        (["train", FLAT, "--resume", "runs"], "--resume"),
        (["train", "--resume", "runs", "--num_envs", "3"], "num_envs"),
        ([], "usage"),
    ],
)
def test_wrong_usage_exits_2(args, hint):
    run = plumbrl(*args)
    assert run.returncode == 2
    assert hint in run.stderr + run.stdout
    assert "Traceback" not in run.stderr


def test_yaml_numbers_written_as_words_are_numbers(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("env: {id: CartPole-v1}\ntotal_timesteps: 1e6\nalgo: {policy: MlpPolicy}\n")
    assert load_config(path).total_timesteps == 1_000_000
    config = load_config(path, {"algo.kwargs.learning_rate": "1e-3"})
    assert config.algo.kwargs["learning_rate"] == 1e-3
    path.write_text("env: [1]\n")
    with pytest.raises(UserError, match="env"):
        load_config(path)


def test_a_cause_that_stops_occurring_is_logged_as_nought():
    log = EpisodeLog(causes=["max_steps"])
    log.model = SimpleNamespace(logger=Logger(None, []))
    for causes in (["tilt_exceeded"] * 3, ["max_steps"], []):
        infos = [{"termination": cause} for cause in causes]
        log.locals = {"dones": np.ones(len(infos), bool), "infos": infos}
        log._on_step()
        log._on_rollout_end()
        if causes:
            shares = [log.logger.name_to_value[f"term/{c}"] for c in ("max_steps", "tilt_exceeded")]
            assert shares == ([0, 1] if causes[0] == "tilt_exceeded" else [1, 0])
    assert log.causes == ["max_steps", "tilt_exceeded"]
