"""The robot's commands do what they say; wrong input gets one sentence and exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENV_CONFIG = ROOT / "configs/env/perlin_directional.yaml"
TRAIN_CONFIG = ROOT / "configs/train/ballbot_flat.yaml"


def command(name, *args, text=None):
    program = f"from ballbot.cli.{name} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, args)], input=text, capture_output=True, text=True
    )


def test_pid_reports_and_draws(tmp_path):
    picture, video = tmp_path / "end.png", tmp_path / "ride.gif"
    args = ("--seconds", 0.4, "--picture", picture, "--video", video)
    run = command("test_pid", *args)
    assert run.returncode == 0, run.stderr
    assert "upright       0.40 of 0.40 s (max_steps)" in run.stdout
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert video.read_bytes()[:3] == b"GIF"


def test_pid_says_when_it_falls():
    run = command("test_pid", 15, 0, "--seconds", 10)
    assert run.returncode == 0
    assert "tilt_exceeded" in run.stdout


@pytest.mark.parametrize("option", [("--env_config", ENV_CONFIG), ("--train_config", TRAIN_CONFIG)])
def test_visualize_env_writes_a_picture(option, tmp_path):
    run = command("visualize_env", *option, "--n_steps", 20, "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    (file,) = tmp_path.iterdir()
    assert str(file) in run.stdout
    assert file.stat().st_size > 20_000


def test_browse_env_builds_previews_and_saves(tmp_path):
    lines = [
        "list", "load perlin_directional", "terrain hils", "terrain hills",
        "set terrain.num_hills 30", "set terrain.nmu_hills 3", "set terrain.num_hills many",
        "set terrain [", "load empty.yaml", "save /proc/nowhere/x.yaml",
        "show", "all", "fly", "set", f"save {tmp_path / 'mine.yaml'}",
        f"save {tmp_path / 'mine.yaml'}", "preview", "quit",
    ]  # fmt: skip
    run = command(
        "browse_env", "--configs", ROOT / "configs", "--out", tmp_path, "--n_steps", 10,
        text="\n".join(lines),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    for said in ("'hills'", "'num_hills'", "valid integer", "num_hills: 30", "Unknown command",
                 "takes 2 arguments", "exists; choose another name"):  # fmt: skip
        assert said in run.stdout
    again = command("visualize_env", "--env_config", tmp_path / "mine.yaml", "--n_steps", 5,
                    "--out", tmp_path / "again")  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert len(list(tmp_path.glob("hills*.png"))) == 1


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("test_pid", ["--terrain_type", "perln"], "'perlin'"),
        ("test_pid", ["--env_config", "nowhere.yaml"], "nowhere.yaml"),
        ("test_pid", ["--video", "ride.avi", "--seconds", "0.1"], ".mp4"),
        ("test_pid", ["--controler", "pid"], "--controller"),
        ("test_pid", ["--seed", "-1"], "Seed"),
        ("test_pid", ["--picture", "a.xyz"], ".png"),
        ("visualize_env", ["--action_mode", "sleep"], "balance"),
        ("visualize_env", ["--env_config", "a.yaml", "--terrain_type", "flat"], "only one"),
        ("browse_env", ["--train_config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_input(name, args, said, tmp_path):
    run = command(name, *args)
    assert run.returncode == 2
    assert said in run.stderr + run.stdout
    assert "Traceback" not in run.stderr
