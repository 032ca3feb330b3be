"""The questions put to one trainer on one probe, again and again while it learns."""

from dataclasses import dataclass, field

import numpy as np

from plumbrl.adapters.subject import Subject
from plumbrl.probes.measure import Question, ask, fits, questions, right_answers
from plumbrl.probes.problem import Array, Problem

CONFIRM = 3
"""Checkpoints in a row at which every answer must be right."""
SETTLED = 15
"""Checkpoints over which wrong answers must stay put, after having moved, to be given up early."""


@dataclass
class Examination:
    """Asks a trainer at checkpoints, until its answers are right and stay so.

    Attributes:
        problem: The probe.
        subject: The trainer.
        returns: Of the episodes played so far; grows as it learns.
        asked: What is asked.
        before: Answers before training.
        given: Last answers.
        right: Right answers, at the time of the last.
        bonus: Entropy bonus of each state then (soft values), or None.
        streak: Checkpoints in a row at which all was right.
        wrong: Checkpoints in a row at which something was wrong.
        history: Every answer given, one array per checkpoint.
    """

    problem: Problem
    subject: Subject
    returns: list[float]
    asked: list[Question] = field(default_factory=list)
    before: list[Array] = field(default_factory=list)
    given: list[Array] = field(default_factory=list)
    right: list[Array] = field(default_factory=list)
    bonus: Array | None = None
    streak: int = 0
    wrong: int = 0
    history: list[Array] = field(default_factory=list)

    def begin(self) -> None:
        """Ask before training."""
        self.asked = questions(self.problem, self.subject)
        self.before = self._ask()

    def checkpoint(self) -> bool:
        """Ask now; return whether there is nothing more to learn."""
        self.given = self._ask()
        if self.subject.bonus:
            everything = self.problem.batch(list(range(self.problem.n_states)))
            self.bonus = self.subject.bonus(everything)
        lam = self.subject.gae_lambda or 0.0
        self.right = right_answers(self.problem, self.asked, lam, bonus=self.bonus)
        answers = zip(self.asked, self.given, self.right, strict=True)
        self.streak = self.streak + 1 if all(fits(self.problem, *a) for a in answers) else 0
        self.wrong = 0 if self.streak else self.wrong + 1
        self.history.append(np.concatenate([np.ravel(g) for g in self.given]))
        return self.passed or (self.streak == 0 and (self.settled or self.lost))

    @property
    def lost(self) -> bool:
        """Whether answers are no numbers, or ever further beyond anything the problem holds."""
        if len(self.history) <= SETTLED:
            return False
        sizes = np.abs(np.array(self.history[-SETTLED:])).max(axis=1)
        largest = max(1.0, *(float(np.abs(r).max()) for r in self.right))
        return bool(not np.isfinite(sizes).all() or sizes.min() > 10 * largest)

    @property
    def settled(self) -> bool:
        """Whether wrong answers have left where they began and then stayed, noise apart."""
        if len(self.history) <= SETTLED or self.problem.best is not None:
            return False  # the mean of a Gaussian may rest for long and move on
        if self.subject.family != "value":
            return False  # values rest between copies to a target network
        smallest = min(question.tolerance for question in self.asked) / 5
        recent = np.array(self.history[-SETTLED:])
        begun = np.concatenate([np.ravel(b) for b in self.before])
        moved = np.abs(recent[-1] - begun).max() > smallest
        third = SETTLED // 3
        drift = np.abs(recent[-third:].mean(axis=0) - recent[:third].mean(axis=0)).max()
        return bool(moved and self.wrong >= SETTLED and drift < smallest)

    @property
    def unrest(self) -> float:
        """Median change of the values between checkpoints, over the last of them; 0 if unknown."""
        values = [
            np.full(np.size(given), question.quantity in ("value", "q"))
            for question, given in zip(self.asked, self.given, strict=True)
        ]
        recent = np.array(self.history[-SETTLED:])[:, np.concatenate(values)]
        if len(recent) < CONFIRM or not recent.size or not np.isfinite(recent).all():
            return 0.0
        return float(np.median(np.abs(np.diff(recent, axis=0)).max(axis=1)))

    @property
    def passed(self) -> bool:
        """Whether answers were right often enough in a row."""
        return self.streak >= CONFIRM

    def _ask(self) -> list[Array]:
        return [ask(self.subject, self.problem, q, self.returns) for q in self.asked]
