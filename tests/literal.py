"""Rollouts for tests, and what happened in them told episode by episode."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st


def rollout(steps, envs, seed, often):
    """Rewards, values, terminated, truncated, final values, last values; both flags may be set."""
    rng = np.random.default_rng(seed)
    rewards, values, finals = rng.normal(size=(3, steps, envs))
    terminated, truncated = rng.random((2, steps, envs)) < often
    finals[~truncated] = np.nan  # must never be read there
    return rewards, values, terminated, truncated, finals, rng.normal(size=envs)


def episodes(data):
    """Yield (environment, steps, value after the last of them) of each stretch without a reset."""
    rewards, _, terminated, truncated, finals, last = data
    for b in range(rewards.shape[1]):
        ends = [t + 1 for t in range(len(rewards)) if terminated[t, b] or truncated[t, b]]
        for start, end in pairwise([0, *ends, len(rewards)]):
            if start == end:
                continue
            if terminated[end - 1, b]:
                after = 0.0
            elif truncated[end - 1, b]:
                after = finals[end - 1, b]
            else:
                after = last[b]
            yield b, range(start, end), after


ROLLOUTS = st.builds(
    lambda steps, envs, seed, often: rollout(steps, envs, seed, often),
    st.integers(0, 14), st.integers(0, 3), st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip
