"""The page of a report: whole without anything beside it, and true to what it tells."""

import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from rich.console import Console

from plumbrl.causes import finding
from plumbrl.diagnosis import diagnose_history
from plumbrl.findings import Check, Evidence, Finding, Report, RunVerdict
from plumbrl.history import Facts, History
from plumbrl.metrics.catalogue import described
from plumbrl.report.console import print_report
from plumbrl.report.html import MEANS, report_page, write_page
from plumbrl.report.page.compare import compared
from plumbrl.report.page.groups import arranged, groups
from plumbrl.report.page.numbers import count, number, short
from plumbrl.report.page.series import Scale, round_numbers, scale_of, thinned
from plumbrl.rules import alerts_of, columns_of

EVIL = '<script>alert("1")</script>'
VOID = {"meta", "link", "br", "img", "input"}


class Tree(HTMLParser):
    """Every element with its attributes and text; that elements close in order is asserted."""

    def __init__(self, page):
        super().__init__()
        self.open, self.seen, self.text = [], [], {}
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data

    def all(self, tag, part=""):
        return [a for name, a in self.seen if name == tag and part in (a.get("class") or "")]


def history(rows=200, **facts):
    """A PPO that explodes: gradients grow from row 100 on."""
    rng = np.random.default_rng(0)
    norm = rng.uniform(0.4, 0.6, rows)
    norm[rows // 2 :] *= np.geomspace(100, 1e8, rows - rows // 2)
    columns = {
        "gradient/norm": norm,
        "rollout/ep_rew_mean": rng.normal(0, 1, rows),
        "eval/mean_reward": np.where(np.arange(rows) % 20 == 0, 1.0, np.nan),
        "train/explained_variance": rng.uniform(0.2, 0.4, rows),
        "reward/survival": rng.normal(0, 1, rows),
        "nothing": np.full(rows, np.nan),
    }
    return History(np.arange(rows) * 1000.0, columns, facts=Facts(algo="PPO", **facts))


def exploded():
    numbers = history()
    first, *_ = alerts_of(numbers)
    checks = diagnose_history(numbers, "run").checks
    return Report("run", "UNHEALTHY", (first.finding,), checks), numbers


def drawing(found, numbers):
    drawn = compared(found, numbers, columns_of(numbers))
    assert drawn is not None
    return drawn, drawn.limit


def consequence():
    follows = finding("policy.does-not-change", step=5, evidence=())
    said = "Follows from optimiser.gradient-explodes: updates hardly change the policy."
    return Finding(**{**vars(follows), "severity": "info", "summary": said})


def test_verdict_comes_first_then_findings_curves_checks_facts():
    report, numbers = exploded()
    page = report_page(report, numbers, {"seed": "10"})
    places = [page.index(f'id="{name}"') for name in
              ("verdict", "findings", "finding-1", "curves", "checks", "facts")]  # fmt: skip
    assert places == sorted(places)
    assert MEANS[report.verdict] in page
    assert ">10</dd>" in page


def test_every_verdict_is_explained_in_a_sentence():
    assert set(MEANS) == set(get_args(RunVerdict))


def test_page_asks_for_nothing_from_elsewhere():
    report, numbers = exploded()
    tree = Tree(report_page(report, numbers))
    for _, attributes in tree.seen:
        assert not (attributes.get("src") or "")
    for link in tree.all("link"):
        assert link["href"].startswith("data:")
    style = tree.text["style"]
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"fetch|XMLHttp|import\(", tree.text["script"])
    (policy,) = [m["content"] for m in tree.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'") and "script-src 'sha256-" in policy


def test_policy_allows_just_the_script_on_the_page():
    page = report_page(Report("x", "HEALTHY"))
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in page


def test_nothing_that_is_told_becomes_markup():
    evidence = (Evidence(EVIL, np.nan, EVIL, EVIL, EVIL),)
    bad = Finding(EVIL, "policy", "error", 1.0, 3, evidence, EVIL, EVIL, EVIL, {EVIL: EVIL})
    numbers = History(
        np.arange(9.0), {EVIL: np.arange(9.0)}, facts=Facts(algo=EVIL), source=EVIL, notes=(EVIL,)
    )
    checks = (Check(EVIL, "failed", EVIL), Check(EVIL, "skipped", EVIL))
    report = Report(EVIL, "BROKEN", (bad,), checks, f"plumbrl evaluate {EVIL}")
    page = report_page(report, numbers, {EVIL: EVIL})
    tree = Tree(page)
    assert len(tree.all("script")) == 1
    assert "alert" not in tree.text["script"]
    assert page.count("&lt;script&gt;alert(&quot;1&quot;)") > 15


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "file:///etc"])
def test_only_web_addresses_become_links(address):
    bad = Finding("a.b", "policy", "error", 1.0, 3, (), "What.", "Do.", address)
    hrefs = [a["href"] for a in Tree(report_page(Report("x", "BROKEN", (bad,)))).all("a")]
    assert all(h.startswith("#") for h in hrefs)
    good = Finding("a.b", "policy", "error", 1.0, 3, (), "What.", "Do.", "https://arxiv.org/abs/1")
    hrefs = [a["href"] for a in Tree(report_page(Report("x", "BROKEN", (good,)))).all("a")]
    assert "https://arxiv.org/abs/1" in hrefs


