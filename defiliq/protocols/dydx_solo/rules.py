"""Health in Solo Margin: Storage.getAccountValues, Storage.isCollateralized and OperationImpl._liquidate.

A supply's value is divided by 1 + its market's margin premium and a debt's multiplied by it, both cut. The
margin that is required on top of all debts is cut once more. Supplies worth exactly debts and required margin
are safe. Whoever is Liquid already may be liquidated whatever the values say, as long as anything is owed:
without a debt the contract lets a liquidation pass that moves nothing, which is not called one here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.pricing.driver import Stretch
from defiliq.pricing.span import bend_of
from defiliq.protocols.dydx_solo.legs import Counted, counted_legs, is_liquid
from defiliq.protocols.dydx_solo.market import SoloMarket
from defiliq.types import NO_DEBT_FACTOR, Account, Health
from defiliq.units import WAD, mul_div_down, share_bps


def required(borrow_value: int, margin_ratio_wad: int) -> int:
    """What supplies must be worth for some debts, both adjusted: the right side of isCollateralized."""
    return borrow_value + mul_div_down(borrow_value, margin_ratio_wad, WAD)


@dataclass(frozen=True, slots=True)
class Rule:
    """The health of one account as a function of prices alone."""

    legs: tuple[Counted, ...]
    margin_ratio_wad: int
    is_liquid: bool
    """Whether a debt may be liquidated at any price."""

    def adjusted_values(self, prices: Sequence[int]) -> tuple[int, int]:
        """(supplies, debts) by margin premiums (getAdjustedAccountValues)."""
        supply_value = borrow_value = 0
        for _, feed, supplied, owed, weight_wad in self.legs:
            if supplied:
                supply_value += mul_div_down(supplied * prices[feed], WAD, weight_wad)
            if owed:
                borrow_value += mul_div_down(owed * prices[feed], weight_wad, WAD)
        return supply_value, borrow_value

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict: values that are just equal are safe, and so is whoever owes nothing."""
        supply_value, borrow_value = self.adjusted_values(prices)
        return self._verdict(supply_value, borrow_value)

    def margin(self, prices: Sequence[int]) -> int:
        """Supplies less debts and the margin required for them, in base currency."""
        supply_value, needed = self._sides(prices)
        return supply_value - needed

    def health(self, prices: Sequence[int]) -> Health:
        """The verdict and what explains it; Solo itself knows values and a margin ratio.

        Collateral and debt are getAccountValues' plain values. The factor is that of the adjusted ones, and
        the threshold is what share of the collateral debts without a premium could reach.
        """
        supply_value, borrow_value = self.adjusted_values(prices)
        needed = required(borrow_value, self.margin_ratio_wad)
        collateral_base = sum(leg.supplied * prices[leg.feed] for leg in self.legs)
        borrowable = mul_div_down(supply_value, WAD, WAD + self.margin_ratio_wad)
        threshold_bps = share_bps(borrowable, collateral_base)
        return Health(
            collateral_base=collateral_base,
            debt_base=sum(leg.owed * prices[leg.feed] for leg in self.legs),
            available_borrows_base=max(0, borrowable - borrow_value),
            threshold_bps=threshold_bps,
            ltv_bps=threshold_bps,
            factor_wad=NO_DEBT_FACTOR if borrow_value == 0 else mul_div_down(supply_value, WAD, needed),
            liquidatable=self._verdict(supply_value, borrow_value),
            margin=supply_value - needed,
        )

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says; None if it differs, or is not known.

        Two bounds, either may decide. The worst case joins the lowest supplies with the highest debts. And
        between the ends the margin stays within `slack` of the straight line, by what each cut and each bend
        of a price allows.
        """
        if self.is_liquid:
            owes = self._owes(stretch.low)
            return owes if owes == self._owes(stretch.high) else None
        start, end = self._sides(stretch.start), self._sides(stretch.end)
        low, high = stretch.pick(self._sides, start, end)
        if low[0] >= high[1]:
            return False
        if high[0] < low[1]:
            return True
        supply_bend = borrow_bend = 0
        for _, feed, supplied, owed, weight_wad in self.legs:
            if stretch.low[feed] != stretch.high[feed]:
                bend = stretch.bend[feed]
                supply_bend += bend_of(bend, supplied * WAD, weight_wad)
                borrow_bend += bend_of(bend, owed * weight_wad, WAD)
        slack = supply_bend + borrow_bend + bend_of(borrow_bend, self.margin_ratio_wad, WAD)
        ends = start[0] - start[1], end[0] - end[1]
        if min(ends) >= slack:
            return False
        if max(ends) < -slack:
            return True
        return None

    def _verdict(self, supply_value: int, borrow_value: int) -> bool:
        if borrow_value == 0:
            return False
        return self.is_liquid or supply_value < required(borrow_value, self.margin_ratio_wad)

    def _owes(self, prices: Sequence[int]) -> bool:
        """Whether any debt is worth something; at a price of 0, which Solo refuses, it is not."""
        return any(leg.owed and prices[leg.feed] for leg in self.legs)

    def _sides(self, prices: Sequence[int]) -> tuple[int, int]:
        """What isCollateralized compares: supplies, and debts with the margin required for them."""
        supply_value, borrow_value = self.adjusted_values(prices)
        return supply_value, required(borrow_value, self.margin_ratio_wad)


def rule(account: Account, market: SoloMarket) -> Rule:
    """The account's rule in this market, at the indices that the market's verdicts use."""
    return Rule(counted_legs(account, market), market.margin_ratio_wad, is_liquid(account))


def health(account: Account, market: SoloMarket) -> Health:
    """The verdict at the market's prices and indices, and what explains it."""
    return rule(account, market).health(market.prices)
