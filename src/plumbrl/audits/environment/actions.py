"""What actions do: whether all of them act, each in its own way, and at once.

Each is tried against its opposite at several moments that a seed brings back.
"""

from contextlib import closing
from typing import Any

import numpy as np
from gymnasium import spaces

from plumbrl.audits.budget import Budget
from plumbrl.audits.environment.columns import FEW
from plumbrl.audits.environment.hidden import differing
from plumbrl.audits.environment.observations import Seen, check_dead
from plumbrl.audits.environment.opposites import Opposites, choices, opposites
from plumbrl.audits.environment.probing import Prober, first_effect, moments
from plumbrl.audits.environment.strength import check_strength
from plumbrl.audits.sample import Sample
from plumbrl.audits.subject import Subject
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

ACTS, DIMS = "actions make a difference", "every part of the action acts"
DELAY = "actions act at once"


def ask_actions(subject: Subject) -> list[Outcome]:
    """Return what is wrong with the effect of actions."""
    sample, budget = subject.random, subject.budget.part(0.2)
    with closing(subject.make_env()) as env:
        prober = Prober(env, moments(env, subject.seed))
        effects = Effects(prober, subject.spaces[1], budget, blind=_blind(sample))
        outcomes = effects.outcomes()
        if effects.repeatable and len(sample):
            outcomes.append(effects.strength(sample.next_observations))
    return outcomes


def _blind(sample: Sample) -> str:
    """Return which observations never change; empty where all do."""
    check, _ = check_dead(Seen.of([sample])) if len(sample) >= FEW else (None, None)
    return check.reason if check is not None and check.verdict == "failed" else ""


