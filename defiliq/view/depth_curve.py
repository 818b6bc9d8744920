"""What ever larger trades do to a price, as points of a curve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from defiliq.model.impact import impact
from defiliq.types import Side

if TYPE_CHECKING:
    from defiliq.depth.venue import Depth

SMALLEST_USD, LARGEST_USD = 1e4, 1e12
FURTHEST_PCT = 30.0
"""A curve ends where a trade moves the price so far, if the depth does not run dry before."""
PER_DECADE = 12


@dataclass(frozen=True, slots=True)
class DepthSide:
    """Trades of one direction from spot: `long` is what is sold, `short` what is bought."""

    side: Side
    size_usd: tuple[float, ...]
    """Money at spot's price, rising; each is a trade of its own."""
    moved_pct: tuple[float, ...]
    """What each does to the price: negative for sales."""
    is_dry: bool
    """The depth runs dry right behind the last point."""


def depth_curve(depth: Depth, spot_usd: float) -> tuple[DepthSide, DepthSide]:
    """Sales and purchases from spot, to where the price has moved FURTHEST_PCT or the depth runs dry."""
    moved = impact(depth, spot_usd)

    def one_side(side: Side) -> DepthSide:
        sizes, pcts = [0.0], [0.0]
        for k in range(round(PER_DECADE * math.log10(LARGEST_USD / SMALLEST_USD)) + 1):
            size = SMALLEST_USD * 10 ** (k / PER_DECADE)
            pct = moved(spot_usd, size, side)
            if math.isinf(pct):
                edge = _edge(lambda usd: math.isfinite(moved(spot_usd, usd, side)), sizes[-1], size)
                return DepthSide(side, (*sizes, edge), (*pcts, moved(spot_usd, edge, side)), is_dry=True)
            sizes.append(size)
            pcts.append(pct)
            if abs(pct) >= FURTHEST_PCT:
                break
        return DepthSide(side, tuple(sizes), tuple(pcts), is_dry=False)

    long, short = (one_side(side) for side in get_args(Side))
    return long, short


def _edge(is_taken: Callable[[float], bool], taken: float, refused: float) -> float:
    """The largest trade that the depth takes, to a thousandth."""
    while refused > taken * 1.001 + 1:
        middle = (taken + refused) / 2
        taken, refused = (middle, refused) if is_taken(middle) else (taken, middle)
    return taken
