"""Published faulty programs: the 15 synthetic ones of DRLinter, and 27 labelled artefacts.

The labels are those of Nikanjam et al. 2022 (arXiv 2101.00135), 24 posts on Stack Overflow and 3
issues on GitHub. Every program was written anew after its label, for CartPole, in torch; what a
label leaves open was chosen here.
"""

from dataclasses import dataclass
from typing import Any

from programs import off_policy as q
from programs import on_policy as pg
from programs.dqn import DQN
from programs.ppo import PPO


@dataclass(frozen=True)
class Program:
    """A faulty program, or a clean one.

    Attributes:
        source: ``DRLinter n``, ``SO n``, ``tensorforce n``, ``keras-rl n``; ``clean`` for a twin.
        make: Called with an environment (None for its own), a seed, and a folder.
        what: Is wrong, in a sentence; empty for a twin.
        causes: That may be named.
        exact: Whether an identity is violated.
        custom: Whether its environment is its own, so that its user would audit it.
    """

    source: str
    make: Any
    what: str = ""
    causes: tuple[str, ...] = ()
    exact: bool = True
    custom: bool = False

    @property
    def name(self) -> str:
        return f"{self.source} {self.make.__name__}".replace(" ", "-")

    @property
    def algo(self) -> str:
        return "PPO" if issubclass(self.make, PPO) else "DQN"


NOT_CLOSED = ("environment.not-closed",)
NO_EXPLORATION = ("configuration.exploration-missing", "policy.no-exploration")
NO_DECAY = ("configuration.exploration-never-decays", "policy.stays-random")
HASTY = ("configuration.exploration-decays-early", "policy.no-exploration")
OFTEN = ("configuration.target-is-online", "value.target-network-updated-too-often")
NEVER = ("value.target-network-never-updated", "configuration.target-never-updated")
BEYOND = ("environment.stepped-after-end", "environment.end-not-reported")
NO_GRADIENT = (
    "value.no-gradient",
    "value.wrong-prediction",
    "network.zero-gradient",
    "optimiser.no-update",
)

DRLINTER = (
    Program("DRLinter 1", q.NotClosed, "env.close is missing.", NOT_CLOSED),
    Program("DRLinter 2", q.Greedy, "Actions are always greedy.", NO_EXPLORATION, False),
    Program("DRLinter 3", q.NeverReset, "No reset at the end of an episode.", BEYOND),
    Program("DRLinter 4", q.NeverStepped, "env.step is never called.",
            ("environment.never-stepped",)),
    Program("DRLinter 5", q.EndsIgnored, "The branch for the end of an episode is gone.", BEYOND),
    Program("DRLinter 6", q.EpsilonStays, "Epsilon is never reduced.", NO_DECAY, False),
    Program("DRLinter 7", q.EpsilonGrows, "Epsilon is divided by its decay, and grows.", NO_DECAY,
            False),
    Program("DRLinter 8", q.CopiedOften, "The target network is copied every other step.", OFTEN,
            False),
    Program("DRLinter 9", q.Relu, "A ReLU after the last layer.",
            ("network.output-not-negative",)),
    Program("DRLinter 10", q.Softmax, "A softmax after the last layer.",
            ("network.output-bounded",)),
    Program("DRLinter 11", q.NeverCreated, "The environment is never created.",
            ("environment.missing",)),
    Program("DRLinter 12", q.CopiedBack, "The target network is copied to the trained one.",
            ("value.target-network-roles-swapped", *NEVER)),
    Program("DRLinter 13", q.NeverCopied, "The target network is never updated.", NEVER),
    Program("DRLinter 14", q.LargestValueAsAction, "The largest value is used as the action.",
            ("policy.action-outside-space",)),
    Program("DRLinter 15", q.WrongTarget, "The target is gamma (r - V).",
            ("value.wrong-target", "value.next-value-sign-flipped")),
)  # fmt: skip

