"""Levels rise with success, come back exactly, and work where trainers use them."""

import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import plumbrl
from plumbrl.curriculum import Curriculum
from plumbrl.errors import UserError

EXAMPLES = Path(__file__).parents[2] / "examples"


class Walk(gymnasium.Env):
    """Walk right to the goal; each step slips with a probability. Further is harder."""

    observation_space = spaces.Box(-50, 50, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, goal=1, limit=6):
        self.goal, self.limit = goal, limit
        self.closed = False

    def apply(self, level):
        self.goal = level

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = int(self.np_random.integers(0, 2)), 0
        return self._seen(), {}

    def step(self, action):
        slips = self.np_random.random() < 0.2
        self.x += 1 if bool(action) != slips else -1
        self.t += 1
        there = self.x >= self.goal
        return self._seen(), float(there), there, self.t >= self.limit, {"is_success": there}

    def _seen(self):
        return np.array([self.x], dtype=np.float32)

    def close(self):
        self.closed = True


class Grows(Walk):
    """Has as many actions more as its level is above the first."""

    def apply(self, level):
        self.action_space = spaces.Discrete(1 + level)


def makers(*goals):
    return [lambda goal=goal: Walk(goal) for goal in goals]


def play(env, episodes, action=1, seed=None):
    """Return the level of each episode, and all observations."""
    levels, seen = [], []
    for k in range(episodes):
        observation, info = env.reset(seed=seed if k == 0 else None)
        levels.append(info["curriculum_level"])
        seen.append(float(observation[0]))
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(action)
            assert info["curriculum_level"] == levels[-1], "a level holds until the episode ends"
            seen.append(float(observation[0]))
            over = terminated or truncated
    return levels, seen


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["functions", "apply"])
def test_levels_rise_when_the_window_is_full_of_successes(kind, seed):
    source = (makers(2, 3, 40),) if kind == "functions" else (Walk(), [2, 3, 40])
    env = Curriculum(*source, window=5, promote_at=0.6)
    levels, _ = play(env, 40, seed=seed)
    assert levels[:5] == [0] * 5, "not before the window is full"
    assert levels[-1] == 2
    assert levels == sorted(levels)
    assert env.unwrapped.goal == 40
    assert env.success_rate == 0, "the last level is not left, and only its episodes count"


def test_who_fails_stays():
    levels, _ = play(Curriculum(makers(5, 6), window=3), 20, action=0, seed=0)
    assert set(levels) == {0}


def test_levels_fall_only_if_asked():
    for demote_at, last in ((None, 1), (0.0, 0)):
        env = Curriculum(makers(1, 40), window=4, promote_at=0.5, demote_at=demote_at)
        levels, _ = play(env, 8, seed=0)
        assert max(levels) == 1
        levels, _ = play(env, 5, action=0)
        assert levels[-1] == last


def test_a_function_may_say_what_success_is():
    env = Curriculum(makers(40, 40), window=2, success=lambda info, total: total == 0.0)
    assert play(env, 3, seed=0)[0] == [0, 0, 1]


def test_left_levels_are_closed():
    made = []

    def make(goal):
        made.append(Walk(goal))
        return made[-1]

    env = Curriculum([lambda: make(2), lambda: make(3)], window=2, promote_at=0.5)
    play(env, 12, seed=0)
    assert [walk.closed for walk in made] == [True, True, False]  # the second: only looked at


@pytest.mark.parametrize("after", [0, 3, 7, 11, 30])
@pytest.mark.parametrize("kind", ["functions", "apply"])
def test_a_saved_curriculum_goes_on_exactly(kind, after):
    def build():
        source = (makers(2, 3, 4),) if kind == "functions" else (Walk(), [2, 3, 4])
        return Curriculum(*source, window=4, promote_at=0.7, demote_at=0.2)

    env = build()
    env.reset(seed=3)
    play(env, after, seed=3)
    state = env.get_state()
    other = build()
    other.set_state(state)
    assert (other.level, other.get_state()) == (env.level, state)
    assert play(other, 30) == play(env, 30)
    assert other.get_state() == env.get_state()


