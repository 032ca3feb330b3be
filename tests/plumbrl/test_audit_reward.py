"""Faulty rewards are named; healthy ones raise no alarm."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from faults.audit_reward import FAULTS, Offset, Opaque, Scaled
from faults.point_mass import Reach
from faults.shaping import OnlyProgress, PotentialItself, TerminalKept, WithoutGamma
from plumbrl.audits.budget import Budget
from plumbrl.audits.reward import LOOKS
from plumbrl.audits.reward.clipping import check_clipping
from plumbrl.audits.reward.components import (
    check_cancelling,
    check_dead,
    check_serving,
    check_shares,
)
from plumbrl.audits.reward.direction import check_hacking, check_sign, recurrence
from plumbrl.audits.reward.ending import check_ending
from plumbrl.audits.reward.observable import check_predictable
from plumbrl.audits.reward.prediction import fit, fit_labels
from plumbrl.audits.reward.scale import returns_to_go
from plumbrl.audits.reward.shaping import check_loops
from plumbrl.audits.reward.signal import Signal, judge
from plumbrl.audits.reward.sparsity import check_sparsity
from plumbrl.audits.reward.sums import check_sums
from plumbrl.audits.reward.task_metric import episode_metric
from plumbrl.audits.sample import Sample, collect
from plumbrl.audits.subject import Subject
from plumbrl.causes import catalogue
from plumbrl.errors import UserError
from plumbrl.shaping import PotentialShaping

HEALTHY = [
    "CartPole-v1",
    "Pendulum-v1",
    "Acrobot-v1",
    "MountainCar-v0",
    "FrozenLake-v1",
    "Taxi-v4",
    "Blackjack-v1",
    "InvertedPendulum-v5",
    "InvertedDoublePendulum-v5",
    "Hopper-v5",
    "Reacher-v5",
]
SLOW = ["CliffWalking-v1", "HalfCheetah-v5", "Walker2d-v5", "Swimmer-v5", "ballbot:Ballbot-v0"]
CALLED_CHANCE = {("batched", "HalfCheetah-v5")}
"""Paid every tenth step in 17 dimensions: the reward is accused, of being random."""
QUICK = ("CartPole-v1", "Pendulum-v1", "Hopper-v5", "Taxi-v4", "FrozenLake-v1")


def subject(make, seed, steps=1500, **known):
    asked = Subject("test", make, seed=seed, budget=Budget(8.0), **known)
    asked.__dict__["random"] = collect(make, steps=steps, episodes=100, seed=seed)
    return asked


def findings(asked):
    told = [found for look in LOOKS for _, found in look.ask(asked) if found]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(told, key=lambda f: (order[f.severity], -f.confidence))


def silent(env, seed, steps=1500):
    asked = subject(lambda: gymnasium.make(env), seed, steps)
    for look in LOOKS:
        for check, found in look.ask(asked):
            assert check.verdict != "failed", check.reason
            assert found is None or found.severity == "info"


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("env", HEALTHY)
def test_healthy_rewards_raise_no_alarm(env, seed):
    silent(env, seed)


@pytest.mark.slow
@pytest.mark.parametrize("env", SLOW)
def test_more_healthy_rewards_raise_no_alarm(env):
    silent(env, 0, 8000)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fault", [f for f in FAULTS if not f.oracle], ids=lambda f: f.name)
def test_planted_faults_come_first(fault, seed):
    for env in [e for e in fault.envs if e in QUICK][:2]:
        steps = 8000 if env == "Taxi-v4" else 1500
        told = findings(subject(lambda env=env: fault.make(env), seed, steps))
        assert told, f"not noticed in {env}"
        assert told[0].cause in fault.causes, f"{env}: {told[0].cause}"


@pytest.mark.slow
@pytest.mark.parametrize("env", ["HalfCheetah-v5", "ballbot:Ballbot-v0"])
@pytest.mark.parametrize("fault", [f for f in FAULTS if not f.oracle], ids=lambda f: f.name)
def test_planted_faults_come_first_in_simulations(fault, env):
    if env in fault.envs:
        steps = 12_000 if fault.name == "effort" else 4000  # shares need ten finished episodes
        told = findings(subject(lambda: fault.make(env), 0, steps))
        assert told[0].component == "reward"
        assert told[0].cause in fault.causes or (fault.name, env) in CALLED_CHANCE


def balance(observation):
    _, speed, angle, turn = observation
    return int(angle + 0.5 * turn + 0.1 * speed > 0)


def swing_up(observation):
    cosine, sine, speed = map(float, observation)
    if cosine > 0.9:
        return np.array([np.clip(-10 * sine - 2 * speed, -2, 2)], np.float32)
    energy = 0.5 * speed**2 + 15 * (cosine - 1)
    return np.array([-2.0 if speed * energy > 0 else 2.0], np.float32)


ORACLES = {"CartPole-v1": balance, "Pendulum-v1": swing_up}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("env", ORACLES)
def test_a_flipped_sign_shows_against_an_oracle(env, seed):
    def expert(make):
        return collect(make, policy=ORACLES[env], steps=3000, episodes=20, seed=seed)

    def sample(make):
        return collect(make, steps=3000, episodes=50, seed=seed)

    def flipped():
        return Opaque(Scaled(gymnasium.make(env), -1.0))

    check, found = check_sign(sample(flipped), expert(flipped), "")
    assert (check.verdict, found.cause) == ("failed", "reward.sign-flipped")
    healthy = lambda: gymnasium.make(env)  # noqa: E731
    assert check_sign(sample(healthy), expert(healthy), "")[0].verdict == "passed"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_flipped_sign_shows_against_a_metric(seed):
    def told(sign):
        sample = collect(lambda: Reach(sign=sign), steps=6000, episodes=100, seed=seed)
        return check_sign(sample, None, "-distance")

    check, found = told(-1.0)
    assert (check.verdict, found.cause) == ("failed", "reward.sign-flipped"), check.reason
    check, found = told(1.0)
    assert (check.verdict, found) == ("passed", None), check.reason


@pytest.mark.parametrize("seed", [0, 1])
def test_a_metric_that_only_longer_episodes_bend_accuses_no_reward(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 50, 40)
    metric = np.repeat(1.0 / lengths + 0.01 * rng.normal(size=40), lengths)
    flat = episodes(np.ones((1, lengths.sum())), infos={"done": metric})
    sample = replace(
        flat,
        terminated=np.isin(np.arange(lengths.sum()), np.cumsum(lengths) - 1),
        episode=np.repeat(np.arange(40), lengths),
        t=np.concatenate([np.arange(n) for n in lengths]),
    )
    check, found = check_sign(sample, None, "done")
    assert np.corrcoef(sample.returns, episode_metric(sample, "done"))[0, 1] < -0.6
    assert (check.verdict, found) == ("inconclusive", None)


def test_an_oracle_that_fails_accuses_no_reward():
    make = lambda: gymnasium.make("CartPole-v1")  # noqa: E731
    bad = collect(make, policy=lambda o: int(o[2] < 0), steps=1000, episodes=30)
    check, found = check_sign(collect(make, steps=2000, episodes=50), bad, "")
    assert (check.verdict, found) == ("inconclusive", None)
    assert check_sign(bad, None, "")[0].verdict == "inconclusive"


def episodes(rewards, *, states=None, ends=True, **known):
    """Episodes of equal length: rewards (E, T)."""
    rewards = np.asarray(rewards, float)
    e, t = rewards.shape
    n, last = e * t, np.tile(np.arange(t) == t - 1, e)
    limit = last & (not ends)
    states = np.arange(n, dtype=float)[:, None] if states is None else states
    defaults = {
        "observations": states, "actions": np.zeros((n, 1)), "rewards": rewards.ravel(),
        "next_observations": states + 1.0, "terminated": last & ends, "truncated": limit,
        "episode": np.repeat(np.arange(e), t), "t": np.tile(np.arange(t), e),
        "seconds": np.zeros(n), "names": ("0",), "terms": {}, "infos": {}, "kinds": ("f",),
        "bounds": np.zeros((2, 1)),
    }  # fmt: skip
    return Sample(**defaults | known)


RNG = np.random.default_rng(0)


def test_reward_without_the_task_is_hacked():
    good = RNG.normal(size=(20, 5))
    random = episodes(good, infos={"done": good.ravel() + 5})
    hacked = episodes(good + 9, infos={"done": RNG.normal(size=100) + 5})
    honest = episodes(good + 9, infos={"done": RNG.normal(size=100) + 9})
    worse = episodes(good + 9, infos={"done": RNG.normal(size=100) + 1})
    told = {s: check_hacking(random, s_, None, "done") for s, s_ in
            (("hacked", hacked), ("honest", honest), ("worse", worse))}  # fmt: skip
    assert told["hacked"][1].cause == "reward.hacked"
    assert told["honest"][0].verdict == "passed"
    assert told["worse"][1].cause == "reward.sign-flipped"
    assert check_hacking(random, hacked, None, "")[0].verdict == "inconclusive"
    assert check_hacking(random, random, None, "done")[0].verdict == "skipped"
    assert check_hacking(random, None, None, "done")[0].verdict == "skipped"


def test_earning_more_than_the_oracle_by_never_finishing_is_hacked():
    random = episodes(RNG.normal(size=(20, 30)))
    expert = episodes(RNG.normal(size=(20, 10)) + 1)
    camper = episodes(RNG.normal(size=(20, 100)) + 1, ends=False, states=np.zeros((2000, 1)))
    check, found = check_hacking(random, camper, expert, "")
    assert (check.verdict, found.cause) == ("failed", "reward.hacked")
    assert recurrence(camper) == 0
    assert recurrence(replace(camper, observations=np.arange(2000.0)[:, None] % 25)) > 0.5


def test_metrics_are_read_by_episode():
    sample = episodes(np.zeros((2, 3)), infos={"m": np.array([1, 2, np.nan, 4, 5, 6.0])})
    assert episode_metric(sample, "m").tolist() == [1.5, 5]
    assert episode_metric(sample, "-m").tolist() == [-1.5, -5]
    assert episode_metric(sample, "") is None
    won = replace(sample, infos={"won": np.array([0, 0, 1, 0, 0, 0.0])})
    assert episode_metric(won, "won").tolist() == [1, 0]
    with pytest.raises(UserError, match="did you mean 'won'"):
        episode_metric(won, "wonn")


def test_metrics_against_the_return_name_the_sign():
    good = np.repeat(RNG.normal(size=(40, 1)), 5, axis=1)
    against = episodes(-good, infos={"done": good.ravel()})
    along = episodes(good, infos={"done": good.ravel()})
    assert check_sign(against, None, "done")[1].cause == "reward.sign-flipped"
    assert check_sign(along, None, "done")[0].verdict == "passed"


def test_terms_are_judged():
    a, b = RNG.normal(size=(2, 200))
    terms = {"task": a, "other": b}
    sample = episodes((a + b).reshape(20, 10), terms=terms)
    assert check_shares(sample, terms)[0].verdict == "passed"
    assert check_shares(sample, {"task": a, "other": 9 * b})[1].cause == "reward.term-dominates"
    assert check_cancelling(terms)[0].verdict == "passed"
    assert check_cancelling({"a": a, "b": -0.95 * a})[1].cause == "reward.terms-cancel"
    assert check_dead(terms | {"no": 0 * a}, None)[1].cause == "reward.term-dead"
    assert check_dead(terms, None)[0].verdict == "passed"
    assert check_sums(sample)[0].verdict == "passed"
    wrong = replace(sample, rewards=a - 9 * b, terms={"task": a, "other": -9 * b},
                    infos={"done": a + b})  # fmt: skip
    assert check_serving(wrong, wrong.terms, "done")[1].cause == "reward.term-against-task"
    fine = replace(sample, infos={"done": a})
    assert check_serving(fine, fine.terms, "done")[0].verdict == "passed"


def test_sums_explain_what_was_done_to_the_reward():
    total = RNG.normal(size=(10, 30))
    told = {
        "": total,
        "reward.sign-flipped": -2 * total,
        "reward.offset": total + 3,
        "reward.clipped": np.clip(total, -0.5, 0.5),
        "reward.delayed": np.roll(total, 4, axis=1),
        "reward.terminal-dropped": total * (np.arange(30) < 29),
        "reward.terms-incomplete": total + RNG.normal(size=total.shape),
    }
    for cause, rewards in told.items():
        _, found = check_sums(episodes(rewards, terms={"all": total.ravel()}))
        assert (found.cause if found else "") == cause


def test_piles_at_an_extreme_are_cuts_only_where_others_come_near():
    smooth = RNG.normal(size=(10, 100))
    check = lambda r: check_clipping(episodes(r))[0].verdict  # noqa: E731
    assert check(smooth) == "passed"
    assert check(np.minimum(smooth, 0.7)) == "failed"
    assert check(np.maximum(smooth, 0.0)) == "inconclusive"
    assert check(np.where(smooth > 1, 50.0, smooth)) == "passed"
    assert check(np.sign(smooth)) == "passed"


def test_predictions_are_made_on_parts_that_were_not_fitted_to():
    x = RNG.normal(size=(1200, 3))
    assert fit(x, x[:, 0] * x[:, 1]).unexplained < 0.01
    assert fit(x, np.cos(2 * x[:, 0])).unexplained < 0.3
    noise = fit(x, RNG.normal(size=1200))
    assert noise.unexplained > 0.95
    assert noise.dependence() > 0.05 > fit(x, np.abs(x[:, 2])).dependence()
    labels = RNG.integers(0, 5, (1200, 1))
    assert fit_labels(labels, labels[:, 0] ** 2.0).unexplained == 0
    assert np.isnan(fit_labels(np.arange(50)[:, None], np.arange(50.0)).unexplained)


def test_odd_rewards_are_no_verdict():
    for rewards in (np.full((5, 100), np.nan), np.ones((5, 100)), np.ones((1, 1))):
        assert {c.verdict for c, _ in check_predictable(episodes(rewards))} == {"skipped"}
    asked = Subject("test", lambda: gymnasium.make("CartPole-v1"))
    for rewards in (np.full((5, 10), np.nan), np.ones((1, 1)), np.zeros((1, 10))):
        asked.__dict__["random"] = episodes(rewards)
        told = [check.verdict for look in LOOKS for check, _ in look.ask(asked)]
        assert "failed" not in told


def test_constants_cancel_between_actions():
    assert judge(Signal(1.0, 0.0, 5), 0.0)[0].verdict == "passed"
    assert judge(Signal(1.0, 0.9, 5), 0.1)[1].cause == "reward.noise-drowns-actions"
    assert judge(Signal(0.0, 0.0, 5), 0.0)[0].verdict == "inconclusive"
    assert judge(None, 0.0)[0].verdict == "skipped"


def test_a_constant_matters_only_where_episodes_end():
    pendulum = subject(lambda: Opaque(Offset(gymnasium.make("Pendulum-v1"), 5.0)), 0)
    assert [f for f in findings(pendulum) if f.severity != "info"] == []
    costs = np.full((30, 10), -1.0)
    lengths = episodes(costs, states=np.zeros((300, 1)))
    assert check_ending(lengths, 0.99, 500)[0].verdict == "passed"  # all equally long


def test_ends_that_are_wins_may_be_hurried_to():
    make = lambda: Opaque(Scaled(gymnasium.make("CartPole-v1"), -1.0))  # noqa: E731
    sample = collect(make, steps=2000, episodes=50)
    assert check_ending(sample, 0.99, 500)[1].cause == "reward.ending-pays"
    won = replace(sample, infos={"is_success": sample.terminated.astype(float)})
    assert check_ending(won, 0.99, 500)[0].verdict == "passed"


def test_a_reward_that_is_always_the_same_is_sparse_only_if_lengths_are_too():
    assert check_sparsity(episodes(np.ones((20, 10)), ends=False))[1].cause == "reward.constant"
    assert check_sparsity(episodes(-np.ones((20, 10)), ends=False))[1].cause == "reward.sparse"
    assert check_sparsity(collect(lambda: gymnasium.make("CartPole-v1"), steps=500))[1] is None


def test_returns_to_go_stop_at_ends():
    assert returns_to_go(episodes([[1, 2, 4], [1, 0, 0]]), 0.5).tolist() == [3, 4, 4, 1, 0, 0]


GAMMA = 0.9
LAKE = ("FrozenLake-v1", lambda cell: 1.0 + np.sin(3.0 * float(np.squeeze(cell))))
CART = ("CartPole-v1", lambda o: 1.0 + float(o[1]))


def shaped(wrapper, env, potential, seed):
    make = lambda: wrapper(gymnasium.make(env), potential, GAMMA)  # noqa: E731
    return collect(make, steps=1200, seed=seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_loops_of_shaping_pay_nothing(seed):
    for env, potential in (LAKE, CART):
        sample = shaped(PotentialShaping, env, potential, seed)
        assert check_loops(sample, GAMMA, potential)[0].verdict == "passed"
        assert check_loops(sample, GAMMA)[0].verdict == "passed"
        for wrapper in (OnlyProgress, PotentialItself, WithoutGamma, TerminalKept):
            wrong = shaped(wrapper, env, potential, seed)
            assert check_loops(wrong, GAMMA, potential)[1].component == "reward"


def test_loops_that_pay_are_seen_without_a_potential():
    causes = {
        check_loops(shaped(wrapper, env, potential, 0), GAMMA)[1].cause
        for wrapper, (env, potential) in (
            (OnlyProgress, LAKE),
            (PotentialItself, LAKE),
            (PotentialItself, CART),
        )
    }
    assert causes == {"reward.shaping-not-potential-based"}
    assert check_loops(shaped(OnlyProgress, *CART, 0), GAMMA)[0].verdict == "inconclusive"


def test_every_named_cause_is_in_the_catalogue():
    assert {cause for fault in FAULTS for cause in fault.causes} <= set(catalogue())
