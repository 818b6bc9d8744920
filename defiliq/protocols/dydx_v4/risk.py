"""What a position weighs: notional, margin requirements, and how two risks compare.

All in quote quantums. Notionals are cut towards zero, requirements are rounded up, twice for maintenance
(protocol/lib, protocol/lib/margin, x/perpetuals/lib and x/perpetuals/types/liquidity_tier.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from defiliq.protocols.dydx_v4.market import Perpetual
from defiliq.units import PPM, mul_div_down, mul_div_trunc, mul_div_up

Transition: TypeAlias = Literal["success", "newly_undercollateralized", "still_undercollateralized"]
"""What the chain says of a change that leaves a subaccount below its initial margin (types.UpdateResult)."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Net collateral and margin requirements, of a position or of a whole subaccount (margin.Risk)."""

    net_collateral: int = 0
    initial_margin: int = 0
    maintenance_margin: int = 0

    def __add__(self, other: Risk) -> Risk:
        """Both together (AddInPlace)."""
        return Risk(
            self.net_collateral + other.net_collateral,
            self.initial_margin + other.initial_margin,
            self.maintenance_margin + other.maintenance_margin,
        )

    @property
    def is_initial_collateralized(self) -> bool:
        """Whether it may open positions and withdraw (IsInitialCollateralized)."""
        return self.net_collateral >= self.initial_margin

    @property
    def is_maintenance_collateralized(self) -> bool:
        """Whether its collateral keeps its positions (IsMaintenanceCollateralized)."""
        return self.net_collateral >= self.maintenance_margin

    @property
    def is_liquidatable(self) -> bool:
        """The verdict: without a maintenance requirement there is nothing to liquidate (IsLiquidatable)."""
        return self.maintenance_margin > 0 and self.maintenance_margin > self.net_collateral

    def compare(self, other: Risk) -> int:
        """1 where this is the riskier one, -1 where the other is, 0 where neither (Cmp).

        The smaller share of net collateral in maintenance margin is the riskier; of equal shares the larger
        margin; of two without any margin the smaller collateral. One without margin against one with it
        compares by the cross products as they are.
        """
        here = self.net_collateral * other.maintenance_margin
        there = other.net_collateral * self.maintenance_margin
        if here != there:
            return _sign(there - here)
        if self.maintenance_margin == other.maintenance_margin == 0:
            return _sign(other.net_collateral - self.net_collateral)
        return _sign(self.maintenance_margin - other.maintenance_margin)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def scale_of(exponent: int) -> tuple[int, int]:
    """10 to an exponent as numerator and denominator."""
    return (10**exponent, 1) if exponent >= 0 else (1, 10**-exponent)


def quote_quantums(quantums: int, price: int, perpetual: Perpetual) -> int:
    """The signed notional of base quantums, cut towards zero (lib.BaseToQuoteQuantums)."""
    numerator, denominator = scale_of(perpetual.quantum_exponent)
    return mul_div_trunc(quantums * price, numerator, denominator)


def base_quantums(quote: int, price: int, perpetual: Perpetual) -> int:
    """How many base quantums a notional that is not negative buys, rounded down (lib.QuoteToBaseQuantums)."""
    numerator, denominator = scale_of(perpetual.quantum_exponent)
    return mul_div_down(quote, denominator, numerator * price)


def initial_margin_ppm(perpetual: Perpetual, open_notional: int) -> int:
    """The share of a notional that opening takes, grown with open interest (GetAdjustedInitialMarginPpm).

    It rises in a straight line from the lower cap on, up to the whole notional at the upper cap.
    """
    lower, upper = perpetual.open_interest_lower_cap, perpetual.open_interest_upper_cap
    if upper == 0 or open_notional <= lower:
        return perpetual.initial_margin_ppm
    if open_notional >= upper:
        return PPM
    grown = mul_div_down(PPM - perpetual.initial_margin_ppm, open_notional - lower, upper - lower)
    return perpetual.initial_margin_ppm + grown


def initial_margin(perpetual: Perpetual, notional: int, open_notional: int, custom_imf_ppm: int = 0) -> int:
    """What opening a notional takes (GetInitialMarginQuoteQuantums); an owner may have asked for more."""
    return mul_div_up(notional, max(initial_margin_ppm(perpetual, open_notional), custom_imf_ppm), PPM)


def maintenance_margin(perpetual: Perpetual, notional: int) -> int:
    """What keeping a notional takes: it knows neither open interest nor what an owner has asked for."""
    base = mul_div_up(notional, perpetual.initial_margin_ppm, PPM)
    return mul_div_up(base, perpetual.maintenance_fraction_ppm, PPM)


def maintenance_margin_ppm(perpetual: Perpetual) -> int:
    """The share of a notional that keeping it takes, rounded down (GetMaintenanceMarginPpm)."""
    return mul_div_down(perpetual.initial_margin_ppm, perpetual.maintenance_fraction_ppm, PPM)


def max_abs_funding_ppm(perpetual: Perpetual, clamp_factor_ppm: int) -> int:
    """What a funding rate or a premium vote is cut to (GetMaxAbsFundingClampPpm): a multiple of what initial
    margin has beyond maintenance.
    """
    room_ppm = perpetual.initial_margin_ppm - maintenance_margin_ppm(perpetual)
    return mul_div_down(clamp_factor_ppm, room_ppm, PPM)


def position_risk(perpetual: Perpetual, price: int, quantums: int, custom_imf_ppm: int = 0) -> Risk:
    """One position's notional and what it requires (GetPositionNetNotionalValueAndMarginRequirements)."""
    net = quote_quantums(quantums, price, perpetual)
    open_notional = quote_quantums(perpetual.open_interest, price, perpetual)
    return Risk(
        net_collateral=net,
        initial_margin=initial_margin(perpetual, abs(net), open_notional, custom_imf_ppm),
        maintenance_margin=maintenance_margin(perpetual, abs(net)),
    )


def undercollateralized_transition(before: Risk, after: Risk) -> Transition:
    """Whether a subaccount that ends below its initial margin may end as `after`.

    Only where no riskier than before (IsValidStateTransitionForUndercollateralizedSubaccount).
    """
    was_collateralized = before.initial_margin <= before.net_collateral
    refused: Transition = "newly_undercollateralized" if was_collateralized else "still_undercollateralized"
    if after.maintenance_margin > before.maintenance_margin:
        return refused
    if after.maintenance_margin == 0 or before.maintenance_margin == 0:
        improves = after.net_collateral > before.net_collateral
        without_margin = after.maintenance_margin == before.maintenance_margin == 0
        return "success" if without_margin and improves else refused
    return refused if after.compare(before) > 0 else "success"