def test_finding_tells_its_grounds_and_what_to_do():
    report, numbers = exploded()
    page = report_page(report, numbers)
    told = page[page.index('id="finding-1"') : page.index("</article>")]
    first = report.findings[0]
    for text in map(
        escape, (first.cause, first.component, first.remedy, "confidence 60%", "gradient/norm")
    ):
        assert text in told
    assert f"first seen at step {first.step:,}" in told
    assert "learning_rate: x 0.3" in told
    assert number(first.evidence[0].value) in told
    tree = Tree(f"<article {told}</article>")
    assert tree.all("rect", "healthy") and tree.all("line", "limit") and tree.all("line", "mark")


def test_metric_is_drawn_as_its_rule_compared_it():
    report, numbers = exploded()
    drawn, limit = drawing(report.findings[0], numbers)
    assert "times the median" in drawn.title
    assert limit is not None and limit.value == 30 and limit.healthy == "below"
    (line,) = drawn.lines
    onset = line.values[line.steps == report.findings[0].step]
    assert onset > 30
    assert line.values[line.steps < report.findings[0].step].max() < 30


def test_finding_without_a_rule_shows_the_column_it_names():
    numbers = history()
    evidence = (Evidence("reward/survival", 1.0, "something"),)
    found = Finding("made.up", "reward", "warning", 0.5, 9, evidence, "What.", "Do.")
    drawn, limit = drawing(found, numbers)
    assert limit is None
    assert [line.name for line in drawn.lines] == ["reward/survival"]
    evidence = (Evidence("first seen in", np.nan, "finite numbers", where="gradient/norm"),)
    found = Finding("made.up", "reward", "warning", 0.5, 9, evidence, "What.", "Do.")
    assert [line.name for line in drawing(found, numbers)[0].lines] == ["gradient/norm"]
    other = Finding("made.up", "reward", "warning", 0.5, 9, (), "What.", "Do.")
    assert compared(other, numbers, columns_of(numbers)) is None


def test_no_gain_is_shown_on_the_return():
    numbers = history(random_return=2.0)
    found = finding("task.no-gain", step=9, evidence=(Evidence("gain", 0.1, "above"),))
    drawn, limit = drawing(found, numbers)
    assert [line.name for line in drawn.lines] == ["rollout/ep_rew_mean", "eval/mean_reward"]
    assert limit is not None and limit.healthy == "above" and limit.value > 2


def test_consequences_are_folded_and_not_marked_in_curves():
    root = finding("optimiser.gradient-explodes", step=100_000, evidence=())
    page = report_page(Report("x", "UNHEALTHY", (root, consequence())), history())
    assert "What follows from this (1)" in page
    folded = page[page.index("What follows from this (1)") :]
    assert "finding-2" in folded and "finding-1-title" not in folded
    marks = [a["href"] for a in Tree(page).all("a", "moment")]
    assert set(marks) == {"#finding-1"}


def test_skipped_checks_are_folded_failed_ones_come_first():
    checks = (Check("fine", "passed"), Check("left out", "skipped", "needs policy/signal"),
              Check("wrong", "failed", "since step 5"))  # fmt: skip
    page = report_page(Report("x", "UNHEALTHY", (), checks))
    page = page[page.index('id="checks"') :]
    assert "1 failed, 1 passed, 1 skipped." in page
    order = [page.index(text) for text in (">wrong<", ">fine<", "1 skipped, and why", ">left out<")]
    assert order == sorted(order)
    assert "needs policy/signal" in page


