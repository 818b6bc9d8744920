"""Health in Compound v2: Comptroller.getHypotheticalAccountLiquidityInternal and liquidateBorrowAllowed.

What a cToken backs is multiplied first, factor by exchange rate by price, each product rounded to a wad, and
only then by the number of cTokens, cut. Debts are cut as well. Only markets that the account has entered
count, on both sides. Whoever owes in a deprecated market may be liquidated whatever the sums say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.pricing.driver import Stretch
from defiliq.pricing.span import bend_of
from defiliq.protocols.compound_v2.legs import (
    PRODUCT,
    Counted,
    counted_legs,
    owes_deprecated,
    underlying,
)
from defiliq.protocols.compound_v2.market import CompoundMarket, ProductRounding
from defiliq.types import NO_DEBT_FACTOR, Account, Health
from defiliq.units import WAD, mul_div_down, share_bps


@dataclass(frozen=True, slots=True)
class Rule:
    """The health of one account as a function of prices alone."""

    legs: tuple[Counted, ...]
    product_rounding: ProductRounding
    owes_deprecated: bool
    """Whether a debt may be liquidated at any price."""

    def _values(self, prices: Sequence[int]) -> tuple[int, int]:
        """`sumCollateral` and `sumBorrowPlusEffects`, in base currency."""
        product = PRODUCT[self.product_rounding]
        backing = debt_base = 0
        for _, feed, tokens, _, weight_wad, owed in self.legs:
            price = prices[feed]
            if tokens:
                backing += mul_div_down(product(weight_wad, price, WAD), tokens, WAD)
            if owed:
                debt_base += mul_div_down(price, owed, WAD)
        return backing, debt_base

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict: a shortfall, of which 0 is none, or a debt in a deprecated market."""
        if self.owes_deprecated:
            return True
        backing, debt_base = self._values(prices)
        return backing < debt_base

    def margin(self, prices: Sequence[int]) -> int:
        """Liquidity, or shortfall as a negative number, in base currency (getAccountLiquidity)."""
        backing, debt_base = self._values(prices)
        return backing - debt_base

    def health(self, prices: Sequence[int]) -> Health:
        """The verdict and what explains it; the Comptroller itself only answers liquidity and shortfall.

        The supply of entered markets at its plain value, cut to underlying first. A collateral factor is both
        the limit for borrowing and that for liquidation.
        """
        collateral_base = sum(
            mul_div_down(underlying(leg.tokens, leg.rate_wad), prices[leg.feed], WAD) for leg in self.legs
        )
        backing, debt_base = self._values(prices)
        factor_bps = share_bps(backing, collateral_base)
        return Health(
            collateral_base=collateral_base,
            debt_base=debt_base,
            available_borrows_base=max(0, backing - debt_base),
            threshold_bps=factor_bps,
            ltv_bps=factor_bps,
            factor_wad=NO_DEBT_FACTOR if debt_base == 0 else mul_div_down(backing, WAD, debt_base),
            liquidatable=self.owes_deprecated or backing < debt_base,
            margin=backing - debt_base,
        )

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says; None if it differs, or is not known.

        Two bounds, either may decide. The worst case joins the lowest collateral with the highest debt. And
        between the ends the margin stays within `slack` of the straight line, by what each rounding and each
        bend of a price allows.
        """
        if self.owes_deprecated:
            return True
        start, end = self._values(stretch.start), self._values(stretch.end)
        low, high = stretch.pick(self._values, start, end)
        if low[0] >= high[1]:
            return False
        if high[0] < low[1]:
            return True
        slack = 0
        for _, feed, tokens, _, weight_wad, owed in self.legs:
            if stretch.low[feed] != stretch.high[feed]:
                bend = stretch.bend[feed]
                slack += bend_of(bend_of(bend, weight_wad, WAD), tokens, WAD) + bend_of(bend, owed, WAD)
        ends = start[0] - start[1], end[0] - end[1]
        if min(ends) >= slack:
            return False
        if max(ends) < -slack:
            return True
        return None


def rule(account: Account, market: CompoundMarket) -> Rule:
    """The account's rule in this market, at the indices that the market's verdicts use."""
    return Rule(counted_legs(account, market), market.product_rounding, owes_deprecated(account, market))


def health(account: Account, market: CompoundMarket) -> Health:
    """The verdict at the market's prices and indices, and what explains it."""
    return rule(account, market).health(market.prices)
