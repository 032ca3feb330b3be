"""Whatever is typed wrongly, a command says one sentence and exits with 2."""

import sys

import pytest

from plumbrl.cli import main
from plumbrl.training.config_file import load_config
from tiny_run import tiny_run

NEW_CAMERAS = ["--n_envs", "1", "--n_steps", "4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"))


def said(capsys, *args):
    with pytest.raises(SystemExit) as end:
        main(list(args))
    assert end.value.code == 2
    text = capsys.readouterr().err.strip()
    assert len(text.splitlines()) == 1, text
    return text


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["collect", "--policy", "{run}", *NEW_CAMERAS], "its observations are Box(3,)"),
        (["evaluate", "{run}", "--seed", "99999999999999999999"], "--seed must be from 0"),
        (["evaluate", "{run}", "--env", "Pendulm-v1"], "evaluate: Environment Pendulm-v1: Env"),
        (["export", "{run}", "--seed", "-1"], "--seed must be from 0"),
        (["export", "{run}", "--env", "CartPole-v1"], "leave out --env"),
        (["probe", "--algo", "sb3:PPO", "--seeds", "-1"], "--seeds must not be negative"),
        (["train", "{run}/config.yaml", "--env.processes", "true", "--env.kwargs.x", "1"], "'x'"),
    ],
)
def test_a_wrong_value_is_said(args, hint, run, capsys):
    assert hint in said(capsys, *[arg.format(run=run) for arg in args])


@pytest.mark.parametrize(
    "command",
    [
        ["collect", *NEW_CAMERAS, "--policy"], ["pretrain", "--data_path"], ["evaluate"],
        ["export"], ["plot"], ["train"], ["train", "--resume"], ["probe", "--algo"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", ["nowhere", "folder", "text"])
def test_what_is_no_input_is_said(command, what, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello")
    assert what in said(capsys, *command, what)


OWN = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

gymnasium.register("OwnPole-v0", CartPoleEnv)
"""


@pytest.mark.parametrize("name", ["CartPole-v1", "own_pole:OwnPole-v0"])
def test_an_environment_in_place_of_a_file_is_told_how_to_be_trained(
    name, tmp_path, monkeypatch, capsys
):
    (tmp_path / "own_pole.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [p for p in sys.path if p])
    with pytest.raises(SystemExit) as end:
        main(["train", name])
    first, *lines = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and f"{name} is an environment" in first
    (tmp_path / "my.yaml").write_text("\n".join(lines))
    config = load_config(tmp_path / "my.yaml")  # the lines work as they are
    assert (config.env.id, len(lines)) == (name, 2)
