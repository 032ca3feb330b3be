"""Mistakes that an identity which held speaks against: it looked at where they would be."""

from collections.abc import Collection

REMAINS = 0.05
"""What is left of the prior of such a mistake: identities look at the first updates only."""
_STORED = "stored transitions against what happened"
_ROWS = ("stored observations against what happened", "stored rewards against what happened")
_TARGETS = (
    "value.bootstrap-at-terminal", "value.no-bootstrap-at-truncation",
    "value.no-bootstrap-at-rollout-end", "value.next-value-missing", "value.other-gamma",
    "configuration.gamma-ignored", "configuration.gamma-lambda-swapped",
    "configuration.lambda-ignored", "data.reset-observation-bootstrapped",
    "data.episode-ends-ignored", "data.advantage-sign-flipped",
)  # fmt: skip
_DRAWN = ("data.shuffled", "data.next-observation-stored", "data.environments-mixed")
_STILL = ("optimiser.no-update", "policy.not-updated", "value.not-updated")
CLEARS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    ((_STORED,), ("data.reward-of-step-before",)),
    ((_STORED, "advantages recomputed from what happened"), _TARGETS),
    ((_STORED, "minibatches against the rollout"), _DRAWN),
    (("shapes of the loss's operands",), ("value.broadcast",)),
    (("parameters changed by the update",), _STILL),
    (_ROWS, ("data.reward-of-step-before",)),
    ((*_ROWS, "batches against the replay buffer"), _DRAWN),
    (("operands of the critic's loss",), ("value.broadcast",)),
    (("loss of the actor recomputed",), ("policy.objective-sign-flipped",)),
    (("every trainable parameter learns",), _STILL),
)
"""Identities that must all have held, and the mistakes that they would have shown.

Off policy they look at one probe, in which every step ends its episode: nothing follows there about
discounts, time limits and target networks.
"""


def cleared(held: Collection[str]) -> frozenset[str]:
    """Return the causes that identities speak against.

    Args:
        held: Names of identities that were looked at and never broken.
    """
    names = set(held)
    return frozenset(
        cause for needed, causes in CLEARS if names.issuperset(needed) for cause in causes
    )
