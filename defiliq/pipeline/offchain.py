"""Where a driver's price stands outside of its feed: at an exchange, in a pool, or as somebody says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

from defiliq.cex.venues.config import VenueConfig
from defiliq.cex.venues.read import read_prices
from defiliq.depth.naming import is_dollar, is_or_wraps
from defiliq.depth.venue import Depth
from defiliq.errors import InputError, VenueError
from defiliq.mev.triggers import Offchain
from defiliq.oracle.drivers import find_driver, input_drivers
from defiliq.oracle.movers import is_peg
from defiliq.pipeline.depths import check_sold, read_amount
from defiliq.types import Market

DOLLAR = "USD"


class VenuePrices(NamedTuple):
    """What an exchange says of some drivers."""

    found: dict[str, Offchain]
    """By driver."""
    missing: dict[str, VenueError]
    """Drivers of which it has no price, with the reason."""


def given_price(text: str) -> Offchain:
    """A price that somebody wrote: 2500.5; InputError where it is none."""
    price = read_amount(text)
    if price == 0:
        raise InputError("a price of 0 is none. Write what 1.0 costs, such as 2500.5.")
    return Offchain(price, "given")


def pool_price(market: Market, driver: str, depth: Depth, *, is_meant: bool = False) -> Offchain:
    """The marginal price of a depth, before fees, as one of a driver's.

    In what the driver is quoted in where the market has a feed of that (USDC/USD of a pool of USDC); else one
    dollar is taken for another, and a wrapped coin for the coin, which the source says. InputError where the
    quote is neither, or what is sold is not the driver's asset and does not wrap it, unless it `is_meant`. A
    curve names no tokens.
    """
    base, quote = depth.base, depth.quote
    if not is_meant:
        check_sold(depth, driver)
    _, _, paid = driver.partition("/")
    is_told = _has_feed(market, quote.symbol, paid) or _stands_for(quote.symbol, paid)
    if quote.address and paid and not is_told:
        raise InputError(
            f"{depth.name} pays in {quote.symbol}, and {driver} is in {paid}: "
            f"the market has no {quote.symbol}/{paid} to bring one to the other."
        )
    price = depth.price * 10**base.decimals / 10**quote.decimals
    return _quoted(market, driver, Offchain(price, depth.name), quote.symbol)


def _stands_for(quote: str, paid: str) -> bool:
    """Whether a token may be taken for what a driver is quoted in: one dollar for another, WETH for ETH."""
    return is_or_wraps(quote, paid) or (is_dollar(quote) and is_dollar(paid))


def _has_feed(market: Market, quote: str, paid: str) -> bool:
    return any(one.name.casefold() == f"{quote}/{paid}".casefold() for one in input_drivers(market))


def venue_prices(
    market: Market, venue: str, names: Sequence[str] = (), *, config: VenueConfig | None = None
) -> VenuePrices:
    """What an exchange's perpetuals were last traded at, for drivers quoted in dollars that are no pegs.

    With `names`, of those drivers, pegs or not. VenueError where the exchange cannot be asked.
    """
    named = [find_driver(market, name) for name in names]
    drivers = named or [one for one in input_drivers(market) if not is_peg(one)]
    assets: dict[str, list[str]] = {}
    for driver in drivers:
        asset, _, paid = driver.name.partition("/")
        if paid.casefold() == DOLLAR.casefold() and asset.isalnum() and asset.isascii():
            assets.setdefault(asset.upper(), []).append(driver.name)
    prices = VenuePrices({}, {})
    for asset, last in (read_prices(venue, list(assets), config=config) if assets else {}).items():
        for name in assets[asset]:
            if isinstance(last, VenueError):
                prices.missing[name] = last
                continue
            at = datetime.fromtimestamp(last.at, UTC).strftime("%H:%M")
            traded = Offchain(Fraction(repr(last.price)), f"{venue} {last.instrument.symbol} at {at} UTC")
            prices.found[name] = _quoted(market, name, traded, last.instrument.settle)
    return prices


def _quoted(market: Market, driver: str, traded: Offchain, quote: str) -> Offchain:
    """A price in one currency as one in the driver's, by the market's own feed of it where it has one."""
    _, _, paid = driver.partition("/")
    if not paid or quote.casefold() == paid.casefold():
        return traded
    wanted = f"{quote}/{paid}".casefold()
    rate = next((one for one in input_drivers(market) if one.name.casefold() == wanted), None)
    if rate is None:
        return Offchain(traded.price, f"{traded.source}, {quote} taken for {paid}")
    return Offchain(traded.price * Fraction(rate.spot, rate.unit), f"{traded.source}, times {rate.name}")
