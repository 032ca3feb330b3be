"""Sane settings, drawn at random, are not accused; the same watch names insane ones."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import sane_settings

SEEDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_sane_trainer_is_not_accused(seed):
    assert sane_settings.accused(seed, steps=500) == []


def test_seeds_differ_and_hold_many_algorithms():
    assert len({sane_settings.drawn(seed).algo for seed in range(60)}) == len(
        sane_settings.ON + sane_settings.OFF
    )


def test_an_insane_setting_is_told(monkeypatch):
    one = sane_settings.drawn(0)
    one.settings["gamma"] = 1.5
    monkeypatch.setattr(sane_settings, "drawn", lambda seed: one)
    assert any("discount-out-of-range" in told for told in sane_settings.accused(0, steps=300))
