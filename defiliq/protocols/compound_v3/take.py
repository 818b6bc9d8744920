"""What a liquidation takes in Compound III: absorb, then the storefront.

`absorb` takes the whole account: all its counted collateral becomes the Comet's, its debt is repaid from the
reserves, and what the collateral is credited beyond the debt stays with the account as a base balance. It
pays the caller nothing. What a liquidator earns is the discount at which `buyCollateral` then sells.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from defiliq.protocols.compound_v3.accrual import INDEX_SCALE, accrued_indices, present_value
from defiliq.protocols.compound_v3.legs import backs_debt
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.protocols.compound_v3.rules import rule
from defiliq.protocols.compound_v3.storefront import BASE, sell
from defiliq.types import Account, Backstop, Liquidation, Refusal, Seizure, Taking, Untold
from defiliq.units import WAD, mul_div_down


class Absorbed(NamedTuple):
    """What `absorb` does to one account, in base token base units but for the values."""

    old_principal: int
    """Negative."""
    old_balance: int
    """Negative."""
    delta_balance: int
    """What its collateral is credited."""
    new_balance: int
    """What stays with the account; 0 where the debt was larger."""
    new_principal: int
    seizures: tuple[Seizure, ...]
    """As the AbsorbCollateral events."""

    @property
    def base_paid_out(self) -> int:
        """What the reserves pay (AbsorbDebt)."""
        return self.new_balance - self.old_balance

    @property
    def not_covered(self) -> int:
        """Debt beyond what the collateral is credited: the reserves' loss."""
        return max(0, -(self.old_balance + self.delta_balance))


def accrued(market: CometMarket) -> CometMarket:
    """The market once interest has been written down at its timestamp (Comet.accrueInternal)."""
    supply_index, borrow_index = accrued_indices(market, market.timestamp)
    return replace(
        market,
        supply_index=supply_index,
        borrow_index=borrow_index,
        accrued_at=market.timestamp,
        stored=False,
        supply_index_now=supply_index,
        borrow_index_now=borrow_index,
    )


def absorbed(account: Account, market: CometMarket) -> Absorbed:
    """What absorb makes of an account that owes, at accrued indices (Comet.absorbInternal)."""
    market = accrued(market)
    principal = delta_value = 0
    seizures = []
    for leg in account.legs:
        reserve, price = market.reserves[leg.reserve], market.price_of(leg.reserve)
        if reserve.offset is None:
            principal -= leg.debt
        elif backs_debt(leg, reserve):
            value = mul_div_down(leg.collateral, price, reserve.unit)
            delta_value += mul_div_down(value, reserve.liquidation_factor_wad, WAD)
            seizures.append(Seizure(leg.reserve, leg.collateral, value))
    old_balance = -present_value(-principal, market.borrow_index)
    delta_balance = mul_div_down(delta_value, market.reserves[BASE].unit, market.price_of(BASE))
    new_balance = max(0, old_balance + delta_balance)
    return Absorbed(
        old_principal=principal,
        old_balance=old_balance,
        delta_balance=delta_balance,
        new_balance=new_balance,
        new_principal=mul_div_down(new_balance, INDEX_SCALE, market.supply_index),
        seizures=tuple(seizures),
    )


def after_absorb(taken: Absorbed, market: CometMarket) -> CometMarket:
    """The market right after an account was absorbed: interest written down, totals changed."""
    market = accrued(market)
    reserves = list(market.reserves)
    for seizure in taken.seizures:
        reserve = reserves[seizure.reserve]
        reserves[seizure.reserve] = replace(reserve, supplied=reserve.supplied - seizure.amount)
    return replace(
        market,
        reserves=tuple(reserves),
        total_supply=market.total_supply + taken.new_principal,
        total_borrow=market.total_borrow + taken.old_principal,
    )


def base_value(market: CometMarket, amount: int) -> int:
    """An amount of the base token at its price (CometCore.mulPrice)."""
    return mul_div_down(amount, market.price_of(BASE), market.reserves[BASE].unit)


def take(account: Account, market: CometMarket) -> Taking:
    """What absorb and buying all that it seized give at the market's prices and timestamp, or why nothing.

    absorb accrues before it judges, so its verdict is the accrued one even of a market as stored.
    """
    if not rule(account, accrued(market)).liquidatable(market.prices):
        return Refusal("NotLiquidatable: collateral covers the debt")
    if market.absorb_paused:
        return Refusal("Paused: absorb is paused")
    if market.target_health_factor_wad is not None:
        return Untold(
            "this Comet answers targetHealthFactor(): it liquidates in parts, by a rule that is so far "
            "only proposed, in several ways"
        )
    taken = absorbed(account, market)
    gain_base, remark = sell(taken.seizures, after_absorb(taken, market))
    return Liquidation(
        seizures=taken.seizures,
        repay_reserve=BASE,
        repaid=-taken.old_balance,
        repaid_base=base_value(market, -taken.old_balance),
        bonus_base=gain_base,
        bad_debt_base=base_value(market, taken.not_covered),
        remark=remark,
        backstop=Backstop(BASE, taken.new_balance),
    )
