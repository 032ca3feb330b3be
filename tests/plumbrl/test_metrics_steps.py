"""What single steps say of an environment, in real environments, healthy ones and broken ones."""

import gymnasium
import numpy as np
import pytest

from plumbrl.metrics.steps import action_chance, observation_spread, reward_chance

TASKS = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "Pendulum-v1", "MountainCarContinuous-v0")
DENSE = ("Pendulum-v1", "MountainCarContinuous-v0", "InvertedDoublePendulum-v5")


def steps_of(task, *, ignored=False, n=400, seed=0):
    """Random steps: observations, actions as columns, next observations, rewards."""
    env = gymnasium.make(task)
    env.action_space.seed(seed)
    before, _ = env.reset(seed=seed)
    rows = []
    for _ in range(n):
        action = env.action_space.sample()
        done = np.zeros_like(action) if ignored else action
        after, reward, terminated, truncated, _ = env.step(done)
        rows.append((before, np.eye(9)[action, 1:] if env.action_space.shape == () else action,
                     after, reward))  # fmt: skip
        before = env.reset()[0] if terminated or truncated else after
    env.close()
    return [np.array(column, dtype=float) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("task", TASKS)
def test_actions_that_act_are_told_from_those_that_do_not(task):
    before, actions, after, _ = steps_of(task)
    assert action_chance(before, actions, after) < 1e-20
    chances = [action_chance(*steps_of(task, ignored=True, seed=s)[:3]) for s in range(5)]
    assert np.median(chances) > 0.05


@pytest.mark.parametrize("task", DENSE)
def test_rewards_of_the_task_are_told_from_noise(task):
    before, actions, after, rewards = steps_of(task)
    assert reward_chance(before, actions, after, rewards) < 1e-20
    noise = np.random.default_rng(0).normal(size=(5, len(rewards)))
    noisy = [reward_chance(before, actions, after, rewards + 100 * n) for n in noise]
    assert np.median(noisy) > 0.05


def test_sparse_rewards_are_not_judged():
    before, actions, after, rewards = steps_of("CartPole-v1")
    assert np.isnan(reward_chance(before, actions, after, rewards))


def test_chance_is_uniform_where_there_is_nothing():
    """A single column needs no correction, so that p-values are spread evenly."""
    rng = np.random.default_rng(1)
    shapes = ((200, 1), (200, 2), (200, 1))
    found = [action_chance(*(rng.normal(size=s) for s in shapes)) for _ in range(400)]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_chance_agrees_with_two_regressions():
    rng = np.random.default_rng(2)
    before, actions = rng.normal(size=(60, 2)), rng.normal(size=(60, 1))
    after = before + 0.3 * actions + rng.normal(size=(60, 2))
    from scipy import stats

    without = np.hstack([np.ones((60, 1)), before])
    p = []
    for y in (after - before).T:
        rest = [
            np.square(y - x @ np.linalg.lstsq(x, y, rcond=None)[0]).sum()
            for x in (without, np.hstack([without, actions]))
        ]
        p.append(stats.f.sf((rest[0] - rest[1]) / (rest[1] / 56), 1, 56))
    assert action_chance(before, actions, after) == pytest.approx(2 * min(p))


@pytest.mark.parametrize("task", TASKS)
def test_observations_of_the_tasks_are_of_like_scale(task):
    before = steps_of(task)[0]
    assert 1 <= observation_spread(before) < 100
    before[:, 0] *= 1e5
    assert observation_spread(before) > 300


def test_spread_leaves_flags_out():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(500, 2)) * [1, 50]
    rare = rng.random((500, 1)) < 0.001
    assert observation_spread(np.hstack([wide, rare])) == pytest.approx(50, rel=0.2)
    assert np.isnan(observation_spread(wide[:, :1]))
    assert np.isnan(observation_spread(wide * np.nan))


def test_nothing_is_said_without_enough_steps():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(20, 15))
    assert np.isnan(action_chance(few, few[:, :2], few + 1))
    assert np.isnan(action_chance(few * np.nan, few, few))
    many = rng.normal(size=(99, 3))
    assert np.isnan(action_chance(many, many, many))
    assert np.isnan(reward_chance(many, many, many, np.zeros(0)))
    with pytest.raises(ValueError, match="same shape"):
        action_chance(few, few, few[:, :3])
