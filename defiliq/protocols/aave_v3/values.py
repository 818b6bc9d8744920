"""Aave v3.5 and later as integer columns, for the engine's exact vectors. The law is in rules_r9.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defiliq.amounts import Amounts, Bools, ray_mul
from defiliq.book import Book, ValueTerms
from defiliq.protocols.aave_v3.margin import threshold_bps
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import FIRST_UNAVERAGED_REVISION
from defiliq.units import BPS

_MOST_DECIMALS = 18
"""10**18 is the largest unit that the engine's quotients take."""


def values(book: Book[AaveMarket]) -> ValueTerms | None:
    """The rule of revisions 9 and later; None before, where an average that is cut stands in between.

    wadDiv(W, D) // 1e4 < 1e18 is W < 1e4 * D while D is below 2e18, which is all that the engine
    takes (`engine.exact.MOST_OWED`).
    """
    market = book.market
    if market.revision < FIRST_UNAVERAGED_REVISION:
        return None
    reserves = book.reserves.astype(np.intp)
    weight = _weights(market)[book.modes[book.account_of_leg], reserves]
    backed = book.counted & (weight > 0)
    incomes, debts = [r.income_ray for r in market.reserves], [r.debt_ray for r in market.reserves]
    supplied, supplied_fits = _grown(book.collateral, backed, incomes, reserves, up=False)
    owed, owed_fits = _grown(book.debt, book.debt.is_positive(), debts, reserves, up=True)
    fits = supplied_fits & owed_fits & (_decimals(market) <= _MOST_DECIMALS)[reserves]
    fits[list(book.stable)] = False
    law_only = np.zeros(len(book), dtype=np.bool_)
    law_only[book.account_of_leg[~fits]] = True
    return ValueTerms(
        supplied=supplied,
        owed=owed,
        unit=_units(market)[reserves],
        weight=weight,
        weight_unit=1,
        debt_weight=BPS,
        debt_rounds_up=True,
        law_only=law_only,
    )


def _grown(
    scaled: Amounts, some: Bools, rays: Sequence[int], reserves: NDArray[np.intp], *, up: bool
) -> tuple[Amounts, Bools]:
    """(L,) some scaled amounts times their reserves' indices, all others 0; and where that is exact."""
    rows = np.flatnonzero(some)
    product, is_exact = ray_mul(scaled.take(rows), rays, reserves[rows], up=up)
    grown = Amounts(np.zeros(len(scaled), dtype=np.uint64), np.zeros(len(scaled), dtype=np.uint64))
    grown.high[rows], grown.low[rows] = product.high, product.low
    fits = np.ones(len(scaled), dtype=np.bool_)
    fits[rows] = is_exact
    return grown, fits


def _weights(market: AaveMarket) -> NDArray[np.int64]:
    """(modes, R) the threshold in bps that each reserve has in each category."""
    modes = max([0, *market.emodes]) + 1
    table = np.zeros((modes, len(market.reserves)), dtype=np.int64)
    for mode in range(modes):
        emode = market.emodes.get(mode)
        for k in range(len(market.reserves)):
            table[mode, k] = threshold_bps(market, k, emode)
    return table


def _decimals(market: AaveMarket) -> NDArray[np.int64]:
    return np.array([reserve.decimals for reserve in market.reserves], dtype=np.int64)


def _units(market: AaveMarket) -> NDArray[np.int64]:
    """(R,) token base units in a whole token; those that do not fit stand at one and go to the law."""
    return np.array([r.unit if r.decimals <= _MOST_DECIMALS else 1 for r in market.reserves], dtype=np.int64)
