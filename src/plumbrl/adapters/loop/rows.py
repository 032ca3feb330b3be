"""Rows of numbers from what a hand-written loop says, and when they are due."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from plumbrl.adapters.episodes import Episodes
from plumbrl.adapters.loop.arrays import arrays_of, draw_of, first_bad, rollout_of
from plumbrl.adapters.loop.names import first_broken, numbers_of
from plumbrl.adapters.loop.policy import of_noise, of_ratio, with_entropy
from plumbrl.adapters.loop.steps import columns_of, steps_drawn, steps_in
from plumbrl.errors import UserError
from plumbrl.findings import NOT_FINITE, Finding
from plumbrl.monitor import numbers as named
from plumbrl.monitor.monitor import Monitor
from plumbrl.snapshots.numbers import Bounds

Array = np.ndarray
Numbers = dict[str, float]
LOOKS = 64
"""Gradient steps of an update that are looked at."""
DRAWN = ("targets", "rewards", "terminal", "actions", "log_probs", "q_values")
"""Parts of a draw, which are no numbers of their own."""
RATIOS = ("log_ratio", "logratio")


class Rows:
    """Makes rows and hands them to a monitor.

    Args:
        monitor: Takes them.
        every: Timesteps between them.
        networks: Of the loop; None if it did not say.
        bounds: Of a continuous action.

    Attributes:
        episodes: That have ended.
    """

    def __init__(self, monitor: Monitor, every: int, networks: Any, bounds: Bounds | None) -> None:
        self._monitor, self._facts, self._every = monitor, monitor.history.facts, every
        self._networks, self._bounds = networks, bounds
        self.episodes = Episodes()
        self.on_policy = False
        self._look: Any = None
        self._rollout: tuple[float, Numbers, str] | None = None
        self._batch: dict[str, Any] = {}
        self._moved: Mapping[str, Any] = {}
        self._samples = 0
        self._at = self._last = self._from = self._step = 0.0
        self._first_norm: float | None = None
        self._clock = time.perf_counter()

    def collected(self, step: float, given: Mapping[str, Any]) -> None:
        """Take a rollout; look at what is done with it, if a row is due."""
        self.close()
        self.on_policy, self._rollout = True, None
        found = arrays_of({key: part for key, part in given.items() if key != "observations"})
        self.episodes.take(found["rewards"], found["dones"] > 0, found.get("valid"))
        self._step, whole = step, bool(np.isfinite(found["rewards"].sum()))
        if step - self._at >= self._every or (not whole and self._unsaid()):
            self._take(step, found, columns_of(given.get("observations"), found["rewards"].shape))

    def _take(self, step: float, found: dict[str, Array], seen: dict[str, Array]) -> None:
        now = time.perf_counter()
        valid = {"valid": found["valid"]} if "valid" in found else {}
        bad = first_bad(found, "rollout") or first_bad(seen | valid, "rollout")
        rollout = None if bad else rollout_of(found, self._gamma(), self._bounds)
        numbers = {} if rollout is None else named.of_rollout(rollout)
        numbers |= {} if bad else named.of_steps(steps_in(found, seen, self._facts, step))
        if "value/explained_variance" in numbers:
            numbers["train/explained_variance"] = numbers["value/explained_variance"]
        numbers["time/actor_per_second"] = found["rewards"].size / max(now - self._clock, 1e-9)
        self._rollout = (step, numbers, bad)
        self._samples = (self._facts.n_epochs or 1) * found["rewards"].size
        self._open_look(self._samples // (self._facts.batch_size or self._samples))
        self._clock = time.perf_counter()

    def updated(self, given: Mapping[str, Any]) -> list[Finding]:
        """Take what was logged after learning from a rollout, and return what was raised."""
        now, rollout = time.perf_counter(), self._rollout
        self._rollout = None
        raised: list[Finding] = []
        if rollout is not None:
            step, seen, bad = rollout
            seen["time/learner_per_second"] = self._samples / max(now - self._clock, 1e-9)
            if self._look is not None:
                seen["data/staleness"] = float(self._look.steps)
            raised = self._row(step, seen, given, bad)
        elif self._unsaid() and (broken := first_broken(given)):
            raised = self._row(self._step, {}, given, f"{broken} of an update")
        self._clock = time.perf_counter()
        return raised

    def _unsaid(self) -> bool:
        """Return whether no number was said to be none yet: the first one waits for no row."""
        return not self._monitor.known & set(NOT_FINITE)

    def drawn(self, given: Mapping[str, Any]) -> None:
        """Keep a batch for the row that comes next, unless its update brings another."""
        names = ("rewards", "terminal", "targets")
        self._batch = {"q_values": given["predictions"], **{name: given[name] for name in names}}
        self._moved = given

    def learned(self, step: float | None, given: Mapping[str, Any]) -> list[Finding]:
        """Take what was logged after learning from a replay buffer, and return what was raised."""
        if step is None:
            raise UserError("update() needs step=, for no rollout() came before it.")
        raised: list[Finding] = []
        if step - self._at >= self._every:
            given = given if _is_draw(given) else {**self._batch, **given}
            seen, bad = self._drawn(given)
            now = time.perf_counter()
            seen["time/fps"] = (step - self._from) / max(now - self._clock, 1e-9)
            raised = self._row(step, seen, given, bad)
            self._clock, self._from = time.perf_counter(), step
        elif self._unsaid() and (broken := first_broken(given)):
            raised = self._row(step, {}, given, f"{broken} of an update")
        ahead = step - self._last  # until the next call, if it comes as this one did
        self._last = step
        if step + ahead - self._at >= self._every and self._look is None:
            self._open_look(int(ahead))
        return raised

    def _drawn(self, given: Mapping[str, Any]) -> tuple[Numbers, str]:
        if not _is_draw(given):
            return {}, ""
        draw = draw_of(given, self._gamma())
        parts = {"q_values": draw.q_values, "rewards": draw.rewards, "targets": draw.targets}
        bad = first_bad({k: v for k, v in parts.items() if v is not None}, "draw")
        if bad:
            return {}, bad
        moved = named.of_steps(steps_drawn(self._moved, self._facts)) if self._moved else {}
        return named.of_draw(draw) | moved, bad

    def _row(self, step: float, seen: Numbers, given: Mapping[str, Any], bad: str) -> list[Finding]:
        looked, worse = self._look.finish() if self._look else ({}, "")
        self._look = None
        bad = bad or worse
        row = {**seen, **looked, **self._known(given), **numbers_of(_rest(given))}
        norm = looked.get("optimiser/weight_norm")
        if norm is not None:
            self._first_norm = self._first_norm or norm
            row["optimiser/weight_growth"] = norm / self._first_norm
        if bad:
            row["data/non_finite"] = 1.0
        self._at = step
        return self._monitor.row(int(step), len(self._monitor), with_entropy(row, self._facts), bad)

    def _known(self, given: Mapping[str, Any]) -> Numbers:
        """Return what is known of the policy, and of the episodes that ended last."""
        found = self.episodes.numbers()
        ratio = given.get("log_ratio", given.get("logratio"))
        if ratio is not None:
            found |= of_ratio(ratio)
        if self._networks is not None:
            found |= self._networks.gpu()
        noise = self._networks.noise() if self._networks else None
        if noise is not None:
            found |= of_noise(noise, self._bounds)
        if self._facts.clip_range is not None:
            found["train/clip_range"] = self._facts.clip_range
        return found

    def _open_look(self, steps: int) -> None:
        if self._networks is not None:
            from plumbrl.adapters.loop.networks import Look

            facts = self._facts
            every = max(1, steps // LOOKS)
            self._look = Look(self._networks, facts.max_grad_norm, facts.batch_size, every)

    def close(self) -> None:
        """Take everything off the networks."""
        look, self._look = self._look, None
        if look is not None:
            look.close()

    def _gamma(self) -> float:
        if self._facts.gamma is None:
            raise UserError("The watch needs gamma=, the discount factor.")
        return self._facts.gamma


def _rest(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is logged as it is: no parts of a draw beside their Q-values, no ratios."""
    drawn = set(DRAWN) if _is_draw(given) else set[str]()
    return {k: v for k, v in given.items() if k not in {*drawn, *RATIOS}}


def _is_draw(given: Mapping[str, Any]) -> bool:
    return all(given.get(key) is not None for key in ("q_values", "rewards", "terminal"))
