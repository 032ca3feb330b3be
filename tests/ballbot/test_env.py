"""`Ballbot-v0` as Gymnasium and Stable-Baselines3 want it, and its own promises."""

from copy import deepcopy

import gymnasium
import mujoco
import numpy as np
import pytest
import yaml
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

import ballbot
from ballbot.controllers import BalanceController
from ballbot.env import BallbotEnv
from ballbot.errors import UserError

VARIANTS = [
    {},
    {"cameras": {"enabled": True}, "terrain": {"type": "perlin"}},
    {"robot": "paper", "control_hz": 500},
    {"command": {"enabled": True, "heading": True}, "reward": {"type": "velocity"}},
]


@pytest.mark.parametrize("settings", VARIANTS)
def test_both_checkers_pass_without_a_warning(settings):
    env = gymnasium.make("ballbot:Ballbot-v0", **settings)
    gymnasium_check(env.unwrapped)
    sb3_check(env.unwrapped)


def test_public_names():
    env = gymnasium.make("Ballbot-v0").unwrapped
    assert isinstance(env, ballbot.BallbotEnv)
    assert isinstance(env.model, mujoco.MjModel)
    assert isinstance(env.data, mujoco.MjData)
    vector = ballbot.BallbotVectorEnv(num_envs=3)
    assert vector.num_envs == 3
    assert isinstance(vector.model, mujoco.MjModel)
    assert len(env.observation_names) == env.observation_space["proprioception"].shape[0]


def run_to_the_end(env, act, seed=0):
    env.reset(seed=seed)
    total, steps = 0.0, 0
    while True:
        _, reward, terminated, truncated, info = env.step(act())
        assert sum(info["reward_terms"].values()) == pytest.approx(reward)
        total, steps = total + reward, steps + 1
        if terminated or truncated:
            return terminated, truncated, info, total, steps
        assert "termination" not in info


def test_a_fall_terminates():
    env = BallbotEnv()
    terminated, truncated, info, _, steps = run_to_the_end(env, lambda: np.ones(3))
    assert (terminated, truncated) == (True, False)
    assert info["termination"] == "tilt_exceeded"
    assert np.rad2deg(info["tilt"]) > 20
    assert info["reward_terms"]["survival"] == 0
    assert steps < 200


def test_the_time_limit_truncates():
    env = BallbotEnv(episode_seconds=0.5)
    controller = BalanceController(env.robots)
    terminated, truncated, info, _, steps = run_to_the_end(env, lambda: controller.act()[0])
    assert (terminated, truncated) == (False, True)
    assert info["termination"] == "max_steps"
    assert steps == 50
    assert info["seconds"] == pytest.approx(0.5)


def test_the_edge_of_the_ground_truncates():
    env = BallbotEnv(terrain={"type": "sinusoidal", "half_size": 1.0, "amplitude": 0.005})
    controller = BalanceController(env.robots, np.array([0.6, 0.0]))
    terminated, truncated, info, _, _ = run_to_the_end(env, lambda: controller.act()[0])
    assert (terminated, truncated) == (False, True)
    assert info["termination"] == "left_terrain"


def test_a_diverged_simulation_ends_with_finite_numbers():
    env = BallbotEnv()
    env.reset(seed=0)
    env.step(np.zeros(3))
    env.data.qvel[2] = 1e9
    obs, reward, terminated, truncated, info = env.step(np.zeros(3))
    assert (terminated, truncated) == (True, False)
    assert info["termination"] == "diverged"
    assert np.isfinite(reward)
    assert env.observation_space.contains(obs)
    obs, _ = env.reset()
    assert env.observation_space.contains(obs)
    assert not env.step(np.zeros(3))[2]


def test_returns_compare_between_control_rates():
    """Standing for a second is worth the same at 100 and at 500 Hz: ten, as published."""
    for hz in (100, 500):
        env = BallbotEnv(control_hz=hz, episode_seconds=1.0, start={"tilt_deg": 0, "speed": 0})
        controller = BalanceController(env.robots)
        _, _, _, total, steps = run_to_the_end(env, lambda c=controller: c.act()[0])
        assert steps == hz
        assert total == pytest.approx(10.0, abs=0.05)


def test_velocity_in_the_observation_is_that_of_the_present_state():
    """No lag: the observed velocity integrates to the observed displacement."""
    env = BallbotEnv(observation=("velocity", "up"), timestep=0.001, control_hz=1000)
    env.reset(seed=1)
    positions, velocities = [], []
    for _ in range(200):
        obs, *_ = env.step(np.array([0.3, -0.2, 0.1]))
        positions.append(env.robots.state.position[0].copy())
        velocities.append(obs["proprioception"][:3].astype(float))
    moved = np.diff(positions, axis=0) / 0.001
    # semi-implicit integration: the step into a state uses that state's velocity, exactly
    np.testing.assert_allclose(moved, velocities[1:], atol=1e-5)


def test_same_seed_same_episode_and_different_seeds_differ():
    def episode(seed):
        env = BallbotEnv(terrain={"type": "perlin"}, randomization={"mass": 0.2, "push_speed": 0.1})
        obs = [env.reset(seed=seed)[0]["proprioception"]]
        obs += [env.step(np.array([0.1, 0.0, -0.1]))[0]["proprioception"] for _ in range(20)]
        return np.array(obs), env.robots.ground.copy()

    (a, ground_a), (b, ground_b), (c, ground_c) = episode(5), episode(5), episode(6)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(ground_a, ground_b)
    assert np.abs(a - c).max() > 1e-3
    assert np.abs(ground_a - ground_c).max() > 0.1


