"""Environments that break their promises are named; those that keep them are silent."""

import random

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from faults.environment import (
    END_FAULTS,
    FAULTS,
    ClaimsOtherMode,
    FinalIsReset,
    FinalMissing,
    FixedSeed,
    GlobalNoise,
    Lags,
    OneSeed,
    OwnNoise,
    RewardLeaks,
    one_for_all,
)
from plumbrl.audits import check_arrays, check_ends, check_restore, check_vector
from plumbrl.audits.arrays import check_lag
from plumbrl.audits.restore import check_after_others, check_same_seed
from plumbrl.audits.traces import Moment, compare
from plumbrl.causes import catalogue
from plumbrl.shaping import PotentialShaping

HEALTHY = [
    "CartPole-v1",
    "Pendulum-v1",
    "Acrobot-v1",
    "MountainCarContinuous-v0",
    "FrozenLake-v1",
    "Blackjack-v1",
    "Taxi-v4",
    "ballbot:Ballbot-v0",
]
SAME_STEP, NEXT_STEP = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP


def maker(env, wrapper=None, limit=30):
    def make():
        made = gymnasium.make(env, max_episode_steps=limit)
        return wrapper(made) if wrapper else made

    return make


def all_checks(make, seed=0, steps=80):
    restore, arrays = (c(make, seed=seed, steps=steps) for c in (check_restore, check_arrays))
    return [*restore, *arrays, check_ends(make, seed=seed, steps=300)]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("env", HEALTHY)
def test_healthy_environments_are_silent(env, seed):
    outcomes = all_checks(maker(env), seed)
    assert [found.cause for _, found in outcomes if found] == []
    verdicts = [check.verdict for check, _ in outcomes]
    assert verdicts[:3] == ["passed"] * 3
    assert set(verdicts) <= {"passed", "skipped"}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_planted_faults_are_named(fault, seed):
    for env in fault.envs:
        found = [f for _, f in all_checks(maker(env, fault.wrapper), seed) if f]
        assert found, f"not noticed in {env}"
        assert found[0].cause == fault.cause
        assert found[0].evidence[0].value > 0


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", END_FAULTS, ids=lambda f: f.name)
def test_wrong_ends_are_named(fault, seed):
    for env in fault.envs:
        check, found = check_ends(maker(env, fault.wrapper, limit=20), seed=seed, steps=400)
        assert check.verdict == "failed"
        assert found.cause == fault.cause


def test_deterministic_environments_are_told_from_fixed_seeds():
    make = maker("CliffWalking-v1")
    check, found = check_restore(make)[2]
    assert check.verdict == "inconclusive"
    assert (found.cause, found.severity) == ("environment.seed-has-no-effect", "info")
    assert check_restore(maker("CartPole-v1", FixedSeed))[2][0].verdict == "failed"


def test_the_source_of_random_numbers_is_said_and_global_generators_are_left_alone():
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    check_restore(maker("CartPole-v1"))
    own = check_same_seed(maker("CartPole-v1", OwnNoise), 0, 20)[0]
    assert "does not seed" in own.reason
    assert (np.random.get_state()[1] == before[0]).all()  # noqa: NPY002
    assert random.getstate() == before[1]
    shared = check_same_seed(maker("CartPole-v1", GlobalNoise), 0, 20)[0]
    assert "global generators" in shared.reason


def test_rewards_that_are_no_numbers_are_compared():
    one, nan = Moment({}, 1.0), Moment({}, float("nan"))
    assert compare([one, nan], [one, nan]) is None
    for pair in ([one, nan], [nan, one]):
        mismatch = compare([one, pair[0]], [one, pair[1]])
        assert (mismatch.first, mismatch.kinds, mismatch.share) == (1, {"reward"}, 0.5)


def test_potential_shaping_keeps_nothing_across_episodes():
    make = maker("FrozenLake-v1", lambda env: PotentialShaping(env, lambda cell: cell / 15, 0.9))
    assert [found for _, found in all_checks(make) if found] == []


def test_observations_that_never_change_do_not_lag():
    class Still(gymnasium.ObservationWrapper):
        def observation(self, observation):
            return 0 * observation

    assert check_lag(maker("CartPole-v1", Still))[0].verdict == "passed"
    assert check_lag(maker("CartPole-v1", Lags))[0].verdict == "failed"


def test_a_start_that_happens_to_be_the_last_cell_is_not_stale():
    """With seed 4, the episode before is broken off in the cell where episodes start."""
    found = check_after_others(maker("FrozenLake-v1", RewardLeaks), 4, 40)[1]
    assert found.cause == "reward.state-leaks-across-episodes"


