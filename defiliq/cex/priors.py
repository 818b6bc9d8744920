"""Leverage priors: assumptions on who trades with how much leverage. Named, shown, changeable."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from defiliq.errors import InputError

TYPICAL_POSITION_USD = 50_000.0
"""Picks the margin tier. Never the open interest of all."""
_SUM_TOLERANCE = 0.005
"""Shares that people write are rounded; an estimate takes each over their sum."""


@dataclass(frozen=True, slots=True)
class Prior:
    """How opened dollars are spread over leverages, and what a typical position is."""

    name: str
    leverages: tuple[float, ...]
    """Rising."""
    weights: tuple[float, ...]
    """Shares of the opened notional, summing to 1."""
    position_usd: float = TYPICAL_POSITION_USD
    """The typical position's notional, which picks the margin tier. Never the open interest of all."""
    about: str = ""
    """Where it is from, in words."""

    def __post_init__(self) -> None:
        """InputError unless it is a distribution over rising leverages of at least 1."""
        if not self.leverages or len(self.leverages) != len(self.weights):
            raise InputError(
                f"the prior {self.name!r} needs a weight for every leverage, and at least one of them."
            )
        rising = all(low < high for low, high in zip(self.leverages, self.leverages[1:], strict=False))
        if not rising or not all(1 <= leverage < math.inf for leverage in self.leverages):
            raise InputError(
                f"the prior {self.name!r} needs leverages of 1 or more, each named once, rising."
            )
        if not all(0 <= weight <= 1 for weight in self.weights):
            raise InputError(f"the prior {self.name!r} has a weight that is no share between 0 and 1.")
        total = math.fsum(self.weights)
        if abs(total - 1) > _SUM_TOLERANCE:
            raise InputError(f"the weights of the prior {self.name!r} come to {total:.6g}, not to 1.")
        if not 0 < self.position_usd < math.inf:
            raise InputError(
                f"the prior {self.name!r} has a typical position of {self.position_usd} dollars."
            )

    @property
    def mean_leverage(self) -> float:
        """Notional over margin of all that is opened: the harmonic mean, by notional."""
        return 1 / math.fsum(w / lev for lev, w in zip(self.leverages, self.weights, strict=True))

    def __str__(self) -> str:
        """As `parse_prior` reads it."""
        return ",".join(f"{lev:g}:{w:g}" for lev, w in zip(self.leverages, self.weights, strict=True))


LOW = Prior(
    "low",
    (2, 3, 5, 10, 20),
    (0.20, 0.25, 0.30, 0.20, 0.05),
    about="An assumption: nobody above 20x. Binance said in December 2019 that institutions, then 81% of its "
    "futures volume, prefer up to 20x; by its announcement of 2021-07-27, accounts in their first 60 days "
    "get no more.",
)
MID = Prior(
    "mid",
    (3, 5, 10, 20, 25, 50, 100),
    (0.10, 0.20, 0.30, 0.20, 0.08, 0.08, 0.04),
    about="An assumption between the two others. No venue publishes how its open interest is spread.",
)
HIGH = Prior(
    "high",
    (5, 10, 20, 25, 50, 75, 100, 125),
    (0.15, 0.25, 0.20, 0.15, 0.15, 0.04, 0.05, 0.01),
    about="Made to agree with what BitMEX said of its Bitcoin perpetual in May 2019: a mean leverage of 22x "
    "to 30x, weighted, and 80% of longs at 54x or less, of shorts at 47x or less.",
)
PRIORS = (LOW, MID, HIGH)
"""From little leverage to much. They are assumptions: no venue publishes how leverage is spread."""


def prior_named(name: str) -> Prior:
    """One of PRIORS. InputError for any other name."""
    for prior in PRIORS:
        if prior.name == name.strip().casefold():
            return prior
    known = ", ".join(prior.name for prior in PRIORS)
    raise InputError(
        f"there is no leverage prior {name!r}. Known are {known}; or write your own as 5:0.2,10:0.4,25:0.4."
    )


def parse_prior(text: str, *, position_usd: float = TYPICAL_POSITION_USD) -> Prior:
    """A prior from text: the name of a preset, or leverages with shares, as `5:0.2,10:0.4,25:0.3,100:0.1`.

    Shares may be percents (`5:20%`). An own prior is named by its text, or by what stands before `=`
    (`desk=5:0.5,10:0.5`).
    """
    if ":" not in text:
        preset = prior_named(text)
        return replace(preset, position_usd=position_usd)
    name, _, shares = text.rpartition("=")
    pairs = sorted(_pair(part, text) for part in shares.split(","))
    leverages, weights = zip(*pairs, strict=True)
    return Prior(name.strip() or shares.replace(" ", ""), leverages, weights, position_usd)


def mid_of(priors: Iterable[Prior]) -> int:
    """Which of some priors, in order from little leverage to much, is the middle of the band.

    The one that is called mid; else the middle one; of an even number, the lower of the two in the middle.
    """
    names = [prior.name for prior in priors]
    return names.index(MID.name) if MID.name in names else (len(names) - 1) // 2


def _pair(part: str, text: str) -> tuple[float, float]:
    leverage, _, share = part.partition(":")
    try:
        percent = share.strip().endswith("%")
        return float(leverage.strip().rstrip("xX")), float(share.strip().rstrip("%")) / (
            100 if percent else 1
        )
    except ValueError:
        raise InputError(
            f"{part.strip()!r} in the leverage prior {text!r} is no leverage with its share. "
            "Write it as 5:0.2,10:0.4,25:0.4."
        ) from None