def test_nothing_leaks_from_one_episode_to_the_next():
    clean, dirty = BallbotEnv(), BallbotEnv()
    dirty.reset(seed=1)
    for _ in range(70):
        dirty.step(np.array([1.0, -1.0, 0.5]))
    first, second = clean.reset(seed=9)[0], dirty.reset(seed=9)[0]
    np.testing.assert_array_equal(first["proprioception"], second["proprioception"])
    for _ in range(30):
        a, b = clean.step(np.array([0.1, 0.0, 0.0])), dirty.step(np.array([0.1, 0.0, 0.0]))
        np.testing.assert_array_equal(a[0]["proprioception"], b[0]["proprioception"])
        assert a[1:] == b[1:]


def test_observations_are_not_aliased():
    env = BallbotEnv(cameras={"enabled": True})
    first, _ = env.reset(seed=0)
    kept = {key: value.copy() for key, value in first.items()}
    for _ in range(5):
        env.step(np.full(3, 0.5))
    for key, value in first.items():
        np.testing.assert_array_equal(value, kept[key])


def test_a_copy_lives_its_own_life():
    env = BallbotEnv()
    env.reset(seed=0)
    copy = deepcopy(env)
    for _ in range(5):
        a, b = env.step(np.full(3, 0.3)), copy.step(np.full(3, 0.3))
        np.testing.assert_array_equal(a[0]["proprioception"], b[0]["proprioception"])
    copy.step(np.full(3, 0.3))
    assert np.abs(copy.data.qpos - env.data.qpos).max() > 1e-6


def test_robot_files_that_are_wrong_are_named(tmp_path):
    from ballbot.model.parameters import load_robot

    default = load_robot("default").model_dump(mode="json")
    cases = {
        "whels": ({**default, "whels": 1}, "'wheels'"),
        "no cameras": ({**default, "cameras": []}, "no cameras"),
        "size": ({**default, "base": [{**default["base"][0], "size": [1, 1, 1, 1, 1]}]}, "robot"),
    }
    for name, (data, said) in cases.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(data))
        with pytest.raises(UserError, match=said):
            BallbotEnv(robot=str(path), cameras={"enabled": True})
    (tmp_path / "bad.yaml").write_text("[")
    with pytest.raises(UserError, match="YAML"):
        BallbotEnv(robot=str(tmp_path / "bad.yaml"))


def test_target_and_command_are_seen_from_the_robot():
    env = BallbotEnv(
        observation=("target", "heading_error", "heading"),
        reward={"type": "velocity"},
        command={"enabled": True, "heading": True, "resample_seconds": 0.1},
    )
    commands = set()
    env.reset(seed=3)
    for _ in range(30):
        obs, _, terminated, _, _ = env.step(np.zeros(3))
        assert not terminated
        robots, entry = env.robots, obs["proprioception"]
        heading = robots.state.heading[0]
        forward = np.array([np.cos(heading), np.sin(heading)])
        assert entry[0] == pytest.approx(robots.command[0] @ forward, abs=1e-5)
        assert entry[2] == pytest.approx(np.cos(robots.command_heading[0] - heading), abs=1e-5)
        commands.add(tuple(robots.command[0]))
    assert len(commands) == 4  # at 0, 0.1, 0.2 and 0.3 s


def test_rendering_needs_no_graphics_library():
    env = BallbotEnv(render_mode="rgb_array", terrain={"type": "perlin"})
    env.reset(seed=0)
    image = env.render()
    assert image.shape == (480, 640, 3)
    red = (image[..., 0] > 1.8 * image[..., 1]) & (image[..., 0] > 80)
    assert 0.003 < red.mean() < 0.2  # the ball is in the picture


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"terrain": {"type": "perln"}}, "'perlin'"),
        ({"terrain": {"type": "perlin", "heigth": 1}}, "'height'"),
        ({"reward": {"type": "directonal"}}, "'directional'"),
        ({"reward": {"survival_bonos": 1}}, "'survival_bonus'"),
        ({"robot": "papper"}, "'paper'"),
        ({"robott": "paper"}, "'robot'"),
        ({"observation": ["upp"]}, "'up'"),
        ({"control_hz": 70}, "whole number"),
        ({"control_hz": "fast"}, "control_hz"),
        ({"start": {"tilt_deg": float("nan")}}, "tilt_deg"),
        ({"config": "no/such/file.yaml"}, "no/such/file.yaml"),
        ({"render_mode": "ascii"}, "rgb_array"),
        ({"reward": {"type": "velocity"}}, "command.enabled"),
        ({"reward": {"target_direction": [0, 0]}}, "target_direction"),
        ({"control_hz": 1}, "control_hz"),
        ({"cameras": {"max_depth": 1e9}}, "max_depth"),
        ({"randomization": {"latency_ms": [0, 1e12]}}, "latency_ms"),
    ],
)
def test_bad_settings_are_named_with_the_nearest_valid_one(settings, hint):
    with pytest.raises(UserError) as error:
        BallbotEnv(**settings)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("action", [np.zeros(2), np.zeros((1, 3)), np.array([0, np.nan, 0])])
def test_impossible_actions_raise(action):
    env = BallbotEnv()
    env.reset(seed=0)
    with pytest.raises(UserError):
        env.step(action)


def test_actions_outside_the_box_are_clipped():
    a, b = BallbotEnv(), BallbotEnv()
    a.reset(seed=0)
    b.reset(seed=0)
    for _ in range(10):
        left = a.step(np.array([5.0, -9.0, np.inf]))
        right = b.step(np.array([1.0, -1.0, 1.0]))
        np.testing.assert_array_equal(left[0]["proprioception"], right[0]["proprioception"])
