"""What actions change in the return, against chance: a constant in the reward cancels.

The ratio of the mean reward to its deviation does not: any constant added to the reward sets it at
will. Here, episodes start alike and differ only in actions, so that their returns differ by what
was done; chance is measured by doing the same again, and by what does not follow from transitions.
"""

from contextlib import closing
from dataclasses import dataclass

import gymnasium
import numpy as np

from plumbrl.audits.budget import Budget
from plumbrl.audits.restore import MakeEnv
from plumbrl.audits.reward.observable import unexplained_variance
from plumbrl.audits.subject import Subject
from plumbrl.audits.traces import sampled_actions
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
NAME = "actions make a difference to the return, above chance"
STARTS, OTHERS, HORIZON = 5, 8, 50
"""Starts, action sequences from each, and steps of each sequence."""
DROWNED = 0.1
"""Variance by actions over that by chance, below which most of what is learned from is chance."""


@dataclass(frozen=True)
class Signal:
    """Variances of returns over `HORIZON` steps from the same start.

    Attributes:
        actions: By different actions.
        repeats: By the same actions once more; 0 where all that is random is seeded.
        starts: How many were compared.
    """

    actions: float
    repeats: float
    starts: int

    @property
    def by_actions(self) -> float:
        """What actions do beyond what repeating them does."""
        return max(0.0, self.actions - self.repeats)


def ask(subject: Subject) -> list[Outcome]:
    """Ask whether actions matter to the return."""
    signal = measure(subject.make_env, subject.seed, subject.budget.part(0.1))
    sample = subject.random
    inner = sample.rewards[~sample.ended]
    most = float(inner.var()) if len(inner) else 0.0
    if signal is not None and signal.by_actions > DROWNED * HORIZON * most:
        return [judge(signal, most)]
    return [judge(signal, unexplained_variance(sample))]


def measure(make_env: MakeEnv, seed: int, budget: Budget) -> Signal | None:
    """Compare returns from restored starts; None if there was time for none."""
    rows: list[Array] = []
    with closing(make_env()) as env:
        for k in range(STARTS):
            returns = [
                _return(env, seed + k, sampled_actions(env, HORIZON, 1000 * k + max(j - 1, 0)))
                for j in range(OTHERS + 1)
                if not budget.over
            ]
            if len(returns) == OTHERS + 1:
                rows.append(np.array(returns))
    if not rows:
        return None
    returns = np.array(rows)  # the first two columns are of the same actions
    repeats = float(np.mean((returns[:, 0] - returns[:, 1]) ** 2) / 2)
    return Signal(float(np.mean(returns[:, 1:].var(axis=1, ddof=1))), repeats, len(rows))


def _return(env: gymnasium.Env, seed: int, actions: list) -> float:
    env.reset(seed=seed)
    total = 0.0
    for action in actions:
        _, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        if terminated or truncated:
            break
    return total


def judge(signal: Signal | None, unexplained: float) -> Outcome:
    """Compare what actions do with what chance does.

    Args:
        signal: Variances of returns.
        unexplained: Variance of a step's reward that follows from nothing that was seen, at most.
    """
    if signal is None:
        return skipped(NAME, "no time was left")
    if not np.isfinite(signal.actions):
        return skipped(NAME, "returns are not finite")
    chance = max(signal.repeats, HORIZON * unexplained)
    actions = signal.by_actions
    reason = (
        f"from the same start, returns over {HORIZON} steps vary by {np.sqrt(actions):.3g} with "
        f"the actions and by at most {np.sqrt(chance):.3g} by chance"
    )
    evidence = (
        Evidence("variance by actions over variance by chance", actions / max(chance, 1e-12),
                 f"above {DROWNED}", "", f"{signal.starts} starts"),
        Evidence("deviation of returns by actions", float(np.sqrt(actions)), "above 0"),
    )  # fmt: skip
    if actions < DROWNED * chance:
        return found(NAME, "reward.noise-drowns-actions", reason, *evidence, confidence=0.8)
    if not actions:
        return Check(NAME, "inconclusive", f"{reason}; nothing was reached that pays"), None
    return Check(NAME, "passed", reason), None
