"""The law of Solo Margin over seconds: what an account's health does while nothing moves but time.

Both indices of every market grow in one line from its last update on, each rounded, and prices that time
moves follow their graph. At one second this is the law itself. Over many seconds every amount, price and
value is a span, and the verdict is given where it holds for all that the spans allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from defiliq.pricing.span import Span, constant, is_less, mul_div, straight, times, total
from defiliq.protocols.dydx_solo.accrual import total_wei
from defiliq.protocols.dydx_solo.legs import counted_leg, is_liquid
from defiliq.protocols.dydx_solo.market import SoloMarket, SoloReserve
from defiliq.protocols.dydx_solo.rules import Rule
from defiliq.protocols.timed import TimedFeed, prices_at
from defiliq.types import Account, Health, Leg
from defiliq.units import WAD, mul_div_up

_NOTHING = constant(0)


class Indices(NamedTuple):
    """A market's two indices over some seconds."""

    borrow_wad: Span
    supply_wad: Span


class _Part(NamedTuple):
    """One leg that is not zero."""

    leg: Leg
    reserve: SoloReserve
    price: TimedFeed


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The health of one account as a function of time alone.

    With a market as stored all indices stand still: getAdjustedAccountValues sees no interest until somebody
    operates on the market.
    """

    market: SoloMarket
    parts: tuple[_Part, ...]
    is_liquid: bool

    def health(self, at: int) -> Health:
        """The law's answer at one second."""
        legs = []
        for part in self.parts:
            now = indices_over(self.market, part.reserve, at, at)
            there = replace(
                part.reserve,
                borrow_index_now_wad=now.borrow_wad.start,
                supply_index_now_wad=now.supply_wad.start,
            )
            legs.append(counted_leg(part.leg, there))
        prices = prices_at(self.market, (part.price for part in self.parts), at)
        return Rule(tuple(legs), self.market.margin_ratio_wad, self.is_liquid).health(prices)

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict from `first` to `last`; None where it differs or is not known, never at one second.

        By the two bounds of `rules.Rule.verdict_over`.
        """
        supply_value = total([_NOTHING, *(self._supply_over(part, first, last) for part in self.parts)])
        borrow_value = total([_NOTHING, *(self._debt_over(part, first, last) for part in self.parts)])
        if self.is_liquid:
            owes = borrow_value.low > 0
            return owes if owes == (borrow_value.high > 0) else None
        margin = mul_div(borrow_value, self.market.margin_ratio_wad, WAD)
        needed = total([borrow_value, margin])
        return is_less(supply_value, needed)

    def _supply_over(self, part: _Part, first: int, last: int) -> Span:
        """What a supply counts, with both cuts: that of its amount and that of its premium."""
        leg, reserve = part.leg, part.reserve
        if not leg.collateral:
            return _NOTHING
        index = indices_over(self.market, reserve, first, last).supply_wad
        value = times(mul_div(index, leg.collateral, WAD), part.price.over(self.market, first, last))
        return mul_div(value, WAD, WAD + reserve.margin_premium_wad)

    def _debt_over(self, part: _Part, first: int, last: int) -> Span:
        """What a debt counts: its amount rounded up, its premium cut."""
        leg, reserve = part.leg, part.reserve
        if not leg.debt:
            return _NOTHING
        index = indices_over(self.market, reserve, first, last).borrow_wad
        value = times(mul_div(index, leg.debt, WAD, mul_div_up), part.price.over(self.market, first, last))
        return mul_div(value, WAD + reserve.margin_premium_wad, WAD)


def indices_over(market: SoloMarket, reserve: SoloReserve, first: int, last: int) -> Indices:
    """A market's indices from one second to another (`accrual.accrued_indices`), or as stored."""
    if market.stored:
        return Indices(constant(reserve.borrow_index_now_wad), constant(reserve.supply_index_now_wad))
    elapsed = straight(first - reserve.accrued_at, last - reserve.accrued_at)
    borrow_interest = mul_div(elapsed, reserve.borrow_rate_wad, 1)
    borrowed, supplied = total_wei(reserve)
    supply_interest = _NOTHING
    if supplied:
        supply_interest = mul_div(borrow_interest, market.earnings_rate_wad, WAD)
        if borrowed < supplied:
            supply_interest = mul_div(supply_interest, borrowed, supplied)
    return Indices(
        _grown(reserve.borrow_index_wad, borrow_interest), _grown(reserve.supply_index_wad, supply_interest)
    )


def _grown(index_wad: int, interest_wad: Span) -> Span:
    return total((constant(index_wad), mul_div(interest_wad, index_wad, WAD)))


def rule_over_time(account: Account, market: SoloMarket) -> TimeRule:
    """The account's rule from the market's timestamp on."""
    parts = tuple(
        _Part(leg, market.reserves[leg.reserve], TimedFeed.of(market, market.reserves[leg.reserve].feed))
        for leg in account.legs
        if leg.collateral or leg.debt
    )
    return TimeRule(market, parts, is_liquid(account))
