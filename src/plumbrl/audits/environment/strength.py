"""How strong actions are: opposite ones against what moves anyhow, small ones against full ones."""

import numpy as np
from gymnasium import spaces

from plumbrl.audits.budget import Budget
from plumbrl.audits.environment.columns import spreads
from plumbrl.audits.environment.opposites import CHOICES, moved, opposites
from plumbrl.audits.environment.probing import Prober, first_effect
from plumbrl.findings import Check, Evidence
from plumbrl.oracles.compare import Outcome, found, skipped

Array = np.ndarray
SIZE = "actions are neither too weak nor too strong"
WEAK = 0.12
"""Share of what moves anyhow below which opposite full actions are weak; healthy ones reach 0.3."""
MOVING = 0.1
"""Share of the fastest column's motion from which a column counts as moving."""
SMALL, FULL = 0.05, 0.9
"""A small action, as a share of the range, and the share of the full effect that it must not have;
where actions act in proportion it has a twentieth."""


def check_strength(
    prober: Prober, space: spaces.Space, observations: Array, budget: Budget
) -> Outcome:
    """Judge the size of what actions do.

    Args:
        prober: Brings moments back.
        space: Of actions; only a box has a size.
        observations: Under random actions, (N, D); their spread is the unit.
        budget: Once it is over, fewer moments are compared.
    """
    if not isinstance(space, spaces.Box):
        return skipped(SIZE, "actions are choices, which have no size")
    spread = spreads(observations)
    unit = np.where(spread > 1e-9, spread, np.inf)
    strength = relative_strength(prober, space, unit, budget)
    small = small_share(prober, space, unit, budget)
    if strength is None or small is None:
        return skipped(SIZE, "too few moments at which the episode goes on")
    reason = (
        f"opposite full actions part by {strength:.2g} of what moves anyhow within "
        f"{prober.hold} steps; {SMALL:.0%} of the range does {small:.0%} of the whole"
    )
    if strength < WEAK:
        evidence = Evidence("effect over natural motion", strength, f"above {WEAK}")
        return found(SIZE, "environment.action-too-weak", reason, evidence, confidence=0.85)
    if small > FULL:
        evidence = Evidence("effect of a small action over a full one", small, f"about {SMALL}")
        return found(SIZE, "environment.action-too-strong", reason, evidence, confidence=0.85)
    return Check(SIZE, "passed", reason), None


def relative_strength(
    prober: Prober, space: spaces.Box, unit: Array, budget: Budget
) -> float | None:
    """Return how far opposite actions part, over how far things move without one.

    Only columns count that move without an action; the median of them, for an echo of the last
    action or a contact may be anything.

    Args:
        prober: Brings moments back.
        space: Of actions.
        unit: Of the observations' columns, (D,); infinity for those that do not count.
        budget: Once it is over, fewer moments are compared.

    Returns:
        The ratio, of medians over moments; None for fewer than three or where nothing moves.
    """
    effects, naturals = [], []
    for pair in opposites(space):
        for k, low, high in prober.answers(pair.low, pair.high, budget):
            rest = prober.answer(k, moved(space, None, 0))
            if rest is None:
                continue
            t = min(len(a.rewards) for a in (low, high, rest))
            effects.append(np.abs(low.observations[t] - high.observations[t]) / unit)
            naturals.append(np.abs(rest.observations[t] - rest.observations[0]) / unit)
    if len(effects) < 3:
        return None
    effect, natural = np.median(effects, axis=0), np.median(naturals, axis=0)
    moving = natural > MOVING * np.max(natural, initial=0)
    return float(np.median(effect[moving] / natural[moving])) if moving.any() else None


def small_share(prober: Prober, space: spaces.Box, unit: Array, budget: Budget) -> float | None:
    """Return the effect of a small action over that of a full one, where it first shows.

    Arguments and None as for `relative_strength`.
    """
    shares = []
    for dim in range(min(int(np.prod(space.shape)), CHOICES)):
        full, small = moved(space, dim, 1), moved(space, dim, SMALL)
        for k, whole, rest in prober.answers(full, moved(space, None, 0), budget):
            part, when = prober.answer(k, small), first_effect(whole, rest)
            if part is None or when is None or when >= len(part.observations):
                continue
            base = rest.observations[when]
            most = _size(whole.observations[when] - base, unit)
            if most > 0:
                shares.append(_size(part.observations[when] - base, unit) / most)
    return float(np.median(shares)) if len(shares) >= 3 else None


def _size(difference: Array, unit: Array) -> float:
    scaled = np.abs(difference) / unit
    return float(np.nanmax(scaled)) if np.isfinite(scaled).any() else 0.0