class Effects:
    """Tries actions and judges what they do.

    Args:
        prober: Brings moments back.
        space: Of actions.
        budget: Once it is over, fewer moments are compared.
        blind: Which observations never change, in words; empty where all do.
    """

    repeatable = True
    """Whether the same actions have the same effect and any effect at all; known afterwards."""

    def __init__(
        self, prober: Prober, space: spaces.Space, budget: Budget, *, blind: str = ""
    ) -> None:
        self._prober, self._space, self._budget, self._blind = prober, space, budget, blind

    def outcomes(self) -> list[Outcome]:
        """Return all outcomes; where nothing can be repeated, there is only one."""
        tried = self._tried()
        if not tried or not self._repeats(tried[0]):
            self.repeatable = False
            reason = "the same seed and actions give other episodes, so nothing can be compared"
            return [(Check(ACTS, "inconclusive", reason), None)]
        acts = self._acts(tried)
        if acts[1]:
            self.repeatable = False
            return [acts, *(skipped(name, "no action does anything") for name in (DIMS, DELAY))]
        return [acts, self._parts(), self._delay()]

    def strength(self, observations: np.ndarray) -> Outcome:
        """Judge how strong actions are; `observations` (N, D) show what moves anyhow."""
        return check_strength(self._prober, self._space, observations, self._budget)

    def _tried(self) -> list[Any]:
        if isinstance(self._space, spaces.Discrete):
            return choices(self._space)
        if pairs := opposites(self._space):
            return [action for pair in pairs for action in (pair.low, pair.high)]
        return [action for m in self._prober.moments for action in m.before][:6]

    def _repeats(self, action: Any) -> bool:
        first, again = self._prober.answer(1, action), self._prober.again(1, action)
        if first is None or again is None:
            return first is again
        return first.same(again)

    def _acts(self, tried: list[Any]) -> Outcome:
        count = 0
        for other in tried[1:]:
            answers = self._prober.answers(tried[0], other, self._budget)
            count += len(answers)
            if any(not one.same(two) for _, one, two in answers):
                return Check(ACTS, "passed", f"seen after {count} comparisons"), None
        if count < 4:
            return Check(ACTS, "inconclusive", f"only {count} comparisons were possible"), None
        reason = f"{len(tried)} actions, held for {self._prober.hold} steps: all {count} equal"
        evidence = Evidence("comparisons in which anything differs", 0, "above 0")
        return found(ACTS, "environment.action-ignored", reason, evidence)

    def _parts(self) -> Outcome:
        if isinstance(self._space, spaces.Discrete):
            return self._alike(self._space)
        pairs = opposites(self._space)
        if len(pairs) < 2:
            return skipped(DIMS, "the action has no parts that could be tried alone")
        inert = [pair for pair in pairs if self._inert(pair)]
        if not inert:
            return Check(DIMS, "passed", f"each of {len(pairs)} numbers acts"), None
        if len(inert) == len(pairs):
            return Check(DIMS, "inconclusive", "no number acts alone"), None
        return self._without_effect(inert, pairs)

    def _without_effect(self, inert: list[Opposites], pairs: list[Opposites]) -> Outcome:
        held = f"held at both bounds for {self._prober.hold} steps"
        names = ", ".join(pair.name for pair in inert)
        reason = f"no effect is seen, {held}: {names} of {len(pairs)}"
        told = self._hidden(inert)
        moving = [name for name, follows in told.items() if follows]
        if moving:
            return Check(DIMS, "inconclusive", f"{reason}; but {_some(moving)} follows"), None
        sure = 0.97
        if self._blind:
            reason = f"{reason}; the effect may be in an observation that {self._blind}"
            if not any(self._hidden([pair for pair in pairs if not self._inert(pair)]).values()):
                return Check(DIMS, "inconclusive", reason), None
            sure, reason = 0.6, f"{reason}, but reward and infos follow the other numbers only"
        if told:
            sure, reason = 0.6, f"{reason}; {_some(list(told))} differs, by the same at all steps"
        share = Evidence("numbers of the action without effect", len(inert), "0")
        return found(DIMS, "environment.action-inert", reason, share, confidence=sure)

    def _inert(self, pair: Opposites) -> bool:
        """What is seen counts; of what is not, `_without_effect` makes less."""
        answers = self._prober.answers(pair.low, pair.high, self._budget)
        return bool(answers) and all(first_effect(a, b) is None for _, a, b in answers)

    def _hidden(self, pairs: list[Opposites]) -> dict[str, bool]:
        """Return what differs unseen, and whether it follows the action: a charge is constant."""
        told: dict[str, bool] = {}
        for pair in pairs:
            for _, a, b in self._prober.answers(pair.low, pair.high, self._budget):
                for name, follows in differing(a.hidden, b.hidden).items():
                    told[name] = told.get(name, False) or follows
                if len(a.rewards) != len(b.rewards):
                    told["the end of the episode"] = True
        return told

    def _alike(self, space: spaces.Discrete) -> Outcome:
        actions = choices(space)
        pairs = [(b, a) for i, a in enumerate(actions) for b in actions[:i]]
        alike = [f"{a} and {b}" for a, b in pairs if self._same(a, b)]
        if not alike:
            return Check(DIMS, "passed", f"{len(actions)} actions differ"), None
        evidence = Evidence("pairs of actions that do the same", len(alike), "0")
        reason = f"do the same at all moments: {', '.join(alike[:5])}"
        cause = "environment.actions-alike"
        if self._measured(actions[0]):
            return found(DIMS, cause, reason, evidence, confidence=0.8)
        return Check(DIMS, "inconclusive", f"{reason}; in other cells they may differ"), None

    def _same(self, one: int, other: int) -> bool:
        answers = self._prober.answers(one, other, self._budget)
        return bool(answers) and all(a.same(b) for _, a, b in answers)

    def _measured(self, action: int) -> bool:
        """Whether observations are measurements, which any push changes, and no cells."""
        answer = self._prober.answer(0, action)
        rows = answer.observations if answer else np.zeros(0)
        return not np.array_equal(rows, np.round(rows))

    def _delay(self) -> Outcome:
        times = [
            first_effect(a, b)
            for pair in self._pairs()
            for _, a, b in self._prober.answers(pair.low, pair.high, self._budget)
        ]
        seen = [when for when in times if when is not None]
        if len(seen) < 4:
            return skipped(DELAY, f"an effect on observations was seen {len(seen)} times only")
        soonest = min(seen)
        reason = f"the first effect is seen after {soonest} steps, usually {np.median(seen):g}"
        if soonest <= 1:
            return Check(DELAY, "passed", reason), None
        evidence = Evidence("steps until an action shows", soonest, "1", "step")
        sure = 0.8 if soonest == 2 else 0.9  # where speeds are not shown, a push shows one later
        return found(DELAY, "environment.action-delayed", reason, evidence, confidence=sure)

    def _pairs(self) -> list[Opposites]:
        if isinstance(self._space, spaces.Discrete):
            first, *others = choices(self._space)
            return [Opposites("the choice", first, other) for other in others]
        return opposites(self._space)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
