"""A book as one market of a cascade: drivers become prices, and seizures become sales along them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Protocol

from defiliq.engine.taken import Taken
from defiliq.ladder import identity
from defiliq.model.cascade.quoted import quoted
from defiliq.model.cascade.stage import Followed, OracleRule, Settled
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Input
from defiliq.types import Market

MONEY_WITHIN = Fraction(2, 100)
"""What is worth 1 of the base currency, so nearly, is what others are sold for and bought with."""


class Ledger(Protocol):
    """The accounts of one book, and how they are liquidated: one by one by the law, or in columns."""

    def settle(self, prices: Sequence[int]) -> Taken:
        """Liquidate at these oracle prices, one per feed, until nothing more goes through."""
        ...


class BookStage:
    """One book while drivers move. An asset is traded along each of `drivers` that moves its price: wstETH is
    sold for ether along a ratio, and the ether for dollars.
    """

    def __init__(self, market: Market, drivers: Sequence[Driver], ledger: Ledger) -> None:
        self._market, self._ledger = market, ledger
        self._drivers = {driver.name: driver for driver in drivers}
        self._followed = {
            driver.name: replace(followed(market, driver), quoted=quoted(market, driver, drivers))
            for driver in drivers
        }
        self._drivers_of = [
            [driver for driver in drivers if reserve.feed in driver.feeds] for reserve in market.reserves
        ]

    @property
    def identity(self) -> Mapping[str, object]:
        """The columns that say which market at which block it is."""
        return identity(self._market)

    @property
    def drivers(self) -> Mapping[str, Followed]:
        """The drivers that may move here, by name."""
        return self._followed

    def settle(self, at: Mapping[str, int]) -> Settled:
        """Let liquidators take all they can with the drivers at these integers."""
        market = self._moved(at)
        taken = self._ledger.settle(market.prices)
        unit = self._market.base_unit
        traded, untraded = self._flows(taken, market, at)
        return Settled(
            taken.accounts,
            taken.calls,
            taken.seized_base / unit,
            taken.repaid_base / unit,
            taken.bonus_base / unit,
            taken.bad_debt_base / unit,
            traded,
            untraded,
            taken.refused,
            taken.deleveraged_base / unit,
            taken.fund_spent_base / unit,
            math.nan if taken.fund_left_base is None else taken.fund_left_base / unit,
        )

    def _moved(self, at: Mapping[str, int]) -> Market:
        """The market with its drivers at these integers, and all that hangs on them: at least 1 each."""
        inputs: dict[int, int] = {}
        by_hand: dict[int, int] = {}
        for name, integer in at.items():
            driver = self._drivers[name]
            if driver.inputs:
                inputs |= driver.moved_inputs(integer)
            else:
                by_hand |= driver.prices(integer)
        market = self._market.at_inputs(inputs) if inputs else self._market
        prices = {feed: max(1, price) for feed, price in enumerate(market.prices)} | by_hand
        return market.at_prices(prices)

    def _flows(
        self, taken: Taken, market: Market, at: Mapping[str, int]
    ) -> tuple[dict[str, Fraction], dict[str, float]]:
        """What is left to sell per driver, in whole tokens at its price, and per symbol where none is."""
        traded: dict[str, Fraction] = dict.fromkeys(self._drivers, Fraction(0))
        untraded: dict[str, float] = {}
        for k, reserve in enumerate(market.reserves):
            net = Fraction(taken.seized[k]) - Fraction(taken.repaid[k])
            if not net:
                continue
            price = Fraction(market.price_of(k), market.price_unit(reserve.feed))
            # Perpetuals may count in multiples of a token: a negative number of decimals.
            worth = net / Fraction(10) ** reserve.decimals * price
            if not self._drivers_of[k] and abs(price - 1) > MONEY_WITHIN:
                untraded[reserve.symbol] = untraded.get(reserve.symbol, 0.0) + float(worth)
            for driver in self._drivers_of[k]:
                traded[driver.name] += worth * driver.unit / at[driver.name] / self._quote(driver.name, at)
        return traded, untraded

    def _quote(self, name: str, at: Mapping[str, int]) -> Fraction:
        """What 1.0 of a driver's quote is worth in the base currency by now."""
        worth, mover = self._followed[name].quoted
        return worth * at[mover] / self._followed[mover].spot if mover else worth


def followed(market: Market, driver: Driver) -> Followed:
    """A driver as the market's oracle quotes it: of several feeds, the one that answers soonest counts."""
    quantities = [market.graph.quantities[position] for position, _ in driver.inputs]
    inputs = [quantity for quantity in quantities if isinstance(quantity, Input)]
    deviations = [found.deviation_bps for found in inputs if found.deviation_bps is not None]
    heartbeats = [found.heartbeat_s for found in inputs if found.heartbeat_s is not None]
    rule = OracleRule(
        min(deviations) if inputs and len(deviations) == len(inputs) else None,
        min(heartbeats) if heartbeats else None,
    )
    return Followed(driver.name, driver.spot, driver.unit, rule)
