"""The law of Aave v3 over seconds: what an account's health does while nothing moves but time.

Interest accrues, ratio caps grow and discounts run off (`AaveMarket.at_time`); inputs of prices stand still
and nobody touches the reserves. At one second this is the law itself. Over many seconds every balance, price
and value is a span, and the verdict is given where it holds for all that the spans allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from defiliq.pricing.span import Span, mul_div, times, total
from defiliq.protocols.aave_v3 import rules_r8, rules_r9
from defiliq.protocols.aave_v3.accrual import normalized_debt, normalized_income
from defiliq.protocols.aave_v3.accrual_over import debt_over, income_over, stable_over
from defiliq.protocols.aave_v3.legs import (
    FIRST_DIRECTED_REVISION,
    Counted,
    backs_debt,
    counted_legs,
    owed_balance,
    supplied_balance,
)
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve
from defiliq.protocols.aave_v3.revisions import version_of
from defiliq.protocols.aave_v3.rules import FIRST_UNAVERAGED_REVISION
from defiliq.protocols.timed import TimedFeed, prices_at
from defiliq.types import Account, Health, Leg, Rule
from defiliq.units import BPS, HALF_BPS, RAY, mul_div_down, mul_div_half_up, mul_div_up, percent_mul_half_up

Rounding: TypeAlias = Callable[[int, int, int], int]


class Values(NamedTuple):
    """What one leg counts over some seconds, in base currency."""

    collateral: Span
    debt: Span
    threshold_bps: int


class _Part(NamedTuple):
    """One leg, and what time does not change about it."""

    leg: Leg
    reserve: AaveReserve
    settled: Counted
    """At the market's own timestamp: only its balances are of that second."""
    backs: bool
    price: TimedFeed


@dataclass(frozen=True, slots=True)
class TimeRule:
    """The health of one account as a function of time alone."""

    market: AaveMarket
    parts: tuple[_Part, ...]

    def health(self, at: int) -> Health:
        """The law's answer at one second."""
        prices = prices_at(self.market, (part.price for part in self.parts), at)
        legs = tuple(self._settled_at(part, at) for part in self.parts)
        is_averaged = self.market.revision < FIRST_UNAVERAGED_REVISION
        rule: Rule = rules_r8.Rule(legs) if is_averaged else rules_r9.Rule(legs)
        return rule.health(prices)

    def verdict_over(self, first: int, last: int) -> bool | None:
        """The verdict from `first` to `last`; None where it differs or is not known, never at one second."""
        legs = [self._values_over(part, first, last) for part in self.parts]
        if self.market.revision < FIRST_UNAVERAGED_REVISION:
            return averaged_verdict(legs)
        return direct_verdict(legs)

    def _settled_at(self, part: _Part, at: int) -> Counted:
        leg, reserve, revision = part.leg, part.reserve, self.market.revision
        supplied = supplied_balance(leg, normalized_income(reserve, at), revision) if part.backs else 0
        owed = owed_balance(leg, normalized_debt(reserve, at, revision), revision, at)
        return part.settled._replace(supplied=supplied, owed=owed)

    def _values_over(self, part: _Part, first: int, last: int) -> Values:
        """What a leg's collateral and debt are worth, with every rounding of `legs` and of the rules."""
        leg, reserve, revision = part.leg, part.reserve, self.market.revision
        down, up = mul_div_down, mul_div_up
        if revision < FIRST_DIRECTED_REVISION:
            down = up = mul_div_half_up
        collateral = debt = _NOTHING
        worth = self._worth_over(part, first, last)
        if part.backs:
            supplied = mul_div(income_over(reserve, first, last), leg.collateral, RAY, down)
            collateral = worth(supplied, mul_div_down)
        if leg.debt or leg.stable is not None:
            owed = mul_div(debt_over(reserve, first, last, revision), leg.debt, RAY, up)
            if leg.stable is not None:
                owed = total((owed, stable_over(leg.stable, first, last)))
            debt = worth(owed, mul_div_down if revision < FIRST_UNAVERAGED_REVISION else mul_div_up)
        return Values(collateral, debt, part.settled.threshold_bps)

    def _worth_over(self, part: _Part, first: int, last: int) -> Callable[[Span, Rounding], Span]:
        """From a balance over some seconds to its value in base currency."""
        unit = part.settled.unit
        if not part.price.below:
            price = self.market.prices[part.settled.feed]
            return lambda balance, rounded: mul_div(balance, price, unit, rounded)
        moving = part.price.over(self.market, first, last)
        return lambda balance, rounded: mul_div(times(balance, moving), 1, unit, rounded)


_NOTHING = Span(0, 0, 0, 0, 0)


