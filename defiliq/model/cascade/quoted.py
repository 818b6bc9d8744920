"""What drivers are quoted in: ETH/USD in dollars, a staking ratio of ether in ether."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import pandas as pd

from defiliq.depth.naming import is_or_wraps
from defiliq.errors import InputError
from defiliq.pricing.driver import Driver
from defiliq.types import Market


class Quoted(NamedTuple):
    """What 1.0 of a driver is counted in."""

    worth: Fraction = Fraction(1)
    """1.0 of that in the base currency, at spot."""
    driver: str = ""
    """The driver that moves it; '' for the base currency, and for what stands still."""


BASE = Quoted()


def quote_symbol(name: str) -> str:
    """ETH of 'wstETH/ETH ratio' and USD of 'ETH/USD'; '' for a name that is of no pair."""
    return name.removesuffix(" ratio").rpartition("/")[2].strip() if "/" in name else ""


def quoted(market: Market, driver: Driver, moving: Sequence[Driver]) -> Quoted:
    """What a driver of a market is quoted in, where some drivers move.

    Of a quote that has no price of its own, the price that follows the driver tells: it is so many times it.
    """
    symbol = quote_symbol(driver.name)
    if _is_base(symbol, market.base_symbol):
        return BASE
    pair = f"{symbol}/{market.base_symbol}".casefold()
    named = next((each.name for each in moving if each.name.casefold() == pair), "")
    for _, found in market.graph.inputs:
        if found.name.casefold() == pair and found.value > 0:
            return Quoted(Fraction(found.value, 10**found.decimals), named)
    feed = min(driver.feeds)
    price = Fraction(market.prices[feed], market.price_unit(feed))
    return Quoted(price * driver.unit / driver.spot)


def quoted_by_rungs(ladder: pd.DataFrame, name: str, moving: Sequence[str]) -> Quoted:
    """The same for a driver of a ladder: rungs of other drivers tell. InputError where none does."""
    base, symbol = str(ladder["base_symbol"].iloc[0]), quote_symbol(name)
    if _is_base(symbol, base):
        return BASE
    pair = f"{symbol}/{base}"
    rungs = ladder[ladder["driver"].str.casefold() == pair.casefold()]
    if rungs.empty:
        raise InputError(
            f"{name} is in {symbol}, and no rung says what that is worth. "
            f"Take a snapshot instead, or a ladder that has {pair} too."
        )
    first = rungs.iloc[0]
    return Quoted(Fraction(first["spot_usd"]), first["driver"] if first["driver"] in moving else "")


def _is_base(symbol: str, base_symbol: str) -> bool:
    """Whether a quote is what markets count in already: ether, where they count in WETH."""
    return not symbol or is_or_wraps(base_symbol, symbol)