def test_the_same_seed_gives_the_same_course():
    one, other = (
        play(Curriculum(makers(2, 3, 4), window=4, promote_at=0.7), 40, seed=5) for _ in range(2)
    )
    assert one == other


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Curriculum([]), "at least one level"),
        (lambda: Curriculum(Walk()), "at least one level"),
        (lambda: Curriculum(Walk, levels=[1, 2]), "takes a list of functions.*single function"),
        (lambda: Curriculum([Walk()]), "takes a list of functions.*a list"),
        (lambda: Curriculum(gymnasium.make("CartPole-v1"), [1]), "no method apply"),
        (lambda: Curriculum(makers(1), promote_at=0), "promote_at"),
        (lambda: Curriculum(makers(1), promote_at=1.5), "promote_at"),
        (lambda: Curriculum(makers(1), window=0), "window"),
        (lambda: Curriculum(makers(1), demote_at=0.9), "demote_at"),
    ],
)
def test_bad_input_is_said_in_a_sentence(build, said):
    with pytest.raises(UserError, match=said):
        build()


def test_levels_must_look_alike_and_say_success():
    other = [*makers(1), lambda: gymnasium.make("CartPole-v1")]
    with pytest.raises(UserError, match="Level 1 has another observation_space"):
        Curriculum(other)
    grows = Curriculum(Grows(), [1, 2], window=1, success=lambda info, total: True)
    with pytest.raises(UserError, match="Level 1 has another action_space"):
        play(grows, 3, seed=0)
    with pytest.raises(UserError, match="is_success"):
        play(Curriculum([lambda: gymnasium.make("CartPole-v1")]), 1, seed=0)
    env = Curriculum(makers(1, 2))
    with pytest.raises(UserError, match="none of these 2 levels"):
        env.set_state(env.get_state() | {"level": 2})


def test_it_is_public():
    assert plumbrl.Curriculum is Curriculum


def vector(n=2):
    from stable_baselines3.common.env_util import make_vec_env

    return make_vec_env(lambda: Curriculum(makers(1, 2, 3), window=5, promote_at=0.6), n, seed=0)


def test_sb3_trains_on_it_and_each_environment_has_its_own_level(tmp_path):
    from stable_baselines3 import PPO

    from plumbrl.training.state import read_state, restore_model, save_state

    def build():
        return PPO("MlpPolicy", vector(), n_steps=32, batch_size=64, seed=0, device="cpu")

    model = build()
    model.learn(1000)
    levels = model.get_env().get_attr("level")
    assert max(levels) > 0
    save_state(tmp_path / "state.pt", model, {})
    again = build()
    assert again.get_env().get_attr("level") == [0, 0]
    restore_model(again, read_state(tmp_path / "state.pt"))
    assert again.get_env().get_attr("level") == levels
    again.learn(64, reset_num_timesteps=False)
    assert again.get_env().get_attr("_level") != [0, 0]


def test_the_ballbot_rises_from_flat_to_rolling_ground():
    sys.path.append(str(EXAMPLES))
    from curriculum_ballbot import LEVELS, make_curriculum

    env = make_curriculum(seconds=0.1, window=3)  # too short to fall in
    action = np.zeros(3, dtype=np.float32)
    reached = set()
    for k in range(9):
        _, info = env.reset(seed=0 if k == 0 else None)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        reached.add((info["curriculum_level"], env.unwrapped.config.terrain.type))
    env.close()
    assert reached == {(0, "flat"), (1, "perlin"), (2, "perlin")}
    assert len(LEVELS) == 3


@pytest.mark.slow
def test_the_example_runs(capsys):
    sys.path.append(str(EXAMPLES))
    from curriculum_ballbot import main

    reached = main(timesteps=2000, envs=4, seed=0, seconds=0.2, window=5)
    assert sum(reached.values()) == 4
    assert "timesteps: " in capsys.readouterr().out
    assert reached["flat"] < 4