def test_what_depends_on_a_repeatable_episode_is_skipped_without_one():
    outcomes = check_restore(maker("CartPole-v1", OwnNoise))
    assert [check.verdict for check, _ in outcomes] == ["failed", "skipped", "skipped"]


def test_ends_that_cannot_be_seen_are_no_verdict():
    endless = check_ends(lambda: gymnasium.make("Pendulum-v1"), steps=100)
    assert (endless[0].verdict, endless[1]) == ("inconclusive", None)
    bare = check_ends(lambda: gymnasium.make("Pendulum-v1").unwrapped, steps=100)
    assert (bare[0].verdict, bare[1]) == ("skipped", None)


def vector(env="CartPole-v1", mode=SAME_STEP, wrapper=None, limit=12, **settings):
    def make():
        made = SyncVectorEnv([maker(env, limit=limit)] * 4, autoreset_mode=mode, **settings)
        return wrapper(made) if wrapper else made

    return make


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("mode", [SAME_STEP, NEXT_STEP])
@pytest.mark.parametrize("env", HEALTHY[:-1])
def test_healthy_vectors_are_silent(env, mode, seed):
    outcomes = check_vector(vector(env, mode), seed=seed, steps=60)
    assert [found.cause for _, found in outcomes if found] == []
    assert outcomes[0][0].verdict == "passed"
    assert {check.verdict for check, _ in outcomes} <= {"passed", "skipped"}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("mode", [SAME_STEP, NEXT_STEP])
def test_vectors_in_which_nothing_is_random_share_no_seeds(mode, seed):
    """Whoever falls off the cliff is back at the start, where the limit may end the episode."""
    outcomes = check_vector(vector("CliffWalking-v1", mode), seed=seed, steps=60)
    assert [found for _, found in outcomes if found] == []
    assert outcomes[-1][0].verdict == "inconclusive"


def test_a_vector_of_robots_is_silent():
    from ballbot import BallbotVectorEnv

    outcomes = check_vector(lambda: BallbotVectorEnv(3, episode_seconds=0.4, num_threads=1))
    assert [check.verdict for check, _ in outcomes] == ["passed"] * 4


def test_a_vector_that_takes_no_list_of_seeds_is_silent():
    """Gymnasium's own vector of carts has one generator for all."""
    outcomes = check_vector(lambda: gymnasium.make_vec("CartPole-v1", 3, "vector_entry_point"))
    assert [check.verdict for check, _ in outcomes] == ["passed", "passed", "skipped", "passed"]


VECTOR_FAULTS = {
    "final is reset": (FinalIsReset, SAME_STEP, "environment.final-observation-is-reset"),
    "final missing": (FinalMissing, SAME_STEP, "environment.final-observation-missing"),
    "claims next step": (ClaimsOtherMode, SAME_STEP, "environment.autoreset-mode-mismatch"),
    "claims same step": (ClaimsOtherMode, NEXT_STEP, "environment.autoreset-mode-mismatch"),
    "one seed": (OneSeed, SAME_STEP, "environment.vector-seeds-shared"),
    "one seed, next step": (OneSeed, NEXT_STEP, "environment.vector-seeds-shared"),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("name", "env"),
    [(n, e) for n in VECTOR_FAULTS for e in ("CartPole-v1", "Pendulum-v1")]
    + [(n, "CliffWalking-v1") for n in VECTOR_FAULTS if "seed" not in n],
)
def test_planted_faults_of_vectors_are_named(name, env, seed):
    wrapper, mode, cause = VECTOR_FAULTS[name]
    outcomes = check_vector(vector(env, mode, wrapper), seed=seed, steps=60)
    assert [found.cause for _, found in outcomes if found] == [cause]


@pytest.mark.parametrize("mode", [SAME_STEP, NEXT_STEP])
def test_one_environment_for_all_is_named(mode):
    outcomes = check_vector(lambda: one_for_all(maker("Pendulum-v1"), mode), steps=60)
    assert "environment.vector-state-shared" in [found.cause for _, found in outcomes if found]


def test_a_vector_that_returns_its_own_array_is_named():
    outcomes = check_vector(vector(copy=False), steps=60)
    causes = [found.cause for _, found in outcomes if found]
    assert causes == ["environment.observation-aliased"]


def test_a_vector_of_one_or_without_automatic_resets_says_what_is_not_seen():
    one = SyncVectorEnv([maker("Pendulum-v1")], autoreset_mode=AutoresetMode.DISABLED)
    outcomes = check_vector(lambda: one, steps=10)
    assert [check.verdict for check, _ in outcomes] == ["skipped", "passed", "skipped", "skipped"]


def test_every_named_cause_is_in_the_catalogue():
    named = {fault.cause for fault in FAULTS + END_FAULTS} | {c for *_, c in VECTOR_FAULTS.values()}
    assert named <= set(catalogue())