def test_next_command_can_be_copied_alone():
    step = "Rule out bugs first: plumbrl probe --algo PPO, then try clip_range: 0.2"
    page = report_page(Report("x", "NOT_LEARNING", next_step=step))
    assert [b["data-copy"] for b in Tree(page).all("button", "copy")] == [
        "plumbrl probe --algo PPO"
    ]
    page = report_page(Report("x", "HEALTHY", next_step="plumbrl evaluate runs/a, b"))
    assert [b["data-copy"] for b in Tree(page).all("button", "copy")] == [
        "plumbrl evaluate runs/a, b"
    ]
    page = report_page(Report("x", "HEALTHY", next_step="Look again."))
    assert not Tree(page).all("button", "copy") and "Look again." in page


@pytest.mark.parametrize(
    "numbers",
    [
        None,
        History(np.empty(0), {}),
        History(np.empty(0), {"train/loss": np.empty(0)}),
        History(np.array([7.0]), {"train/loss": np.array([np.nan])}),
        History(np.array([7.0]), {"train/loss": np.array([np.inf])}),
        History(np.array([7.0]), {"train/loss": np.array([0.0]), "a": np.array([-1e308])}),
        History(np.array([np.nan, 1.0]), {"train/loss": np.array([1.0, 2.0])}),
        History(np.arange(3.0), {"a": np.array([-1.7e308, 1.7e308, 0]), "b": np.full(3, 1e-320)}),
    ],
)
def test_any_history_makes_a_page(numbers):
    found = finding("task.no-gain", step=5, evidence=(Evidence("train/loss", np.nan, "less"),))
    page = report_page(Report("x", "INCONCLUSIVE", (found,)), numbers)
    assert not re.search(r"[\"= ,](nan|-?inf)\b", page[page.index("</script>") :])
    Tree(page)


def test_numbers_that_are_none_are_said_and_marked():
    values = np.array([1.0, 2.0, np.inf, 3.0, np.inf])
    tree = Tree(report_page(Report("x", "BROKEN"), History(np.arange(5.0), {"train/loss": values})))
    assert len(tree.all("line", "odd")) == 2
    assert "2 values are infinite" in tree.text["p"]


def test_curves_can_be_read_off_as_they_are():
    numbers = History(np.array([0.0, 1e6]), {"train/approx_kl": np.array([3.2e-5, 0.25])})
    (line,) = Tree(report_page(Report("x", "HEALTHY"), numbers)).all("polyline")
    assert line["data-steps"].split() == ["0", "1000000"]
    assert line["data-values"].split() == ["3.2e-5", "0.25"]
    (low, high) = (float(pair.split(",")[1]) for pair in line["points"].split())
    assert high < low, "up is up"


def test_page_stays_small_however_long_and_wide_a_run_is():
    rng = np.random.default_rng(0)
    names = [*described(), *(f"layer_gradient/layer.{i}" for i in range(600))]
    numbers = History(np.arange(3000) * 4096.0, {k: rng.normal(0, 1e-5, 3000) for k in names})
    causes = ("optimiser.gradient-explodes", "value.diverges", "policy.collapsed")
    found = tuple(finding(c, step=4096, evidence=()) for c in causes)
    page = report_page(Report("x", "UNHEALTHY", found), numbers)
    assert len(page.encode()) < 2e6
    lines = Tree(page).all("polyline")
    assert max(len(line["points"].split()) for line in lines) <= 400
    assert "columns, 200 are drawn" in page


def test_headings_and_controls_suit_a_keyboard_and_a_reader():
    report, numbers = exploded()
    page = report_page(report, numbers)
    tree = Tree(page)
    assert tree.seen[[name for name, _ in tree.seen].index("body") + 1][1]["href"] == "#main"
    levels = [int(name[1]) for name, _ in tree.seen if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    ids = [a["id"] for _, a in tree.seen if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in tree.all("a") if a["href"].startswith("#")]
    assert set(targets) <= set(ids)
    assert all(svg["aria-label"] for svg in tree.all("svg"))


def test_file_is_whole_and_reproducible(tmp_path):
    report, numbers = exploded()
    path = write_page(tmp_path / "new" / "report.html", report, numbers)
    first = path.read_bytes()
    assert first.decode() == report_page(report, numbers)
    assert write_page(path, report, numbers).read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_odd_characters_do_not_keep_a_page_from_being_written(tmp_path):
    path = write_page(tmp_path / "r.html", Report("run\udce9\x00\x1b", "HEALTHY"))
    assert "run?\ufffd\ufffd" in path.read_text(encoding="utf-8")


def test_loading_it_loads_nothing_heavy():
    program = "import sys, plumbrl.report.html; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "plumbrl" in loaded
    assert not loaded & {"torch", "stable_baselines3", "matplotlib", "mujoco"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-0.0, "0"), (0.015, "0.015"), (3.2525e-5, "3.25e-5"), (3e-5, "3e-5"),
     (0.00099999, "0.001"), (999.96, "1,000"), (12345.6, "12,346"), (-1234, "−1,234"),
     (1.5e6, "1.5e6"), (0.1 + 0.2, "0.3"), (-0.5, "−0.5"), (np.nan, "not a number"),
     (None, "not a number"), (np.inf, "∞"), (-np.inf, "−∞"), (1e300, "1e300")],
)  # fmt: skip
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


