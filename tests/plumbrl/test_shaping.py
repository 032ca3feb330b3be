"""Right shaping keeps the optimum and is silent; wrong shaping moves it and is named."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faults.shaping import FAULTS, OnlyProgress, collect
from plumbrl.causes import catalogue
from plumbrl.oracles.shaping import check_shaping, formulas
from plumbrl.shaping import PotentialShaping, shaped, shaping_rewards
from plumbrl.snapshots.shaping import ShapingRollout

GAMMA = 0.9


def lake():
    """Slippery ice with holes (terminal) and a limit of 15 steps (truncation)."""
    return gymnasium.make("FrozenLake-v1", max_episode_steps=15)


def cart():
    return gymnasium.make("CartPole-v1", max_episode_steps=20)


def cell(observation):
    return 1.0 + np.sin(3.0 * observation)


def tilt(observation):
    return 2.0 - abs(float(observation[2])) + float(observation[0])


ENVS = {"lake": (lake, cell, True), "cart": (cart, tilt, False)}


def by_potentials(wrapper, env, **others):
    make, potential, discrete = ENVS[env]
    rollout = collect(wrapper, make, potential, gamma=GAMMA, discrete=discrete, **others)
    assert rollout.terminated.any()
    assert rollout.truncated.any()
    return rollout


def by_states(wrapper, **others):
    return replace(by_potentials(wrapper, "lake", **others), potentials=None)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("env", ENVS)
def test_right_shaping_is_silent(env, seed):
    check, found = check_shaping(by_potentials(PotentialShaping, env, seed=seed))
    assert (check.verdict, found) == ("passed", None)


@pytest.mark.parametrize("seed", range(3))
def test_right_shaping_is_silent_without_potentials(seed):
    check, found = check_shaping(by_states(PotentialShaping, seed=seed))
    assert (check.verdict, found) == ("passed", None)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_planted_faults_are_named(fault, env, seed):
    check, found = check_shaping(by_potentials(fault.wrapper, env, seed=seed))
    assert check.verdict == "failed"
    assert found.cause == fault.cause
    assert found.confidence == 1.0
    assert found.evidence[0].value > 0


STATES_ONLY = [fault for fault in FAULTS if fault.name != "sign"]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("fault", STATES_ONLY, ids=lambda f: f.name)
def test_planted_faults_are_named_without_potentials(fault, seed):
    check, found = check_shaping(by_states(fault.wrapper, seed=seed, steps=400))
    assert check.verdict == "failed"
    assert found.cause == fault.cause


def test_the_potential_of_the_reset_observation_is_named():
    rollout = by_potentials(PotentialShaping, "lake")
    after = np.where(rollout.terminated, 0.0, rollout.potentials[1:])
    wrong = replace(rollout, shaping=GAMMA * after - rollout.potentials[:-1])
    assert check_shaping(wrong)[1].cause == "reward.shaping-of-reset-observation"


def test_episodes_that_begin_alike_and_terminate_must_have_equal_sums():
    """Only shaping and ends are known; nothing but the start is ever seen twice."""
    shaping = np.array([[-1.0], [0.5], [-2.0]])
    states, finals = np.array([[0], [1], [0], [0]]), np.array([[-1], [-2], [-3]])
    ends = np.array([[False], [True], [True]])
    rollout = ShapingRollout(shaping, ends, ~ends & False, 0.5, states=states, final_states=finals)
    # -1 + 0.5 * 0.5 = -0.75 in the first episode and -2 in the second
    check, found = check_shaping(rollout)
    assert check.verdict == "failed"
    assert found.cause == "reward.shaping-not-potential-based"
    # -0.75 = -phi(0) in both
    right = replace(rollout, shaping=np.array([[-1.0], [0.5], [-0.75]]))
    assert check_shaping(right)[0].verdict == "passed"


def test_what_cannot_be_seen_is_said():
    rollout = by_potentials(PotentialShaping, "lake")
    nothing = replace(rollout, potentials=None, states=None)
    assert check_shaping(nothing)[0].verdict == "skipped"
    assert check_shaping(replace(rollout, final_potentials=None))[0].verdict == "skipped"
    assert check_shaping(replace(nothing, states=rollout.states, final_states=None))[0].verdict == (
        "skipped"
    )
    once = np.arange(rollout.states.size).reshape(rollout.states.shape)
    unseen = replace(nothing, states=once, final_states=-1 - once[:-1])
    assert check_shaping(unseen)[0].verdict == "inconclusive"
    empty = ShapingRollout(*(np.zeros((0, 2), bool),) * 3, gamma=0.9)
    assert check_shaping(empty)[0].verdict == "skipped"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rollout", [by_potentials(PotentialShaping, "lake")], ids=["lake"])
def test_numbers_that_are_none_fail_and_break_nothing(rollout, bad):
    shaping, potentials = rollout.shaping.copy(), rollout.potentials.copy()
    shaping[3, 0] = potentials[3, 0] = bad
    for broken in (
        replace(rollout, shaping=shaping),
        replace(rollout, shaping=shaping, potentials=None),
        replace(rollout, potentials=potentials),
    ):
        assert check_shaping(broken)[0].verdict == "failed"


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_float32_rewards_of_any_size_are_silent(size):
    rollout = by_potentials(PotentialShaping, "lake")
    potentials = size * rollout.potentials + 100
    finals = size * rollout.final_potentials + 100
    right = shaping_rewards(potentials, finals, rollout.terminated, rollout.truncated, GAMMA)
    stored = replace(
        rollout, shaping=right.astype(np.float32), potentials=potentials, final_potentials=finals
    )
    assert check_shaping(stored)[0].verdict == "passed"
    assert check_shaping(replace(stored, potentials=None))[0].verdict == "passed"


def test_long_rollouts_of_many_states_are_cut():
    rollout = by_states(OnlyProgress, steps=600)
    states = rollout.states.copy()
    states[300:] = 1000 + np.arange(states[300:].size).reshape(states[300:].shape)
    assert check_shaping(replace(rollout, states=states))[1] is not None


def test_every_named_cause_is_in_the_catalogue():
    assert {f.cause for f in formulas(0.9) if f.cause} <= set(catalogue())


@pytest.mark.parametrize("seed", range(3))
def test_the_return_changes_by_the_first_potential(seed):
    """Terminated: -phi(s0). Truncated after k steps: gamma^k phi(s_k) - phi(s0)."""
    env = PotentialShaping(lake(), cell, GAMMA)
    env.action_space.seed(seed)
    ends = set()
    for episode in range(30):
        observation, _ = env.reset(seed=100 * seed + episode)
        phi, total, discount, over = cell(observation), 0.0, 1.0, False
        while not over:
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            assert reward == info["reward_unshaped"] + info["reward_shaping"]
            total += discount * info["reward_shaping"]
            discount, over = discount * GAMMA, terminated or truncated
        ends.add(terminated)
        after = 0.0 if terminated else discount * cell(observation)
        assert total == pytest.approx(after - phi, abs=1e-12)
    assert ends == {True, False}


def test_shaped_by_hand():
    """Gamma 0.5; step 1 is truncated at a potential of 10, step 2 terminates."""
    potentials = np.array([[2.0], [4.0], [6.0], [8.0]])
    finals = np.array([[np.nan], [10.0], [99.0]])
    terminated, truncated = (np.array(f, bool)[:, None] for f in ([0, 0, 1], [0, 1, 1]))
    got = shaped(np.ones((3, 1)), potentials, finals, terminated, truncated, 0.5)
    # 1 + 0.5 * 4 - 2 = 1; 1 + 0.5 * 10 - 4 = 2; 1 + 0 - 6 = -5
    np.testing.assert_allclose(got[:, 0], [1.0, 2.0, -5.0])
    with pytest.raises(ValueError, match="rewards must be"):
        shaped(np.ones(3), potentials, finals, terminated, truncated, 0.5)


def test_a_discount_factor_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="gamma"):
        PotentialShaping(lake(), cell, 1.01)


S = 5
REWARDS = np.zeros((S, 2))
REWARDS[0, 0], REWARDS[S - 1, 1] = 0.3, 1.0
FOLLOWING = np.stack([np.arange(S) - 1, np.arange(S) + 1], axis=1)
TERMINAL = (FOLLOWING < 0) | (FOLLOWING >= S)


def optimum(rewards):
    """Q of a chain: 0.3 for leaving to the left, 1 to the right; by value iteration."""
    q = np.zeros((S, 2))
    for _ in range(500):
        q = rewards + GAMMA * np.where(TERMINAL, 0.0, q.max(axis=1)[FOLLOWING.clip(0, S - 1)])
    return q


def with_shaping(phi, terminal_phi=(0.0, 0.0), gamma=GAMMA, kept=False):
    """Shape each of the chain's transitions as a rollout of one step."""
    ends = np.array(terminal_phi)
    after = np.where(TERMINAL, ends[None], phi[FOLLOWING.clip(0, S - 1)]).ravel()
    potentials = np.stack([np.repeat(phi, 2), after])
    terminated = (TERMINAL & (not kept)).reshape(1, -1)
    never = np.zeros_like(terminated)
    return shaped(
        REWARDS.reshape(1, -1), potentials, np.zeros(never.shape), terminated, never, gamma
    ).reshape(S, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=S, max_size=S))
