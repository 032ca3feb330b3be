"""How a policy acts; each function draws one question into one pair of axes."""

from collections import Counter
from typing import Any

import numpy as np

from plumbrl.metrics.policy import action_roughness, saturation
from plumbrl.metrics.statistics import interquartile_interval, mean_interval, rate_interval
from plumbrl.plots.lines import envelope
from plumbrl.plots.style import GREY, dress, say
from plumbrl.snapshots.recording import Recording, Recordings

Array = np.ndarray
MUCH = 0.5
"""Share of steps at a bound above which an action is called saturated."""
STILL = 1e-3
"""Deviation over the range below which an action is called constant."""
MODES = (("deterministic", "C0"), ("stochastic", "C1"))


def every_action(episodes: tuple[Recording, ...], actions: int) -> Array:
    """Return the actions of all steps of all episodes, (n, A)."""
    return np.concatenate([np.empty((0, actions)), *(e.actions for e in episodes)])


def action_state(recordings: Recordings, dim: int) -> tuple[str, bool]:
    """Return what is said of a dimension's actions, and whether it is out of order.

    Of an unbounded or a discrete action there is no saturation; discrete actions are judged by
    whether more than one is ever taken.
    """
    actions = every_action(recordings.deterministic, len(recordings.low))
    column = actions[:, dim]
    if recordings.discrete:
        taken = len(np.unique(column))
        return (
            f"{'CONSTANT: ' if taken == 1 else ''}{taken} of {_choices(recordings, dim)} taken",
            taken == 1,
        )
    low, high = recordings.low, recordings.high
    share = saturation(actions, low, high)[dim]
    if np.isnan(share):
        return "no bounds", False
    if column.std() < STILL * (high[dim] - low[dim]):
        return f"CONSTANT at {column.mean():.2g}", True
    return f"{'SATURATED: ' if share > MUCH else ''}{share:.0%} at a bound", bool(share > MUCH)


def action_distribution(ax: Any, recordings: Recordings, dim: int) -> None:
    """Are actions spread over their range, or stuck at a bound or in one place?"""
    low, high = recordings.low[dim], recordings.high[dim]
    for i, (mode, colour) in enumerate(MODES):
        column = every_action(getattr(recordings, mode), len(recordings.low))[:, dim]
        if not len(column):
            continue
        if recordings.discrete:
            values = low + np.arange(_choices(recordings, dim))
            share = [(column == v).mean() for v in values]
            ax.bar(values + 0.4 * i - 0.2, share, 0.4, color=colour, label=mode)
            continue
        ends = (low, high) if np.isfinite([low, high]).all() else None
        weights = np.full(len(column), 1 / len(column))
        look = {"alpha": 0.75} if i == 0 else {"histtype": "step", "linewidth": 1.6}
        ax.hist(column, 50, range=ends, weights=weights, color=colour, label=mode, **look)
    for bound in (low, high):
        if np.isfinite(bound) and not recordings.discrete:
            ax.axvline(bound, color=GREY, linestyle="--", linewidth=1)
    if recordings.discrete:
        _whole(ax, recordings, dim)
    said, wrong = action_state(recordings, dim)
    dress(ax, f"action {dim}: {said}", steps=False, wrong=wrong)
    ax.set_ylabel("share of steps")


def action_trajectory(ax: Any, episode: Recording, recordings: Recordings, dim: int) -> None:
    """Does it act smoothly or shake? One dimension over one episode."""
    low, high = recordings.low, recordings.high
    starts = np.zeros((len(episode.actions), 1), dtype=bool)
    one = slice(dim, dim + 1)
    rough = action_roughness(episode.actions[:, None, one], starts, low[one], high[one])
    at = np.arange(len(episode.actions), dtype=float)
    ax.plot(*envelope(at, episode.actions[:, dim]), color=f"C{dim % 7}", linewidth=1)
    for bound in (low[dim], high[dim]):
        if np.isfinite(bound):
            ax.axhline(bound, color=GREY, linestyle="--", linewidth=1)
    said = "" if np.isnan(rough) else f": {rough:.1%} of the range from step to step"
    dress(ax, f"action {dim}{said}", steps=False)


def modes_return(ax: Any, recordings: Recordings) -> None:
    """Does exploring cost return? Episodes on the same seeds, joined by a line."""
    found = {}
    for i, (mode, colour) in enumerate(MODES):
        returns = np.array([e.rewards.sum() for e in getattr(recordings, mode)])
        if not len(returns):
            continue
        found[mode] = returns
        ax.plot(np.full(len(returns), i), returns, "o", color=colour, alpha=0.5, ms=5)
        if len(returns) > 1:
            middle = interquartile_interval([returns])
            ends = [[middle.estimate - middle.low], [middle.high - middle.estimate]]
            at = i + (0.18 if i else -0.18)
            ax.errorbar(at, middle.estimate, ends, fmt="D", color=colour, capsize=5)
    if len(found) == 2:
        pairs = np.array(list(found.values()))
        ax.plot([0, 1], pairs, color=GREY, linewidth=0.6, alpha=0.6)
        cost = mean_interval(pairs[0] - pairs[1])
        ax.set_xlabel(f"deterministic minus stochastic: {cost}")
    ax.set_xlim(-0.5, max(1, len(found)) - 0.5)
    ax.set_xticks(range(len(found)), list(found))
    dress(ax, "return per episode", steps=False)


