"""Each look at an environment names planted faults and is silent on healthy environments."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from faults.audit_environment import FAULTS, Opaque
from faults.point_mass import Reach, straight
from plumbrl.audits.budget import Budget
from plumbrl.audits.environment import LOOKS
from plumbrl.audits.environment.actions import DIMS, ask_actions
from plumbrl.audits.environment.baselines import Gain, ask_baselines, compare
from plumbrl.audits.environment.columns import at_edges, dead, duplicates, growth, steps_of
from plumbrl.audits.environment.complaints import ask_complaints
from plumbrl.audits.environment.endings import check_failure, check_limit, check_reason
from plumbrl.audits.environment.lasting import ask_endings
from plumbrl.audits.environment.mapping import ask_mapping
from plumbrl.audits.environment.memory import ask_memory
from plumbrl.audits.environment.observations import ask_observations
from plumbrl.audits.environment.opposites import choices, moved, opposites
from plumbrl.audits.environment.pace import Pace, ask_pace, check_pace
from plumbrl.audits.environment.physics import ask_physics, check_rest
from plumbrl.audits.environment.promises import ask_arrays, ask_vector
from plumbrl.audits.environment.regression import area_under_curve
from plumbrl.audits.environment.survivors import survive
from plumbrl.audits.run import audit, report
from plumbrl.audits.sample import Sample, collect
from plumbrl.audits.subject import Subject
from plumbrl.causes import catalogue
from plumbrl.metrics.statistics import Interval

QUICK = ["CartPole-v1", "Pendulum-v1", "MountainCar-v0", "FrozenLake-v1", "Blackjack-v1"]
ASKED = {
    "E05": ask_arrays, "E07": ask_observations, "E08": ask_observations, "E09": ask_observations,
    "E10": ask_observations, "E11": ask_observations, "E12": ask_memory, "E12b": ask_observations,
    "E13": ask_actions, "E14": ask_actions, "E15": ask_mapping, "E16": ask_actions,
    "E17": ask_actions, "E18": ask_actions, "E19": ask_endings, "E21": ask_endings,
    "E22": ask_endings, "E23": ask_endings, "E27": ask_endings, "E29": ask_pace,
    "E30": ask_complaints, "E31": ask_complaints, "E32": ask_physics,
}  # fmt: skip


class Few(Subject):
    """A smaller random baseline, so that tests are quick."""

    @property
    def random(self):
        if "_few" not in self.__dict__:
            self.__dict__["_few"] = collect(self.make_env, steps=1500, episodes=60, seed=self.seed)
        return self.__dict__["_few"]


def subject(make, seed=0, cls=Few, **settings):
    return cls("it", make, seed=seed, budget=Budget(120.0), **settings)


def causes(outcomes, severities=("error", "warning")):
    return [f.cause for _, f in outcomes if f and f.severity in severities]


def short_cart():
    return gymnasium.make("CartPole-v1", max_episode_steps=80)


def upright(env):
    """A policy that is known to balance the cart."""
    return lambda o: int(o[2] + 0.3 * o[3] + 0.02 * o[0] + 0.05 * o[1] > 0)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("env", QUICK)
def test_healthy_environments_are_silent(env, seed):
    asked = subject(lambda: gymnasium.make(env), seed)
    quick = [look for look in LOOKS if look.name not in ("pace", "vector")]
    outcomes = [outcome for look in quick for outcome in look.ask(asked)]
    assert causes(outcomes) == []
    assert "failed" not in {check.verdict for check, _ in outcomes}
    assert all(check.reason for check, _ in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "env", ["Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Reacher-v5", "ballbot:Ballbot-v0"]
)
def test_healthy_robots_are_silent(env):
    asked = subject(lambda: gymnasium.make(env), 0, Subject)
    outcomes = [outcome for look in LOOKS for outcome in look.ask(asked)]
    assert causes(outcomes) == []


CASES = [
    (fault, env)
    for fault in FAULTS
    for env in fault.envs
    if env in ("CartPole-v1", "Pendulum-v1", "Acrobot-v1") and fault.id not in ("E19", "E29")
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("fault", "env"), CASES, ids=lambda x: getattr(x, "name", x))
def test_planted_faults_are_named(fault, env, seed):
    oracle = upright if fault.oracle else None
    if fault.oracle and env != "CartPole-v1":
        pytest.skip("the oracle is the cart's")
    outcomes = ASKED[fault.id](subject(lambda: fault.make(env), seed, oracle=oracle))
    assert set(causes(outcomes)) & fault.causes, [c.reason for c, _ in outcomes]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # who steps beyond an end is told so by Gymnasium
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_planted_faults_of_robots_and_slow_ones_are_named(fault):
    done = {(f.name, env) for f, env in CASES}
    for env in fault.envs:
        if (fault.name, env) in done and not fault.oracle:
            continue
        oracle = own_oracle(env) if fault.oracle else None
        if fault.oracle and oracle is None:
            continue
        outcomes = ASKED[fault.id](subject(lambda e=env: fault.make(e), 0, Subject, oracle=oracle))
        assert set(causes(outcomes)) & fault.causes, (env, [c.reason for c, _ in outcomes])


def own_oracle(env):
    if env == "CartPole-v1":
        return upright
    return (lambda e: lambda _: next(iter(e.baselines().values()))()) if "ballbot" in env else None


def test_an_oracle_that_works_is_not_mapped():
    check, found = ask_mapping(subject(short_cart, oracle=upright))[0]
    assert (check.verdict, found) == ("passed", None)


def test_a_reward_turned_round_is_no_action_turned_round():
    class Cost(gymnasium.RewardWrapper):
        def reward(self, reward):
            return -reward

    make = lambda: Opaque(Cost(short_cart()))  # noqa: E731
    assert causes(ask_mapping(subject(make, oracle=upright))) == []


TURNED = ["reward.sign-flipped", "environment.action-sign-flipped"]


@pytest.mark.parametrize("seed", [0, 1])
def test_where_only_returns_speak_reward_and_actions_are_equally_likely(seed):
    def named(**fault):
        oracle = lambda _: straight  # noqa: E731
        told = audit(lambda: Reach(**fault), oracle=oracle, seed=seed, budget=8.0, name="reach")
        return [(f.cause, f.confidence) for f in told.findings if f.severity == "error"]

    assert named(sign=-1.0) == [(cause, 0.5) for cause in TURNED]
    assert named(turn=-1.0) == [(cause, 0.5) for cause in TURNED]
    assert named() == []


def test_where_episodes_last_longer_the_actions_are_turned_round():
    class Turned(gymnasium.ActionWrapper):
        def action(self, action):
            return 1 - action

    asked = subject(lambda: Opaque(Turned(short_cart())), oracle=upright)
    (_, found), *_ = ask_mapping(asked)
    assert (found.cause, found.confidence) == (TURNED[1], 0.9)


def parts(**fault):
    outcomes = ask_actions(subject(lambda: Reach(**fault)))
    return next((check, found) for check, found in outcomes if check.name == DIMS)


def test_an_action_whose_effect_is_not_seen_is_not_called_inert():
    check, found = parts(dead=True)
    assert (check.verdict, found) == ("inconclusive", None)
    assert "reward" in check.reason and "distance" in check.reason
    assert parts()[0].verdict == "passed"
    check, found = parts(inert=True)
    assert (found.cause, found.confidence) == ("environment.action-inert", 0.97)


def test_an_action_that_is_charged_for_and_moves_nothing_is_still_inert():
    check, found = parts(inert=True, charge=0.1)
    assert found.cause == "environment.action-inert" and found.confidence < 0.75
    assert "the reward" in check.reason


def test_where_an_observation_is_dead_an_inert_action_is_less_sure_than_that():
    check, found = parts(inert=True, dead=True)
    assert found.cause == "environment.action-inert" and found.confidence < 0.75
    assert "never changed" in check.reason

    class Silent(gymnasium.Wrapper):
        def step(self, action):
            observation, _, *ends, _ = self.env.step(action)
            return observation, 0.0, *ends, {}

    outcomes = ask_actions(subject(lambda: Opaque(Silent(Reach(dead=True)))))
    check, found = next(outcome for outcome in outcomes if outcome[0].name == DIMS)
    assert (check.verdict, found) == ("inconclusive", None)
    assert "never changed" in check.reason


@pytest.mark.parametrize(("name", "kept"), [("reach", False), ("ballbot:Ballbot-v0", True)])
def test_only_a_ballbot_is_told_to_change_its_wheels(name, kept):
    outcomes = compare(None, Gain(Interval(0, -0.5, 0.5), 20, 1.0))
    (named,) = report(name, outcomes).findings
    assert named.cause == "environment.baseline-fails"
    assert bool(named.change) == kept


def test_baselines_say_who_gains():
    def gained(low, high):
        return Gain(Interval((low + high) / 2, low, high), 20, 1.0)

    up, none, unclear = gained(1, 2), gained(-0.5, 0.5), gained(-1, 9)
    assert causes(compare(none, up)) == ["environment.only-oracle-succeeds"]
    assert causes(compare(none, None)) == ["task.no-better-than-random"]
    assert causes(compare(None, none)) == ["environment.baseline-fails"]
    assert causes(compare(up, none)) == []
    assert causes(compare(up, up)) == []
    assert [check.verdict for check, _ in compare(unclear, unclear)] == ["inconclusive"] * 2


def test_baselines_compare_the_same_seeds():
    asked = subject(short_cart, policy=lambda _: lambda _: 0)
    outcomes = ask_baselines(asked)
    assert causes(outcomes) == ["task.no-better-than-random"]
    asked = subject(short_cart, policy=upright, oracle=upright)
    outcomes = ask_baselines(asked)
    assert [check.verdict for check, _ in outcomes] == ["passed"] * 3


def sample(lengths, terminated, last, d=2):
    """Return episodes of noise whose last observations are given."""
    rng = np.random.default_rng(0)
    n, ends = int(np.sum(lengths)), np.cumsum(lengths) - 1
    following = rng.normal(size=(n, d))
    following[ends] = last
    flags = np.zeros((2, n), dtype=bool)
    flags[0, ends], flags[1, ends] = terminated, ~np.asarray(terminated)
    return Sample(
        rng.normal(size=(n, d)), rng.normal(size=(n, 1)), np.ones(n), following, flags[0],
        flags[1], np.repeat(np.arange(len(lengths)), lengths),
        np.concatenate([np.arange(k) for k in lengths]), np.zeros(n), ("0", "1"), {}, {},
        ("f", "f"), np.array([[-np.inf] * d, [np.inf] * d]),
    )  # fmt: skip


def test_terminations_at_one_length_are_a_clock_unless_they_are_one_place():
    rng, ones = np.random.default_rng(1), np.ones(8, dtype=bool)
    clock = sample([50] * 8, ones, rng.normal(size=(8, 2)))
    assert causes([check_limit([clock], None)]) == ["environment.limit-reported-as-terminal"]
    goal = sample([50] * 8, ones, np.ones((8, 2)))
    assert causes([check_limit([goal], None)]) == []
    spread = sample([50, 49, 48, 47, 50, 46, 50, 50], ones, rng.normal(size=(8, 2)))
    assert causes([check_limit([spread], None)]) == []


def test_truncations_that_vary_with_nothing_are_not_accused():
    rng = np.random.default_rng(2)
    lengths, never = rng.integers(5, 40, 60), np.zeros(60, dtype=bool)
    by_chance = check_failure([sample(lengths, never, rng.normal(size=(60, 2)))])
    assert (by_chance[0].verdict, by_chance[1]) == ("inconclusive", None)
    fallen = sample(lengths, never, 6 + rng.normal(size=(60, 2)))
    assert causes([check_failure([fallen])]) == ["environment.failure-reported-as-truncated"]


def test_terminations_that_nothing_explains_are_named():
    rng = np.random.default_rng(3)
    lengths, always = rng.integers(5, 40, 60), np.ones(60, dtype=bool)
    by_chance = sample(lengths, always, rng.normal(size=(60, 2)))
    assert causes([check_reason(by_chance)]) == ["environment.end-unexplained"]
    fallen = sample(lengths, always, 6 + rng.normal(size=(60, 2)))
    assert causes([check_reason(fallen)]) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_steps_that_take_longer_are_named_and_a_busy_machine_is_not(seed):
    rng = np.random.default_rng(seed)
    noise = 1 + rng.exponential(0.3, 60)
    steady, busy = noise, noise.copy()
    busy[25:40] *= 3
    growing = noise * np.linspace(1, 4, 60)
    for times, named in ((steady, 0), (busy, 0), (growing, 1)):
        pace = Pace(1e-5 * times, 1e-5 * times)
        assert len(causes([check_pace(pace)])) == named
    assert check_pace(Pace(np.ones(3), np.ones(3)))[0].verdict == "skipped"


def test_columns_of_every_kind_are_told_apart():
    rng = np.random.default_rng(0)
    free = rng.normal(size=2000)
    values = np.stack([free, np.zeros(2000), free, np.round(2 * free) / 2, np.clip(free, -1, 1)]).T
    assert dead(values).tolist() == [False, True, False, False, False]
    assert duplicates(values) == [(0, 2)]
    assert (steps_of(values) > 0).tolist() == [False, False, False, True, False]
    edges = at_edges(values)
    assert edges[4] == pytest.approx(np.mean(np.abs(free) > 1))
    assert edges[:4].tolist() == [0, 0, 0, 0]
    nan = np.where(rng.random(values.shape) < 0.1, np.nan, values)
    assert dead(nan).tolist() == [False, True, False, False, False]


def test_growth_is_told_from_wandering():
    t = np.tile(np.arange(500), 4)
    values = np.stack([t * 1.0, np.sin(t), np.ones(2000)]).T
    assert growth(values, t).round(1).tolist() == [2.1, 1.0, 1.0]


def test_opposites_of_every_space():
    box = spaces.Box(np.array([0, -2], np.float32), np.array([1, 2], np.float32))
    assert [p.high.tolist() for p in opposites(box)] == [[1, 0], [0.5, 2]]
    assert moved(box, None, 0).tolist() == [0.5, 0]
    assert [p.high.tolist() for p in opposites(spaces.MultiDiscrete([3, 2]))] == [[2, 0], [0, 1]]
    assert len(opposites(spaces.MultiBinary(3))) == 3
    assert choices(spaces.Discrete(3, start=-1)) == [-1, 0, 1]
    assert opposites(spaces.Text(3)) == []


def test_survivors_reach_the_limit_of_the_cart():
    make = lambda: gymnasium.make("CartPole-v1", max_episode_steps=100)  # noqa: E731
    found = survive(make, spaces.Discrete(2), 0, Budget(10.0))
    assert found is not None and found.lengths.max() == 100
    assert survive(make, spaces.Text(2), 0, Budget(10.0)) is None


def test_physics_that_blows_up_is_named():
    calm = np.cumsum(np.random.default_rng(0).normal(size=(100, 2)), axis=0)
    assert causes([check_rest(calm, np.ones(2))]) == []
    wild = np.stack([calm[:, 0], np.exp(np.arange(100) / 2)]).T
    assert causes([check_rest(wild, np.ones(2))]) == ["environment.physics-unstable"]


def test_a_state_that_is_saved_badly_is_named():
    class Forgets(gymnasium.Wrapper):
        def get_state(self):
            return np.array(self.unwrapped.state)

        def set_state(self, state):
            self.unwrapped.state = state * self.factor

    for factor, verdict in ((1.0, "passed"), (1.01, "failed")):
        Forgets.factor = factor
        outcomes = ask_physics(subject(lambda: Forgets(gymnasium.make("CartPole-v1"))))
        assert [c.verdict for c, _ in outcomes if c.name.startswith("a saved")] == [verdict]


def test_the_area_under_the_curve_is_a_probability():
    positive = np.array([0, 0, 1, 1], dtype=bool)
    assert area_under_curve(np.array([1.0, 2, 3, 4]), positive) == 1
    assert area_under_curve(np.array([4.0, 3, 2, 1]), positive) == 0


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_odd_environments_are_survived(look):
    class Odd(gymnasium.Env):
        observation_space = spaces.Dict(
            {"picture": spaces.Box(0, 255, (8, 8, 3), np.uint8), "word": spaces.Text(4)}
        )
        action_space = spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (2,))))

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return {"picture": np.zeros((8, 8, 3), np.uint8), "word": "a"}, {}

        def step(self, action):
            return {"picture": np.full((8, 8, 3), 7, np.uint8), "word": "b"}, 0.0, False, False, {}

    asked = Few("odd", Odd, budget=Budget(3.0))
    assert all(check.verdict != "failed" for check, _ in look.ask(asked)) or look.name in (
        "effect of actions",
    )


def test_a_vector_is_skipped_where_there_is_none():
    assert ask_vector(subject(lambda: gymnasium.make("CartPole-v1")))[0][0].verdict == "skipped"


def test_every_named_cause_is_in_the_catalogue():
    assert {cause for fault in FAULTS for cause in fault.causes} <= set(catalogue())