def test_right_shaping_keeps_the_optimal_policy(phi):
    """Q changes by -phi(s) for every action alike, whatever phi is."""
    phi = np.array(phi)
    plain, with_phi = optimum(REWARDS), optimum(with_shaping(phi))
    np.testing.assert_allclose(with_phi, plain - phi[:, None], atol=1e-9)
    assert (with_phi.argmax(axis=1) == plain.argmax(axis=1)).all()


def test_a_potential_kept_at_a_terminal_state_changes_the_optimal_policy():
    phi = np.zeros(S)
    assert optimum(REWARDS).argmax(axis=1).tolist() == [1, 1, 1, 1, 1]
    moved = optimum(with_shaping(phi, terminal_phi=(2.0, 0.0), kept=True))
    # leaving to the left is worth 0.3 + 0.9 * 2 = 2.1, and 0.9^4 * 2.1 = 1.38 is still above 1
    assert moved.argmax(axis=1).tolist() == [0, 0, 0, 0, 0]


def test_shaping_without_gamma_changes_the_optimal_policy():
    """A constant potential of 10 costs 10 wherever an episode ends: better never to end."""
    endless = optimum(with_shaping(np.full(S, 10.0), gamma=1.0))
    assert endless[0].argmax() == 1
    assert endless[S - 1].argmax() == 0
