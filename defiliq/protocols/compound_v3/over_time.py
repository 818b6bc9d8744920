"""The law of Compound III over seconds: what an account's health does while nothing moves but time.

The borrow index grows in one line from the last accrual on, and prices that time moves follow their graph.
At one second this is the law itself. Over many seconds every balance, price and value is a span, and the
verdict is given where it holds for all that the spans allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from defiliq.pricing.span import Span, constant, linear, mul_div, times, total
from defiliq.protocols.compound_v3.accrual import INDEX_SCALE, accrued_indices, present_value
from defiliq.protocols.compound_v3.legs import Counted, counted_legs
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.rules import Rule
from defiliq.types import Account, Health
from defiliq.units import WAD

_NOTHING = constant(0)


class _Part(NamedTuple):
    """One leg, and what time does not change about it."""

    settled: Counted
    """At the market's own indices: what it owes is of that moment only."""
    principal: int
    """The size of a negative principal; 0 for collateral."""
    below_price: Sequence[int]
    """Positions of what its price is made of in the price graph; none where time does not move it."""


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The health of one account as a function of time alone.

    With a market as stored the debt stands still: isLiquidatable sees no interest until somebody accrues it.
    """

    market: CometMarket
    parts: tuple[_Part, ...]

    def health(self, at: int) -> Health:
        """The law's answer at one second."""
        prices = list(self.market.prices)
        legs = []
        index = self._borrow_index_at(at)
        for part in self.parts:
            if part.below_price:
                prices[part.settled.feed] = self._price_over(part, at, at).start
            legs.append(part.settled._replace(owed=present_value(part.principal, index)))
        return Rule(tuple(legs)).health(prices)

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict from `first` to `last`; None where it differs or is not known, never at one second.

        Two bounds, as in `rules.Rule.verdict_over`: the worst join of collateral and debt, and the straight
        lines between the ends, moved by as much as values may lie from them.
        """
        weighted = total([_NOTHING, *(self._weighted_over(part, first, last) for part in self.parts)])
        debt = total([_NOTHING, *(self._debt_over(part, first, last) for part in self.parts)])
        if weighted.low >= debt.high:
            return False
        if weighted.high < debt.low:
            return True
        slack = weighted.bend + debt.bend
        ends = weighted.start - debt.start, weighted.end - debt.end
        if min(ends) >= slack:
            return False
        if max(ends) < -slack:
            return True
        return None

    def _borrow_index_at(self, at: int) -> int:
        return self.market.borrow_index_now if self.market.stored else accrued_indices(self.market, at)[1]

    def _weighted_over(self, part: _Part, first: int, last: int) -> Span:
        """What a leg's collateral counts, with both cuts of `rules`."""
        leg = part.settled
        if not leg.supplied:
            return _NOTHING
        value = mul_div(self._price_over(part, first, last), leg.supplied, leg.unit)
        return mul_div(value, leg.liquidate_factor_wad, WAD)

    def _debt_over(self, part: _Part, first: int, last: int) -> Span:
        """What a leg's debt is worth while its index grows: a line that is cut, from the last accrual on."""
        if not part.principal:
            return _NOTHING
        start, end = self._borrow_index_at(first), self._borrow_index_at(last)
        is_line = first >= self.market.accrued_at
        index = linear(start, end, bend=1 if is_line else end - start)
        owed = mul_div(index, part.principal, INDEX_SCALE)
        return mul_div(times(owed, self._price_over(part, first, last)), 1, part.settled.unit)

    def _price_over(self, part: _Part, first: int, last: int) -> Span:
        graph, feed = self.market.graph, part.settled.feed
        if not part.below_price:
            return constant(self.market.prices[feed])
        return graph.spans(part.below_price, first, last)[graph.feeds[feed]]


def rule_over_time(account: Account, market: CometMarket) -> TimeRule:
    """The account's rule from the market's timestamp on."""
    principals = {leg.reserve: leg.debt for leg in account.legs}
    parts = []
    for settled in counted_legs(account, market):
        principal = principals[settled.reserve] if settled.owed else 0
        parts.append(_Part(settled, principal, _below_price(market, settled.feed)))
    return TimeRule(market, tuple(parts))


def _below_price(market: CometMarket, feed: int) -> Sequence[int]:
    graph = market.graph
    if not graph.feeds or not graph.is_timed(graph.feeds[feed]):
        return ()
    return graph.below(graph.feeds[feed])
