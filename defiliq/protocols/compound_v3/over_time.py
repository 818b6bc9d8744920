"""The law of Compound III over seconds: what an account's health does while nothing moves but time.

The borrow index grows in one line from the last accrual on, and prices that time moves follow their graph.
At one second this is the law itself. Over many seconds every balance, price and value is a span, and the
verdict is given where it holds for all that the spans allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from defiliq.pricing.span import Span, constant, is_less, linear, mul_div, times, total
from defiliq.protocols.compound_v3.accrual import INDEX_SCALE, accrued_indices, present_value
from defiliq.protocols.compound_v3.legs import Counted, counted_legs
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.rules import Rule
from defiliq.protocols.timed import TimedFeed, prices_at
from defiliq.types import Account, Health
from defiliq.units import WAD

_NOTHING = constant(0)


class _Part(NamedTuple):
    """One leg, and what time does not change about it."""

    settled: Counted
    """At the market's own indices: what it owes is of that moment only."""
    principal: int
    """The size of a negative principal; 0 for collateral."""
    price: TimedFeed


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The health of one account as a function of time alone.

    With a market as stored the debt stands still: isLiquidatable sees no interest until somebody accrues it.
    """

    market: CometMarket
    parts: tuple[_Part, ...]

    def health(self, at: int) -> Health:
        """The law's answer at one second."""
        index = self._borrow_index_at(at)
        legs = (part.settled._replace(owed=present_value(part.principal, index)) for part in self.parts)
        prices = prices_at(self.market, (part.price for part in self.parts), at)
        return Rule(tuple(legs)).health(prices)

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict from `first` to `last`; None where it differs or is not known, never at one second.

        By the two bounds of `rules.Rule.verdict_over`.
        """
        weighted = total([_NOTHING, *(self._weighted_over(part, first, last) for part in self.parts)])
        debt = total([_NOTHING, *(self._debt_over(part, first, last) for part in self.parts)])
        return is_less(weighted, debt)

    def _borrow_index_at(self, at: int) -> int:
        return self.market.borrow_index_now if self.market.stored else accrued_indices(self.market, at)[1]

    def _weighted_over(self, part: _Part, first: int, last: int) -> Span:
        """What a leg's collateral counts, with both cuts of `rules`."""
        leg = part.settled
        if not leg.supplied:
            return _NOTHING
        value = mul_div(part.price.over(self.market, first, last), leg.supplied, leg.unit)
        return mul_div(value, leg.liquidate_factor_wad, WAD)

    def _debt_over(self, part: _Part, first: int, last: int) -> Span:
        """What a leg's debt is worth while its index grows: a line that is cut, from the last accrual on."""
        if not part.principal:
            return _NOTHING
        start, end = self._borrow_index_at(first), self._borrow_index_at(last)
        is_line = first >= self.market.accrued_at
        index = linear(start, end, bend=1 if is_line else end - start)
        owed = mul_div(index, part.principal, INDEX_SCALE)
        return mul_div(times(owed, part.price.over(self.market, first, last)), 1, part.settled.unit)


def rule_over_time(account: Account, market: CometMarket) -> TimeRule:
    """The account's rule from the market's timestamp on."""
    principals = {leg.reserve: leg.debt for leg in account.legs}
    parts = []
    for settled in counted_legs(account, market):
        principal = principals[settled.reserve] if settled.owed else 0
        parts.append(_Part(settled, principal, TimedFeed.of(market, settled.feed)))
    return TimeRule(market, tuple(parts))
