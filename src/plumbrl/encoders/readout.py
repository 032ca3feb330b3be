"""What an image encoder keeps of images, without the decoder it was trained with."""

import numpy as np

from plumbrl.encoders.network import Encoder
from plumbrl.snapshots.internals import Images

Array = np.ndarray
SHOWN = 6
"""Images that are kept to be shown."""
RIDGE = 1e-3
"""Of the features' own variance; keeps a feature that hardly varies from being blown up."""


def readout(encoder: Encoder, images: Array, held_out: float = 0.3) -> Images:
    """Return how much of images a linear map of their features gives back.

    A lower bound: a decoder as deep as the encoder recovers more. It needs no training and no
    weights that an encoder file does not have.

    Args:
        encoder: In evaluation mode.
        images: uint8 (n, C, H, W), neighbours in time beside each other, n at least 10.
        held_out: Share, at the end, that is not fitted to but judged by.

    Returns:
        Some of those held out, from the best to the worst, and the explained variance of all of
        them against the mean of the fitted ones; negative if the readout is worse than that mean.
    """
    import torch

    with torch.no_grad():
        features = encoder(torch.as_tensor(images)).double().cpu().numpy()
    pixels = images.reshape(len(images), -1) / 255.0
    fitted = int(len(images) * (1 - held_out))
    mean, centre = pixels[:fitted].mean(axis=0), features[:fitted].mean(axis=0)
    x, y = features[:fitted] - centre, pixels[:fitted] - mean
    gram = x.T @ x
    gram += RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12) * np.eye(len(gram))
    read = (features[fitted:] - centre) @ np.linalg.solve(gram, x.T @ y) + mean
    wrong, spread = ((part - pixels[fitted:]) ** 2 for part in (read, mean))
    explained = 1 - float(wrong.sum()) / max(float(spread.sum()), 1e-12)
    ranks = np.linspace(0, len(read) - 1, min(SHOWN, len(read))).astype(int)
    chosen = np.argsort(wrong.sum(axis=1))[ranks]
    shape = (len(chosen), *images.shape[1:])
    return Images(
        pixels[fitted:][chosen].reshape(shape), np.clip(read[chosen], 0, 1).reshape(shape),
        explained, features.shape[1],
    )  # fmt: skip
