"""A saved moment goes on exactly as if it had never been left."""

import gymnasium
import numpy as np
import pytest

from ballbot.errors import UserError

CONFIGS = {
    "flat": {},
    "perlin": {"terrain": {"type": "perlin", "resolution": 65}},
    "everything": {
        "terrain": {"type": "perlin", "resolution": 65},
        "cameras": {"enabled": True, "width": 16, "height": 16},
        "command": {"enabled": True, "resample_seconds": 0.3},
        "reward": {"type": "velocity"},
        "shaping": {"potential": "tilt"},
        "randomization": {
            "mass": 0.2, "friction": 0.2, "motor_gain": 0.1, "latency_ms": [0, 15],
            "sensor_noise": 0.01, "push_speed": 0.2, "push_interval_s": 0.2,
        },
    },
    "rollers": {"wheel_model": "rollers"},
}  # fmt: skip


def actions_for(n, steps=60):
    return np.random.default_rng(0).uniform(-1, 1, (steps, n, 3))


def trace(env, actions):
    """Everything that some steps show, flat: observations, rewards, ends."""
    seen = []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        seen.append(
            [
                *(np.ravel(v) for v in obs.values()),
                np.ravel(reward),
                np.ravel(terminated | truncated),
            ]
        )
    return [np.concatenate([p.astype(np.float64) for p in parts]) for parts in seen]


def plain(value):
    """Whether nothing but arrays, numbers, text, lists and dictionaries is in it."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or isinstance(value, np.ndarray | int | float | str | bool)


@pytest.mark.parametrize("name", CONFIGS)
def test_vector_goes_on_bit_by_bit(name):
    make = lambda: gymnasium.make_vec("ballbot:Ballbot-v0", 5, **CONFIGS[name]).unwrapped  # noqa: E731
    env, actions = make(), actions_for(5)
    env.reset(seed=3)
    trace(env, actions[:25])
    state = env.save_state()
    assert plain(state)
    expected = trace(env, actions[25:])
    assert any(row[-5:].any() for row in expected)  # episodes end and begin after the moment too
    other = make()
    other.reset(seed=99)
    trace(other, actions[:7])
    other.restore_state(state)
    for row, again in zip(expected, trace(other, actions[25:]), strict=True):
        np.testing.assert_array_equal(again, row)


@pytest.mark.parametrize("name", ["flat", "everything"])
def test_single_env_goes_on_bit_by_bit(name):
    env, other = (gymnasium.make("ballbot:Ballbot-v0", **CONFIGS[name]).unwrapped for _ in "ab")
    actions = 0.1 * actions_for(1)[:, 0]
    env.reset(seed=3)
    trace(env, actions[:10])
    state = env.save_state()
    other.reset(seed=4)
    other.restore_state(state)
    for row, again in zip(trace(env, actions[10:25]), trace(other, actions[10:25]), strict=True):
        np.testing.assert_array_equal(again, row)
    assert env.np_random.uniform() == other.np_random.uniform()


def test_a_forgotten_array_would_be_noticed():
    env, other = (gymnasium.make_vec("ballbot:Ballbot-v0", 2).unwrapped for _ in "ab")
    env.reset(seed=0)
    trace(env, actions_for(2)[:10])
    state = env.save_state()
    state["physics"][:, -12:] += 1e-9
    other.reset(seed=0)
    other.restore_state(state)
    first, second = trace(env, actions_for(2)[10:20]), trace(other, actions_for(2)[10:20])
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


def test_sb3_goes_on_with_its_episode_sums():
    make = lambda: gymnasium.make_vec("ballbot:Ballbot-v0", 4).unwrapped.to_sb3()  # noqa: E731
    env, other, actions = make(), make(), actions_for(4)
    for venv in (env, other):
        venv.seed(5)
        venv.reset()
    for action in actions[:20]:
        env.step(action)
    other.restore_state(env.save_state())
    ended = 0
    for action in actions[20:]:
        for one, two in zip(env.step(action)[3], other.step(action)[3], strict=True):
            assert one.get("episode") == two.get("episode")
            assert one.get("episode_terms") == two.get("episode_terms")
            ended += "episode" in one
    assert ended


def test_other_robots_are_refused():
    env = gymnasium.make_vec("ballbot:Ballbot-v0", 2).unwrapped
    other = gymnasium.make_vec("ballbot:Ballbot-v0", 3).unwrapped
    env.reset(seed=0)
    with pytest.raises(UserError, match="another configuration"):
        other.restore_state(env.save_state())
