"""An exported policy acts as the trained one, from raw observations, or it is not written."""

import json
import subprocess
import sys

import gymnasium
import numpy as np
import onnxruntime
import pytest
import torch
from gymnasium import spaces

from plumbrl.cli import export as command
from plumbrl.errors import UserError
from plumbrl.training import export as exporting
from plumbrl.training.envs import make_vector
from plumbrl.training.export import Verification, export
from plumbrl.training.policy import load_policy
from tiny_run import Sensors, tiny_run

BALLBOT = {"id": "ballbot:Ballbot-v0", "kwargs": {"episode_seconds": 1.0}}
OFF_POLICY = {"learning_starts": 20, "buffer_size": 400, "batch_size": 16}


class Camera(Sensors):
    """Images with their channels last, two unequal actions."""

    observation_space = spaces.Box(0, 255, (36, 40, 3), np.uint8)
    action_space = spaces.Box(np.array([-2, 0], np.float32), np.array([3, 1], np.float32))

    def _observation(self):
        return self.np_random.integers(0, 256, (36, 40, 3), dtype=np.uint8)


class Choices(Sensors):
    """Several choices at once."""

    observation_space = spaces.MultiDiscrete([3, 4])
    action_space = spaces.MultiDiscrete([2, 5])

    def _observation(self):
        return self.np_random.integers(0, [3, 4])


for _name, _env in (("Camera", Camera), ("Choices", Choices), ("Sensors", Sensors)):
    gymnasium.register(f"{_name}-v0", _env, max_episode_steps=20)


@pytest.fixture(scope="module")
def ballbot(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), BALLBOT, steps=512)


def run_onnx(folder, obs):
    session = onnxruntime.InferenceSession(str(folder / "policy.onnx"))
    inputs = {i.name: obs[i.name] if isinstance(obs, dict) else obs for i in session.get_inputs()}
    return session.run(None, inputs)[0]


@pytest.mark.parametrize(
    ("env", "algo", "settings"),
    [
        ("Pendulum-v1", "PPO", {}),
        ("CartPole-v1", "A2C", {"kwargs": {"n_steps": 16}}),
        ("Pendulum-v1", "SAC", {"kwargs": OFF_POLICY}),
        ("Pendulum-v1", "TD3", {"kwargs": OFF_POLICY}),
        ("Pendulum-v1", "CrossQ", {"kwargs": OFF_POLICY}),
        ("CartPole-v1", "DQN", {"kwargs": OFF_POLICY}),
        ("CartPole-v1", "QRDQN", {"kwargs": OFF_POLICY}),
        ("Pendulum-v1", "PPO", {"normalize_observation": False}),
        ("Pendulum-v1", "PPO", {"kwargs": {"n_steps": 32, "use_sde": True}}),
        ("Camera-v0", "PPO", {"normalize_observation": False}),
        ("Choices-v0", "PPO", {"normalize_observation": False, "normalize_reward": False}),
        ("Sensors-v0", "PPO", {}),
    ],
)
def test_acts_as_the_trained_policy(env, algo, settings, tmp_path):
    policy = load_policy(tiny_run(tmp_path, env, algo, steps=128, **settings))
    result = export(policy, tmp_path / "export")
    assert result.verification.samples == 1000
    assert result.verification.passed
    vector = make_vector(policy.env, 7)  # another batch size, and another seed
    obs, _ = vector.reset(seed=99)
    vector.close()
    expected, got = policy.act(obs), run_onnx(tmp_path / "export", obs)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    assert np.allclose(got, expected, atol=1e-5)


def test_sb3_loads_the_policy_alone(ballbot, tmp_path):
    policy = load_policy(ballbot)
    export(policy, tmp_path / "export")
    alone = type(policy.model.policy).load(str(tmp_path / "export/policy_only.zip"))
    vector = make_vector(policy.env, 5)
    obs, _ = vector.reset(seed=0)
    seen = policy.normalizer.observations(obs)
    assert np.array_equal(alone.predict(seen, deterministic=True)[0], policy.act(obs))


def test_the_command_writes_files_and_a_card(ballbot, tmp_path, capsys):
    assert command.run([str(ballbot), "--out", str(tmp_path / "robot")]) == 0
    assert "1,000 observations" in capsys.readouterr().out
    names = sorted(p.name for p in (tmp_path / "robot").iterdir())
    assert names == ["card.json", "policy.onnx", "policy_only.zip"]
    card = json.loads((tmp_path / "robot/card.json").read_text())
    vision = card["inputs"]["proprioception"]
    entries = {e["name"]: e["unit"] for e in vision["entries"]}
    vector = make_vector(load_policy(ballbot).env, 1)
    assert list(entries) == list(vector.unwrapped.observation_names)
    assert vision["shape"] == ["batch", len(entries)]
    limits = vector.single_observation_space["proprioception"].high
    assert [e["limit"] for e in vision["entries"]] == limits.tolist()
    assert entries["angular_velocity_x"] == "rad/s"
    assert card["control_hz"] == 100
    assert [a["name"] for a in card["output"]["action"]["entries"]] == [
        "torque_0", "torque_1", "torque_2",
    ]  # fmt: skip
    assert (card["output"]["action"]["low"], card["output"]["action"]["high"]) == (-1, 1)
    means = card["inside"]["normalizer"]["inputs"]["proprioception"]["mean"]
    assert means == load_policy(ballbot).normalizer.observation["proprioception"].mean.tolist()
    assert card["training"]["timesteps"] == 512
    assert card["verification"]["largest_difference"] <= 1e-5
    for name in ("policy.onnx", "policy_only.zip"):
        assert card["files"][name] == exporting._checksum(tmp_path / "robot" / name)


