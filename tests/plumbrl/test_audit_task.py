"""Tasks that cannot be learned are named; those that can, and what a policy does, are told."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import plumbrl.audits.subject as audited
from experts import EXPERTS
from faults.audit_task import FAULTS, NEED_ORACLE
from plumbrl.audits.budget import Budget
from plumbrl.audits.sample import Sample, collect
from plumbrl.audits.subject import Subject
from plumbrl.audits.task import LOOKS, reach
from plumbrl.audits.task.behaviour import (
    ask_behaviour,
    compare_noise,
    describe_ends,
    judge_actions,
)
from plumbrl.audits.task.coverage import covered, judge_coverage
from plumbrl.audits.task.ends import ask_ends, judge_limit, judge_short
from plumbrl.audits.task.gap import ask_gap, judge_gap
from plumbrl.audits.task.goal import ask_goal
from plumbrl.audits.task.horizon import judge_horizon
from plumbrl.audits.task.reach import ask_reach, explained, flat, holding, judge_reach
from plumbrl.causes import catalogue
from plumbrl.metrics.gap import difference_interval, gap_closed

HEALTHY = [
    "CartPole-v1", "Taxi-v4", "FrozenLake-v1", "Blackjack-v1", "CliffWalking-v1",
    "InvertedPendulum-v5", "Hopper-v5", "Reacher-v5", "ballbot:Ballbot-v0",
]  # fmt: skip
SLOW = ("Hopper-v5", "ballbot:Ballbot-v0")
CART, PENDULUM, CAR = "CartPole-v1", "Pendulum-v1", "MountainCar-v0"


@pytest.fixture(autouse=True)
def fewer_steps(monkeypatch):
    monkeypatch.setattr(audited, "STEPS", 3000)
    monkeypatch.setattr(reach, "STEPS", 2500)


def subject(env, seed=0, policy=None, oracle=None, seconds=60.0, **settings):
    make = env if callable(env) else lambda: gymnasium.make(env)
    return Subject(
        "under audit", make, policy, oracle, seed=seed, budget=Budget(seconds), **settings
    )


def causes(outcomes, *, accused=True):
    return [f.cause for _, f in outcomes if f and (not accused or f.severity != "info")]


def everything(under):
    return [outcome for look in LOOKS for outcome in look.ask(under)]


def sample(episodes, *, rewards=None, terminated=True, actions=None, infos=None, seen=None):
    """Return a sample of episodes given by length, or by an array of rewards each."""
    if rewards is None:
        rewards = [np.ones(n) for n in episodes]
    lengths = [len(r) for r in rewards]
    n = sum(lengths)
    last = np.zeros(n, dtype=bool)
    last[np.cumsum(lengths) - 1] = True
    ends = last if terminated else np.zeros(n, dtype=bool)
    seen = np.arange(n, dtype=float)[:, None] if seen is None else seen
    return Sample(
        observations=seen,
        actions=np.zeros((n, 1)) if actions is None else actions,
        rewards=np.concatenate(rewards),
        next_observations=seen,
        terminated=ends,
        truncated=last & ~ends,
        episode=np.repeat(np.arange(len(lengths)), lengths),
        t=np.concatenate([np.arange(k) for k in lengths]),
        seconds=np.zeros(n),
        names=tuple(map(str, range(seen.shape[1]))),
        terms={},
        infos=infos or {},
        kinds=("f",) * seen.shape[1],
        bounds=np.zeros((2, seen.shape[1])),
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("env", HEALTHY)
def test_healthy_tasks_are_not_accused(env, seed):
    outcomes = everything(subject(env, seed))
    assert causes(outcomes) == []
    assert {check.verdict for check, _ in outcomes} <= {"passed", "skipped", "inconclusive"}


@pytest.mark.parametrize("env", [CART, PENDULUM, CAR])
def test_those_who_know_the_way_are_not_accused(env):
    outcomes = everything(subject(env, policy=EXPERTS[env], oracle=EXPERTS[env]))
    assert causes(outcomes) == []
    assert outcomes[0][0].verdict == "passed"
    assert "100%" in outcomes[0][0].reason


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("fault", "env"),
    [
        pytest.param(f, e, marks=[pytest.mark.slow] * (e in SLOW), id=f"{f.name}, {e}")
        for f in FAULTS
        for e in f.envs
        if f.name not in NEED_ORACLE
    ],
)
def test_planted_faults_are_named(fault, env, seed):
    under = subject(lambda: fault.make(env), seed)
    outcomes = [outcome for look in LOOKS[1:3] for outcome in look.ask(under)]
    assert fault.causes & set(causes(outcomes))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("env", [CART, PENDULUM])
def test_episodes_that_are_over_at_once_are_named_where_an_oracle_is_no_better(env, seed):
    fault = next(f for f in FAULTS if f.name == "narrow")
    under = subject(lambda: fault.make(env), seed, oracle=EXPERTS[env])
    assert causes(ask_ends(under)) == ["task.episodes-too-short"]
    assert causes(ask_ends(subject(lambda: fault.make(env), seed))) == []
    assert causes(ask_ends(subject(env, seed, oracle=EXPERTS[env]))) == []


# The gap.


def constant(env):
    nothing = env.action_space.sample() * 0
    return lambda _: nothing


@pytest.mark.parametrize("env", [CART, CAR])
def test_a_policy_that_closes_no_gap_is_named(env):
    outcome = ask_gap(subject(env, policy=constant, oracle=EXPERTS[env]))
    assert causes(outcome) == ["task.too-hard"]


def test_without_oracle_or_policy_the_gap_says_what_is_missing():
    (none, _), *_ = ask_gap(subject(CART))
    assert (none.verdict, none.reason) == ("skipped", "needs a trained policy and an oracle")
    (no_policy, _), *_ = ask_gap(subject(CART, oracle=EXPERTS[CART]))
    assert no_policy.verdict == "skipped"
    assert "standard deviations" in no_policy.reason
    (no_oracle, _), *_ = ask_gap(subject(CART, policy=EXPERTS[CART]))
    assert no_oracle.verdict == "inconclusive"
    assert "needs an oracle; trained minus random return is" in no_oracle.reason


@pytest.mark.parametrize(
    ("trained", "verdict"),
    [(0.9, "passed"), (0.02, "failed"), (-1.0, "failed"), (0.1, "inconclusive")],
)
def test_the_gap_is_judged_by_its_interval(trained, verdict):
    rng = np.random.default_rng(0)
    groups = [mean + 0.2 * rng.normal(size=30) for mean in (trained, 0.0, 1.0)]
    assert judge_gap(*groups)[0].verdict == verdict


def test_odd_returns_give_no_gap():
    good = np.linspace(0, 1, 20)
    assert judge_gap(good, good, good + 0.01)[0].verdict == "inconclusive"
    assert judge_gap(good[:2], good, good + 9)[0].verdict == "inconclusive"
    assert judge_gap(np.full(20, np.nan), good, good + 9)[0].verdict == "inconclusive"
    assert judge_gap(good[:0], good, good)[0].verdict == "inconclusive"


def test_gap_and_difference_cover_the_truth():
    rng, inside, within = np.random.default_rng(1), 0, 0
    for _ in range(200):
        trained, random, expert = (m + rng.normal(size=25) for m in (4.0, 0.0, 10.0))
        gap = gap_closed(trained, random, expert, replicates=300)
        inside += gap.low <= 0.4 <= gap.high
        apart = difference_interval(trained, random, replicates=300)
        within += apart.low <= 4.0 <= apart.high
    assert inside >= 176 and within >= 176
    assert np.isnan(gap_closed(random, expert, random).estimate)
    with pytest.raises(ValueError, match="without NaN"):
        gap_closed(np.array([np.nan]), random, expert)


# The reward within reach.


def test_what_random_actions_meet_only_when_held_is_told_apart(monkeypatch):
    monkeypatch.setattr(reach, "STEPS", 8000)
    (check, named), *_ = ask_reach(subject(CAR))
    assert (check.verdict, named.cause, named.severity) == (
        "inconclusive", "task.hard-exploration", "info",
    )  # fmt: skip


def test_an_oracle_that_meets_the_reward_makes_it_surer(monkeypatch):
    monkeypatch.setattr(reach, "STEPS", 1000)
    fault = next(f for f in FAULTS if f.name == "far goal")
    make = lambda: fault.make(CART)  # noqa: E731
    alone = ask_reach(subject(make))[0][1]
    led = ask_reach(subject(make, oracle=EXPERTS[CART]))[0][1]
    assert led.confidence > alone.confidence
    check, named = ask_reach(subject(make, oracle=constant))[0]
    assert (check.verdict, named) == ("inconclusive", None)


def test_a_search_that_was_cut_short_accuses_nobody():
    few, cut = sample([200] * 40, terminated=False), sample([200] * 5, terminated=False)
    assert judge_reach(few, cut, cut, [])[0].verdict == "inconclusive"
    assert judge_reach(few, sample([200] * 70, terminated=False), cut, [])[0].verdict == "failed"


def test_flat_is_what_no_episode_can_change():
    assert flat(sample([9, 9], terminated=False))
    assert flat(sample([9, 5], rewards=[np.zeros(9), np.zeros(5)]))
    assert not flat(sample([9, 5])), "paid for lasting"
    assert not flat(sample([9], rewards=[np.arange(9.0)], terminated=False))
    assert not flat(sample([1, 1], rewards=[np.zeros(1), np.zeros(1)])), "a bandit"
    assert not flat(sample([2], rewards=[np.array([0.0, np.nan])]))


def test_what_acting_costs_is_recognised():
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (500, 3))
    cost = -0.1 * (actions**2).sum(axis=1) - 0.01 * np.abs(actions).sum(axis=1)
    assert explained(actions, cost)
    assert not explained(actions, cost + 0.01 * rng.normal(size=500))
    index = rng.integers(0, 4, (500, 1)).astype(float)
    assert explained(index, np.array([0.0, -1.0, 3.0, 2.0])[index[:, 0].astype(int)])
    assert not explained(actions[:5], rng.normal(size=5)), "too few to fit"


def test_held_actions_are_held():
    numbers = iter(range(100))
    act = holding(lambda _: next(numbers), 3)
    assert [act(None) for _ in range(7)] == [0, 0, 0, 1, 1, 1, 2]


# The horizon.


def late(steps, n=10, terminated=True):
    rewards = [np.r_[np.zeros(steps - 1), 1.0] for _ in range(n)]
    return sample(None, rewards=rewards, terminated=terminated)


@pytest.mark.parametrize(
    ("steps", "gamma", "knows", "terminated", "verdict"),
    [
        (400, 0.99, True, True, "failed"),
        (200, 0.99, True, True, "passed"),
        (400, 0.999, True, True, "passed"),
        (400, 1.0, True, True, "passed"),
        (400, 0.99, False, True, "inconclusive"),
        (400, 0.99, False, False, "failed"),
        (40, 0.9, True, True, "failed"),
    ],
)
def test_the_horizon_is_judged_by_the_time_to_the_reward(steps, gamma, knows, terminated, verdict):
    check, named = judge_horizon(late(steps, terminated=terminated), gamma, knows, rollout=16)
    assert check.verdict == verdict
    assert "rollouts of 16 steps end before" in check.reason
    if named:
        assert named.cause == "task.horizon-too-short"
        assert named.evidence[0].value == steps


def test_dense_rewards_wait_for_nothing_and_equal_ones_say_nothing():
    dense = sample(None, rewards=[np.arange(500.0)] * 4)
    assert judge_horizon(dense, 0.9, True)[0].verdict == "passed"
    assert (
        judge_horizon(sample([500] * 4, terminated=False), 0.9, True)[0].verdict == "inconclusive"
    )


# Ends of episodes.


def test_a_policy_that_never_ends_what_the_oracle_ends_is_named():
    under = subject(CAR, policy=constant, oracle=EXPERTS[CAR])
    assert causes(ask_ends(under)) == ["task.goal-never-reached"]
    endless = subject(PENDULUM, policy=constant, oracle=EXPERTS[PENDULUM])
    assert causes(ask_ends(endless)) == []
    check = judge_limit(endless.trained, endless.random, None)[0]
    assert check.verdict == "inconclusive"


def test_a_policy_that_outlives_the_oracle_is_not_accused():
    survivor = sample([200] * 20, terminated=False)
    falls = sample([150] * 20)
    assert judge_limit(survivor, sample([20, 21] * 20), falls)[0].verdict == "passed"


def test_short_episodes_accuse_nobody_who_gets_more():
    random, able = sample([3, 4] * 20), sample(None, rewards=[np.full(4, 9.0)] * 20)
    assert judge_short(random, [able])[0].verdict == "passed"
    assert judge_short(random, [sample([3, 4] * 20)])[1].cause == "task.episodes-too-short"
    assert judge_short(random, [])[0].verdict == "inconclusive"
    assert judge_short(sample([50] * 5), [])[0].verdict == "passed"


# The goal.


class Spinner:
    """Swings up and through, again and again."""

    def __init__(self, env):
        pass

    def __call__(self, observation):
        return np.array([2.0 if observation[2] >= 0 else -2.0], dtype=np.float32)


def test_a_policy_that_stays_away_from_the_goal_or_leaves_it_is_named():
    rest = lambda env: lambda o: np.clip([-2.0 * o[2]], -2, 2)  # noqa: E731  # brakes, hangs down
    oracle = EXPERTS[PENDULUM]
    for policy, expected in (
        (oracle, []),
        (rest, ["task.goal-never-visited"]),
        (Spinner, ["task.goal-left"]),
    ):
        under = subject(lambda: Hanging(gymnasium.make(PENDULUM)), policy=policy, oracle=oracle)
        assert causes(ask_goal(under)) == expected


class Hanging(gymnasium.Wrapper):
    """Starts near the bottom, and pays for being upright, however fast."""

    def reset(self, **kwargs):
        self.env.reset(**kwargs)
        inner = self.unwrapped
        inner.state = np.array([np.pi, 0.0]) + 0.2 * inner.np_random.uniform(-1, 1, 2)
        return inner._get_obs(), {}

    def step(self, action):
        observation, _, *rest = self.env.step(action)
        return observation, float(observation[0]), *rest


def test_success_marks_are_the_goal_where_there_are_any():
    class Marked(gymnasium.Wrapper):
        def step(self, action):
            *result, info = self.env.step(action)
            return *result, info | {"is_success": bool(result[0][0] > 0.45)}

    def make():
        return Marked(gymnasium.make(CAR))

    assert causes(ask_goal(subject(make, policy=constant))) == ["task.goal-never-visited"]
    assert causes(ask_goal(subject(make, policy=EXPERTS[CAR]))) == []


def test_without_a_goal_nothing_is_said_of_it():
    for under in (subject(CART), subject(CART, policy=constant, oracle=EXPERTS[CART])):
        assert {check.verdict for check, _ in ask_goal(under)} == {"skipped"}


# Where random actions come.


def test_coverage_tells_near_from_far():
    rng = np.random.default_rng(0)
    lengths = [100] * 10

    def states(centre):
        return sample(lengths, seen=centre + rng.normal(size=(1000, 3)))

    assert covered(states(0.0), states(0.0)) > 0.8
    assert covered(states(0.0), states(20.0)) == 0
    check, named = judge_coverage(states(20.0), states(0.0), "the oracle's")
    assert (check.verdict, named.severity) == ("inconclusive", "info")
    assert np.isnan(covered(sample([9, 9], seen=np.ones((18, 2))), states(0.0)))
    assert judge_coverage(states(0.0), sample([9]), "the oracle's")[0].verdict == "skipped"


# What the policy does.


def test_only_who_jumps_from_bound_to_bound_chatters():
    box = spaces.Box(-1, 1, (2,), np.float32)
    jumps = np.tile([[1.0, 1.0], [-1.0, -1.0]], (100, 1))
    bang = np.repeat([[1.0, -1.0], [-1.0, 1.0]], 100, axis=0)
    smooth = np.sin(np.linspace(0, 9, 200))[:, None] * np.ones(2)
    for actions, expected in ((jumps, ["policy.chatters"]), (bang, []), (smooth, [])):
        outcome = judge_actions(sample([200], actions=actions), box, False)
        assert causes([outcome]) == expected
    unbounded = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    assert judge_actions(sample([200], actions=jumps), unbounded, False)[0].verdict == "skipped"


def test_one_action_for_all_states_is_named_where_nothing_is_gained():
    outcomes = ask_behaviour(subject(CART, policy=constant))
    assert causes(outcomes) == ["policy.always-the-same"]
    assert "terminated 100% [" in outcomes[1][0].reason
    always = sample([20] * 12)
    assert causes([judge_actions(always, spaces.Discrete(2), gains=True)]) == []


def test_ends_are_counted_by_cause():
    robot = collect(lambda: gymnasium.make("ballbot:Ballbot-v0"), steps=400, seed=0)
    assert "terminated by tilt_exceeded 100%" in describe_ends(robot)[0].reason
    assert describe_ends(sample([5], terminated=False))[0].verdict == "passed"


def test_noise_is_compared_where_the_policy_offers_it():
    class Noisy:
        def __init__(self, env):
            self.act = EXPERTS[CART](env)
            self.stochastic = lambda _: env.action_space.sample()

        def __call__(self, observation):
            return self.act(observation)

    check = ask_behaviour(subject(CART, policy=Noisy))[-1][0]
    assert "deterministic minus stochastic return is 4" in check.reason
    assert ask_behaviour(subject(CART, policy=EXPERTS[CART]))[-1][0].verdict == "skipped"
    assert compare_noise(np.ones(3), np.ones(9))[0].verdict == "inconclusive"


def test_odd_environments_end_in_a_verdict():
    class Odd(gymnasium.Env):
        observation_space = spaces.Dict(
            {"image": spaces.Box(0, 255, (4, 4, 1), np.uint8), "n": spaces.Discrete(3)}
        )
        action_space = spaces.MultiDiscrete([2, 3])

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return {"image": np.zeros((4, 4, 1), np.uint8), "n": 0}, {}

        def step(self, action):
            return self.reset()[0], 1.0, False, False, {}

    outcomes = everything(subject(Odd, policy=constant, oracle=constant, seconds=2))
    assert {check.verdict for check, _ in outcomes} <= {
        "passed",
        "skipped",
        "inconclusive",
        "failed",
    }
    assert causes(outcomes) == []


def test_every_planted_cause_is_in_the_catalogue():
    assert set.union(*(set(f.causes) for f in FAULTS)) <= set(catalogue())