LABELLED = (
    Program("SO 57106676", q.CopiedAtEveryStep, "The target network is copied at every step.",
            OFTEN, False),
    Program("SO 56964657", q.NoDiscount,
            "The target network is copied too often; no discount, and -1 at the end.",
            (*OFTEN, "configuration.gamma-ignored", "data.wrong-reward", "value.other-gamma",
             "value.wrong-target")),
    Program("SO 60447432", q.DuelingHalfCopied,
            "The target of a dueling network is updated in part.",
            ("value.wrong-target-network", *NEVER)),
    Program("SO 48898104", q.NoTargetNetwork, "The trained network makes its own targets.",
            ("value.online-network-in-target", *OFTEN), False),
    Program("SO 53802453", pg.ArraysReversed, "Advantages are in reversed order.",
            ("data.wrong-advantage", "data.shuffled")),
    Program("SO 59592009", pg.Classifier, "Updated as a classifier of its own actions.",
            ("policy.learns-noise", "policy.wrong-loss", "policy.not-updated",
             "policy.no-exploration", "policy.entropy-collapsed", "policy.no-signal"), False),
    Program("tensorforce 697", q.ActionAsInput, "The network is fed with the action.",
            ("value.wrong-prediction", "network.ignores-input", "data.wrong-observation")),
    Program("SO 37524472", q.LastScore, "The target has the last score, not the best next value.",
            ("value.wrong-target",)),
    Program("SO 47750291", q.Greedy, "There is no exploration at all.", NO_EXPLORATION, False),
    Program("SO 54385568", q.EpsilonGoneAtOnce, "Epsilon is gone after a few dozen steps.", HASTY,
            False),
    Program("SO 51425688", q.EpsilonHigh, "Epsilon is not reduced.", NO_DECAY, False),
    Program("SO 49035549", q.LinearAndHasty, "Epsilon falls too fast, and there is no ReLU.",
            ("network.linear", *HASTY)),
    Program("SO 62405053", q.ResultIgnored, "What the environment returns is dropped.",
            (*BEYOND, "data.observation-stored-as-next")),
    Program("SO 50308750", q.NotClosed, "env.close is missing.", NOT_CLOSED),
    Program("SO 43854157", q.ResetAtEveryStep, "The environment is reset before every step.",
            ("environment.reset-at-every-step", "environment.episodes-end-at-once")),
    Program("SO 47643678", q.NoTerminals, "The replay knows no terminal states.",
            ("value.bootstrap-at-terminal",)),
    Program("keras-rl 298", q.LimitAsEnd, "A time limit is stored as a terminal state.",
            ("value.no-bootstrap-at-truncation",)),
    Program("tensorforce 669", q.CustomReset, "Reset of an own environment shows an old state.",
            ("environment.stale-reset-observation", "environment.state-leaks-across-episodes",
             "environment.jumps-after-reset"), custom=True),
    Program("SO 54849812", q.ArgmaxInLoss, "The loss of a Q-learner contains an argmax.",
            NO_GRADIENT),
    Program("SO 48740685", pg.ArgmaxInLoss, "The loss of a policy contains an argmax.",
            ("policy.no-gradient", "policy.not-updated", "policy.does-not-change"), False),
    Program("SO 40896951", q.Sigmoid, "The last activation cannot reach the targets.",
            ("network.output-bounded",)),
    Program("SO 55552366", q.ErrorNotSquared, "The loss is the error and not its square.",
            ("value.wrong-loss",)),
    Program("SO 53304915", q.ActionsMixedUp, "One-hot actions are read along the wrong axis.",
            ("data.wrong-replay-action", "data.wrong-action")),
    Program("SO 44444923", q.TargetNotDetached, "The gradient flows through the target.",
            ("value.target-not-detached",)),
    Program("SO 53830617", q.InvertedGradient, "The gradient is inverted.",
            ("value.loss-sign-flipped", "optimiser.diverges")),
    Program("SO 52682521", q.ValueInsteadOfError, "The derivative is that of something else.",
            ("value.wrong-loss",)),
    Program("SO 55673412", q.GradientCleared, "Gradients are cleared between backward and step.",
            ("optimiser.gradient-lost",)),
)  # fmt: skip


CLEAN = (
    Program("clean", DQN), Program("clean", q.DoubleDQN), Program("clean", q.SoftTarget),
    Program("clean", q.DuelingClean), Program("clean", q.LimitClean), Program("clean", PPO),
)  # fmt: skip

PROGRAMS = (*DRLINTER, *LABELLED)
