"""What could be wrong with a trainer, and what each mistake would do to each probe.

Most mistakes are a rule: the probe solved again under that rule says which numbers the trainer
would give. The rest only say which probes fail, or how the answers lie between untrained and right.
"""

from collections.abc import Iterable

from plumbrl.probes.fitted import fitted
from plumbrl.probes.patterns import (
    diverged,
    lower,
    slow,
    unchanged,
    undecided,
    untried,
    values_hardly_moved,
    values_unchanged,
    wrong_actions,
)
from plumbrl.probes.problem import Problem
from plumbrl.probes.solve import Rule
from plumbrl.probes.suspect import OFF, ON, Suspect
from plumbrl.probes.trial import Trial

CHOICES = (
    "action", "observation-action", "credit", "next-best", "action-plane", "action-range",
    "exploration",
)  # fmt: skip
"""Probes in which actions matter."""
TRIED = ("exploration", "action", "action-range")
"""Those in which the best action has to be tried first."""


def suspects(trials: Iterable[tuple[Problem, Trial]]) -> list[Suspect]:
    """Return every suspect, with those whose rule has to be measured first on the trials."""
    return [*_FIXED, *fitted(list(trials))]


_BLIND = Rule(belongs="any", sees=False)
_FIXED = [
    Suspect("optimiser.no-update", pattern=unchanged),
    Suspect("optimiser.learning-rate-too-low", pattern=slow),
    Suspect("optimiser.diverges", pattern=diverged, luck=True),
    Suspect("value.not-updated", pattern=values_unchanged, loose=values_hardly_moved),
    Suspect("value.bootstrap-at-terminal", (Rule(terminal="last"), Rule(terminal="reset"))),
    Suspect("value.no-bootstrap-at-truncation", (Rule(truncation="nothing"),)),
    Suspect(
        "value.no-bootstrap-at-rollout-end", pattern=lower, on=("endless",), families=ON
    ),
    Suspect("value.next-value-missing", (Rule(gamma=0.0),), families=ON),
    Suspect("value.target-network-never-updated", (Rule(frozen=True),), families=OFF),
    Suspect("value.mean-over-actions", (Rule(backup="mean"),), families=OFF),
    Suspect("value.broadcast", (Rule(belongs="any"),)),
    Suspect("value.entropy-term-missing", (Rule(bonus=0.0),), families=("soft_q",)),
    Suspect("value.entropy-sign-flipped", (Rule(bonus=-1.0),), families=("soft_q",)),
    Suspect("value.unstable-targets", on=("endless",), families=OFF),
    Suspect("data.reset-observation-bootstrapped", (Rule(truncation="reset"),)),
    Suspect("data.episode-ends-ignored", (Rule(leak=True),)),
    Suspect("data.reward-of-step-before", (Rule(late=True, acts="any"),)),
    Suspect("data.next-observation-stored", (Rule(belongs="next", sees=False),)),
    Suspect("data.shuffled", (_BLIND,)),
    Suspect("data.environments-mixed", on=("mixing",)),
    Suspect(
        "data.advantage-sign-flipped", (Rule(backup="worst", acts="worst"),), families=ON
    ),
    Suspect(
        "policy.objective-sign-flipped",
        (Rule(acts="worst"), Rule(backup="worst", acts="worst")), families=OFF,
    ),
    Suspect("policy.learns-noise", loose=wrong_actions, on=CHOICES),
    Suspect("policy.not-updated", (Rule(backup="mean", acts="any"), Rule(acts="any"))),
    Suspect("policy.no-exploration", pattern=wrong_actions, on=TRIED, families=ON, luck=True),
    Suspect("policy.no-exploration", pattern=untried, on=CHOICES, families=OFF, luck=True),
    Suspect("policy.entropy-dominates", loose=undecided, on=CHOICES, families=ON),
    Suspect("policy.action-scaling", on=("action-range",)),
    Suspect("policy.action-dimensions", on=("action-plane",)),
    Suspect("network.ignores-input", (_BLIND,)),
    Suspect("network.linear", (Rule(belongs="any", sees=False),), on=("vector",)),
    Suspect("network.image-encoder", on=("image",)),
    Suspect("network.input-missing", on=("dictionary",)),
    Suspect("network.output-not-negative", (Rule(low=0.0), Rule(low=0.0, high=0.0))),
    Suspect("network.output-bounded", (Rule(low=-1.0, high=1.0), Rule(low=0.0, high=1.0))),
    Suspect("data.reward-clipped", (Rule(clip=1.0), Rule(signs=True))),
    Suspect("data.reward-sign-flipped", (Rule(reward=-1.0),)),
    Suspect("configuration.gamma-ignored", (Rule(gamma=1.0),)),
]  # fmt: skip
