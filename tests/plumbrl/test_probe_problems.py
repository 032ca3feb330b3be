"""Probe problems: the answers written out by hand, and environments that agree with them."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from plumbrl.probes.agents import (
    automaton,
    cheat,
    play,
    random_agent,
    tabular_agent,
    zero_agent,
)
from plumbrl.probes.catalogue import BASIC, problems
from plumbrl.probes.envs import ProbeEnv, ProbeVectorEnv
from plumbrl.probes.problem import GOES_ON
from plumbrl.probes.shaped import crossroads, shaped
from plumbrl.probes.solve import Rule, solve

KINDS = ("discrete", "continuous")
ALL = [p for kind in KINDS for p in problems(kind).values()]


def name(problem):
    return f"{problem.name}-{problem.kind}"


VALUES = {
    "constant": [1],
    "observation": [-1, 1],
    "delay": [0.5, 1],  # gamma * 1
    "action": [1],
    "observation-action": [1, 1],
    "limit": [2, 2],  # 1 / (1 - 0.5)
    "end-or-limit": [1, 2, 2],
    "endless": [5],  # 1 / (1 - 0.8)
    "ladder": [0.7**4, 0.7**3, 0.7**2, 0.7, 1],
    "credit": [0.9, -1, 1],
    "next-best": [0.9, 1],
    "vector": [1, -1, -1, 1],
    "dictionary": [-1.5, -0.5, 0.5, 1.5],
    "image": [-1, 1],
    "mixing": [-0.5, -0.2, 0.2, 0.5, -1, -0.4, 0.4, 1],
    "negative": [-1],
    "scale": [-5, 5],
    "noise": [1],
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_by_hand(kind):
    for key, expected in VALUES.items():
        found = solve(problems(kind)[key], gae_lambda=0.95)
        np.testing.assert_allclose(found.values, expected, atol=1e-8, err_msg=key)


def test_the_five_of_the_literature_come_first():
    assert tuple(problems("discrete"))[:5] == BASIC
    assert tuple(problems("continuous"))[:5] == BASIC


def test_lambda_of_the_aliased_chain():
    """All four steps look alike; reward 1 comes first: V is 1/4 for lambda 1.

    For lambda 0: V = (1 + 3 gamma V) / 4 with gamma 0.8, so V = 1 / 1.6.
    """
    alias = problems("discrete")["alias"]
    assert solve(alias, gae_lambda=1.0).values[0] == pytest.approx(0.25)
    assert solve(alias, gae_lambda=0.0).values[0] == pytest.approx(0.625)
    between = [solve(alias, gae_lambda=x).values[0] for x in np.linspace(0, 1, 11)]
    assert (np.diff(between) < 0).all()


@pytest.mark.parametrize(
    ("problem", "rule", "expected"),
    [
        ("constant", Rule(terminal="last"), [2]),  # 1 / (1 - 0.5)
        # both steps look alike: V = (1 + (1 + 0.5 V)) / 2
        ("limit", Rule(truncation="nothing"), [4 / 3] * 2),
        # b comes twice: V(b) = ((1 + V(b) / 2) + (1 + (1 + V(b)) / 4)) / 2
        ("end-or-limit", Rule(truncation="reset"), [1, 9 / 5, 9 / 5]),
        ("delay", Rule(power=2), [0.25, 1]),
        ("delay", Rule(gamma=1.0), [1, 1]),
        ("delay", Rule(late=True), [1, 0]),
        ("observation", Rule(belongs="any"), [0, 0]),
        ("observation", Rule(low=0.0), [0, 1]),
        ("scale", Rule(clip=1.0), [-1, 1]),
        ("scale", Rule(signs=True), [-1, 1]),
        ("noise", Rule(signs=True), [0.5]),  # rewards are 0 and 2
        ("action", Rule(backup="worst", acts="worst"), [-1]),
        ("next-best", Rule(backup="mean"), [0, 0]),
        ("endless", Rule(frozen=True), [1]),
    ],
)
def test_what_mistakes_lead_to(problem, rule, expected):
    found = solve(problems("discrete")[problem], gae_lambda=0.0, rule=rule, initial=np.zeros(2)[:1])
    np.testing.assert_allclose(found.values, expected, atol=1e-8)


def monte_carlo(problem, agent, episodes=4000):
    """Discounted returns of the first state, from playing; values of truncated ends are known."""
    env, totals = ProbeEnv(problem), {}
    values = solve(problem, gae_lambda=1.0).values
    for episode in range(episodes):
        observation, info = env.reset(seed=episode)
        start, total, discount, done = info["state"], 0.0, 1.0, False
        while not done:
            observation, reward, terminated, truncated, info = env.step(agent(observation, info))
            total += discount * reward
            discount *= problem.gamma
            done = terminated or truncated
        total += discount * values[info["state"]] if truncated else 0.0
        totals.setdefault(start, []).append(total)
    return {start: np.mean(found) for start, found in totals.items()}


@pytest.mark.parametrize(
    "problem", [p for p in ALL if (p.ends != GOES_ON).any() and p.name != "alias"], ids=name
)
def test_playing_the_exact_solution_earns_its_value(problem):
    values = solve(problem, gae_lambda=1.0).values
    for start, mean in monte_carlo(problem, cheat(problem), 400).items():
        tolerance = 0.2 if problem.noise else 1e-6
        assert mean == pytest.approx(values[start], abs=tolerance)


def test_only_the_cheat_solves_what_must_be_remembered():
    memory = problems("discrete")["memory"]
    assert play(ProbeEnv(memory), cheat(memory), 100, seed=0).mean() == 1.0
    assert abs(play(ProbeEnv(memory), tabular_agent(memory), 400, seed=0).mean()) < 0.2


def test_agents_play_as_they_are_meant_to():
    action = problems("discrete")["action"]
    assert play(ProbeEnv(action), tabular_agent(action), 20, seed=0).tolist() == [1.0] * 20
    assert play(ProbeEnv(action), zero_agent(action.action_space), 20, seed=0).mean() == -1.0
    assert play(ProbeEnv(action), automaton([0, 1]), 4, seed=0).tolist() == [-1, 1, -1, 1]
    drawn = play(ProbeEnv(action), random_agent(action.action_space, 0), 400, seed=0)
    assert abs(drawn.mean()) < 0.15
    pendulum = gymnasium.make("Pendulum-v1", max_episode_steps=10)
    assert play(pendulum, zero_agent(pendulum.action_space), 2, seed=0).max() < 0


@pytest.mark.filterwarnings("ignore:.*symmetric and normalized space")  # it is meant to be odd
@pytest.mark.parametrize("problem", ALL, ids=name)
def test_environments_are_proper_gymnasium(problem):
    env = ProbeEnv(problem)
    assert env.observation_space.contains(env.reset(seed=0)[0])
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize("problem", ALL, ids=name)
def test_the_vector_does_what_single_environments_do(problem):
    """Given the same states and actions, the same rewards, ends and observations."""
    envs = ProbeVectorEnv(problem, 6)
    envs.reset(seed=1)
    single = ProbeEnv(problem)
    single.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(20):
        before = envs.states.copy()
        actions = envs.action_space.sample()
        _, rewards, terminated, truncated, info = envs.step(actions)
        for i in range(6):
            single.state = int(before[i])
            shown, reward, ended, cut, _ = single.step(actions[i])
            assert abs(reward - rewards[i]) <= 2 * problem.noise + 1e-9
            assert (ended, cut) == (terminated[i], truncated[i])
            if ended or cut:
                final = info["final_obs"][i]
                assert all(
                    np.array_equal(a, b)
                    for a, b in zip(np.atleast_1d(shown), np.atleast_1d(final), strict=True)
                )
                assert envs.states[i] in problem.starts


def test_environments_of_a_vector_differ_where_they_should():
    envs = ProbeVectorEnv(problems("discrete")["mixing"], 8)
    envs.reset(seed=0)
    assert envs.states.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    for _ in range(2):
        _, rewards, *_ = envs.step(np.zeros(8, int))
    np.testing.assert_allclose(rewards[:4], [-1, -0.4, 0.4, 1])
    assert envs.states.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_right_shaping_keeps_the_best_action_and_wrong_shaping_changes_it():
    """Branch 0 is worth 0.9 * 0.5 = 0.45, branch 1 is worth 0.9^2 * 1 = 0.81."""
    plain, phi = crossroads(), [0.3, 1.0, -0.5, 0.7]
    before = solve(plain, gae_lambda=0.0)
    np.testing.assert_allclose(before.q[0], [0.45, 0.81])
    right = solve(shaped(plain, phi), gae_lambda=0.0)
    np.testing.assert_allclose(right.values, before.values - phi, atol=1e-9)
    assert right.q[0].argmax() == 1
    # 10 after the end is worth 0.9^2 * 10 on the short way, 0.9^3 * 10 on the long one
    wrong = solve(shaped(plain, phi, final=10.0), gae_lambda=0.0)
    np.testing.assert_allclose(wrong.q[0], [0.45 + 8.1 - 0.3, 0.81 + 7.29 - 0.3], atol=1e-9)
    assert wrong.q[0].argmax() == 0


def test_noise_is_seeded_and_unbiased():
    def rewards(seed):
        env = ProbeEnv(problems("discrete")["noise"])
        env.reset(seed=seed)
        return [env.step(0)[1] for _ in range(2000)]

    assert rewards(3) == rewards(3) != rewards(4)
    assert set(rewards(0)) == {0.0, 2.0}
    assert abs(np.mean(rewards(0)) - 1) < 0.07
