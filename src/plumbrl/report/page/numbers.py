"""Numbers as people read them."""

from math import isinf, isnan


def number(value: float | None) -> str:
    """Return a number in three significant digits.

    Thousands are separated and keep their digits; below 0.001 and from a million on it is written
    as 3.2e-5. None is what JSON made of a number that is none.
    """
    if value is None or isnan(value):
        return "not a number"
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    rounded = abs(float(f"{value:.2e}"))
    sign = "−" if value < 0 else ""
    if rounded == 0:
        return "0"
    if 1000 <= rounded < 1e6:
        return f"{sign}{abs(value):,.0f}"
    if 1e-3 <= rounded < 1000:
        return f"{sign}{rounded:.3g}"
    digits, power = f"{rounded:.2e}".split("e")
    return f"{sign}{digits.rstrip('0').rstrip('.')}e{int(power)}"


def count(value: float) -> str:
    """Return a whole number with its thousands separated."""
    return f"{value:,.0f}".replace("-", "−") if abs(value) < 1e15 else number(value)


def short(value: float) -> str:
    """Return a timestep as on an axis: 200k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share in whole percent."""
    return f"{share:.0%}" if -1e6 < share < 1e6 else "unknown"
