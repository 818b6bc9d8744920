"""The pieces of a driver's range on which every price that it moves is a straight line, up to rounding."""

from __future__ import annotations

from collections.abc import Callable

from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Fixed, Fraction, Least


def straight_pieces(driver: Driver) -> list[tuple[int, int]] | None:
    """(first, last) integers of each piece from the lowest to the highest; None where some price is curved.

    A price is straight where it is a product with constants. A cap bends it once: where it begins to bind.
    """
    kinks: set[int] = set()
    for register, step in enumerate(driver.steps, start=1):
        if isinstance(step, Fraction) and (len(step.over) != 1 or step.under):
            return None
        if isinstance(step, Least):
            parts = [driver.steps[k - 1] if k else None for k in step.of]
            caps = [part for part in parts if isinstance(part, Fixed)]
            if len(caps) > 1 or len(parts) - len(caps) != 1:
                return None
            if caps:
                kinks.add(_last_below(driver, register, caps[0].value))
    kinks = {kink for kink in kinks if driver.lowest <= kink < driver.highest}
    firsts = [driver.lowest, *(kink + 1 for kink in sorted(kinks))]
    lasts = [*sorted(kinks), driver.highest]
    return list(zip(firsts, lasts, strict=True))


def _last_below(driver: Driver, register: int, cap: int) -> int:
    """The highest integer at which a register that never falls is still below its cap; 0 where none is."""
    return _last(lambda at: driver.registers(at)[register] < cap, driver.highest)


def _last(holds: Callable[[int], bool], highest: int) -> int:
    low, high = 0, highest + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
