"""Health in Aave v3 revisions 9 to 11 (v3.5, v3.6, v3.7): GenericLogic.calculateUserAccountData.

Collateral values are rounded down and debt values up. The health factor is the threshold-weighted
collateral over the debt, without a detour through an average, so it falls whenever a collateral's price
falls or a debt's rises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.pricing.driver import Stretch
from defiliq.protocols.aave_v3.legs import Counted, counted_legs, value_bend
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import NO_DEBT_FACTOR, Account, Health
from defiliq.units import BPS, WAD, mul_div_down, mul_div_up, percent_mul_down, wad_div_half_up

_CREDIT = 2 * WAD
_DEBIT = 2 * WAD * BPS - 1


def health_factor(weighted: int, debt_base: int) -> int:
    """The health factor as a wad; `weighted` is the sum of collateral value times threshold in bps."""
    return NO_DEBT_FACTOR if debt_base == 0 else wad_div_half_up(weighted, debt_base) // BPS


def surplus(weighted: int, debt_base: int) -> int:
    """A line in values that is negative exactly where `health_factor` is below 1e18.

    wadDiv rounds W * 1e18 / D to the nearest, so the factor is below 1e18 when W * 1e18 / D + 1/2 < 1e22,
    that is when 2e18 * W < (2e22 - 1) * D.
    """
    return _CREDIT * weighted - _DEBIT * debt_base


@dataclass(frozen=True, slots=True)
class Rule:
    """The health of one account as a function of prices alone."""

    legs: tuple[Counted, ...]

    def _values(self, prices: Sequence[int]) -> tuple[int, int]:
        """Weighted collateral and debt, in base currency (times 1e4) and base currency."""
        weighted = debt_base = 0
        for _, feed, unit, supplied, owed, threshold_bps, _ in self.legs:
            price = prices[feed]
            if supplied:
                weighted += mul_div_down(supplied, price, unit) * threshold_bps
            if owed:
                debt_base += mul_div_up(owed, price, unit)
        return weighted, debt_base

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict: HEALTH_FACTOR_LIQUIDATION_THRESHOLD is 1e18, and exactly 1e18 is safe."""
        return health_factor(*self._values(prices)) < WAD

    def margin(self, prices: Sequence[int]) -> int:
        """Weighted collateral minus debt, in base currency times 1e4."""
        weighted, debt_base = self._values(prices)
        return weighted - debt_base * BPS

    def health(self, prices: Sequence[int]) -> Health:
        """All that Pool.getUserAccountData answers, and the verdict."""
        collateral_base = weighted_ltv = 0
        for _, feed, unit, supplied, _, _, ltv_bps in self.legs:
            value = mul_div_down(supplied, prices[feed], unit)
            collateral_base += value
            weighted_ltv += value * ltv_bps
        weighted, debt_base = self._values(prices)
        threshold_bps = 0 if collateral_base == 0 else weighted // collateral_base
        ltv_bps = 0 if collateral_base == 0 else weighted_ltv // collateral_base
        factor_wad = health_factor(weighted, debt_base)
        return Health(
            collateral_base=collateral_base,
            debt_base=debt_base,
            available_borrows_base=max(0, percent_mul_down(collateral_base, ltv_bps) - debt_base),
            threshold_bps=threshold_bps,
            ltv_bps=ltv_bps,
            factor_wad=factor_wad,
            liquidatable=factor_wad < WAD,
            margin=weighted - debt_base * BPS,
        )

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says; None if it differs, or is not known.

        Two bounds, either may decide. The worst case joins the lowest collateral with the highest debt. And
        between the ends the surplus stays within `slack` of the straight line, by what `value_bend` allows
        each value.
        """
        start, end = self._values(stretch.start), self._values(stretch.end)
        low, high = stretch.pick(self._values, start, end)
        if surplus(low[0], high[1]) >= 0:
            return False
        if surplus(high[0], low[1]) < 0:
            return True
        slack = 0
        for _, feed, unit, supplied, owed, threshold_bps, _ in self.legs:
            if stretch.low[feed] != stretch.high[feed]:
                bend = stretch.bend[feed]
                slack += _CREDIT * threshold_bps * value_bend(supplied, unit, bend)
                slack += _DEBIT * value_bend(owed, unit, bend)
        ends = surplus(*start), surplus(*end)
        if min(ends) >= slack:
            return False
        if max(ends) < -slack:
            return True
        return None


def rule(account: Account, market: AaveMarket) -> Rule:
    """The account's rule in this market, with balances at the market's timestamp."""
    return Rule(counted_legs(account, market))
