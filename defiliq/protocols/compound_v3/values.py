"""Compound III's rule as integer columns, for the engine's exact vectors. The law is in rules.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts, ray_mul
from defiliq.book import Book, ValueTerms
from defiliq.protocols.compound_v3.accrual import INDEX_SCALE
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.units import BPS, RAY, WAD

_MOST_DECIMALS = 18
"""10**18 is the largest unit that the engine's quotients take."""


def values(book: Book[CometMarket]) -> ValueTerms | None:
    """The rule of every Comet whose factors have four decimals, as its asset list keeps them; else None."""
    market = book.market
    per_bps = WAD // BPS
    factors = [reserve.liquidate_factor_wad for reserve in market.reserves]
    if any(factor % per_bps or factor > WAD for factor in factors):
        return None
    reserves = book.reserves.astype(np.intp)
    weight = np.array([factor // per_bps for factor in factors], dtype=np.int64)[reserves]
    is_base = np.array([reserve.offset is None for reserve in market.reserves])[reserves]
    supplied = _where(book.counted & ~is_base & (weight > 0), book.collateral)
    index_ray = market.borrow_index_now * (RAY // INDEX_SCALE)
    nothing = np.zeros(len(reserves), dtype=np.intp)
    owed, fits = ray_mul(_where(is_base, book.debt), [index_ray], nothing, up=False)
    fits &= np.array([reserve.decimals <= _MOST_DECIMALS for reserve in market.reserves])[reserves]
    law_only = np.zeros(len(book), dtype=np.bool_)
    law_only[book.account_of_leg[~fits]] = True
    return ValueTerms(
        supplied=supplied,
        owed=owed,
        unit=_units(market)[reserves],
        weight=weight,
        weight_unit=BPS,
        debt_weight=1,
        debt_rounds_up=False,
        law_only=law_only,
    )


def _where(kept: NDArray[np.bool_], amounts: Amounts) -> Amounts:
    """Some amounts, and 0 in place of the others."""
    return Amounts(np.where(kept, amounts.high, 0), np.where(kept, amounts.low, 0))


def _units(market: CometMarket) -> NDArray[np.int64]:
    """(R,) token base units in a whole token; those that do not fit stand at one and go to the law."""
    return np.array([r.unit if r.decimals <= _MOST_DECIMALS else 1 for r in market.reserves], dtype=np.int64)
