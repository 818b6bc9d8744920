"""Health in Compound III: Comet.isLiquidatable and isBorrowCollateralized.

Every value is cut: a debt's as Solidity divides signed numbers, towards zero, so that its size is rounded
down; a collateral's twice, once by its price and once by its factor. The contract leaves its loop as soon as
the sum is no longer negative. That is the same verdict, because collateral only ever adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.pricing.driver import Stretch
from defiliq.pricing.span import bend_of
from defiliq.protocols.compound_v3.legs import Counted, counted_legs
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.types import NO_DEBT_FACTOR, Account, Health
from defiliq.units import WAD, mul_div_down, share_bps


@dataclass(frozen=True, slots=True)
class Rule:
    """The health of one account as a function of prices alone."""

    legs: tuple[Counted, ...]

    def _values(self, prices: Sequence[int]) -> tuple[int, int]:
        """Collateral by liquidation factors, and debt, both in base currency."""
        weighted = debt_base = 0
        for _, feed, unit, supplied, owed, factor_wad, _ in self.legs:
            if supplied:
                weighted += mul_div_down(mul_div_down(supplied, prices[feed], unit), factor_wad, WAD)
            if owed:
                debt_base += mul_div_down(owed, prices[feed], unit)
        return weighted, debt_base

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict: a sum of exactly 0 is safe, and so is every principal that is not negative."""
        weighted, debt_base = self._values(prices)
        return weighted < debt_base

    def margin(self, prices: Sequence[int]) -> int:
        """Weighted collateral minus debt in base currency: the contract's `liquidity`."""
        weighted, debt_base = self._values(prices)
        return weighted - debt_base

    def health(self, prices: Sequence[int]) -> Health:
        """The verdict, and what explains it in the terms of other protocols.

        Comet itself knows no health factor and no average: those are the weighted collateral over the debt
        and over the collateral, cut.
        """
        collateral_base = borrowable_base = 0
        for leg in self.legs:
            value = mul_div_down(leg.supplied, prices[leg.feed], leg.unit)
            collateral_base += value
            borrowable_base += mul_div_down(value, leg.borrow_factor_wad, WAD)
        weighted, debt_base = self._values(prices)
        return Health(
            collateral_base=collateral_base,
            debt_base=debt_base,
            available_borrows_base=max(0, borrowable_base - debt_base),
            threshold_bps=share_bps(weighted, collateral_base),
            ltv_bps=share_bps(borrowable_base, collateral_base),
            factor_wad=NO_DEBT_FACTOR if debt_base == 0 else mul_div_down(weighted, WAD, debt_base),
            liquidatable=weighted < debt_base,
            margin=weighted - debt_base,
        )

    def is_borrow_collateralized(self, prices: Sequence[int]) -> bool:
        """Whether borrow factors cover the debt, as they must after every borrowing and withdrawal."""
        liquidity = 0
        for leg in self.legs:
            value = mul_div_down(leg.supplied, prices[leg.feed], leg.unit)
            liquidity += mul_div_down(value, leg.borrow_factor_wad, WAD)
            liquidity -= mul_div_down(leg.owed, prices[leg.feed], leg.unit)
        return liquidity >= 0

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says; None if it differs, or is not known.

        Two bounds, either may decide. The worst case joins the lowest collateral with the highest debt. And
        between the ends the margin stays within `slack` of the straight line, by what each cut and each bend
        of a price allows.
        """
        start, end = self._values(stretch.start), self._values(stretch.end)
        low, high = stretch.pick(self._values, start, end)
        if low[0] >= high[1]:
            return False
        if high[0] < low[1]:
            return True
        slack = 0
        for _, feed, unit, supplied, owed, factor_wad, _ in self.legs:
            if stretch.low[feed] != stretch.high[feed]:
                bend = stretch.bend[feed]
                slack += bend_of(bend_of(bend, supplied, unit), factor_wad, WAD)
                slack += bend_of(bend, owed, unit)
        ends = start[0] - start[1], end[0] - end[1]
        if min(ends) >= slack:
            return False
        if max(ends) < -slack:
            return True
        return None


def rule(account: Account, market: CometMarket) -> Rule:
    """The account's rule in this market, with balances at the market's timestamp or as they are stored."""
    return Rule(counted_legs(account, market))


def health(account: Account, market: CometMarket) -> Health:
    """The verdict at the market's prices and indices, and what explains it."""
    return rule(account, market).health(market.prices)


def is_borrow_collateralized(account: Account, market: CometMarket) -> bool:
    """Whether the account could still borrow or withdraw at the market's prices and indices."""
    return rule(account, market).is_borrow_collateralized(market.prices)
