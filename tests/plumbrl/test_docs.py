"""The pages that are generated are what the program does now, and say all of it."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from plumbrl.metrics.catalogue import described
from plumbrl.rules import TABLES
from plumbrl.rules.table import Entry, rules_of

DOCS = Path(__file__).parents[2] / "docs"


def generator():
    spec = spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = generator()


@pytest.mark.parametrize("name", generate.pages())
def test_committed_pages_are_those_that_are_generated(name):
    made = generate.pages()[name]
    assert (DOCS / name).read_text(encoding="utf-8") == made, "run python docs/generate.py"


def test_every_name_and_every_alert_is_there_once():
    pages = generate.pages()
    for name in described():
        assert pages["metrics.md"].count(f"\n| `{name}` |") == 1, name
    default, classic = pages["alerts.md"].split(generate.CLASSIC)
    for said, rules in ((default, "default"), (classic, "classic")):
        for rule in rules_of(TABLES[rules]):
            assert said.count(f"\n| {rule.name} |") == 1, rule.name


@pytest.mark.parametrize("page", generate.pages().values(), ids=list(generate.pages()))
def test_tables_are_whole_and_links_lead_somewhere(page):
    blocks = [block.splitlines() for block in page.split("\n\n")]
    tables = [lines for lines in blocks if lines[0].startswith("| ")]
    assert len(tables) > 5
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1, lines[0]
    for link in ("watching.md", "metrics.md", "alerts.md"):
        assert f"]({link})" not in page or (DOCS / link).is_file()
    assert "{" not in page and "nan" not in page.split()


def test_a_condition_says_everything_that_decides():
    entry = Entry.model_validate({
        "cause": "x.y", "metric": "a/b", "over": "c/d", "as": "size", "above": 0.5,
        "and_below": {"e/f": 0.001}, "persist": 7, "warm_up": 0.3, "family": "off-policy",
        "actions": "discrete", "rollout": 256, "expected": "below {limit}", "reason": "So.",
    })  # fmt: skip
    told = generate.condition(entry)
    assert told == (
        "size of `a/b` / `c/d` is above 0.5 while `e/f` is below 0.001, for 7 rows in a row"
    )
    assert generate._applies(entry) == (
        "off-policy; discrete actions; rollouts of 256 timesteps or more;"
        " after 30% of the training; unless fine"
    )
    plain = entry.model_copy(update={"warm_up": 0, "unless_fine": False, "persist": 1})
    assert generate._applies(plain).endswith("from the start; fine or not")
    assert generate.condition(plain).endswith("in one row")


def test_a_limit_from_a_band_is_worked_out_for_each_family():
    entry = Entry.model_validate({
        "cause": "x.y", "metric": "m", "above": {"of": "high", "times": 2, "least": 0.1},
        "expected": "below {limit}", "reason": "So.",
    })  # fmt: skip
    known = {"on-policy": {"m": {"low": 0, "high": 3}}, "off-policy": {"m": {"low": 0, "high": 4}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plumbrl.rules.table.bands", lambda: known)
        assert generate._expected(entry) == "below 6 (on-policy) or 8 (off-policy)"
        one = entry.model_copy(update={"family": "off-policy"})
        assert "2 times the high end of the band, at least 0.1, which is 8" in generate.condition(
            one
        )
