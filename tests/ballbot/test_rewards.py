"""Rewards by hand, and shaping that does not change the best policy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ballbot import rewards
from ballbot.env import BallbotEnv
from ballbot.kinematics import State


def situation(velocity=(0, 0), action=(0, 0, 0), position=(0, 0), fallen=False, **command):
    state = State.empty(1)
    state.velocity[0, :2] = velocity
    state.position[0, :2] = position
    wanted = np.array([command.get("velocity_command", (0.0, 0.0))])
    heading = np.array([command.get("heading", 0.0)])
    return rewards.Situation(state, np.array([action]), np.array([fallen]), wanted, heading)


def rates(config, now):
    return {name: float(rate[0]) for name, rate in rewards.reward_terms(config, now).items()}


def test_directional_is_the_published_reward_per_second():
    """Published, per 2 ms step: 0.01 v - 0.0001 |a|^2 + 0.02."""
    now = situation(velocity=(3.0, 0.4), action=(1.0, -0.5, 0.5))
    got = rates(rewards.Directional(), now)
    expected = {"direction": 0.01 * 0.4, "action": -0.0001 * 1.5, "survival": 0.02}
    assert got == pytest.approx({name: 500 * value for name, value in expected.items()})
    assert rates(rewards.Directional(), situation(fallen=True))["survival"] == 0


def test_distance_and_velocity():
    got = rates(rewards.Distance(goal=(3.0, 4.0), scale=2.0), situation())
    assert got["distance"] == pytest.approx(-10.0)
    config = rewards.Velocity(scale=10.0, tolerance=0.2, heading_scale=1.0)
    perfect = situation(velocity=(0.3, 0), velocity_command=(0.3, 0.0), heading=np.pi)
    got = rates(config, perfect)
    assert got["tracking"] == pytest.approx(10.0)
    assert got["heading"] == pytest.approx(0.0, abs=1e-12)  # it looks the other way
    off = rates(config, situation(velocity=(0.5, 0), velocity_command=(0.3, 0.0)))
    assert off["tracking"] == pytest.approx(10 * np.exp(-1))


@given(
    potentials=st.lists(st.floats(-5, 5), min_size=2, max_size=30),
    gamma=st.floats(0.5, 1.0),
    terminated=st.booleans(),
)
def test_shaping_telescopes(potentials, gamma, terminated):
    """The discounted sum is gamma^T phi(s_T) - phi(s_0); phi(terminal) = 0, truncation goes on."""
    shaping = rewards.Shaping(gamma=gamma)
    phi = np.array(potentials)
    total = 0.0
    for t in range(len(phi) - 1):
        last = t == len(phi) - 2
        ended = np.array([terminated and last])
        term = rewards.shaping_term(shaping, phi[t : t + 1], phi[t + 1 : t + 2], ended)
        total += gamma**t * term[0]
    end = 0.0 if terminated else gamma ** (len(phi) - 1) * phi[-1]
    assert total == pytest.approx(end - phi[0], abs=1e-9)


def test_shaping_in_the_environment():
    settings = {
        "shaping": {"potential": "tilt", "gamma": 0.9, "weight": 2.0},
        "episode_seconds": 0.2,
    }
    for act, ended in ((np.zeros(3), "max_steps"), (np.ones(3), "tilt_exceeded")):
        env = BallbotEnv(**settings | ({"episode_seconds": 8} if act.any() else {}))
        env.reset(seed=0)
        limit, total, k = np.deg2rad(20), 0.0, 0
        first = -2.0 * env.robots.state.tilt[0] / limit
        while True:
            _, _, terminated, truncated, info = env.step(act)
            total += 0.9**k * info["reward_terms"]["shaping"]
            k += 1
            if terminated or truncated:
                break
        assert info["termination"] == ended
        last = 0.0 if terminated else -2.0 * env.robots.state.tilt[0] / limit
        assert total == pytest.approx(0.9**k * last - first, abs=1e-9)
