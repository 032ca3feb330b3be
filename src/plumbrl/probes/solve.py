"""What a trainer learns from a problem if it does everything right, or makes one known mistake.

Values are the fixed point of the lambda-return (Sutton and Barto 2018, section 12.1) of the greedy
policy; Q-learning is the same with lambda 0. Solving a problem again under a wrong rule gives the
numbers by which that mistake is recognised.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from plumbrl.probes.problem import GOES_ON, TERMINATES, TRUNCATES, Array, Problem

SWEEPS = 400
"""Enough for gamma 0.9: 0.9^400 is 5e-19."""
CLOSE = 1e-9
LARGEST = 1e3
"""Values of a rule that diverges are cut here."""


@dataclass(frozen=True)
class Rule:
    """How targets are computed and stored; the default is right.

    Attributes:
        terminal: What follows a terminal state: nothing, the value of what it shows last, or that
            of the next episode's first observation.
        truncation: What follows a time limit.
        leak: Lambda-returns run on into the next episode.
        gamma: Discount factor used, if not the declared one.
        power: What gamma is raised to.
        gae_lambda: Lambda used, if not the declared one.
        backup: Which action's value is passed back: the best one's, the worst one's, or the mean.
        acts: Which action is taken: the best, the worst, or any.
        sees: Whether the policy tells observations apart.
        reward: Factor on rewards.
        clip: Largest size of a reward.
        signs: Of a reward only its sign counts.
        late: Rewards are those of the step before.
        belongs: Whether a target is learnt for its own observation, the next one, or any.
        low: Smallest value that the network can give.
        high: Largest value that the network can give.
        frozen: Next values are those before training.
        bonus: Factor on the entropy bonus of soft values.
    """

    terminal: Literal["nothing", "last", "reset"] = "nothing"
    truncation: Literal["last", "nothing", "reset"] = "last"
    leak: bool = False
    gamma: float | None = None
    power: float = 1.0
    gae_lambda: float | None = None
    backup: Literal["best", "worst", "mean"] = "best"
    acts: Literal["best", "worst", "any"] = "best"
    sees: bool = True
    reward: float = 1.0
    clip: float = np.inf
    signs: bool = False
    late: bool = False
    belongs: Literal["own", "next", "any"] = "own"
    low: float = -LARGEST
    high: float = LARGEST
    frozen: bool = False
    bonus: float = 1.0


RIGHT = Rule()


@dataclass(frozen=True)
class Answer:
    """What is learnt.

    Attributes:
        values: Value of each state, (S,).
        q: Value of each branch in each state, (S, A).
        scatter: Standard deviation of the targets that are drawn for what each state shows, (S,);
            0 where they belong to their observation.
    """

    values: Array
    q: Array
    scatter: Array


def solve(
    problem: Problem,
    *,
    gae_lambda: float,
    rule: Rule = RIGHT,
    bonus: Array | None = None,
    initial: Array | None = None,
) -> Answer:
    """Return what a trainer learns.

    Args:
        problem: The tables.
        gae_lambda: Lambda of the trainer's returns; 0 for Q-learning.
        rule: How it goes about it.
        bonus: Entropy bonus of each state's policy (soft values), (S,).
        initial: Values before training, (S,); needed by ``rule.frozen``.
    """
    gamma = (problem.gamma if rule.gamma is None else rule.gamma) ** rule.power
    lam = gae_lambda if rule.gae_lambda is None else rule.gae_lambda
    extra = np.zeros(problem.n_states) if bonus is None else rule.bonus * bonus
    rewards = _rewards(problem, rule)
    q = np.zeros(rewards.shape)
    values = targets = np.zeros(problem.n_states)
    weights = _weights(problem, rule)
    shares = _shares(problem, weights)
    for _ in range(SWEEPS):
        known = initial if rule.frozen and initial is not None else values
        after = _after(problem, rule, known + extra, targets, lam)
        q = np.clip(rewards + gamma * after, -LARGEST, LARGEST)
        old, targets = targets, _chosen(q, rule)
        values = np.clip(shares @ targets, rule.low, rule.high)
        if np.abs(targets - old).max() < CLOSE:
            break
    if problem.n_branches == 1:
        q = values[:, None]
    return Answer(values, np.clip(q, rule.low, rule.high), _scatter(weights, targets))


def _after(problem: Problem, rule: Rule, values: Array, targets: Array, lam: float) -> Array:
    """Return what each branch of each state adds beyond its reward, undiscounted, (S, A)."""
    starts = list(problem.starts)
    mixed = (1 - lam) * values + lam * targets
    after = mixed[problem.following]
    for end, choice in ((TERMINATES, rule.terminal), (TRUNCATES, rule.truncation)):
        rows = problem.ends == end
        if rule.leak:
            after[rows] = mixed[starts].mean()
        elif choice == "reset":
            after[rows] = values[starts].mean()
        else:
            after[rows] = values[problem.following[rows]] if choice == "last" else 0.0
    return after


def _rewards(problem: Problem, rule: Rule) -> Array:
    both = [rule.reward * (problem.rewards + sign * problem.noise) for sign in (-1, 1)]
    rewards = np.sign(both) if rule.signs else np.clip(both, -rule.clip, rule.clip)
    rewards = rewards.mean(axis=0)
    if not rule.late:
        return rewards
    late = np.zeros(problem.n_states)
    for state in range(problem.n_states):
        before = (problem.following == state).any(axis=1) & (problem.ends == GOES_ON)
        at_start = state in problem.starts
        rows = (problem.ends != GOES_ON) if at_start else before
        late[state] = rewards[rows].mean() if rows.any() else 0.0
    return np.repeat(late[:, None], problem.n_branches, axis=1)


def _chosen(q: Array, rule: Rule) -> Array:
    return {"best": np.max, "worst": np.min, "mean": np.mean}[rule.backup](q, axis=1)


def _weights(problem: Problem, rule: Rule) -> Array:
    """Return how often the target of state s is learnt for what state s' shows, (S, S')."""
    n = problem.n_states
    if rule.belongs == "any":
        return np.full((n, n), 1 / n)
    return np.eye(n) if rule.belongs == "own" else _next_shown(problem)


def _shares(problem: Problem, weights: Array) -> Array:
    """Return how much each state's target counts in the value of what each state shows, (S, S).

    States that look alike share one value.
    """
    alike = problem.seen_as[:, None] == problem.seen_as[None, :]
    counts = alike @ weights.T
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)


def _scatter(weights: Array, targets: Array) -> Array:
    shares = weights.T / np.maximum(weights.sum(axis=0)[:, None], 1e-12)
    variance = shares @ targets**2 - (shares @ targets) ** 2
    return np.sqrt(np.maximum(variance, 0.0))


def _next_shown(problem: Problem) -> Array:
    """Return how often the step from state s is followed by what state s' shows, (S, S')."""
    weights = np.zeros((problem.n_states, problem.n_states))
    for state, end in enumerate(problem.ends):
        after = problem.following[state] if end == GOES_ON else np.array(problem.starts)
        for other in after:
            weights[state, other] += 1 / len(after)
    return weights
