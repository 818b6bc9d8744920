"""Aave v3's rule as lines in prices, for the engine's screen. The law is in rules_*.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book, MarginTerms
from defiliq.protocols.aave_v3.legs import FIRST_DECOUPLED_REVISION, is_in_emode, price_feed
from defiliq.protocols.aave_v3.market import AaveMarket, EMode
from defiliq.protocols.aave_v3.rules import FIRST_UNAVERAGED_REVISION
from defiliq.units import BPS, HALF_BPS, RAY

_ROUNDINGS_PER_TERM = 16
"""More than a leg's term has: two in the amount, one each in factor, price and two products."""


def margin(book: Book[AaveMarket]) -> MarginTerms:
    """Credit and debit per price integer of every leg, in base currency times 1e4.

    A leg's balance is rounded by less than one token base unit and its value by less than one base unit, each
    weighted by at most 1e4; a side that is zero rounds to zero. Before revision 9 the average threshold loses
    less than one basis point of the collateral, and percentMul half a unit. wadDiv moves the boundary by at
    most 5e-19 of the debt, far below one rounding of a double.
    """
    market = book.market
    averaged = market.revision < FIRST_UNAVERAGED_REVISION
    credit_factor, floor_factor, feed_table = _tables(market)
    account_of_leg = book.account_of_leg
    row_of_account = book.modes.astype(np.intp) * len(market.reserves)
    cell = row_of_account.take(account_of_leg) + book.reserves  # of the tables, as if they were flat
    backed = book.collateral.to_float() * book.counted
    credit = backed * credit_factor.take(cell)
    debit_factor = np.array([_ratio(r.debt_ray * BPS, RAY * r.unit) for r in market.reserves])
    debit = book.debt.to_float() * debit_factor.take(book.reserves)
    most_legs = int(np.max(np.diff(book.first_leg), initial=0))
    law_only = np.zeros(len(book), dtype=np.bool_)
    law_only[account_of_leg[list(book.stable)]] = True
    return MarginTerms(
        first_leg=book.first_leg,
        account_of_leg=account_of_leg,
        feeds=feed_table.take(cell),
        credit=credit,
        credit_floor=backed * floor_factor.take(cell) if averaged else credit,
        debit=debit,
        step=np.sign(credit) * (BPS + HALF_BPS if averaged else BPS) + np.sign(debit) * BPS,
        grain=_grain(market),
        relative_error=(most_legs + _ROUNDINGS_PER_TERM) * 2.0**-53,
        law_only=law_only,
    )


def _tables(
    market: AaveMarket,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """(modes, R): margin per scaled collateral and price, the same one basis point lower, and the feed."""
    modes = max([0, *market.emodes]) + 1
    shape = (modes, len(market.reserves))
    credit, floor, feeds = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=np.intp)
    for mode in range(modes):
        emode = market.emodes.get(mode)
        for k, reserve in enumerate(market.reserves):
            bps = threshold_bps(market, k, emode)
            scale = RAY * reserve.unit
            credit[mode, k] = _ratio(reserve.income_ray * bps, scale)
            floor[mode, k] = _ratio(reserve.income_ray * max(0, bps - 1), scale)
            feeds[mode, k] = price_feed(reserve, emode)
    return credit, floor, feeds


def threshold_bps(market: AaveMarket, reserve: int, emode: EMode | None) -> int:
    """The threshold a counted collateral has in a category; 0 where the contract leaves it out."""
    own_bps = market.reserves[reserve].liquidation_threshold_bps
    if own_bps == 0 and market.revision < FIRST_DECOUPLED_REVISION:
        return 0
    if emode is not None and is_in_emode(market.reserves[reserve], emode):
        return emode.liquidation_threshold_bps
    return own_bps


def _grain(market: AaveMarket) -> NDArray[np.float64]:
    """(F,) whole tokens in one base unit, of the token with the fewest decimals that each feed prices."""
    smallest_unit = [RAY] * len(market.feeds)
    for emode in (None, *market.emodes.values()):
        for reserve in market.reserves:
            feed = price_feed(reserve, emode)
            smallest_unit[feed] = min(smallest_unit[feed], reserve.unit)
    return np.array([_ratio(1, unit) for unit in smallest_unit])


def _ratio(numerator: int, denominator: int) -> float:
    """The double nearest to a ratio of integers."""
    return numerator / denominator
