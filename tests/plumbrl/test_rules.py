"""Every rule: silent on a healthy history, raised on a planted fault, and by what came before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbrl.causes import catalogue
from plumbrl.history import Facts, History
from plumbrl.metrics.catalogue import described
from plumbrl.rules import TABLES, alerts_of, columns_of, looked_at
from plumbrl.rules.derived import fine
from plumbrl.rules.rule import apply
from plumbrl.rules.table import WINDOW, limit_of, rules_of, table

ROWS, EACH = 240, 100
"""Rows of a history, and timesteps between them."""
ENTRIES = [(name, key) for name in TABLES.values() for key in table(name)]
RULES = dict(
    zip(ENTRIES, (rule for name in TABLES.values() for rule in rules_of(name)), strict=True)
)
each_rule = pytest.mark.parametrize("entry", ENTRIES, ids="-".join)


def parts(entry):
    name, key = entry
    return table(name)[key], RULES[entry]


def facts_for(entry, rows=ROWS, **changed):
    e, _ = parts(entry)
    off = e.family == "off-policy"
    known = {"algo": "SAC" if off else "PPO", "buffer_size": 1000 if off else None,
             "actions": 4 if e.actions == "discrete" else None,
             "action_dims": 2 if e.actions == "continuous" else None,
             "total_timesteps": rows * EACH}  # fmt: skip
    return Facts(**known | changed)


def levels(entry, facts):
    """What a rule sees on a healthy row and on a bad one, on either side of its limit."""
    e, _ = parts(entry)
    above = limit_of(e.above, e.metric, facts)
    limit = above if above is not None else limit_of(e.below, e.metric, facts)
    margin = (abs(limit) / 2 or 1.0) * (1 if above is not None else -1)
    healthy, bad = limit - margin, limit + margin
    return (1.0 if e.look == "growth" else healthy), bad


def returns_of(rows, kind):
    """Flat, or risen early and held."""
    return np.interp(np.arange(rows), [10, 20], [0, 100]) if kind == "fine" else np.ones(rows)


def history_of(entry, bad, facts, *, kind="flat", condition=True, drop=()):
    """A history in which `bad` rows, (n,), hold what the rule is about."""
    e, _ = parts(entry)
    healthy, ill = levels(entry, facts)
    seen = np.where(bad, ill, healthy)
    if e.look == "share of start":
        seen[:3] = 1.0
    if e.look == "start" and np.any(bad):
        seen[:3] = ill
    if e.look in ("size", "growth"):
        seen = seen * np.where(np.arange(len(seen)) % 2, 1, -1)
    columns = {e.metric: seen, "rollout/ep_rew_mean": returns_of(len(seen), kind)}
    if e.over is not None:
        columns[e.over] = np.full(len(seen), 2.0)
        columns[e.metric] = seen * 2.0
    for limits, side in ((e.and_above, 1), (e.and_below, -1)):
        for key, limit in limits.items():
            off = side * abs(limit) / 2 if condition else -side * abs(limit) / 2
            columns[key] = np.full(len(seen), limit + off)
    steps = EACH * np.arange(1.0, len(seen) + 1)
    return History(steps, {k: v for k, v in columns.items() if k not in drop}, facts=facts)


def alert(entry, history):
    return apply(RULES[entry], history, columns_of(history))


def begin(entry):
    """A row after the warm-up, with enough before it to compare with."""
    return int(parts(entry)[0].warm_up * ROWS) + WINDOW + 5


def rows_between(first, last, rows=ROWS):
    return (np.arange(rows) >= first) & (np.arange(rows) < last)


@each_rule
def test_it_names_what_exists(entry):
    e, rule = parts(entry)
    assert e.cause in catalogue()
    assert (e.above is None) != (e.below is None)
    names = {key for key in rule.needs if not key.startswith(("classic/", "fine"))}
    assert names <= set(described())
    assert e.reason


@each_rule
def test_it_is_silent_on_a_healthy_history(entry):
    assert alert(entry, history_of(entry, np.zeros(ROWS, dtype=bool), facts_for(entry))) is None


@each_rule
def test_it_is_raised_by_a_planted_fault(entry):
    e, rule = parts(entry)
    k = begin(entry)
    history = history_of(entry, rows_between(k, ROWS), facts_for(entry))
    found = alert(entry, history)
    assert found is not None
    latest = k + (WINDOW if e.look == "median" else 0)
    k = 0 if e.look == "start" else k
    assert history.steps[k] <= found.finding.step <= history.steps[latest]
    assert found.finding.cause == e.cause
    assert found.finding.confidence == e.confidence
    assert rule.name in [a.rule.name for a in alerts_of(history, _name(entry))]
    assert found.finding.evidence[0].name == e.metric
    assert "{" not in found.finding.evidence[0].expected


passing_rule = pytest.mark.parametrize(
    "entry", [e for e in ENTRIES if parts(e)[0].look != "start"], ids="-".join
)
"""What was so at the start stays so."""


@passing_rule
def test_what_does_not_last_does_not_raise_it(entry):
    _, rule = parts(entry)
    k = begin(entry)
    bad = rows_between(k, k + rule.persist - 1)
    assert alert(entry, history_of(entry, bad, facts_for(entry))) is None


@passing_rule
def test_it_is_cleared_when_the_fault_is_gone(entry):
    e, rule = parts(entry)
    k = begin(entry)
    last = k + rule.persist + WINDOW
    history = history_of(entry, rows_between(k, last), facts_for(entry))
    found = alert(entry, history)
    assert found is not None
    assert found.cleared is not None
    assert found.cleared <= history.steps[last + WINDOW]
    if e.look not in ("median", "growth"):
        assert found.cleared == history.steps[last]
    for_good = alert(entry, history_of(entry, rows_between(k, ROWS), facts_for(entry)))
    assert for_good is not None
    assert (for_good.cleared is None) == (e.look != "growth")  # what it grows over has grown, too


@pytest.mark.parametrize("entry", [e for e in ENTRIES if parts(e)[0].warm_up], ids="-".join)
def test_it_waits_for_its_warm_up(entry):
    """The same rows raise it where the length of the training is not known."""
    e, _ = parts(entry)
    rows = 2000
    end = int(e.warm_up * rows) - (WINDOW if e.look == "median" else 1)
    bad = rows_between(WINDOW + 1 if e.look == "growth" else 3, end, rows)
    if e.look == "median":
        bad[:3] = True
    known, unknown = (facts_for(entry, rows), facts_for(entry, rows, total_timesteps=None))
    assert alert(entry, history_of(entry, bad, known)) is None
    assert alert(entry, history_of(entry, bad, unknown)) is not None


@each_rule
def test_a_run_that_is_fine_is_left_alone(entry):
    e, _ = parts(entry)
    history = history_of(entry, rows_between(begin(entry), ROWS), facts_for(entry), kind="fine")
    assert (alert(entry, history) is None) == e.unless_fine


@pytest.mark.parametrize(
    "entry", [e for e in ENTRIES if parts(e)[0].and_above or parts(e)[0].and_below], ids="-".join
)
def test_its_condition_has_to_hold(entry):
    bad = rows_between(begin(entry), ROWS)
    assert alert(entry, history_of(entry, bad, facts_for(entry), condition=False)) is None


@each_rule
def test_what_is_missing_is_named(entry):
    _, rule = parts(entry)
    for key in rule.needs:
        if key == "fine":
            continue
        bad = rows_between(begin(entry), ROWS)
        history = history_of(entry, bad, facts_for(entry), drop={key})
        assert alert(entry, history) is None
        assert key in looked_at(history, _name(entry))[rule.name]


@each_rule
def test_where_it_does_not_apply_it_is_skipped(entry):
    e, rule = parts(entry)
    others = []
    if e.family is not None:
        off = e.family == "on-policy"
        others.append({"algo": "SAC" if off else "PPO", "buffer_size": 1000 if off else None})
    if e.actions is not None:
        discrete = e.actions == "continuous"
        others.append({"actions": 4 if discrete else None, "action_dims": None if discrete else 2})
    if e.algos:
        others.append({"algo": "SAC"})
    for changed in others:
        history = history_of(entry, rows_between(begin(entry), ROWS), facts_for(entry, **changed))
        assert alert(entry, history) is None
        assert "does not apply" in looked_at(history, _name(entry))[rule.name]


def test_names_of_rules_are_different():
    for name in TABLES.values():
        names = [rule.name for rule in rules_of(name)]
        assert len(set(names)) == len(names)


def test_published_thresholds_see_what_logs_hold():
    """Columns that only the published thresholds need are made from those that are recorded."""
    steps, ones = EACH * np.arange(1.0, 31), np.ones(30)
    columns = {"train/entropy_loss": -0.001 * ones, "value/target_min": -20 * ones,
               "value/target_max": ones}  # fmt: skip
    causes = {a.finding.cause for a in alerts_of(History(steps, columns), "classic")}
    assert causes == {"policy.entropy-collapsed", "reward.scale"}


def test_a_number_that_is_not_known_in_a_row_is_no_verdict():
    """Rows without the number neither interrupt a fault nor prolong it."""
    entry = ("table", "kl-too-large")
    facts, k = facts_for(("table", "kl-too-large")), 100
    history = history_of(entry, rows_between(k, k + 8), facts)
    kl = history["train/approx_kl"]
    kl[k + 1 : k + 7 : 2] = np.nan
    assert alert(entry, history) is not None
    kl[k + 6] = np.nan
    assert alert(entry, history) is None


@settings(max_examples=100, deadline=None)
@given(
    entry=st.sampled_from(ENTRIES),
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 30)), min_size=1, max_size=8),
    gaps=st.sets(st.integers(0, 119), max_size=20),
    known=st.booleans(),
    kind=st.sampled_from(["flat", "fine"]),
)
def test_it_is_raised_by_what_came_before(entry, runs, gaps, known, kind):
    """Every beginning of a history raises what the whole raises, from some row on."""
    bad = np.concatenate([np.full(length, ill) for ill, length in runs])[:120]
    facts = facts_for(entry, len(bad), **({} if known else {"total_timesteps": None}))
    whole = history_of(entry, bad, facts, kind=kind)
    missing = [i for i in gaps if i < len(bad)]
    whole[parts(entry)[0].metric][missing] = np.nan
    found = [alert(entry, beginning(whole, n)) for n in range(1, len(bad) + 1)]
    raised = [a.finding for a in found if a is not None]
    assert all(str(f) == str(raised[0]) for f in raised)
    first = len(found) - len(raised)
    assert all(a is None for a in found[:first])
    if raised:
        rows = [i for i in range(len(bad)) if i not in gaps]
        onset = rows.index(int(np.searchsorted(whole.steps, raised[0].step)))
        assert rows[onset + RULES[entry].persist - 1] == first


def beginning(history, n):
    columns = {key: history[key][:n] for key in history}
    return History(history.steps[:n], columns, facts=history.facts)


def _name(entry):
    return next(name for name, file in TABLES.items() if file == entry[0])


def judged_fine(returns, *, spread=None, **facts):
    columns = {"rollout/ep_rew_mean": np.asarray(returns, dtype=float)}
    if spread is not None:
        columns["rollout/ep_rew_std"] = np.full(len(returns), float(spread))
    return fine(columns, Facts(**facts))


def noise(seed, n=300):
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("seed", range(5))
def test_risen_and_held_is_fine(seed):
    returns = np.interp(np.arange(300), [50, 100], [0, 100]) + noise(seed)
    good = judged_fine(returns)
    assert not good[:50].any()
    assert good[110:].all()


def test_flat_noise_is_not_fine():
    shares = [judged_fine(noise(seed)).mean() for seed in range(40)]
    assert np.mean(np.array(shares) > 0) <= 0.1


@pytest.mark.parametrize("seed", range(5))
def test_risen_and_lost_is_not_fine_any_more(seed):
    returns = np.interp(np.arange(300), [50, 100, 180, 200], [0, 100, 100, 20]) + noise(seed)
    good = judged_fine(returns)
    assert good[110:180].all()
    assert not good[210:].any()


def test_better_than_random_actions_is_fine_from_the_start():
    returns = 50 + noise(0)
    assert judged_fine(returns, random_return=0.0)[70:].all()
    assert not judged_fine(returns, random_return=50.0)[:1].any()
    assert judged_fine(returns, random_return=50.0).mean() < 0.1
    assert not judged_fine(returns, random_return=100.0).any()


def test_the_spread_of_episodes_says_how_much_is_noise():
    returns = np.interp(np.arange(100), [20, 40], [0, 10])
    assert judged_fine(returns, spread=1.0)[50:].all()
    assert not judged_fine(returns, spread=30.0).any()


def test_before_the_first_return_nothing_is_said():
    good = judged_fine([np.nan] * 10 + [1.0] * 10)
    assert np.isnan(good[:10]).all()
    assert np.isfinite(good[10:]).all()
    assert np.isnan(fine({"train/loss": np.ones(5)}, Facts())).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 60), known=st.booleans())
def test_fine_depends_on_what_came_before(seed, n, known):
    rng = np.random.default_rng(seed)
    returns = np.cumsum(rng.normal(size=n)) * rng.integers(0, 2, n)
    returns[rng.random(n) < 0.2] = np.nan
    if np.isnan(returns[0]):
        returns[0] = 0.0
    facts = {"random_return": 0.5} if known else {}
    whole = judged_fine(returns, **facts)
    for k in range(1, n):
        np.testing.assert_array_equal(judged_fine(returns[:k], **facts), whole[:k])
