"""Hypothesis strategies: markets and accounts on which every rounding shows, and usual and huge ones."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from defiliq.protocols.compound_v2.market import CompoundMarket, ProductRounding
from defiliq.types import Account, Leg
from defiliq.units import WAD
from tests.protocols.compound_v2.contract_says import surplus
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner

ROUNDINGS: st.SearchStrategy[ProductRounding] = st.sampled_from(["down", "half_up"])
FACTORS = st.one_of(st.sampled_from([0, WAD // 2, 3 * WAD // 4, WAD]), st.integers(0, 9 * WAD // 10))
COARSE_PRICES = st.integers(1, 60)
"""So few integers that a price, a wad of cTokens and a value are all rounded visibly."""
COARSE_RATES = st.integers(WAD // 3, 40 * WAD)
COARSE_AMOUNTS = st.one_of(st.just(0), st.integers(1, 30).map(lambda n: n * WAD), st.integers(1, 30 * WAD))
USUAL_PRICES = st.one_of(st.integers(1, 3 * WAD), st.integers(10**17, 10**33))
USUAL_RATES = st.one_of(st.integers(1, 3 * WAD), st.integers(10**14, 10**28))
USUAL_AMOUNTS = st.one_of(
    st.just(0), st.integers(1, 5), st.integers(1, 10**12), st.integers(1, 10**24), st.integers(1, 2**100)
)
INDICES = st.integers(WAD, 3 * WAD)


@st.composite
def markets(
    draw: st.DrawFn,
    prices: st.SearchStrategy[int] = COARSE_PRICES,
    rates: st.SearchStrategy[int] = COARSE_RATES,
) -> CompoundMarket:
    """One to four cTokens, some of which share a feed."""
    count = draw(st.integers(1, 4))
    reserves = [
        ctoken(
            k,
            f"T{k}",
            draw(st.sampled_from([0, 6, 8, 18])),
            feed=draw(st.integers(0, k)),
            collateral_factor_wad=draw(FACTORS),
            exchange_rate_now_wad=draw(rates),
            borrow_index_now_wad=draw(INDICES),
            seize_share_wad=draw(st.sampled_from([0, 28 * 10**15, WAD // 3])),
        )
        for k in range(count)
    ]
    return comptroller(
        reserves,
        [draw(prices) for _ in range(count)],
        product_rounding=draw(ROUNDINGS),
        close_factor_wad=draw(st.sampled_from([WAD // 2, WAD // 3, WAD])),
        liquidation_incentive_wad=draw(st.integers(WAD, 5 * WAD // 4)),
    )


@st.composite
def accounts(
    draw: st.DrawFn, market: CompoundMarket, amounts: st.SearchStrategy[int] = COARSE_AMOUNTS
) -> Account:
    """Any account, or one whose debt is within a few base units of what backs it."""
    legs = [
        holds(k, draw(amounts), draw(amounts), entered=draw(st.booleans()), index_wad=draw(INDICES))
        for k in range(len(market.reserves))
    ]
    account = owner(*legs)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(legs) - 1))
        account = with_debt_at_the_edge(account, market, at, draw(st.integers(-2, 2)))
    return account


def with_debt_at_the_edge(account: Account, market: CompoundMarket, at: int, off: int) -> Account:
    """The same supply, and one debt about as large as it backs, `off` base currency integers more."""
    reserve = market.reserves[at]
    legs: list[Leg] = [replace(leg, debt=0) for leg in account.legs]
    backing = max(0, surplus(replace(account, legs=tuple(legs)), market) + off)
    index = reserve.borrow_index_now_wad
    owed = -(-backing * WAD // market.price_of(at))
    legs[at] = replace(legs[at], debt=min(owed, 2**127), counted=True, debt_index=index)
    return replace(account, legs=tuple(legs))
