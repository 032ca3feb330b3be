"""Returns, targets and advantages against literal twins and arithmetic by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from literal import ROLLOUTS, episodes, rollout
from plumbrl.metrics.returns import (
    discounted_returns,
    gae,
    lambda_returns,
    n_step_returns,
    next_values,
    td_targets,
)

NEVER = np.zeros((3, 1), bool)
SHARES = st.floats(0, 1)


def by_episode(data, target):
    """Fill (T, B) with target(rewards, values, t), where values end with the one that follows."""
    filled = np.full(data[0].shape, np.nan)
    for b, steps, after in episodes(data):
        rewards = [data[0][t, b] for t in steps]
        values = [*(data[1][t, b] for t in steps), after]
        for i, t in enumerate(steps):
            filled[t, b] = target(rewards, values, i)
    return filled


def n_step(rewards, values, t, gamma, n):
    k = min(n, len(rewards) - t)
    return sum(gamma**i * rewards[t + i] for i in range(k)) + gamma**k * values[t + k]


def lambda_return(rewards, values, t, gamma, lam):
    """Sutton and Barto 2018, equation 12.3, with the remaining weight on the longest return."""
    left = len(rewards) - t
    shorter = sum(
        (1 - lam) * lam ** (n - 1) * n_step(rewards, values, t, gamma, n) for n in range(1, left)
    )
    return shorter + lam ** (left - 1) * n_step(rewards, values, t, gamma, left)


@settings(max_examples=80, deadline=None)
@given(ROLLOUTS, SHARES)
def test_targets_agree_with_their_definition(data, gamma):
    one_step = by_episode(data, lambda r, v, t: r[t] + gamma * v[t + 1])
    np.testing.assert_allclose(td_targets(*data, gamma), one_step, atol=1e-9)
    to_go = by_episode(data, lambda r, v, t: n_step(r, v, t, gamma, len(r)))
    rewards, _, *rest = data
    np.testing.assert_allclose(discounted_returns(rewards, *rest, gamma), to_go, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(ROLLOUTS, SHARES, st.integers(1, 20))
def test_n_step_returns_agree_with_their_definition(data, gamma, n):
    expected = by_episode(data, lambda r, v, t: n_step(r, v, t, gamma, n))
    np.testing.assert_allclose(n_step_returns(*data, gamma, n), expected, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(ROLLOUTS, SHARES, SHARES)
def test_lambda_returns_and_advantages_agree_with_their_definition(data, gamma, lam):
    expected = by_episode(data, lambda r, v, t: lambda_return(r, v, t, gamma, lam))
    np.testing.assert_allclose(lambda_returns(*data, gamma, lam), expected, atol=1e-9)
    np.testing.assert_allclose(gae(*data, gamma, lam), expected - data[1], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(ROLLOUTS, SHARES)
def test_the_ends_of_each_family_meet(data, gamma):
    rewards, _, *rest = data
    to_go = discounted_returns(rewards, *rest, gamma)
    np.testing.assert_allclose(n_step_returns(*data, gamma, 1), td_targets(*data, gamma))
    np.testing.assert_allclose(n_step_returns(*data, gamma, 99), to_go, atol=1e-9)
    np.testing.assert_allclose(lambda_returns(*data, gamma, 0.0), td_targets(*data, gamma))
    np.testing.assert_allclose(lambda_returns(*data, gamma, 1.0), to_go, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(ROLLOUTS, SHARES, st.integers(1, 5))
def test_nothing_leaks_across_an_end(data, gamma, n):
    """Changing an episode's rewards changes no target of another episode."""
    rewards, values, *rest = data
    for b, steps, _ in list(episodes(data))[:3]:
        changed = rewards.copy()
        changed[list(steps), b] += 100.0
        others = np.ones(rewards.shape, bool)
        others[list(steps), b] = False
        for of in (
            lambda r: n_step_returns(r, values, *rest, gamma, n),
            lambda r: lambda_returns(r, values, *rest, gamma, 0.9),
            lambda r: discounted_returns(r, *rest, gamma),
        ):
            np.testing.assert_array_equal(of(changed)[others], of(rewards)[others])


def column(*numbers):
    return np.array(numbers, float)[:, None]


def flags(*numbers):
    return np.array(numbers, bool)[:, None]


REWARDS, VALUES, LAST = column(1, 2, 4), column(10, 20, 40), np.array([80.0])
FINALS = column(np.nan, 6, np.nan)


def test_by_hand_without_an_end():
    """Gamma 0.5: the rollout's last step is followed by the value 80."""
    data = (REWARDS, VALUES, NEVER, NEVER, FINALS, LAST)
    # 1 + 0.5 * 20, 2 + 0.5 * 40, 4 + 0.5 * 80
    np.testing.assert_allclose(td_targets(*data, 0.5), column(11, 22, 44))
    # 4 + 40 = 44; 2 + 22 = 24; 1 + 12 = 13
    np.testing.assert_allclose(discounted_returns(REWARDS, *data[2:], 0.5), column(13, 24, 44))
    # n = 2: 1 + 0.5 * 2 + 0.25 * 40 = 12; 2 + 0.5 * 4 + 0.25 * 80 = 24; one step is left: 44
    np.testing.assert_allclose(n_step_returns(*data, 0.5, 2), column(12, 24, 44))
    # lambda 0.5: 44; 2 + 0.5 * (0.5 * 40 + 0.5 * 44) = 23; 1 + 0.5 * (0.5 * 20 + 0.5 * 23) = 11.75
    np.testing.assert_allclose(lambda_returns(*data, 0.5, 0.5), column(11.75, 23, 44))
    np.testing.assert_allclose(gae(*data, 0.5, 0.5), column(1.75, 3, 4))


