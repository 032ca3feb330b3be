"""The monitor while a run goes on, the diagnosis afterwards, and that both say the same."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plumbrl.causes import catalogue, finding
from plumbrl.diagnosis import diagnose_history
from plumbrl.diagnosis.advice import next_step
from plumbrl.diagnosis.graph import edges, ranked
from plumbrl.findings import Check, Evidence
from plumbrl.history import Facts, History
from plumbrl.logs import read
from plumbrl.monitor.monitor import FILE, AlertError, Monitor
from plumbrl.oracles.settings import check_settings
from plumbrl.rules import alerts_of
from plumbrl.snapshots.settings import Settings

EACH = 512
"""Timesteps between rows."""


def facts_of(rows, **more):
    return Facts(algo="PPO", gamma=0.99, actions=4, total_timesteps=rows * EACH, **more)


def columns_of(seed=0, rows=120, **more):
    """A run that learns, and finishes."""
    rng = np.random.default_rng(seed)
    returns = np.interp(np.arange(rows), [0.1 * rows, 0.5 * rows], [0, 100])
    columns = {
        "rollout/ep_rew_mean": returns + rng.normal(size=rows),
        "train/approx_kl": rng.uniform(0.004, 0.02, rows),
        "train/clip_fraction": rng.uniform(0.05, 0.2, rows),
        "train/value_loss": rng.uniform(1, 2, rows),
        "train/explained_variance": np.linspace(0, 0.9, rows),
        "policy/entropy_relative": np.linspace(0.99, 0.3, rows),
        "gradient/norm": rng.uniform(0.3, 0.6, rows),
    }
    return columns | more


def flat(seed=0, rows=120):
    return np.random.default_rng(seed).normal(size=rows)


def rows_of(columns):
    """The same as rows; a number that is None in a row is left out."""
    n = len(next(iter(columns.values())))
    return [{key: float(column[i]) for key, column in columns.items()} for i in range(n)]


def watched(columns, folder=None, **more):
    rows = rows_of(columns)
    monitor = Monitor(facts_of(len(rows)), folder, **more)
    for i, row in enumerate(rows):
        monitor.row((i + 1) * EACH, i, row)
    monitor.judge()
    return monitor


def from_row(k, value, otherwise, rows=120):
    return np.where(np.arange(rows) >= k, value, otherwise)


FAULTS = {
    "none": {},
    "no gain": {"rollout/ep_rew_mean": flat()},
    "no exploration": {
        "rollout/ep_rew_mean": flat(), "policy/entropy_relative": from_row(30, 0.001, 0.9)
    },
    "steps too large": {
        "rollout/ep_rew_mean": flat(), "train/approx_kl": from_row(50, 5.0, 0.01),
        "train/clip_fraction": from_row(52, 0.9, 0.1), "policy/ess": from_row(54, 0.05, 0.9),
    },
    "collapse": {"rollout/ep_rew_mean": np.interp(np.arange(120), [0, 40, 80, 90], [0, 99, 99, 0])},
    "explosion": {
        "rollout/ep_rew_mean": flat(), "gradient/norm": from_row(60, 1e6, 0.5),
        "train/value_loss": from_row(61, 1e9, 1.0),
    },
    "not finite": {"train/value_loss": from_row(70, np.nan, 1.0)},
    "came and went": {"rollout/ep_rew_mean": flat(), "train/approx_kl": np.where(
        (np.arange(120) > 40) & (np.arange(120) < 60), 5.0, 0.01)},
    "negative divergence": {"train/approx_kl": from_row(40, -0.1, 0.01)},
}  # fmt: skip
each_fault = pytest.mark.parametrize("fault", FAULTS)


def told(report):
    return report.verdict, [(f.cause, f.step, f.severity, f.confidence) for f in report.findings]


@each_fault
def test_live_and_afterwards_say_the_same(fault, tmp_path):
    monitor = watched(columns_of(**FAULTS[fault]), tmp_path)
    afterwards = read(tmp_path)
    assert afterwards.facts == monitor.history.facts
    assert told(diagnose_history(monitor.history, "a")) == told(diagnose_history(afterwards, "a"))
    rules = [found for found in monitor.findings if found.cause != "optimiser.not-finite"]
    firsts = {a.finding.cause: a.finding for a in reversed(alerts_of(afterwards))}
    assert {f.cause: (f.step, f.severity) for f in rules} == {
        cause: (f.step, f.severity) for cause, f in firsts.items()
    }


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_live_and_afterwards_say_the_same_of_anything(seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    columns = columns_of(seed)
    for key in columns:
        start, size = rng.integers(0, 100), 10.0 ** rng.integers(-6, 6)
        if rng.random() < 0.5:
            columns[key][start : start + rng.integers(1, 60)] *= size
        if rng.random() < 0.1:
            columns[key][rng.integers(0, 120)] = rng.choice([np.nan, np.inf, -np.inf])
    folder = tmp_path_factory.mktemp("run")
    monitor = watched(columns, folder)
    afterwards = diagnose_history(read(folder), "a")
    assert told(diagnose_history(monitor.history, "a")) == told(afterwards)


def test_a_healthy_run_raises_nothing():
    for seed in range(3):
        assert watched(columns_of(seed)).findings == []


def test_what_was_not_finite_first_is_said_once():
    monitor = Monitor(facts_of(100))
    monitor.row(512, 0, {"train/loss": 1.0})
    raised = monitor.row(1024, 1, {"train/loss": np.nan}, "gradient of actor.0.weight")
    again = monitor.row(1536, 2, {"train/loss": np.nan}, "weights: actor.0.weight")
    assert [(f.cause, f.step) for f in raised] == [("optimiser.not-finite", 1024)]
    assert raised[0].evidence[0].where == "gradient of actor.0.weight"
    assert again == []


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_else_the_number_itself_is_named(number):
    raised = Monitor(facts_of(100)).row(512, 0, {"train/loss": 1.0, "train/value_loss": number})
    assert raised[0].evidence[0].where == "train/value_loss"


def test_sinks_that_raise_are_dropped_and_the_others_are_not():
    seen = []

    def broken(found):
        seen.append(("broken", found.cause))
        raise OSError("planted")

    def sound(found):
        seen.append(("sound", found.cause))

    columns = columns_of(**FAULTS["steps too large"])
    monitor = watched(columns, sinks=[broken, sound, broken])
    causes = [found.cause for found in monitor.findings]
    assert len(causes) >= 2
    assert [cause for who, cause in seen if who == "sound"] == causes
    assert [cause for who, cause in seen if who == "broken"] == causes[:1] * 2


def test_it_stops_at_the_first_error_where_asked_to():
    with pytest.raises(AlertError, match=r"optimiser\.gradient-explodes") as error:
        watched(columns_of(**FAULTS["explosion"]), stop_on_error=True)
    assert error.value.finding.severity == "error"
    watched(columns_of(**FAULTS["explosion"]))


def test_warnings_do_not_stop_it():
    monitor = watched(columns_of(**FAULTS["steps too large"]), stop_on_error=True)
    assert monitor.findings
    assert {found.severity for found in monitor.findings} == {"warning"}


@pytest.mark.parametrize(
    ("fault", "at"),
    [("none", 60), ("steps too large", 0), ("steps too large", 53), ("steps too large", 56),
     ("not finite", 75), ("explosion", 62), ("collapse", 120)],
)  # fmt: skip
def test_it_goes_on_as_if_it_had_never_stopped(fault, at, tmp_path):
    columns = columns_of(**FAULTS[fault])
    whole = watched(columns, tmp_path / "whole")
    rows = rows_of(columns)
    first = Monitor(facts_of(120), tmp_path / "parts")
    for i, row in enumerate(rows[:at]):
        first.row((i + 1) * EACH, i, row)
    for i in range(at, min(at + 3, 120)):  # of a part that was not saved
        Monitor(facts_of(120), tmp_path / "parts").row((i + 1) * EACH, i, {"train/loss": 7.0})
    _, *lines = (tmp_path / "parts" / FILE).read_text().splitlines()
    second = Monitor(facts_of(120), tmp_path / "parts")
    second.go_on([json.loads(line) for line in lines[:at]], first.known)
    for i, row in enumerate(rows[at:], at):
        second.row((i + 1) * EACH, i, row)
    assert str([*first.findings, *second.findings]) == str(whole.findings)
    assert (tmp_path / "parts" / FILE).read_text() == (tmp_path / "whole" / FILE).read_text()


@each_fault
def test_what_was_raised_before_is_found_again(fault, tmp_path):
    whole = watched(columns_of(**FAULTS[fault]), tmp_path)
    _, *lines = (tmp_path / FILE).read_text().splitlines()
    again = Monitor(facts_of(120))
    again.go_on([json.loads(line) for line in lines])
    rules = {f.cause: f.step for f in whole.findings if f.cause != "optimiser.not-finite"}
    found = {f.cause: f.step for f in again.findings if f.cause != "optimiser.not-finite"}
    assert found == rules
    assert len({f.cause for f in again.findings}) == len(again.findings)
    assert again.judge() == []


def test_long_runs_are_judged_less_often_and_all_the_same():
    rows = 1500
    kl = from_row(1301, 5.0, 0.01, rows)
    columns = columns_of(rows=rows, **{"train/approx_kl": kl})
    columns["rollout/ep_rew_mean"] = flat(rows=rows)
    monitor = watched(columns)
    found = next(f for f in monitor.findings if f.cause == "policy.kl-too-large")
    assert found.step == 1302 * EACH


def found_of(cause, step=0, confidence=0.6):
    evidence = (Evidence("planted", 1.0, "0"),)
    return finding(cause, step=step, evidence=evidence, confidence=confidence)


def test_a_consequence_comes_after_its_cause_and_is_softened():
    cause, consequence, other = "policy.kl-too-large", "policy.clipping-excessive", "reward.noisy"
    findings = [found_of(consequence, 600), found_of(other, 10), found_of(cause, 500)]
    first, second, last = ranked(findings, 10_000)
    assert (first.cause, second.cause, last.cause) == (cause, other, consequence)
    assert first == findings[2]
    assert last.severity == "info"
    assert last.confidence == pytest.approx(0.18)
    assert last.summary.startswith(f"Follows from {cause}: ")


def test_what_comes_long_before_is_no_consequence():
    findings = [found_of("policy.kl-too-large", 9000), found_of("policy.clipping-excessive", 10)]
    assert sorted(ranked(findings, 10_000), key=str) == sorted(findings, key=str)


def test_what_is_certain_stays_as_it_is_and_comes_after_a_cause_that_names_it():
    bug = found_of("value.bootstrap-at-terminal", 512, confidence=1.0)
    broken = found_of("optimiser.not-finite", 600, confidence=1.0)
    rate, other = found_of("configuration.learning-rate-unusual"), found_of("reward.constant", 9)
    assert ranked([broken, other, rate], 10_000) == [rate, broken, other]
    assert ranked([rate, bug, other], 10_000) == [bug, rate, other]  # `value.*` explains no bug


@pytest.mark.parametrize(
    "late",
    ["optimiser.gradient-explodes", "optimiser.steps-too-large", "policy.kl-too-large",
     "policy.entropy-collapsed", "value.diverges", "value.q-diverges", "network.weights-grow"],
)  # fmt: skip
@pytest.mark.parametrize("first", ["configuration.learning-rate-unusual", "reward.scale"])
def test_a_setting_and_the_reward_come_before_what_they_do(first, late):
    cause = replace(found_of(first), severity="warning")
    findings = [found_of(late, 500, 0.95), cause, found_of("task.no-gain", 900, 0.95)]
    causes = [found.cause for found in ranked(findings, 1000)]
    assert causes == [first, "task.no-gain", late]


def test_of_two_that_explain_each_other_the_earlier_is_the_cause():
    pair = ("value.diverges", "optimiser.gradient-explodes")
    for early, late in (pair, pair[::-1]):
        order = ranked([found_of(late, 1010), found_of(early, 1000)], 100_000)
        assert [f.cause for f in order] == [early, late]
        assert order[0].severity == "error"
        assert order[1].severity == "info"


def test_the_graph_speaks_of_causes_that_exist():
    assert set(edges()) <= set(catalogue())
    for patterns in edges().values():
        assert {p for p in patterns if "*" not in p} <= set(catalogue())


CAUSES = sorted({*edges(), *(p for ps in edges().values() for p in ps if p in catalogue())})


@settings(max_examples=300, deadline=None)
@given(
    steps=st.dictionaries(
        st.sampled_from(CAUSES) | st.sampled_from(sorted(catalogue())),
        st.sampled_from([0, 100, 104, 108, 5000]),
        max_size=12,
    ),
    certain=st.sets(st.sampled_from(CAUSES), max_size=2),
)
@example(steps={"value.diverges": 100, "optimiser.gradient-explodes": 100}, certain=set())
@example(steps={"policy.entropy-collapsed": 0, "policy.alpha-collapsed": 0}, certain=set())
def test_no_finding_is_lost(steps, certain):
    findings = [found_of(c, s, 1.0 if c in certain else 0.6) for c, s in steps.items()]
    order = ranked(findings, 200)
    assert sorted(f.cause for f in order) == sorted(steps)
    place = {f.cause: i for i, f in enumerate(order)}
    given = {f.cause: f for f in findings}
    roots = {f.cause for f in order if f == given[f.cause]}
    assert bool(roots) == bool(findings)
    for found in order:
        assert found.step == steps[found.cause]
        cause = found.summary.removeprefix("Follows from ").partition(":")[0]
        if found.cause in roots:
            continue
        assert replace(found, severity="info", confidence=0.0, summary="") == replace(
            given[found.cause], severity="info", confidence=0.0, summary=""
        )
        assert place[cause] < place[found.cause]
        assert found.confidence < given[found.cause].confidence
        seen = {found.cause}
        while cause not in roots:  # what explains it comes from a root in the end
            assert cause not in seen
            seen.add(cause)
            above = next(f for f in order if f.cause == cause)
            cause = above.summary.removeprefix("Follows from ").partition(":")[0]


def verdict_of(columns, findings=(), **more):
    rows = len(next(iter(columns.values())))
    steps = EACH * np.arange(1.0, rows + 1)
    history = History(steps, columns, facts=facts_of(rows, **more))
    return diagnose_history(history, "a", findings)


OVERFITTED = np.interp(np.arange(120), [0, 60, 119], [0, 80, 20])
VERDICTS = {
    "HEALTHY": {},
    "NOT_CONVERGED": {"rollout/ep_rew_mean": np.linspace(0, 100, 120) + flat()},
    "NOT_LEARNING": FAULTS["no gain"],
    "NOT_EXPLORING": FAULTS["no exploration"],
    "UNHEALTHY": FAULTS["collapse"],
    "OVERFITTING": {
        "rollout/ep_rew_mean": np.linspace(0, 100, 120) + flat(),
        "eval/mean_reward": np.where(np.arange(120) % 4 == 0, OVERFITTED + flat(1), np.nan),
    },
    "INCONCLUSIVE": {"rollout/ep_rew_mean": np.full(120, np.nan)},
    "BROKEN": FAULTS["not finite"],
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict(verdict):
    report = verdict_of(columns_of(**VERDICTS[verdict]))
    assert report.verdict == verdict
    assert report.next_step or verdict == "HEALTHY"  # of no run folder
    assert (report.findings == ()) == (verdict in ("HEALTHY", "INCONCLUSIVE"))


def test_an_identity_that_does_not_hold_breaks_a_healthy_run():
    broken = found_of("value.bootstrap-at-terminal", 512, confidence=1.0)
    report = verdict_of(columns_of(), [broken])
    assert report.verdict == "BROKEN"
    assert report.findings[0] == broken


def test_what_a_watch_marked_breaks_a_healthy_run():
    report = verdict_of(columns_of(**{"data/non_finite": from_row(70, 1.0, np.nan)}))
    assert report.verdict == "BROKEN"
    assert report.findings[0].cause == "optimiser.not-finite"
    assert report.findings[0].step == 71 * EACH


def test_a_run_that_learned_with_a_fault_is_unhealthy():
    report = verdict_of(columns_of(**FAULTS["negative divergence"]))
    assert report.verdict == "UNHEALTHY"
    assert report.findings[0].cause == "policy.kl-negative"


def test_a_cause_is_told_before_that_nothing_is_learned():
    report = verdict_of(columns_of(**FAULTS["steps too large"]))
    causes = [found.cause for found in report.findings]
    assert report.verdict == "NOT_LEARNING"
    assert causes[0] == "policy.kl-too-large"
    assert causes.index("task.no-gain") < causes.index("policy.ratio-explodes")


def test_what_came_and_went_does_not_decide():
    columns = columns_of(**FAULTS["came and went"])
    found = next(f for f in verdict_of(columns).findings if f.cause == "policy.kl-too-large")
    assert found.severity == "info"


def doubted(columns):
    """A run whose learning rate is unusual, as it is found before the first step."""
    outcomes = check_settings(Settings(algo="PPO", learning_rates=np.full(101, 0.1)))
    ((check, found),) = [outcome for outcome in outcomes if outcome[1]]
    history = History(EACH * np.arange(1.0, 121), columns, facts=facts_of(120))
    return diagnose_history(history, "a", [found], [check])


def test_a_doubtful_setting_is_a_note_while_the_return_grows():
    for verdict in ("HEALTHY", "NOT_CONVERGED"):
        report = doubted(columns_of(**VERDICTS[verdict]))
        assert (report.verdict, report.exit_code) == (verdict, 0)
        assert report.findings[0].cause == "configuration.learning-rate-unusual"
        assert report.checks[0].verdict == "inconclusive"


def test_a_doubtful_setting_comes_first_where_nothing_is_gained():
    report = doubted(columns_of(**FAULTS["steps too large"]))
    assert (report.verdict, report.exit_code) == ("NOT_LEARNING", 3)
    assert report.findings[0].cause == "configuration.learning-rate-unusual"


def test_what_a_doubtful_setting_does_is_unhealthy_though_it_explains_it():
    diverges = {"train/approx_kl": from_row(50, 5.0, 0.01)}
    report = doubted(columns_of(**diverges))
    assert (report.verdict, report.exit_code) == ("UNHEALTHY", 3)
    assert report.findings[0].cause == "configuration.learning-rate-unusual"
    assert report.findings[1].summary.startswith("Follows from configuration")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_verdict_and_exit_code_agree(verdict):
    report = verdict_of(columns_of(**VERDICTS[verdict]))
    fine = verdict in ("HEALTHY", "NOT_CONVERGED", "INCONCLUSIVE")
    assert report.exit_code == (0 if fine else 3)


def scaled(times, algo="PPO", follows=False):
    """A run that gains nothing; its numbers as large as such rewards make them."""
    rng = np.random.default_rng(0)
    off = algo == "SAC"
    losses = {"train/critic_loss": 5.0 * times**2 * rng.uniform(0.8, 1, 120)} if off else {
        "train/value_loss": 100.0 * times**2 * rng.uniform(0.8, 1, 120),
        "train/explained_variance": np.full(120, 0.8 if follows else 0.001),
    }  # fmt: skip
    columns = {
        "rollout/ep_rew_mean": (-1400 + 30 * flat()) * times,
        "rollout/ep_len_mean": np.full(120, 200.0),
        "gradient/norm": 5.0 * times * rng.uniform(0.8, 1, 120), **losses,
    }  # fmt: skip
    facts = Facts(algo=algo, total_timesteps=120 * EACH, buffer_size=1000 if off else None)
    return diagnose_history(History(EACH * np.arange(1.0, 121), columns, facts=facts), "a")


@pytest.mark.parametrize("algo", ["PPO", "SAC"])
def test_rewards_out_of_scale_are_the_first_cause(algo):
    report = scaled(10_000, algo)
    causes = [found.cause for found in report.findings]
    assert causes[:3] == ["reward.scale", "task.no-gain", "optimiser.gradient-explodes"]
    assert report.findings[0].severity == "warning"
    named = {found.cause for found in scaled(1, algo).findings}
    assert "reward.scale" not in named


def test_large_returns_that_estimates_follow_are_no_fault():
    assert "reward.scale" in {f.cause for f in scaled(100).findings}
    assert "reward.scale" not in {f.cause for f in scaled(100, follows=True).findings}


def test_everything_that_was_looked_at_is_listed():
    report = verdict_of(columns_of(**FAULTS["steps too large"]))
    verdicts = {check.name: check.verdict for check in report.checks}
    assert verdicts["kl too large"] == "failed"
    assert verdicts["gradient explosion"] == "passed"
    assert verdicts["q diverges"] == "skipped"
    assert report.exit_code == 3


def test_hyper_parameters_come_after_bugs():
    """Settings are advised at once only where exact checks speak for the trainer."""
    passed = [Check(f"identity {i}", "passed") for i in range(5)]
    failed = [*passed, Check("identity 5", "failed")]
    slow = Facts(algo="PPO", learning_rate=1e-5, ent_coef=0.001, clip_range=0.015)
    assert "learning_rate: x 10" in next_step("NOT_LEARNING", (), passed, "run", slow)
    assert "clip_range: x 1.3" in next_step("NOT_LEARNING", (), passed, "run", slow)
    for checks in ([], passed[:4], failed):
        said = next_step("NOT_LEARNING", (), checks, "run", slow)
        assert said.startswith("Rule out bugs first: plumbrl probe --algo sb3:PPO")
    assert "weight_decay: x 5" in next_step("OVERFITTING", (), passed, "run", slow)
    assert "learning_rate: x 0.1" in next_step("UNHEALTHY", (), passed, "run", slow)


def test_settings_are_not_raised_blindly():
    fast = Facts(algo="PPO", learning_rate=1.0, ent_coef=10.0, clip_range=0.2)
    assert "x " not in next_step("NOT_LEARNING", (), [], "run", fast)
    assert "x " not in next_step("NOT_LEARNING", (), [], "run", Facts())
    sac = Facts(algo="SAC", learning_rate=3e-4)
    assert "clip_range" not in next_step("NOT_LEARNING", (), [], "run", sac)
    zero = finding("reward.constant", step=1, evidence=())
    assert "learning_rate" not in next_step("NOT_LEARNING", [zero], [], "run", fast)
