"""Health in Aave v3 revisions 1 to 8 (v3.0 to v3.4): GenericLogic.calculateUserAccountData.

Collateral and debt values are rounded down, and the threshold-weighted sum passes through an average that is
cut to whole basis points. When a collateral with a low threshold gains, the average can drop by one basis
point and take the health factor down with it: health is NOT monotone in price, and one account can cross
1e18 several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.pricing.driver import Stretch
from defiliq.protocols.aave_v3.legs import Counted, counted_legs, value_bend
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import NO_DEBT_FACTOR, Account, Health
from defiliq.units import BPS, HALF_BPS, WAD, mul_div_down, percent_mul_half_up, wad_div_half_up

_CREDIT = 2 * WAD
_DEBIT = 2 * WAD - 1


def average_bps(weighted: int, collateral_base: int) -> int:
    """The average threshold, cut to whole basis points."""
    return 0 if collateral_base == 0 else weighted // collateral_base


def health_factor(collateral_base: int, threshold_bps: int, debt_base: int) -> int:
    """The health factor as a wad, from the average threshold."""
    if debt_base == 0:
        return NO_DEBT_FACTOR
    return wad_div_half_up(percent_mul_half_up(collateral_base, threshold_bps), debt_base)


def surplus(backing_base: int, debt_base: int) -> int:
    """A line in values that is negative exactly where wadDiv(backing, debt) is below 1e18.

    wadDiv rounds to the nearest: B * 1e18 / D + 1/2 < 1e18 is 2e18 * B < (2e18 - 1) * D.
    """
    return _CREDIT * backing_base - _DEBIT * debt_base


@dataclass(frozen=True, slots=True)
class Rule:
    """The health of one account as a function of prices alone."""

    legs: tuple[Counted, ...]

    def _values(self, prices: Sequence[int]) -> tuple[int, int, int]:
        """Collateral, collateral weighted by threshold in bps, and debt, in base currency."""
        collateral_base = weighted = debt_base = 0
        for _, feed, unit, supplied, owed, threshold_bps, _ in self.legs:
            price = prices[feed]
            if supplied:
                value = mul_div_down(supplied, price, unit)
                collateral_base += value
                weighted += value * threshold_bps
            if owed:
                debt_base += mul_div_down(owed, price, unit)
        return collateral_base, weighted, debt_base

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict: HEALTH_FACTOR_LIQUIDATION_THRESHOLD is 1e18, and exactly 1e18 is safe."""
        collateral_base, weighted, debt_base = self._values(prices)
        return health_factor(collateral_base, average_bps(weighted, collateral_base), debt_base) < WAD

    def margin(self, prices: Sequence[int]) -> int:
        """Weighted collateral minus debt, in base currency times 1e4, before the average is cut."""
        _, weighted, debt_base = self._values(prices)
        return weighted - debt_base * BPS

    def health(self, prices: Sequence[int]) -> Health:
        """All that Pool.getUserAccountData answers, and the verdict."""
        collateral_base, weighted, debt_base = self._values(prices)
        weighted_ltv = sum(
            mul_div_down(leg.supplied, prices[leg.feed], leg.unit) * leg.ltv_bps for leg in self.legs
        )
        threshold_bps = average_bps(weighted, collateral_base)
        ltv_bps = average_bps(weighted_ltv, collateral_base)
        factor_wad = health_factor(collateral_base, threshold_bps, debt_base)
        return Health(
            collateral_base=collateral_base,
            debt_base=debt_base,
            available_borrows_base=max(0, percent_mul_half_up(collateral_base, ltv_bps) - debt_base),
            threshold_bps=threshold_bps,
            ltv_bps=ltv_bps,
            factor_wad=factor_wad,
            liquidatable=factor_wad < WAD,
            margin=weighted - debt_base * BPS,
        )

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says; None if it differs, or is not known.

        First the average threshold is enclosed, then the surplus as in rules_r9: by the worst join of
        collateral and debt, and by the distance to the straight line between the ends.
        """
        a, b = self._values(stretch.start), self._values(stretch.end)
        low, high = stretch.pick(self._values, a, b)
        low_bps, high_bps = self._average_over(stretch, a, b)
        if surplus(percent_mul_half_up(low[0], low_bps), high[2]) >= 0:
            return False
        if surplus(percent_mul_half_up(high[0], high_bps), low[2]) < 0:
            return True
        # In surplus times 1e4, percentMul differs from C * average / 1e4 by at most a half.
        collateral_bend, debt_bend = self._bends(stretch)
        slack = _CREDIT * HALF_BPS + _DEBIT * BPS * debt_bend
        if min(_line(a, low_bps), _line(b, low_bps)) >= slack + _CREDIT * low_bps * collateral_bend:
            return False
        if max(_line(a, high_bps), _line(b, high_bps)) < -slack - _CREDIT * high_bps * collateral_bend:
            return True
        return None

    def _bends(self, stretch: Stretch) -> tuple[int, int]:
        """How far total collateral and total debt may lie from their straight lines, in base currency."""
        collateral_bend = debt_bend = 0
        for _, feed, unit, supplied, owed, _, _ in self.legs:
            if stretch.low[feed] != stretch.high[feed]:
                collateral_bend += value_bend(supplied, unit, stretch.bend[feed])
                debt_bend += value_bend(owed, unit, stretch.bend[feed])
        return collateral_bend, debt_bend

    def _average_over(
        self, stretch: Stretch, a: tuple[int, int, int], b: tuple[int, int, int]
    ) -> tuple[int, int]:
        """The lowest and highest whole-bps average threshold over a stretch, or a little wider."""
        ends = (average_bps(a[1], a[0]), average_bps(b[1], b[0]))
        thresholds = [leg.threshold_bps for leg in self.legs if leg.supplied]
        low_bps = min(ends)
        if a[0] == 0 or b[0] == 0 or not thresholds:
            low_bps = 0
        elif self._excess_over(low_bps, stretch)[0] < 0:
            low_bps -= 1
            if self._excess_over(low_bps, stretch)[0] < 0:
                low_bps = min(thresholds)
        high_bps = max(ends)
        if thresholds and self._excess_over(high_bps + 1, stretch)[1] >= 0:
            high_bps += 1
            if self._excess_over(high_bps + 1, stretch)[1] >= 0:
                high_bps = max(thresholds)
        return low_bps, high_bps

    def _excess_over(self, bps: int, stretch: Stretch) -> tuple[int, int]:
        """Bounds of sum(value * (threshold - bps)): negative exactly where the average is below `bps`."""
        excess_a = excess_b = slack = lowest = highest = 0
        for _, feed, unit, supplied, _, threshold_bps, _ in self.legs:
            if not supplied:
                continue
            over = threshold_bps - bps
            excess_a += mul_div_down(supplied, stretch.start[feed], unit) * over
            excess_b += mul_div_down(supplied, stretch.end[feed], unit) * over
            terms = (
                mul_div_down(supplied, stretch.low[feed], unit) * over,
                mul_div_down(supplied, stretch.high[feed], unit) * over,
            )
            lowest += min(terms)
            highest += max(terms)
            if stretch.low[feed] != stretch.high[feed]:
                slack += abs(over) * value_bend(supplied, unit, stretch.bend[feed])
        return (
            max(lowest, min(excess_a, excess_b) - slack),
            min(highest, max(excess_a, excess_b) + slack),
        )


def _line(values: tuple[int, int, int], threshold_bps: int) -> int:
    """The surplus times 1e4 at a given average, without percentMul's rounding."""
    return _CREDIT * values[0] * threshold_bps - _DEBIT * BPS * values[2]


def rule(account: Account, market: AaveMarket) -> Rule:
    """The account's rule in this market, with balances at the market's timestamp."""
    return Rule(counted_legs(account, market))