def modes_spread(ax: Any, recordings: Recordings) -> None:
    """How much of the spread of actions is exploration, and how much the policy's own?"""
    count = len(recordings.low)
    for i, (mode, colour) in enumerate(MODES):
        actions = every_action(getattr(recordings, mode), count)
        if len(actions):
            ax.bar(np.arange(count) + 0.4 * i - 0.2, actions.std(axis=0), 0.4, color=colour,
                   label=mode)  # fmt: skip
    ax.set_xticks(range(count), [f"action {i}" for i in range(count)])
    ax.set_xlim(-0.7, count - 0.3)
    dress(ax, "standard deviation over all steps", steps=False)


def uncertainty(ax: Any, recordings: Recordings, dim: int) -> None:
    """How sure is it of this action, at this moment? Draws, their mean and one deviation."""
    draws = recordings.samples[:, dim] if len(recordings.samples) else np.empty(0)
    if not len(draws):
        say(ax, "a policy without a distribution: it is always sure")
        ax.set_title(f"action {dim}")
        return
    if recordings.discrete:
        values, counts = np.unique(draws, return_counts=True)
        ax.bar(values, counts / len(draws), 0.7, color="C0")
        _whole(ax, recordings, dim)
    else:
        mean, std = draws.mean(), draws.std()
        ax.hist(draws, 40, weights=np.full(len(draws), 1 / len(draws)), color="C0", alpha=0.75)
        ax.axvline(mean, color="C3", linewidth=1.6, label=f"mean {mean:.3g}")
        ax.axvspan(mean - std, mean + std, color="C1", alpha=0.25, label=f"± 1 std {std:.2g}")
        for bound in (recordings.low[dim], recordings.high[dim]):
            if np.isfinite(bound):
                ax.axvline(bound, color=GREY, linestyle="--", linewidth=1)
        ax.locator_params(axis="x", nbins=5)
    dress(ax, f"action {dim}", steps=False)


def ends(episodes: tuple[Recording, ...]) -> list[tuple[str, int, float, float]]:
    """Return every cause of an end, the most frequent first: count, mean length, mean return."""
    counts = Counter(episode.cause for episode in episodes)
    rows = []
    for cause, count in counts.most_common():
        mine = [e for e in episodes if e.cause == cause]
        length = float(np.mean([len(e.rewards) for e in mine]))
        rows.append((cause, count, length, float(np.mean([e.rewards.sum() for e in mine]))))
    return rows


def end_causes(ax: Any, recordings: Recordings) -> None:
    """Of what do episodes end, how often, with 95 % intervals?"""
    known = {mode: getattr(recordings, mode) for mode, _ in MODES if getattr(recordings, mode)}
    causes = list(dict.fromkeys(row[0] for found in known.values() for row in ends(found)))
    for i, (mode, colour) in enumerate(MODES):
        for at, cause in enumerate(causes) if mode in known else ():
            mine = [e for e in known[mode] if e.cause == cause]
            rate = rate_interval(len(mine), len(known[mode]))
            whiskers = [[rate.estimate - rate.low], [rate.high - rate.estimate]]
            label = mode if at == 0 else None
            y = at + 0.38 * i - 0.19 * (len(known) - 1)
            ax.barh(y, rate.estimate, 0.34, color=colour, label=label,
                    hatch="//" if any(e.terminated for e in mine) else None,
                    edgecolor="white", linewidth=0)  # fmt: skip
            ax.errorbar(rate.estimate, y, xerr=whiskers, fmt="none", color=GREY, capsize=4)
    ax.set_yticks(range(len(causes)), [cause.replace("_", " ") for cause in causes])
    ax.set_ylim(len(causes) - 0.5, -0.5)
    ax.set_xlim(0, 1.02)
    dress(ax, "share of episodes", steps=False)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def reward_over_episode(ax: Any, episode: Recording) -> None:
    """Where in an episode is reward earned, and by which term?"""
    at = np.arange(len(episode.rewards), dtype=float)
    for i, (name, values) in enumerate(list(episode.terms.items())[:6], start=1):
        label = name.replace("_", " ")
        ax.plot(*envelope(at, values), color=f"C{i}", linewidth=1, label=label)
    label = "reward" if episode.terms else None
    ax.plot(*envelope(at, episode.rewards), color="C0", linewidth=1.4, label=label)
    ax.set_xlabel("step")
    dress(ax, "reward of every step", steps=False)


def value_over_episode(ax: Any, episode: Recording) -> None:
    """Does the value function see coming what then happens?"""
    if np.isnan(episode.values).all():
        say(ax, "this policy has no value function that can be asked")
        ax.set_title("value")
        return
    at = np.arange(len(episode.rewards), dtype=float)
    ax.plot(*envelope(at, episode.returns), color="C1", label="discounted return from then on")
    ax.plot(*envelope(at, episode.values), color="C0", label="value")
    ax.set_xlabel("step")
    dress(ax, "value, in units of the trained reward", steps=False)


def _whole(ax: Any, recordings: Recordings, dim: int) -> None:
    """Let an axis show the whole numbers that a discrete action can be."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlim(recordings.low[dim] - 0.6, recordings.high[dim] + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _choices(recordings: Recordings, dim: int) -> int:
    return int(recordings.high[dim] - recordings.low[dim]) + 1
