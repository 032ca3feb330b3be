"""Timing side by side: variants take turns in one run, ratios are taken pair by pair."""

import statistics
import time
from collections.abc import Callable


def rate(work: Callable[[], int], seconds: float) -> float:
    """Return units per second of `work`, which returns how many units one call did."""
    done, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        done += work()
    return done / elapsed


def side_by_side(
    variants: dict[str, Callable[[], int]], *, rounds: int = 5, seconds: float = 2.0
) -> dict[str, list[float]]:
    """Return the rates of every variant, one per round; each is warmed up once."""
    for work in variants.values():
        work()
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, work in variants.items():
            rates[name].append(rate(work, seconds))
    return rates


def report(title: str, unit: str, rates: dict[str, list[float]], base: str) -> None:
    """Print the median rate of each variant and its median ratio to `base`, with the range."""
    print(f"\n{title}")
    for name, values in rates.items():
        ratios = [v / b for v, b in zip(values, rates[base], strict=True)]
        print(
            f"  {name:44s} {statistics.median(values):>12,.1f} {unit}"
            f"   {statistics.median(ratios):6.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]"
        )
