"""N robots at once give bit by bit what N single robots give."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ballbot.env import BallbotEnv
from ballbot.errors import UserError
from ballbot.vector import BallbotVectorEnv

VARIANTS = {
    "flat": {},
    "perlin with cameras": {
        "terrain": {"type": "perlin", "resolution": 65},
        "cameras": {"enabled": True, "width": 16, "height": 12},
    },
    "everything random": {
        "terrain": {"type": "hills", "resolution": 65},
        "randomization": {
            "mass": 0.2,
            "friction": 0.3,
            "motor_gain": 0.1,
            "latency_ms": (0, 24),
            "sensor_noise": 0.01,
            "push_speed": 0.3,
            "push_interval_s": 0.2,
        },
        "start": {"tilt_deg": 6, "distance": 1.0},
    },
    "commands": {
        "command": {"enabled": True, "heading": True, "resample_seconds": 0.3},
        "reward": {"type": "velocity", "heading_scale": 1.0},
        "observation": ("orientation", "heading_error", "target", "velocity", "heading"),
    },
    "shaping": {
        "reward": {"type": "distance"},
        "shaping": {"potential": "distance"},
        "wheel_model": "rollers",
    },
    "published": {"robot": "paper", "control_hz": 500, "integrator": "RK4"},
}


def assert_same(ours, theirs, where=""):
    """Equal to the last bit, deep inside."""
    assert type(ours) is type(theirs) or np.isscalar(ours), where
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for key in ours:
            assert_same(ours[key], theirs[key], f"{where}/{key}")
    elif isinstance(ours, tuple) or (isinstance(ours, np.ndarray) and ours.dtype == object):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=where)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("num", [1, 7])
def test_bit_identical_to_single_envs(name, num):
    settings = VARIANTS[name] | {"episode_seconds": 0.6}
    ours = BallbotVectorEnv(num, **settings)
    theirs = SyncVectorEnv(
        [lambda: BallbotEnv(**settings) for _ in range(num)],
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space
    assert_same(ours.reset(seed=11), theirs.reset(seed=11), "reset")
    rng = np.random.default_rng(4)
    ends = 0
    for step in range(round(1.5 * ours.config.control_hz)):
        actions = rng.uniform(-1.2, 1.2, (num, 3)).astype(np.float32)
        result, expected = ours.step(actions), theirs.step(actions)
        assert_same(result, expected, f"step {step}")
        ends += int((result[2] | result[3]).sum())
    assert ends >= 2 * num  # autoreset was really exercised


def test_identical_at_any_number_of_threads():
    envs = [BallbotVectorEnv(9, num_threads=n, terrain={"type": "perlin"}) for n in (1, 2)]
    rng = np.random.default_rng(0)
    for env in envs:
        env.reset(seed=0)
    for _ in range(60):
        actions = rng.uniform(-0.5, 0.5, (9, 3))
        a, b = (env.step(actions) for env in envs)
        assert_same(a, b)


def test_each_robot_stands_on_its_own_ground():
    env = BallbotVectorEnv(3, terrain={"type": "perlin"})
    env.reset(seed=0)
    ground = [model.hfield_data.copy() for model in env.robots.physics.models]
    assert np.abs(ground[0] - ground[1]).max() > 0.1
    assert np.abs(ground[1] - ground[2]).max() > 0.1


def test_found_by_gymnasium():
    env = gymnasium.make_vec("ballbot:Ballbot-v0", num_envs=4)
    assert isinstance(env.unwrapped, BallbotVectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_final_observation_is_the_end_of_the_old_episode():
    env = BallbotVectorEnv(2, episode_seconds=0.05, start={"tilt_deg": 0})
    env.reset(seed=0)
    for _ in range(5):
        obs, _, _, truncated, info = env.step(np.full((2, 3), 0.2))
    assert truncated.all()
    assert list(info["final_info"]["termination"]) == ["max_steps"] * 2
    for i in range(2):
        last = info["final_obs"][i]["proprioception"]
        assert np.allclose(last[-3:], 0.2)  # the last action of the old episode
        assert np.all(obs["proprioception"][i][-3:] == 0)  # none yet in the new one


def test_sb3_sees_the_same_robots():
    from stable_baselines3.common.vec_env import DummyVecEnv

    settings = VARIANTS["perlin with cameras"] | {"episode_seconds": 0.4}
    ours = BallbotVectorEnv(4, **settings).to_sb3()
    theirs = DummyVecEnv([lambda: BallbotEnv(**settings) for _ in range(4)])
    ours.seed(5)
    theirs.seed(5)
    assert_same(ours.reset(), dict(theirs.reset()))
    rng = np.random.default_rng(1)
    ends = 0
    for _ in range(150):
        actions = rng.uniform(-1, 1, (4, 3)).astype(np.float32)
        obs, rewards, dones, infos = ours.step(actions)
        obs2, rewards2, dones2, infos2 = theirs.step(actions)
        assert_same(obs, dict(obs2))
        np.testing.assert_array_equal(rewards, rewards2)
        np.testing.assert_array_equal(dones, dones2)
        for i in np.flatnonzero(dones):
            ends += 1
            assert infos[i]["TimeLimit.truncated"] == infos2[i]["TimeLimit.truncated"]
            assert infos[i]["termination"] == infos2[i]["termination"]
            assert_same(infos[i]["terminal_observation"], infos2[i]["terminal_observation"])
    assert ends > 8


def test_sb3_episode_statistics_add_up():
    env = BallbotVectorEnv(3, episode_seconds=0.3).to_sb3()
    env.seed(0)
    env.reset()
    totals, terms = np.zeros(3), []
    for _ in range(30):
        _, reward, done, infos = env.step(np.zeros((3, 3)))
        totals += reward
        terms += [infos[i] for i in np.flatnonzero(done)]
    assert len(terms) == 3
    for i, info in enumerate(terms):
        assert info["episode"]["r"] == pytest.approx(totals[i], abs=1e-5)
        assert info["episode"]["l"] == 30
        assert info["episode"]["t"] == pytest.approx(0.3)
        assert sum(info["episode_terms"].values()) == pytest.approx(totals[i], abs=1e-5)


@pytest.mark.parametrize("bad", [np.nan, 1e9, np.inf])
def test_a_diverged_robot_ends_alone(bad):
    env, calm = BallbotVectorEnv(3), BallbotVectorEnv(3)
    for e in (env, calm):
        e.reset(seed=0)
        e.step(np.zeros((3, 3)))
    env.robots.physics.qvel[1, 2] = bad
    result, expected = (e.step(np.zeros((3, 3))) for e in (env, calm))
    assert list(result[2]) == [False, True, False]
    assert result[4]["final_info"]["termination"][1] == "diverged"
    assert env.observation_space.contains(result[0])
    assert np.isfinite(result[1]).all()
    for i in (0, 2):
        np.testing.assert_array_equal(
            result[0]["proprioception"][i], expected[0]["proprioception"][i]
        )
    for _ in range(3):
        assert not env.step(np.zeros((3, 3)))[2].any()


def test_bad_calls_say_so():
    for num in (0, "2"):
        with pytest.raises(UserError):
            BallbotVectorEnv(num)
    env = BallbotVectorEnv(2)
    with pytest.raises(UserError):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(UserError):
        env.reset(seed=-5)
    env.reset(seed=0)
    with pytest.raises(UserError):
        env.step(np.zeros((3, 3)))
    with pytest.raises(UserError, match="robot 1"):
        env.step(np.array([[0, 0, 0], [0, 0, np.nan]]))
