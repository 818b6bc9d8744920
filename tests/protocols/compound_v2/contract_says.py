"""The Comptroller's and the cToken's arithmetic once more, step by step as the contracts have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.types import Account, Leg

SCALE = 10**18
HALF_SCALE = 5 * 10**17


def mul_exp(market: CompoundMarket, a: int, b: int) -> int:
    """Exponential.mulExp, which rounds, or ExponentialNoError.mul_, which cuts."""
    if market.product_rounding == "half_up":
        return (a * b + HALF_SCALE) // SCALE
    return a * b // SCALE


def borrow_balance(market: CompoundMarket, leg: Leg) -> int:
    """CToken.borrowBalanceStoredInternal."""
    if leg.debt == 0:
        return 0
    assert leg.debt_index
    return leg.debt * market.reserves[leg.reserve].borrow_index_now_wad // leg.debt_index


def surplus(account: Account, market: CompoundMarket, prices: Sequence[int] | None = None) -> int:
    """Liquidity less shortfall (getHypotheticalAccountLiquidityInternal)."""
    oracle = market.prices if prices is None else prices
    collateral = borrows = 0
    for leg in account.legs:
        if not leg.counted:
            continue
        reserve = market.reserves[leg.reserve]
        price = oracle[reserve.feed]
        to_denom = mul_exp(market, reserve.collateral_factor_wad, reserve.exchange_rate_now_wad)
        to_denom = mul_exp(market, to_denom, price)
        collateral += to_denom * leg.collateral // SCALE
        borrows += price * borrow_balance(market, leg) // SCALE
    return collateral - borrows


def may_liquidate(
    account: Account, market: CompoundMarket, debt: Leg, repay: int, prices: Sequence[int] | None = None
) -> bool:
    """liquidateBorrowAllowed, but for what concerns the collateral."""
    reserve, balance = market.reserves[debt.reserve], borrow_balance(market, debt)
    if reserve.is_deprecated:
        return balance >= repay
    return surplus(account, market, prices) < 0 and repay <= market.close_factor_wad * balance // SCALE


class Seized(NamedTuple):
    """What seizeInternal moves, in cTokens."""

    tokens: int
    protocol: int
    liquidator: int


def liquidate(
    account: Account, market: CompoundMarket, debt: Leg, collateral: Leg, repay: int
) -> Seized | None:
    """What liquidateBorrowFresh does; None where it reverts or fails."""
    owed, held = market.reserves[debt.reserve], market.reserves[collateral.reserve]
    if market.seize_paused or not (owed.is_listed and held.is_listed) or repay == 0:
        return None
    if repay > owed.total_borrows or not may_liquidate(account, market, debt, repay):
        return None
    numerator = mul_exp(market, market.liquidation_incentive_wad, market.prices[owed.feed])
    denominator = mul_exp(market, market.prices[held.feed], held.exchange_rate_now_wad)
    if denominator == 0:
        return None
    tokens = numerator * SCALE // denominator * repay // SCALE
    if tokens > collateral.collateral:
        return None
    protocol = tokens * held.seize_share_wad // SCALE
    return Seized(tokens, protocol, tokens - protocol)
