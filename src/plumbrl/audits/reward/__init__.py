"""Tier 1: does the reward say what is wanted, loud enough to be learned from?"""

from plumbrl.audits.reward import (
    clipping,
    components,
    direction,
    ending,
    observable,
    scale,
    shaping,
    signal,
    sparsity,
    sums,
)
from plumbrl.audits.tier import Look

LOOKS: tuple[Look, ...] = (
    Look("the reward is the sum of its terms", sums.ask),
    Look("terms of the reward", components.ask),
    Look("shaping", shaping.ask),
    Look("rewards are not cut off", clipping.ask),
    Look("rewards follow from what is seen", observable.ask),
    Look("actions against chance", signal.ask),
    Look("size of returns", scale.ask),
    Look("how often rewards tell", sparsity.ask),
    Look("what ends of episodes pay", ending.ask),
    Look("the reward points the way of the task", direction.ask),
)
"""In the order in which they are asked: identities first."""
