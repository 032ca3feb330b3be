"""Episodes of a rollout and its minibatches, against loops and arithmetic by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from literal import ROLLOUTS, episodes, rollout
from plumbrl.metrics.rollouts import episode_returns_and_lengths, minibatches


@settings(max_examples=80, deadline=None)
@given(ROLLOUTS)
def test_episodes_agree_with_a_loop_per_environment(data):
    rewards, _, terminated, truncated, *_ = data
    found = episode_returns_and_lengths(rewards, terminated, truncated)
    expected, running = [], {b: (0.0, 0) for b in range(rewards.shape[1])}
    for b, steps, _ in episodes(data):
        total = sum(rewards[t, b] for t in steps)
        if terminated[steps[-1], b] or truncated[steps[-1], b]:
            expected.append((steps[-1], b, total, len(steps)))
        else:
            running[b] = (total, len(steps))
    expected.sort()
    np.testing.assert_allclose(found.returns, [e[2] for e in expected], atol=1e-9)
    assert found.lengths.tolist() == [e[3] for e in expected]
    np.testing.assert_allclose(found.running_returns, [r[0] for r in running.values()], atol=1e-9)
    assert found.running_lengths.tolist() == [r[1] for r in running.values()]


@settings(max_examples=60, deadline=None)
@given(ROLLOUTS, st.integers(0, 14))
def test_episodes_go_on_from_one_rollout_to_the_next(data, cut):
    rewards, _, terminated, truncated, *_ = data
    whole = episode_returns_and_lengths(rewards, terminated, truncated)
    first = episode_returns_and_lengths(rewards[:cut], terminated[:cut], truncated[:cut])
    second = episode_returns_and_lengths(rewards[cut:], terminated[cut:], truncated[cut:], first)
    np.testing.assert_allclose(np.append(first.returns, second.returns), whole.returns)
    np.testing.assert_array_equal(np.append(first.lengths, second.lengths), whole.lengths)
    np.testing.assert_array_equal(second.running_lengths, whole.running_lengths)


def test_episodes_by_hand():
    """Environment 0 ends at steps 0 and 2, environment 1 at step 2 only."""
    rewards = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    terminated = np.array([[1, 0], [0, 0], [0, 1], [0, 0]], bool)
    truncated = np.array([[0, 0], [0, 0], [1, 1], [0, 0]], bool)
    found = episode_returns_and_lengths(rewards, terminated, truncated)
    # 1; then at step 2: 2 + 3 = 5 and 10 + 20 + 30 = 60, once although both flags are set
    assert found.returns.tolist() == [1.0, 5.0, 60.0]
    assert found.lengths.tolist() == [1, 2, 3]
    assert found.running_returns.tolist() == [4.0, 40.0]
    assert found.running_lengths.tolist() == [1, 1]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 60), st.integers(1, 70), st.integers(0, 4), st.integers(0, 99))
def test_every_sample_occurs_once_per_epoch(n, batch_size, n_epochs, seed):
    parts = list(minibatches(n, batch_size, n_epochs, np.random.default_rng(seed)))
    per_epoch = -(-n // batch_size)
    assert len(parts) == n_epochs * per_epoch
    for epoch in range(n_epochs if n else 0):
        own = parts[epoch * per_epoch : (epoch + 1) * per_epoch]
        assert sorted(np.concatenate(own).tolist()) == list(range(n))
        sizes = [len(part) for part in own]
        assert max(sizes) - min(sizes) <= 1
        assert 1 <= max(sizes) <= batch_size


def test_the_remainder_is_spread_over_an_epoch():
    """65 samples by 64 are 33 and 32, not 64 and 1."""
    sizes = [len(part) for part in minibatches(65, 64, 2, np.random.default_rng(0))]
    assert sizes == [33, 32, 33, 32]


def test_the_order_is_new_in_each_epoch_and_follows_the_seed():
    draws = [list(minibatches(50, 50, 2, np.random.default_rng(seed))) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0][0], draws[0][1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize("bad", [(-1, 1, 1), (5, 0, 1), (5, 1, -1)])
def test_minibatches_refuse_numbers_that_make_no_sense(bad):
    with pytest.raises(ValueError, match="cannot split"):
        list(minibatches(*bad, np.random.default_rng(0)))


def test_flags_of_0_and_1_count_as_bool():
    rewards, _, terminated, truncated, *_ = rollout(20, 3, 0, 0.3)
    ours = episode_returns_and_lengths(rewards, terminated.astype(int), truncated.astype(float))
    theirs = episode_returns_and_lengths(rewards, terminated, truncated)
    assert ours.returns.tolist() == theirs.returns.tolist()
    assert len(theirs.returns) > 5


@pytest.mark.parametrize("shape", [(0, 2), (4, 0), (0, 0)])
def test_empty_rollouts_have_no_episodes(shape):
    rewards, _, terminated, truncated, *_ = rollout(*shape, 0, 0.3)
    found = episode_returns_and_lengths(rewards, terminated, truncated)
    assert (len(found.returns), len(found.running_returns)) == (0, shape[1])
