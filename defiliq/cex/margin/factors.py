"""Liquidation prices as multiples of the entry price: what an estimator needs, once per leverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from defiliq.cex.history import Floats
from defiliq.cex.margin.numbers import Number, above_zero, leverage_of
from defiliq.cex.margin.price import (
    NO_CHARGES,
    Charges,
    MarginMode,
    counted,
    is_by_value,
    liquidation_price,
)
from defiliq.cex.margin.rules import ValuedAt
from defiliq.cex.tiers import TierTable
from defiliq.errors import InputError
from defiliq.types import Side


def distance_factors(
    venue: str,
    side: Side,
    leverages: Sequence[Number] | Floats,
    position_usd: Number,
    tiers: TierTable,
    *,
    mode: MarginMode = "isolated",
    wallet_multiple: Number | None = None,
    charges: Charges = NO_CHARGES,
    valued_at: ValuedAt | None = None,
    entry_usd: Number | None = None,
) -> Floats:
    """(l,) liquidation price / entry price for a position of `position_usd` at each leverage.

    Found in fractions by `liquidation_price`, whose options these are, and rounded once. NaN where the tiers
    do not allow that leverage or that size, and where no price liquidates. 1 where the entry does.

    The factors do not depend on the entry price where tiers count the money that is settled, as Binance's do.
    Where they count contracts or coins, as OKX's and those of inverse contracts, `entry_usd` says at which
    price the position is opened; any recent price will do, as only the choice of tier hangs on it. InputError
    without.
    """
    if entry_usd is None and not _is_free_of_entry(tiers):
        raise InputError(
            f"the tiers of {tiers.symbol} on {tiers.venue} count {tiers.unit}, and a size in dollars "
            "does not tell how many without a price. Give entry_usd."
        )
    entry = above_zero(1 if entry_usd is None else entry_usd, "entry_usd")
    size = above_zero(position_usd, "position_usd")
    options = (mode, wallet_multiple, charges, valued_at)
    found = [
        _factor(venue, side, leverage_of(times), size, tiers, entry, *options)
        for times in np.asarray(leverages).tolist()
    ]
    return np.array(found, dtype=np.float64)


def _is_free_of_entry(tiers: TierTable) -> bool:
    return len(tiers.tiers) == 1 or (is_by_value(tiers) and not tiers.is_inverse)


@lru_cache(maxsize=4096)
def _factor(
    venue: str,
    side: Side,
    leverage: Fraction,
    size: Fraction,
    tiers: TierTable,
    entry: Fraction,
    mode: MarginMode,
    wallet_multiple: Number | None,
    charges: Charges,
    valued_at: ValuedAt | None,
) -> float:
    most = tiers.tiers[-1].cap
    amount = counted(tiers, size, entry)
    if (most is not None and amount > most) or leverage > tiers.tier_at(amount).max_leverage:
        return math.nan
    price = liquidation_price(
        venue,
        side,
        entry,
        leverage,
        size,
        tiers,
        mode=mode,
        wallet_multiple=wallet_multiple,
        charges=charges,
        valued_at=valued_at,
    )
    return math.nan if price is None else float(price / entry)