def direct_verdict(legs: Sequence[Values]) -> bool | None:
    """The verdict of revisions 9 to 11 wherever values do what `legs` say; None if not known.

    Either the worst join of collateral and debt decides, or the straight lines between the ends do, each
    moved against the answer by as much as values may lie from them.
    """
    weighted = total([_NOTHING, *(_times_constant(leg.collateral, leg.threshold_bps) for leg in legs)])
    debt = total([_NOTHING, *(leg.debt for leg in legs)])
    if rules_r9.surplus(weighted.low, debt.high) >= 0:
        return False
    if rules_r9.surplus(weighted.high, debt.low) < 0:
        return True
    ends = ((weighted.start, debt.start), (weighted.end, debt.end))
    if all(rules_r9.surplus(w - weighted.bend, d + debt.bend) >= 0 for w, d in ends):
        return False
    if all(rules_r9.surplus(w + weighted.bend, d - debt.bend) < 0 for w, d in ends):
        return True
    return None


def averaged_verdict(legs: Sequence[Values]) -> bool | None:
    """The verdict of revisions 1 to 8 wherever values do what `legs` say; None if not known.

    First the average threshold is enclosed, then as in `direct_verdict`. percentMul differs from C * average
    / 1e4 by at most a half, so the lines are taken at 1e4 times their height.
    """
    collateral = total([_NOTHING, *(leg.collateral for leg in legs)])
    debt = total([_NOTHING, *(leg.debt for leg in legs)])
    low_bps, high_bps = _average_over(legs, collateral)
    if rules_r8.surplus(percent_mul_half_up(collateral.low, low_bps), debt.high) >= 0:
        return False
    if rules_r8.surplus(percent_mul_half_up(collateral.high, high_bps), debt.low) < 0:
        return True
    ends = ((collateral.start, debt.start), (collateral.end, debt.end))
    least = [((c - collateral.bend) * low_bps - HALF_BPS, d + debt.bend) for c, d in ends]
    if all(rules_r8.surplus(backing, owed * BPS) >= 0 for backing, owed in least):
        return False
    most = [((c + collateral.bend) * high_bps + HALF_BPS, d - debt.bend) for c, d in ends]
    if all(rules_r8.surplus(backing, owed * BPS) < 0 for backing, owed in most):
        return True
    return None


def _average_over(legs: Sequence[Values], collateral: Span) -> tuple[int, int]:
    """The lowest and highest whole-bps average threshold wherever there is collateral, or a little wider."""
    backing = [leg for leg in legs if leg.collateral.high > 0]
    if not backing:
        return 0, 0
    thresholds = [leg.threshold_bps for leg in backing]
    if collateral.start == 0 or collateral.end == 0 or min(thresholds) == max(thresholds):
        return min(thresholds), max(thresholds)
    start = sum(leg.collateral.start * leg.threshold_bps for leg in backing)
    end = sum(leg.collateral.end * leg.threshold_bps for leg in backing)
    ends = (
        rules_r8.average_bps(start, collateral.start),
        rules_r8.average_bps(end, collateral.end),
    )
    lows = (bps for bps in (min(ends), min(ends) - 1) if _excess_over(backing, bps)[0] >= 0)
    highs = (bps for bps in (max(ends), max(ends) + 1) if _excess_over(backing, bps + 1)[1] < 0)
    return next(lows, min(thresholds)), next(highs, max(thresholds))


def _excess_over(legs: Sequence[Values], bps: int) -> tuple[int, int]:
    """Bounds of sum(value * (threshold - bps)): negative exactly where the average is below `bps`."""
    lowest = highest = start = end = bend = 0
    for value, _, threshold_bps in legs:
        over = threshold_bps - bps
        lowest += over * (value.low if over > 0 else value.high)
        highest += over * (value.high if over > 0 else value.low)
        start += over * value.start
        end += over * value.end
        bend += abs(over) * value.bend
    return max(lowest, min(start, end) - bend), min(highest, max(start, end) + bend)


def _times_constant(span: Span, factor: int) -> Span:
    return Span(*(factor * part for part in span))


def rule_over_time(account: Account, market: AaveMarket) -> TimeRule:
    """The account's rule from the market's timestamp on; UnsupportedRevision where it has not been ported."""
    version_of(market.revision)
    parts = []
    for leg, settled in zip(account.legs, counted_legs(account, market), strict=True):
        reserve = market.reserves[leg.reserve]
        backs = backs_debt(leg, reserve, market.revision)
        if backs or leg.debt or leg.stable is not None:
            parts.append(_Part(leg, reserve, settled, backs, TimedFeed.of(market, settled.feed)))
    return TimeRule(market, tuple(parts))
