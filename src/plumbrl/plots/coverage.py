"""Which states a policy visits."""

from typing import Any

import numpy as np

from plumbrl.plots.style import SEQUENTIAL, dress, say
from plumbrl.snapshots.recording import Recordings

Array = np.ndarray


def coverage(ax: Any, recordings: Recordings, mode: str = "deterministic") -> None:
    """Which part of the space of states is visited, and where do episodes begin and end?

    Two dimensions are drawn as they are; of more, the two principal components of all episodes
    after scaling every dimension to deviation 1, and the axes say how much of the variance they
    show.
    """
    episodes = getattr(recordings, mode)
    every = (*recordings.deterministic, *recordings.stochastic)
    if len(recordings.names) < 2 or sum(len(e.rewards) for e in every) < 3 or not episodes:
        say(ax, "no two numbers in the observation to draw")
        ax.set_title(f"states, {mode}")
        return
    project, labels = projection(
        np.concatenate([e.observations for e in every]), recordings.names
    )  # the same for both modes, so that they can be compared
    x, y = project(np.concatenate([e.observations for e in episodes])).T
    ax.hexbin(x, y, gridsize=45, bins="log", cmap=SEQUENTIAL, mincnt=1, linewidths=0)
    for pick, marker, label in ((0, "o", "begin"), (-1, "X", "end")):
        points = np.array([project(e.observations[[pick]])[0] for e in episodes])
        ax.plot(*points.T, marker, ls="none", ms=7, label=label, mec="white",
                color="C3" if marker == "X" else "C0")  # fmt: skip
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
    dress(ax, f"states visited, {mode}", steps=False)


def projection(states: Array, names: tuple[str, ...]) -> tuple[Any, tuple[str, str]]:
    """Return what turns states (n, D) into points (n, 2), and what the two axes show."""
    if states.shape[1] == 2:
        return (lambda rows: rows), (names[0], names[1])
    mean, std = states.mean(axis=0), states.std(axis=0)
    scale = np.where(std > 0, std, 1.0)
    _, singular, axes = np.linalg.svd((states - mean) / scale, full_matrices=False)
    shares = singular**2 / max(float((singular**2).sum()), np.finfo(float).tiny)
    labels = []
    for i in (0, 1):
        largest = np.argsort(-np.abs(axes[i]))[:2]
        most = ", ".join(names[j] for j in largest)
        labels.append(f"PCA {i + 1} ({shares[i]:.0%}): {most}")
    return (lambda rows: (rows - mean) / scale @ axes[:2].T), (labels[0], labels[1])