def test_by_hand_around_a_terminal_state():
    """Step 1 terminates: 20 and 40 are values of other episodes to steps 1 and 0."""
    data = (REWARDS, VALUES, flags(0, 1, 0), NEVER, FINALS, LAST)
    np.testing.assert_allclose(td_targets(*data, 0.5), column(11, 2, 44))
    # 1 + 0.5 * 2 = 2; 2; 4 + 0.5 * 80 = 44
    np.testing.assert_allclose(discounted_returns(REWARDS, *data[2:], 0.5), column(2, 2, 44))
    np.testing.assert_allclose(n_step_returns(*data, 0.5, 2), column(2, 2, 44))
    # 1 + 0.5 * (0.5 * 20 + 0.5 * 2) = 6.5
    np.testing.assert_allclose(lambda_returns(*data, 0.5, 0.5), column(6.5, 2, 44))


def test_by_hand_around_a_truncation():
    """Step 1 is the last before a limit; its own last observation is worth 6, not 40."""
    data = (REWARDS, VALUES, NEVER, flags(0, 1, 0), FINALS, LAST)
    # 2 + 0.5 * 6 = 5
    np.testing.assert_allclose(td_targets(*data, 0.5), column(11, 5, 44))
    # 1 + 0.5 * 5 = 3.5
    np.testing.assert_allclose(discounted_returns(REWARDS, *data[2:], 0.5), column(3.5, 5, 44))
    # n = 3, but two rewards are left at step 0: 1 + 0.5 * 2 + 0.25 * 6 = 3.5, not 0.125 times 6
    np.testing.assert_allclose(n_step_returns(*data, 0.5, 3), column(3.5, 5, 44))


def test_terminated_wins_over_truncated():
    data = (REWARDS, VALUES, flags(0, 1, 0), flags(0, 1, 0), FINALS, LAST)
    assert next_values(*data[1:])[1, 0] == 0.0
    np.testing.assert_allclose(n_step_returns(*data, 0.5, 2), column(2, 2, 44))


def test_an_end_with_the_rollouts_end_hides_the_last_value():
    """The observation after the last step is the next episode's first."""
    last = np.array([np.nan])
    over = (REWARDS, VALUES, flags(0, 0, 1), NEVER, FINALS, last)
    np.testing.assert_allclose(td_targets(*over, 0.5), column(11, 22, 4))
    limit = (REWARDS, VALUES, NEVER, flags(0, 0, 1), column(0, 0, 8), last)
    # 4 + 0.5 * 8 = 8; 2 + 0.5 * 8 = 6; 1 + 0.5 * 6 = 4
    np.testing.assert_allclose(discounted_returns(REWARDS, *limit[2:], 0.5), column(4, 6, 8))


def test_episodes_of_one_step_are_worth_their_reward():
    always = flags(1, 1, 1)
    data = (REWARDS, VALUES, always, NEVER, FINALS, LAST)
    for got in (
        td_targets(*data, 0.9),
        n_step_returns(*data, 0.9, 3),
        lambda_returns(*data, 0.9, 0.9),
        discounted_returns(REWARDS, *data[2:], 0.9),
    ):
        np.testing.assert_allclose(got, REWARDS)


def test_flags_of_0_and_1_count_as_bool():
    """`~1` is -2, which is true: whole numbers must not be inverted bit by bit."""
    data = (REWARDS, VALUES, flags(0, 1, 0), flags(0, 0, 1), column(0, 0, 8), LAST)
    numbers = (*data[:2], data[2].astype(float), data[3].astype(int), *data[4:])
    np.testing.assert_array_equal(n_step_returns(*numbers, 0.5, 2), n_step_returns(*data, 0.5, 2))
    np.testing.assert_array_equal(gae(*numbers, 0.5, 0.5), gae(*data, 0.5, 0.5))


def test_float32_is_summed_in_float64():
    data = rollout(2000, 1, 0, 0.0)
    exact = gae(*data, 1.0, 1.0)
    halved = gae(*(x.astype(np.float32) if x.dtype == float else x for x in data), 1.0, 1.0)
    assert halved.dtype == np.float64
    np.testing.assert_allclose(halved, exact, atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 2), (4, 0), (0, 0)])
def test_empty_rollouts_give_empty_arrays(shape):
    data = rollout(*shape, 0, 0.3)
    for got in (
        td_targets(*data, 0.9),
        n_step_returns(*data, 0.9, 3),
        gae(*data, 0.9, 0.9),
        discounted_returns(data[0], *data[2:], 0.9),
    ):
        assert got.shape == shape


def test_shapes_that_would_broadcast_are_refused():
    rewards, values, terminated, truncated, finals, last = rollout(4, 4, 0, 0.3)
    for data in (
        (rewards[:, 0], values[:, 0], terminated[:, 0], truncated[:, 0], finals[:, 0], last[0]),
        (rewards[..., None], values, terminated, truncated, finals, last),
        (rewards, values, terminated[:, :1], truncated, finals, last),
        (rewards, values, terminated, truncated, finals, last[:, None]),
        (rewards, values, terminated, truncated, finals, last[:1]),
    ):
        with pytest.raises(ValueError, match="must"):
            gae(*data, 0.9, 0.9)
        with pytest.raises(ValueError, match="must"):
            discounted_returns(data[0], *data[2:], 0.9)


def test_n_must_be_positive():
    with pytest.raises(ValueError, match="at least 1"):
        n_step_returns(*rollout(3, 1, 0, 0.0), 0.9, 0)
