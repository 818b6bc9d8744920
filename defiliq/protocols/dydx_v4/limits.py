"""How much of a subaccount one block may liquidate (x/clob liquidations.go and liquidations_state.go)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from defiliq.protocols.dydx_v4.market import DydxMarket, LiquidationsConfig
from defiliq.protocols.dydx_v4.refused import ChainRefused
from defiliq.protocols.dydx_v4.risk import base_quantums, quote_quantums
from defiliq.units import PPM, mul_div_down


@dataclass(frozen=True, slots=True)
class Tally:
    """What one subaccount has been liquidated for in this block (SubaccountLiquidationInfo)."""

    perpetuals: tuple[int, ...] = ()
    """Ids of those that a liquidation order was placed for, whether or not it was filled."""
    notional: int = 0
    insurance_lost: int = 0
    """What insurance funds have paid for it."""

    def placed(self, perpetual_id: int) -> Tally:
        """After an order in a perpetual, one per block (MustUpdateSubaccountPerpetualLiquidated)."""
        self.check_fresh(perpetual_id)
        return replace(self, perpetuals=(*self.perpetuals, perpetual_id))

    def filled(self, notional: int, insurance_fund_delta: int) -> Tally:
        """After a fill: fees that the fund earns do not make up for what it pays
        (UpdateSubaccountLiquidationInfo).
        """
        return replace(
            self,
            notional=self.notional + abs(notional),
            insurance_lost=self.insurance_lost + max(0, -insurance_fund_delta),
        )

    def check_fresh(self, perpetual_id: int) -> None:
        """ChainRefused where the block has liquidated the perpetual already."""
        if perpetual_id in self.perpetuals:
            raise ChainRefused(
                "ErrSubaccountHasLiquidatedPerpetual", f"perpetual {perpetual_id} in this block"
            )


def max_notional_left(tally: Tally, config: LiquidationsConfig, perpetual_id: int) -> int:
    """What the block may still liquidate of a subaccount (GetSubaccountMaxNotionalLiquidatable)."""
    tally.check_fresh(perpetual_id)
    if tally.notional > config.max_notional_liquidated:
        raise ChainRefused("ErrLiquidationExceedsSubaccountMaxNotionalLiquidated", f"{tally.notional}")
    return config.max_notional_liquidated - tally.notional


def max_insurance_left(tally: Tally, config: LiquidationsConfig, perpetual_id: int) -> int:
    """What insurance funds may still pay for a subaccount in the block (GetSubaccountMaxInsuranceLost)."""
    tally.check_fresh(perpetual_id)
    if tally.insurance_lost > config.max_quantums_insurance_lost:
        raise ChainRefused("ErrLiquidationExceedsSubaccountMaxInsuranceLost", f"{tally.insurance_lost}")
    return config.max_quantums_insurance_lost - tally.insurance_lost


def position_bounds(market: DydxMarket, place: int, size: int) -> tuple[int, int]:
    """The least and the most notional of a position that one order takes
    (GetMaxAndMinPositionNotionalLiquidatable).
    """
    config = market.liquidations
    notional = abs(quote_quantums(size, market.price_of(place), market.reserves[place]))
    least = min(config.min_position_notional_liquidated, notional)
    return least, max(least, mul_div_down(notional, config.max_position_portion_liquidated_ppm, PPM))


def liquidatable_delta(market: DydxMarket, place: int, size: int, tally: Tally) -> int:
    """The signed base quantums that an order closes of a position (GetLiquidatablePositionSizeDelta).

    All of it where limits allow that or it is no more than a step; else what the limits buy at the oracle
    price, in whole steps and at least one.
    """
    perpetual, price = market.reserves[place], market.price_of(place)
    most = min(
        position_bounds(market, place, size)[1], max_notional_left(tally, market.liquidations, perpetual.id)
    )
    step, held = perpetual.step_base_quantums, abs(size)
    if abs(quote_quantums(size, price, perpetual)) <= most or held <= step:
        return -size
    in_steps = base_quantums(most, price, perpetual) // step * step
    delta = min(max(in_steps, step), held)
    return -delta if size > 0 else delta


def check_fill(market: DydxMarket, place: int, quantums: int, fund_delta: int, tally: Tally) -> None:
    """ChainRefused where a fill breaks the limits (validateLiquidationAgainstSubaccountBlockLimits)."""
    perpetual, config = market.reserves[place], market.liquidations
    notional = quote_quantums(quantums, market.price_of(place), perpetual)
    if abs(notional) > max_notional_left(tally, config, perpetual.id):
        raise ChainRefused("ErrLiquidationExceedsSubaccountMaxNotionalLiquidated", f"{notional}")
    if fund_delta < 0 and -fund_delta > max_insurance_left(tally, config, perpetual.id):
        raise ChainRefused("ErrLiquidationExceedsSubaccountMaxInsuranceLost", f"{-fund_delta}")