def test_every_term_of_the_robot_has_a_unit():
    from ballbot.observations import TERMS
    from ballbot.rewards import RewardConfig
    from plumbrl.cli import robot_card
    from plumbrl.training.config import EnvSection

    assert set(robot_card.TERMS) == set(TERMS)
    kinds = {kind.model_fields["type"].default for kind in RewardConfig.__origin__.__args__}
    assert set(robot_card.TARGETS) == kinds
    kwargs = {"observation": list(TERMS), "command": {"enabled": True},
              "reward": {"type": "velocity"}, "cameras": {"enabled": True}}  # fmt: skip
    env = EnvSection(id="ballbot:Ballbot-v0", kwargs=kwargs)
    told = robot_card.describe(env)
    space = make_vector(env, 1).single_observation_space
    assert set(told["observations"]) == set(space.spaces)
    units = {e["name"]: e["unit"] for e in told["observations"]["proprioception"]}
    assert units["target_forward"] == "m/s"
    assert not [unit for unit in units.values() if "{" in unit]


def test_a_policy_that_differs_is_not_written(ballbot, tmp_path, monkeypatch, capsys):
    real = exporting.Deployed

    class Wrong(real):
        def forward(self, *inputs):
            return super().forward(*inputs) + 2e-5

    monkeypatch.setattr(exporting, "Deployed", Wrong)
    assert command.run([str(ballbot), "--out", str(tmp_path / "robot")]) == 3
    assert "NOT exported" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(exporting, "Deployed", real)
    assert command.run([str(ballbot), "--out", str(tmp_path / "robot")]) == 0


def test_a_normaliser_left_out_is_noticed(ballbot, tmp_path):
    policy = load_policy(ballbot)
    whole = exporting.Deployed(policy, make_vector(policy.env, 1).single_observation_space)
    obs = exporting.collect(policy, make_vector(policy.env, 20), 100, 0)
    exporting.write_onnx(whole, obs[0], tmp_path / "right.onnx")
    assert exporting.verify(policy, tmp_path / "right.onnx", obs).passed
    whole._norms.clear()
    exporting.write_onnx(whole, obs[0], tmp_path / "wrong.onnx")
    assert exporting.verify(policy, tmp_path / "wrong.onnx", obs).largest_difference > 1e-3


def test_a_nan_is_no_agreement():
    assert not Verification(1000, float("nan"), 1e-5).passed
    assert Verification(1000, 1e-5, 1e-5).passed


def test_an_encoder_is_inside(tmp_path):
    from plumbrl.encoders import Encoder, save_encoder

    torch.manual_seed(0)
    save_encoder(Encoder((1, 16, 16)), tmp_path / "encoder.pt")
    cameras = {"enabled": True, "width": 16, "height": 16}
    env = BALLBOT | {"kwargs": {"cameras": cameras, "terrain": {"type": "perlin"}}}
    run = tiny_run(tmp_path, env, encoder={"path": str(tmp_path / "encoder.pt")})
    policy = load_policy(run)
    assert policy.model.observation_space["depth_0"].shape == (20,)
    result = export(policy, tmp_path / "export")
    assert result.verification.passed
    assert result.card["inside"]["encoder"]
    assert result.card["inputs"]["depth_0"]["shape"] == ["batch", 1, 16, 16]


def test_memory_cannot_be_exported(tmp_path):
    kwargs = {"n_steps": 16, "batch_size": 64, "n_epochs": 1}
    run = tiny_run(tmp_path, "CartPole-v1", "RecurrentPPO", kwargs=kwargs, steps=64)
    with pytest.raises(UserError, match="RecurrentPPO cannot be exported"):
        export(load_policy(run), tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_nothing_is_overwritten(ballbot, tmp_path, capsys):
    (tmp_path / "kept").mkdir()
    with pytest.raises(UserError, match="exists already"):
        command.run([str(ballbot), "--out", str(tmp_path / "kept")])
    for name in ("export", "export.1"):
        assert command.run([str(ballbot)]) == 0
        assert (ballbot / name / "policy.onnx").is_file()
    with pytest.raises(UserError, match="nowhere"):
        command.run([str(tmp_path / "nowhere")])


def test_help_loads_nothing_heavy():
    program = (
        "import sys\nfrom plumbrl.cli import export\n"
        "try: export.run(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'onnx', 'mujoco') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.rstrip().endswith("[]"), run.stderr
