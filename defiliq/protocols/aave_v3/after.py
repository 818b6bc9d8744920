"""An account of Aave v3 right after one liquidationCall, in scaled units (executeLiquidationCall).

A token turns amounts into scaled units, up to revision 8 halves up, from revision 9 (v3.5) on against the
account: aTokens up and debt down. From revision 7 (v3.3) on, a call after which no collateral is left
writes off every debt.
"""

from __future__ import annotations

from dataclasses import replace

from defiliq.protocols.aave_v3.accrual import stable_balance
from defiliq.protocols.aave_v3.legs import FIRST_DIRECTED_REVISION, counted_legs
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.pairs import Pair, pairs
from defiliq.protocols.aave_v3.rules import rule
from defiliq.protocols.aave_v3.rules_take import (
    FIRST_FLOORED_SEIZURE_REVISION,
    FIRST_WHOLE_DEBT_REVISION,
    Amounts,
    call_amounts,
    clears_collateral,
    max_liquidatable_debt,
)
from defiliq.types import Account, Leg, Liquidation, StableDebt
from defiliq.units import ray_div_down, ray_div_half_up, ray_div_up, ray_mul_half_up


def after(account: Account, market: AaveMarket, taken: Liquidation) -> Account:
    """The account once `taken` went through, which `take` said of it at this market's prices and time.

    Legs with nothing left are gone. A last scaled unit can outlive its collateral flag up to revision 8: that
    leg backs nothing, and `read` gives it back only with `uncounted`.
    """
    pair = _pair(account, market, taken)
    health = rule(account, market).health(market.prices)
    most = max_liquidatable_debt(pair, health)
    asked = most if taken.debt_to_cover is None else min(most, taken.debt_to_cover)
    amounts = call_amounts(pair, asked)
    is_cleared = clears_collateral(pair, amounts, health)
    legs = []
    for leg in account.legs:
        if leg.reserve == pair.debt.reserve:
            leg = _repaid(leg, pair, amounts, market.timestamp)
        if leg.reserve == pair.collateral.reserve:
            leg = _seized(leg, pair, amounts, is_cleared=is_cleared)
        if is_cleared and _is_written_off(leg, market):
            leg = replace(leg, debt=0)
        if leg.collateral or leg.debt or leg.stable is not None:
            legs.append(leg)
    return replace(account, legs=tuple(legs))


def _pair(account: Account, market: AaveMarket, taken: Liquidation) -> Pair:
    """The legs that the call names."""
    (seizure,) = taken.seizures
    named = seizure.reserve, taken.repay_reserve
    legs = counted_legs(account, market)
    return next(
        pair for pair in pairs(account, market, legs) if (pair.collateral.reserve, pair.debt.reserve) == named
    )


def _seized(leg: Leg, pair: Pair, amounts: Amounts, *, is_cleared: bool) -> Leg:
    """The collateral leg: what the liquidator and then the treasury leave of it, and whether it still counts.

    The treasury gets no more than there is.
    """
    to_scaled = ray_div_half_up if pair.revision < FIRST_DIRECTED_REVISION else ray_div_up
    burnt = to_scaled(amounts.seized, pair.income_ray)
    fee = to_scaled(amounts.protocol_fee, pair.income_ray)
    left = max(0, leg.collateral - burnt - fee)
    if pair.revision >= FIRST_FLOORED_SEIZURE_REVISION:
        is_used_up = left == 0 or is_cleared
    else:
        is_used_up = amounts.taken == pair.collateral.supplied
    return replace(leg, collateral=left, counted=leg.counted and not is_used_up)


def _repaid(leg: Leg, pair: Pair, amounts: Amounts, timestamp: int) -> Leg:
    """The debt leg: variable debt is burnt first, then stable (up to revision 4, later there is none)."""
    if leg.stable is not None:
        variable = ray_mul_half_up(leg.debt, pair.debt_ray)
        if amounts.repaid > variable:
            repaid = amounts.repaid - variable
            return replace(leg, debt=0, stable=_stable_after(leg.stable, repaid, timestamp))
    to_scaled = ray_div_half_up if pair.revision < FIRST_DIRECTED_REVISION else ray_div_down
    return replace(leg, debt=leg.debt - to_scaled(amounts.repaid, pair.debt_ray))


def _stable_after(debt: StableDebt, repaid: int, timestamp: int) -> StableDebt | None:
    """A stable debt settled at a time less what is repaid (StableDebtToken.burn); None where that is all."""
    left = stable_balance(debt, timestamp) - repaid
    return StableDebt(left, debt.rate_ray, timestamp) if left else None


def _is_written_off(leg: Leg, market: AaveMarket) -> bool:
    """Whether a debt becomes a deficit once nothing backs it: that of every active reserve (_burnBadDebt)."""
    return (
        market.revision >= FIRST_WHOLE_DEBT_REVISION
        and leg.debt > 0
        and market.reserves[leg.reserve].is_active
    )
