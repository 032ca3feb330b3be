"""Numbers that are none, in a history: what was seen to be so, or stopped being a number."""

import numpy as np

from plumbrl.causes import finding
from plumbrl.findings import Evidence, Finding
from plumbrl.history import History

MARK = "data/non_finite"
LOSSES = ("train/loss", "train/value_loss", "train/policy_gradient_loss", "train/approx_kl",
          "train/critic_loss", "train/actor_loss", "train/entropy_loss")  # fmt: skip
NUMBERS = ("train/", "value/", "policy/", "gradient/", "advantage/", "rollout/ep_rew_mean")
GONE = 3
"""Rows at the end without a number, where there was one in nearly every row before."""
USUAL = 0.9


def broken_numbers(history: History) -> list[Finding]:
    """Return where a number became NaN or infinite first; nothing if none did."""
    looks = (_marked, _infinite, _gone, _never)
    seen = [found for look in looks if (found := look(history))]
    if not seen:
        return []
    step, name = min(seen)
    evidence = (Evidence("first seen in", float("nan"), "finite numbers", where=name),)
    return [finding("optimiser.not-finite", step=int(step), evidence=evidence)]


def _marked(history: History) -> tuple[float, str] | None:
    if MARK not in history or not np.nanmax(history[MARK], initial=0) > 0:
        return None
    return float(history.steps[np.argmax(history[MARK] > 0)]), "gradients or weights"


def _infinite(history: History) -> tuple[float, str] | None:
    found = [
        (float(history.steps[np.argmax(np.isinf(history[key]))]), key)
        for key in history
        if key.startswith(NUMBERS) and np.isinf(history[key]).any()
    ]
    return min(found, default=None)


def _never(history: History) -> tuple[float, str] | None:
    """A loss that was logged as NaN from the first row on."""
    names = [key for key in LOSSES if key in history.undefined]
    if not names or history.rows < GONE:
        return None
    what = f"{', '.join(names)} in every row; what came first cannot be told from this log"
    return float(history.steps[0]), what


def _gone(history: History) -> tuple[float, str] | None:
    """A loss that was in every row and is not in the last ones, though rows go on, is NaN."""
    others = [key for key in history if key not in LOSSES]
    found = []
    for key in LOSSES:
        known = np.isfinite(history[key]) if key in history else np.zeros(0, dtype=bool)
        if not known.any() or len(known) - 1 - (last := int(np.flatnonzero(known)[-1])) < GONE:
            continue
        alive = any(np.isfinite(history[other][last + 1 :]).sum() >= GONE for other in others)
        if alive and known[: last + 1].mean() > USUAL:
            found.append((float(history.steps[last + 1]), key))
    return min(found, default=None)
