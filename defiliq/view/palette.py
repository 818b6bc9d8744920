"""Colours that people with any colour vision tell apart, on white and on black, and ticks of prices."""

from __future__ import annotations

import math

LONG, SHORT = "#1b7fc4", "#d55e00"
"""Blue and vermillion: apart in hue and in lightness for every kind of colour blindness."""
BAND_TINTS = (0.0, 0.5, 0.78)
"""How much white is in a side's colour for what every prior estimates, the middle one, the largest."""
INK, FAINT, GREY, RULE = "#222222", "#666666", "#b5b5b5", "#e6e6e6"
INITIAL, INDUCED, BAD_DEBT = "#7f8c99", "#c17d00", "#d1263b"
"""What a shock does itself, what follows from that, and what is left unpaid."""
DRIVERS = ("#1b7fc4", "#d55e00", "#8a8a8a", "#cc79a7")
"""Several prices in one picture."""
CHAIN = "#1b7fc4"
VENUES = ("#f26924", "#7961f2", "#a6896c", "#a64285", "#bf4000")
"""What is exact, and several venues beside it."""
MIDDLE = "#888888"
"""Seen on white and on black."""
SCALE = "inferno"
"""From black to yellow, its lightness rising steadily."""
SCALE_STOPS: list[tuple[float, str]] = [
    (0.0, "#000004"),
    (0.125, "#210c4a"),
    (0.25, "#57106e"),
    (0.375, "#8a226a"),
    (0.5, "#bc3754"),
    (0.625, "#e45a31"),
    (0.75, "#f98e09"),
    (0.875, "#f9cb35"),
    (1.0, "#fcffa4"),
]
"""The same scale, for whom its name says nothing."""
SCALE_POWER = 0.5
"""Colours go with the square root of dollars, so that small levels are still seen."""
SIDED_STOPS: list[tuple[float, str]] = [
    (0.0, "#c9e6fb"),
    (0.2, "#4aa3df"),
    (0.35, "#12619c"),
    (0.5, "#000004"),
    (0.65, "#983f00"),
    (0.8, "#e8762c"),
    (1.0, "#ffdcae"),
]
"""From pale blue (much of longs) over black (nothing) to pale red (much of shorts)."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_EVEN = 2.0
"""Up to such a ratio of its ends an axis has evenly spaced prices; a longer one's would crowd at its top."""
_DECADES = (
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    *((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)),
)


def tinted(colour: str, white: float) -> str:
    """A colour with so much white in it."""
    parts = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * white):02x}" for part in parts)


def price_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Round prices on a logarithmic axis: evenly spaced ones in a narrow window, else some of each decade."""
    if high <= _EVEN * low or low == 0:
        exponent = math.floor(math.log10((high - low) / most))
        step = next(k * 10**exponent for k in _STEPS if (high - low) / (k * 10**exponent) <= most)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]
    decades = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    for digits in _DECADES:
        ticks = [digit * 10.0**k for k in decades for digit in digits if low <= digit * 10.0**k <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def scale_ticks(most: float, count: int = 3) -> list[float]:
    """Amounts to be named on the scale of colours: nothing, and round ones well apart in the square root."""
    found = {0.0}
    for k in range(1, count + 1):
        least = most * (k / count) ** 2 * (1 + 1e-9)
        unit = 10.0 ** math.floor(math.log10(least))
        found.add(max(digit * unit for digit in (1, 1.5, 2, 3, 4, 5, 6, 8) if digit * unit <= least))
    return sorted(found)
