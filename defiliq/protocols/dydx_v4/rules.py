"""Health in dYdX v4: net collateral against maintenance margin (x/clob IsLiquidatable, lib/margin).

A position's notional is cut towards zero; its maintenance margin is rounded up twice, at no open interest.
Both grow with the price, and a long's notional never by less than its margin, so with

    credit = longs' notional less their margin, plus USDC that is owned
    debit  = shorts' notional plus their margin, plus USDC that is owed

each moves one way with prices, and net collateral less maintenance margin is credit - debit. The chain
liquidates nobody who has no maintenance margin, which is where every notional is cut to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defiliq.pricing.driver import Stretch
from defiliq.protocols.dydx_v4.legs import Counted, counted_legs, usdc_of
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.protocols.dydx_v4.risk import Risk, initial_margin, quote_quantums
from defiliq.types import NO_DEBT_FACTOR, Account, Health
from defiliq.units import BPS, PPM, WAD, mul_div_down

_WHOLE = PPM * PPM


@dataclass(frozen=True, slots=True)
class Rule:
    """The health of one subaccount as a function of prices alone."""

    usdc: int
    """Settled, with its sign."""
    legs: tuple[Counted, ...]

    def _values(self, prices: Sequence[int]) -> tuple[int, int, int]:
        """Credit, debit and maintenance margin, in quote quantums."""
        credit, debit = (self.usdc, 0) if self.usdc >= 0 else (0, -self.usdc)
        margin = 0
        for feed, numerator, denominator, initial_ppm, maintenance_ppm, is_long, _ in self.legs:
            notional = prices[feed] * numerator // denominator
            required = -(-notional * initial_ppm // PPM)
            required = -(-required * maintenance_ppm // PPM)
            margin += required
            if is_long:
                credit += notional - required
            else:
                debit += notional + required
        return credit, debit, margin

    def liquidatable(self, prices: Sequence[int]) -> bool:
        """The verdict: collateral of exactly the margin is safe, and so is whoever needs no margin."""
        credit, debit, margin = self._values(prices)
        return credit < debit and margin > 0

    def margin(self, prices: Sequence[int]) -> int:
        """Net collateral less maintenance margin, in quote quantums."""
        credit, debit, _ = self._values(prices)
        return credit - debit

    def risk(self, prices: Sequence[int]) -> Risk:
        """Net collateral and both margins, as the chain adds them up (GetRiskForSubaccount)."""
        credit, debit, maintenance = self._values(prices)
        initial = 0
        for leg in self.legs:
            price = prices[leg.feed]
            open_notional = quote_quantums(leg.perpetual.open_interest, price, leg.perpetual)
            notional = price * leg.numerator // leg.denominator
            initial += initial_margin(leg.perpetual, notional, open_notional)
        return Risk(credit - debit + maintenance, initial, maintenance)

    def health(self, prices: Sequence[int]) -> Health:
        """The verdict, and what explains it in the terms of other protocols.

        The chain itself knows no health factor: that is net collateral over maintenance margin, and it is
        negative where net collateral is. What may be borrowed is net collateral beyond the initial margin,
        which grows with open interest. The two averages are what a dollar of position leaves after margin.
        """
        risk = self.risk(prices)
        longs = shorts = 0
        for leg in self.legs:
            notional = prices[leg.feed] * leg.numerator // leg.denominator
            if leg.is_long:
                longs += notional
            else:
                shorts += notional
        required, gross = risk.maintenance_margin, longs + shorts
        return Health(
            collateral_base=longs + max(0, self.usdc),
            debt_base=shorts + max(0, -self.usdc),
            available_borrows_base=max(0, risk.net_collateral - risk.initial_margin),
            threshold_bps=_left_bps(required, gross),
            ltv_bps=_left_bps(risk.initial_margin, gross),
            factor_wad=NO_DEBT_FACTOR if required == 0 else risk.net_collateral * WAD // required,
            liquidatable=risk.is_liquidatable,
            margin=risk.net_collateral - required,
        )

    def verdict_over(self, stretch: Stretch) -> bool | None:
        """The verdict wherever prices do what `stretch` says; None if it differs, or is not known.

        Two bounds, either may decide. The worst case joins the lowest credit with the highest debit. And
        between the ends the margin stays within `slack` of the straight line. Where some price leaves no
        maintenance margin and another does, only safety can be told.
        """
        start, end = self._values(stretch.start), self._values(stretch.end)
        low, high = stretch.pick(self._values, start, end)
        if low[0] >= high[1] or high[2] == 0:
            return False
        has_margin = low[2] > 0
        if high[0] < low[1]:
            return True if has_margin else None
        slack = self._slack(stretch)
        ends = start[0] - start[1], end[0] - end[1]
        if min(ends) >= slack:
            return False
        if max(ends) < -slack and has_margin:
            return True
        return None

    def _slack(self, stretch: Stretch) -> int:
        """How far credit - debit may lie from the straight line between its ends, rounded up.

        A position counts w = 1 - f of its notional long and 1 + f short, f the whole maintenance fraction.
        The cut of the notional moves that by less than w, the first rounding of the margin by less than the
        fraction it is then multiplied with, the second by less than 1; and the price's own bend by w for
        each unit of notional.
        """
        slack = 0
        for feed, numerator, denominator, initial_ppm, maintenance_ppm, is_long, _ in self.legs:
            if stretch.low[feed] != stretch.high[feed]:
                fraction = initial_ppm * maintenance_ppm
                weight = _WHOLE - fraction if is_long else _WHOLE + fraction
                bend = stretch.bend[feed] * numerator
                slack += -(-bend * weight // denominator) + weight + maintenance_ppm * PPM + _WHOLE
        return -(-slack // _WHOLE)


def _left_bps(required: int, gross: int) -> int:
    return 0 if gross == 0 else mul_div_down(gross - required, BPS, gross)


def rule(account: Account, market: DydxMarket) -> Rule:
    """The account's rule in this market. Nothing accrues: its legs are settled already."""
    return Rule(usdc_of(account), counted_legs(account, market))


def health(account: Account, market: DydxMarket) -> Health:
    """The verdict at the market's prices, and what explains it."""
    return rule(account, market).health(market.prices)


def account_risk(account: Account, market: DydxMarket) -> Risk:
    """Net collateral and both margins at the market's prices (GetNetCollateralAndMarginRequirements)."""
    return rule(account, market).risk(market.prices)
