"""What was seen inside a network on a batch of n observations."""

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Gradient:
    """What one loss says about one parameter.

    Attributes:
        norm: Euclidean, of the gradient before clipping; 0 if none arrived.
        size: Root mean square of its entries, which does not grow with the layer.
        network: ``actor`` or ``critic``; vanishing is judged within one.
    """

    norm: float
    size: float
    network: str


@dataclass(frozen=True)
class Change:
    """How far a parameter moved between two moments of a training.

    Attributes:
        size: Root mean square of its entries at the later moment.
        change: Norm of the difference over the norm at the earlier moment; NaN from a norm of 0.
    """

    size: float
    change: float


@dataclass(frozen=True)
class Images:
    """What features keep of images.

    Attributes:
        originals: In [0, 1], (k, C, H, W); not used to fit the readout.
        readings: A linear readout of their features, the same shape.
        explained: Explained variance over all images that were held out.
        features: How many features an image has.
    """

    originals: Array
    readings: Array
    explained: float
    features: int


@dataclass(frozen=True)
class Internals:
    """Everything that was collected; what a policy does not have is empty, and `notes` says so.

    Attributes:
        activations: Of every activation function, (n, units), in the order of the network.
        gradients: Of every parameter by one loss of the algorithm itself.
        changes: Of every weight between two checkpoints.
        between: Timesteps of these two.
        attention: Mean weights over batch and heads, (tokens, tokens); rows sum to 1.
        tokens: Names of the tokens.
        contributions: By answer (``action``, ``value``) and part of the observation: how far the
            answer moves when the part is taken from another moment, in standard deviations of it.
        saliency: By answer, for every number in the observation: size of the derivative times the
            number's standard deviation, over the answer's, (D,).
        names: Of the D numbers.
        maps: By image: mean size of the derivative of the actions by each pixel, (H, W).
        images: What the image encoder keeps.
        notes: What could not be looked at and why, a sentence each.
    """

    activations: dict[str, Array] = field(default_factory=dict)
    gradients: dict[str, Gradient] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    between: tuple[int, int] = (0, 0)
    attention: Array | None = None
    tokens: tuple[str, ...] = ()
    contributions: dict[str, dict[str, float]] = field(default_factory=dict)
    saliency: dict[str, Array] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    maps: dict[str, Array] = field(default_factory=dict)
    images: Images | None = None
    notes: tuple[str, ...] = ()
