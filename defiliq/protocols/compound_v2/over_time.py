"""The law of Compound v2 over seconds: what an account's health does while nothing moves but time.

Every cToken accrues in one linear step from its last accrual, whenever it is asked: exchange rates and borrow
indices never fall. At one second this is the law itself. Over many seconds each quantity is a span, every
rounding of the contracts included, and the verdict is given where it holds for all that the spans allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from defiliq.errors import NoLaterTime
from defiliq.pricing.span import Span, constant, is_less, linear, mul_div, straight, times, total
from defiliq.protocols.compound_v2.legs import PRODUCT, counted_leg, owes_deprecated
from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve
from defiliq.protocols.compound_v2.rules import Rule
from defiliq.protocols.timed import TimedFeed, prices_at
from defiliq.types import Account, Health, Leg
from defiliq.units import WAD, mul_div_up


class Indices(NamedTuple):
    """A cToken's two indices over some seconds."""

    exchange_rate_wad: Span
    borrow_index_wad: Span


class Values(NamedTuple):
    """What one leg backs and owes over some seconds, in base currency."""

    backing: Span
    debt: Span


class _Part(NamedTuple):
    """One leg in an entered market."""

    leg: Leg
    reserve: CTokenReserve
    price: TimedFeed


_NOTHING = constant(0)


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The health of one account as a function of time alone.

    With a market as stored all indices stand still: getAccountLiquidity sees no interest until somebody
    accrues it.
    """

    market: CompoundMarket
    parts: tuple[_Part, ...]
    owes_deprecated: bool
    """Whether a debt may be liquidated at any time."""

    def health(self, at: int) -> Health:
        """The law's answer at one second."""
        legs, rounding = [], self.market.product_rounding
        for part in self.parts:
            now = indices_over(self.market, part.reserve, at, at)
            there = replace(
                part.reserve,
                exchange_rate_now_wad=now.exchange_rate_wad.start,
                borrow_index_now_wad=now.borrow_index_wad.start,
            )
            legs.append(counted_leg(part.leg, there, rounding))
        prices = prices_at(self.market, (part.price for part in self.parts), at)
        return Rule(tuple(legs), rounding, self.owes_deprecated).health(prices)

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict from `first` to `last`; None where it differs or is not known, never at one second."""
        if self.owes_deprecated:
            return True
        return verdict([self._values_over(part, first, last) for part in self.parts])

    def _values_over(self, part: _Part, first: int, last: int) -> Values:
        """What a leg backs and owes, with every rounding of `legs` and of `rules`."""
        leg, reserve, product = part.leg, part.reserve, PRODUCT[self.market.product_rounding]
        price = part.price.over(self.market, first, last)
        now = indices_over(self.market, reserve, first, last)
        backing = debt = _NOTHING
        if leg.collateral:
            weight = mul_div(now.exchange_rate_wad, reserve.collateral_factor_wad, WAD, product)
            per_wad = mul_div(times(weight, price), 1, WAD, product)
            backing = mul_div(per_wad, leg.collateral, WAD)
        if leg.debt and leg.debt_index:
            owed = mul_div(now.borrow_index_wad, leg.debt, leg.debt_index)
            debt = mul_div(times(owed, price), 1, WAD)
        return Values(backing, debt)


def verdict(legs: Sequence[Values]) -> bool | None:
    """The verdict wherever values do what `legs` say; None if not known."""
    backing = total([_NOTHING, *(leg.backing for leg in legs)])
    debt = total([_NOTHING, *(leg.debt for leg in legs)])
    return is_less(backing, debt)


def indices_over(market: CompoundMarket, reserve: CTokenReserve, first: int, last: int) -> Indices:
    """A cToken's indices from one second to another (`accrual.accrued`), or as stored.

    NoLaterTime beyond the block where it accrues in its own way.
    """
    if market.stored:
        return Indices(constant(reserve.exchange_rate_now_wad), constant(reserve.borrow_index_now_wad))
    ticks = ticks_over(market, first, last)
    if not reserve.accrues_plainly:
        if ticks != constant(market.tick_at(market.block.timestamp)):
            raise NoLaterTime(reserve.symbol, reserve.c_token)
        return Indices(
            constant(reserve.exchange_rate_at_block_wad), constant(reserve.borrow_index_at_block_wad)
        )
    factor = mul_div(_since(ticks, reserve.accrued_at), reserve.borrow_rate_wad, 1)
    index = total((mul_div(factor, reserve.borrow_index_wad, WAD), constant(reserve.borrow_index_wad)))
    if reserve.total_supply == 0:
        return Indices(constant(reserve.initial_exchange_rate_wad), index)
    interest = mul_div(factor, reserve.total_borrows, WAD)
    # Reserves get their share cut, so what is left for suppliers is the rest rounded up.
    earned = mul_div(interest, WAD - reserve.reserve_factor_wad, WAD, mul_div_up)
    stored = reserve.cash + reserve.total_borrows - reserve.total_reserves
    return Indices(mul_div(total((earned, constant(stored))), WAD, reserve.total_supply), index)


def ticks_over(market: CompoundMarket, first: int, last: int) -> Span:
    """What the market's clock shows from one second to another (`CompoundMarket.tick_at`)."""
    if market.clock == "timestamp":
        return straight(first, last)
    start, end = market.tick_at(first), market.tick_at(last)
    return linear(start, end, bend=0 if market.pace_blocks % market.pace_seconds == 0 else 1)


def _since(ticks: Span, accrued_at: int) -> Span:
    """max(0, ticks - accrued_at): one way only, with a kink where it leaves 0."""
    start, end = max(0, ticks.start - accrued_at), max(0, ticks.end - accrued_at)
    return linear(start, end, bend=ticks.bend if ticks.start >= accrued_at else end)


def rule_over_time(account: Account, market: CompoundMarket) -> TimeRule:
    """The account's rule from the market's timestamp on."""
    parts = tuple(
        _Part(leg, market.reserves[leg.reserve], TimedFeed.of(market, market.reserves[leg.reserve].feed))
        for leg in account.legs
        if leg.counted and (leg.collateral or leg.debt)
    )
    return TimeRule(market, parts, owes_deprecated(account, market))