def test_timesteps_are_written_for_people():
    assert count(1064960) == "1,064,960"
    assert [short(s) for s in (0, 200_000, 1.5e6)] == ["0", "200k", "1.5M"]


def test_thinning_keeps_ends_peaks_and_dips():
    rng = np.random.default_rng(1)
    values, steps = rng.normal(0, 1, 10_000), np.arange(10_000.0)
    values[777], values[7777] = 50, -50
    x, y = thinned(steps, values, 400)
    assert 200 < len(x) <= 400
    assert {0, 777, 7777, 9999} <= set(x)
    assert (np.diff(x) > 0).all()
    assert (values[x.astype(int)] == y).all()
    assert thinned(steps[:400], values[:400], 400)[0] is not None
    assert len(thinned(steps[:400], values[:400], 400)[0]) == 400


def test_axis_is_logarithmic_where_sizes_differ_and_leaves_outliers_out():
    assert scale_of(np.geomspace(1e-6, 1, 50), []).logarithmic
    assert not scale_of(np.linspace(-1, 1, 50), []).logarithmic
    values = np.linspace(0.2, 0.9, 500)
    values[0] = -800
    assert scale_of(values, []).low > -1
    assert scale_of(np.array([0.015]), [0.05]).high > 0.05
    scale = Scale(1, 100, logarithmic=True)
    assert scale.at(10) == pytest.approx(0.5)
    assert scale.ticks() == pytest.approx([1, 10, 100])


def test_ticks_are_round():
    assert round_numbers(0, 1_064_960, 5) == [0, 500_000, 1_000_000]
    assert round_numbers(-1, 1, 5) == pytest.approx([-1, -0.5, 0, 0.5, 1])


def test_every_column_has_one_place():
    keys = [*described(), "reward/a", "term/fell", "custom", *(f"reward/{i}" for i in range(20))]
    placed = [k for _, panels in arranged(keys) for _, mine in panels for k in mine]
    assert sorted(placed) == sorted(keys)
    assert max(len(mine) for _, panels in arranged(keys) for _, mine in panels) == 8
    last = arranged(["custom"])
    assert [(g.question, panels) for g, panels in last] == [
        ("What else was recorded?", [("custom", ["custom"])])
    ]


def test_groups_ask_questions_about_columns_that_exist():
    made = {"train/kl_divergence_loss", "train/policy_loss", "train/policy_objective",
            "gradient/q_net_norm", "time/env", "time/policy", "time/learn"}  # fmt: skip
    for group in groups():
        assert group.question.endswith("?")
        for patterns in group.panels.values():
            plain = {p for p in patterns if "*" not in p}
            assert plain <= set(described()) | made


def shown_on_console(report):
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=150, file=nowhere)
        print_report(report, console)
        return console.export_text()


def test_console_says_consequences_in_a_line_and_the_next_step_last():
    evidence = (Evidence("a", 1.0, "less"), Evidence("b", 2.0, "more", where="here"))
    root = finding("optimiser.gradient-explodes", step=1, evidence=evidence)
    follows = consequence()
    checks = (Check("a", "passed"),)
    text = shown_on_console(Report("x", "UNHEALTHY", (root, follows), checks, "plumbrl probe"))
    (line,) = [line for line in text.splitlines() if "Follows from" in line]
    assert follows.cause in line
    assert "(expected less)" in text and "(expected more; here)" in text
    assert root.remedy[:40] in text and follows.remedy[:40] not in text
    assert text.splitlines()[-2].strip("│ ") == "Next: plumbrl probe"
    assert "Next" not in shown_on_console(Report("x", "HEALTHY"))
