"""What an account's legs count before any price: cTokens, exchange rates, factors, debts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from defiliq.protocols.compound_v2.accrual import borrow_balance
from defiliq.protocols.compound_v2.market import CompoundMarket, CTokenReserve, ProductRounding
from defiliq.types import Account, Leg
from defiliq.units import WAD, mul_div_down, mul_div_half_up

Rounding: TypeAlias = Callable[[int, int, int], int]

PRODUCT: Final[Mapping[ProductRounding, Rounding]] = {"down": mul_div_down, "half_up": mul_div_half_up}
"""The product of two wads, by what a market names: x * y / 1e18."""


class Counted(NamedTuple):
    """One leg in an entered market with everything but its price settled."""

    reserve: int
    feed: int
    tokens: int
    """cTokens."""
    rate_wad: int
    """Underlying base units per cToken base unit."""
    weight_wad: int
    """Collateral factor times exchange rate, rounded as the Comptroller does: what a cToken backs."""
    owed: int
    """Debt in underlying base units."""


def underlying(tokens: int, rate_wad: int) -> int:
    """What cTokens are worth in underlying base units (CToken.balanceOfUnderlying)."""
    return mul_div_down(tokens, rate_wad, WAD)


def owed_balance(leg: Leg, reserve: CTokenReserve) -> int:
    """What the account owes at the borrow index that verdicts use (CToken.borrowBalanceStored)."""
    if leg.debt == 0:
        return 0
    if leg.debt_index is None:
        raise ValueError(f"a debt in {reserve.c_symbol} without the index at which it was settled")
    return borrow_balance(leg.debt, leg.debt_index, reserve.borrow_index_now_wad)


def weight_wad(reserve: CTokenReserve, rounding: ProductRounding) -> int:
    """The first product of getHypotheticalAccountLiquidityInternal: collateral factor times exchange rate."""
    return PRODUCT[rounding](reserve.collateral_factor_wad, reserve.exchange_rate_now_wad, WAD)


def owes_deprecated(account: Account, market: CompoundMarket) -> bool:
    """Whether the account owes in a deprecated market, and so may be liquidated at any price."""
    return any(leg.debt and market.reserves[leg.reserve].is_deprecated for leg in account.legs)


def counted_leg(leg: Leg, reserve: CTokenReserve, rounding: ProductRounding) -> Counted:
    """A leg in an entered market, at the reserve's indices."""
    return Counted(
        reserve=leg.reserve,
        feed=reserve.feed,
        tokens=leg.collateral,
        rate_wad=reserve.exchange_rate_now_wad,
        weight_wad=weight_wad(reserve, rounding),
        owed=owed_balance(leg, reserve),
    )


def counted_legs(account: Account, market: CompoundMarket) -> tuple[Counted, ...]:
    """The legs that an account's liquidity hangs on: supply and debt in the markets it has entered."""
    return tuple(
        counted_leg(leg, market.reserves[leg.reserve], market.product_rounding)
        for leg in account.legs
        if leg.counted
    )
