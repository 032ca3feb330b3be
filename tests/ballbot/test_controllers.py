"""The balance controller keeps its promises; the PID stays up on level ground."""

import numpy as np
import pytest

from ballbot.config import make_config
from ballbot.controllers import BalanceController, PidController, balance_gains, riccati_gain
from ballbot.robots import Robots

SEEDS = 20


def flock(num=SEEDS, **settings):
    robots = Robots(make_config(None, **settings), num, batched=True)
    robots.rngs = [np.random.default_rng(seed) for seed in range(num)]
    robots.reset(range(num))
    return robots


def lean_exactly(robots, tilt_deg):
    """Set every robot to the same tilt, each in its own direction."""
    from ballbot.spawn import _tilted

    tilt, base = np.deg2rad(tilt_deg), robots._layout.base_qpos
    for i in range(robots.num):
        toward = 2 * np.pi * i / robots.num
        qpos = robots.physics.qpos[i]
        up = [np.sin(tilt) * np.cos(toward), np.sin(tilt) * np.sin(toward), np.cos(tilt)]
        ball = qpos[robots._layout.ball_qpos : robots._layout.ball_qpos + 3]
        qpos[base : base + 3] = ball + robots.robot.base_height * np.array(up)
        qpos[base + 3 : base + 7] = _tilted(tilt, toward, 0.3 * i)
    robots._read_state()


def survivors(robots, controller):
    up = np.ones(robots.num, dtype=bool)
    for _ in range(robots.config.max_steps):
        up &= ~robots.step(controller.act()).terminated
    return int(up.sum())


def test_recovers_from_six_degrees_for_twenty_seconds():
    robots = flock(episode_seconds=20, start={"tilt_deg": 0, "speed": 0})
    lean_exactly(robots, 6.0)
    assert np.rad2deg(robots.state.tilt) == pytest.approx(6.0)
    assert survivors(robots, BalanceController(robots)) == SEEDS


def test_recovers_from_a_push_for_twenty_seconds():
    robots = flock(episode_seconds=20, start={"tilt_deg": 0, "speed": 0})
    angle = 2 * np.pi * np.arange(SEEDS) / SEEDS
    at = robots._layout.base_qvel
    robots.physics.qvel[:, at] += 0.2 * np.cos(angle)
    robots.physics.qvel[:, at + 1] += 0.2 * np.sin(angle)
    assert survivors(robots, BalanceController(robots)) == SEEDS


@pytest.mark.parametrize("speed", [0.3, 1.0])
def test_holds_a_commanded_speed_within_ten_percent(speed):
    robots = flock(episode_seconds=10)
    controller = BalanceController(robots, np.array([0.0, speed]))
    speeds = []
    for k in range(robots.config.max_steps):
        robots.step(controller.act())
        if k > 600:
            speeds.append(robots.state.velocity[:, :2].copy())
    mean = np.mean(speeds, axis=0)
    np.testing.assert_allclose(mean[:, 1], speed, rtol=0.1)
    np.testing.assert_allclose(mean[:, 0], 0, atol=0.1 * speed)


def test_follows_the_robots_own_command():
    robots = flock(
        num=4,
        command={"enabled": True, "resample_seconds": 100},
        reward={"type": "velocity"},
        episode_seconds=8,
    )
    controller = BalanceController(robots)
    for _ in range(700):
        robots.step(controller.act())
    np.testing.assert_allclose(robots.state.velocity[:, :2], robots.command, atol=0.05)


@pytest.mark.parametrize(("robot", "hz"), [("paper", 500), ("paper", 100), ("default", 500)])
def test_gains_fit_any_robot_and_rate(robot, hz):
    robots = flock(num=8, robot=robot, control_hz=hz, episode_seconds=5)
    assert survivors(robots, BalanceController(robots)) == 8


def test_the_wrong_sign_falls():
    """Survival is the controller's doing: with reversed actions everyone falls."""
    robots = flock(num=8, episode_seconds=5)
    controller = BalanceController(robots)
    controller._gains = -controller._gains
    assert survivors(robots, controller) == 0


def test_pid_stays_up_on_level_ground():
    robots = flock(num=8, episode_seconds=5)
    assert survivors(robots, PidController(robots)) == 8


def test_pid_leans_where_it_is_told():
    robots = flock(num=4, episode_seconds=5, start={"tilt_deg": 0, "speed": 0, "heading_deg": 0})
    controller = PidController(robots, setpoint_deg=(1.0, 0.0))
    for _ in range(200):
        robots.step(controller.act())
    assert (robots.state.velocity[:, 0] > 0.1).all()
    assert np.abs(robots.state.velocity[:, 1]).max() < 0.05


def test_riccati_gain_of_a_scalar_system():
    """x' = x + u, q = r = 1: the gain is the golden ratio minus one."""
    one = np.array([[1.0]])
    assert riccati_gain(one, one, one, one)[0, 0] == pytest.approx((5**0.5 - 1) / 2)


def test_gains_are_reproducible():
    first = balance_gains("default", "sphere", 100.0, 0.002)
    balance_gains.cache_clear()
    np.testing.assert_array_equal(balance_gains("default", "sphere", 100.0, 0.002), first)
