"""What trading dollars does to a price, told in floats from a depth that counts in integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from defiliq.depth.venue import Depth
from defiliq.types import Side

PriceAfter: TypeAlias = Callable[[float, float, Side], float]
"""Where trading so many dollars leaves a price: (price_usd, usd, side), a sale for `long`, else a purchase.
NaN where the depth runs dry on the way."""


def price_after(depth: Depth, spot_usd: float, quote_usd: float = 1.0) -> PriceAfter:
    """Trades along one driver that stands at `spot_usd` where the depth stands as it is.

    Each is a trade of its own: the depth is first brought to the price where it begins, as arbitrage would.
    A driver that is quoted in something else than dollars, as staking ratios are, names what 1.0 of that
    costs: its prices are in that, and what is traded is in dollars.
    """

    per_usd = depth.price / Fraction(spot_usd)

    def after(price_usd: float, usd: float, side: Side) -> float:
        there = depth.at_price(per_usd * Fraction(price_usd))
        amount = int(Fraction(usd) / Fraction(price_usd) / Fraction(quote_usd) * 10**depth.base.decimals)
        if amount <= 0:
            return price_usd
        fill, left = there.sell(amount) if side == "long" else there.buy(amount)
        return math.nan if fill.left else price_usd * float(left.price / there.price)

    return after


def impact(depth: Depth, spot_usd: float, quote_usd: float = 1.0) -> PriceAfter:
    """By how many percent trading so many dollars moves a price, signed; infinite where depth runs dry."""
    trade = price_after(depth, spot_usd, quote_usd)

    def moved_pct(price_usd: float, usd: float, side: Side) -> float:
        there = trade(price_usd, usd, side)
        if math.isnan(there):
            return -math.inf if side == "long" else math.inf
        return 100 * (there / price_usd - 1)

    return moved_pct
