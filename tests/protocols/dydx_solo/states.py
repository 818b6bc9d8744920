"""Small Solo contracts and accounts, and hypothesis strategies that construct them, adversarial ones too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.dydx_solo.market import LIQUID, NORMAL, SoloMarket, SoloReserve
from defiliq.protocols.dydx_solo.take import to_par
from defiliq.types import Account, Feed, Leg
from defiliq.units import HIGHEST_PRICE, WAD
from tests.builders import BLOCK, NOW, address

OWNER = f"{address(0x1111)}/0"
RATIO = 15 * WAD // 100
DOLLAR = 10**36
"""The value of one; a token of 18 decimals that costs one has the price 10**18."""


def listed(position: int, decimals: int = 18, **changes: Any) -> SoloReserve:
    """A market without premiums whose indices stand at one."""
    plain = SoloReserve(
        id=position,
        asset=address(0xA000 + position),
        symbol=f"T{position}",
        decimals=decimals,
        feed=position,
        oracle=address(0xD000 + position),
        total_borrow_par=10**24,
        total_supply_par=2 * 10**24,
        borrow_index_wad=WAD,
        supply_index_wad=WAD,
        accrued_at=NOW,
        borrow_rate_wad=0,
        margin_premium_wad=0,
        spread_premium_wad=0,
        is_closing=False,
    )
    return replace(plain, **changes)


def solo(reserves: Sequence[SoloReserve], prices: Sequence[int], **changes: Any) -> SoloMarket:
    """A contract with the risk parameters of Ethereum's, but for the changes."""
    plain = SoloMarket(
        protocol="dydx-solo",
        name="Local",
        version="",
        block=BLOCK,
        timestamp=NOW,
        base_unit=DOLLAR,
        base_symbol="USD",
        reserves=tuple(reserves),
        feeds=tuple(Feed(r.symbol, r.oracle, 10 ** (36 - r.decimals)) for r in reserves),
        prices=tuple(prices),
        solo_margin=address(0xE001),
        margin_ratio_wad=RATIO,
        liquidation_spread_wad=5 * WAD // 100,
        earnings_rate_wad=95 * WAD // 100,
        min_borrowed_value_base=0,
    )
    return replace(plain, **changes).at_time(NOW)


def holding(*pars: int, mode: int = NORMAL) -> Account:
    """An account with a par in each market in order, negative where it owes; no leg where it is 0."""
    legs = [Leg(k, max(0, par), max(0, -par), True) for k, par in enumerate(pars) if par]
    return Account(OWNER, mode, tuple(legs))


PREMIUMS = st.one_of(
    st.just(0), st.integers(1, 3 * WAD), st.sampled_from([1, WAD // 3, WAD, 123_456_789_012_345_678])
)
RATIOS = st.one_of(st.just(RATIO), st.integers(0, 2 * WAD), st.sampled_from([0, 1, WAD // 7, WAD]))
RATES = st.one_of(st.just(0), st.integers(0, 10**14), st.integers(0, 10**15))


@st.composite
def markets(draw: st.DrawFn, *, prices: st.SearchStrategy[int] | None = None, fewest: int = 1) -> SoloMarket:
    """Up to four markets at the block's time, updated some seconds before; some share a feed."""
    prices = st.integers(1, 10**30) if prices is None else prices
    reserves = []
    for k in range(draw(st.integers(fewest, 4))):
        totals = st.one_of(st.just(0), st.integers(1, 1000), st.integers(0, 2**100))
        reserves.append(
            listed(
                k,
                draw(st.sampled_from([0, 6, 8, 18, 36])),
                feed=draw(st.sampled_from([k, k, k, 0])),
                total_borrow_par=draw(totals),
                total_supply_par=draw(totals),
                borrow_index_wad=WAD + draw(st.one_of(st.just(0), st.integers(0, 3 * WAD))),
                supply_index_wad=WAD + draw(st.one_of(st.just(0), st.integers(0, 3 * WAD))),
                accrued_at=NOW - draw(st.sampled_from([0, 1, 12, 3600])),
                borrow_rate_wad=draw(RATES),
                margin_premium_wad=draw(PREMIUMS),
                spread_premium_wad=draw(PREMIUMS),
            )
        )
    return solo(
        reserves,
        [draw(prices) for _ in reserves],
        margin_ratio_wad=draw(RATIOS),
        liquidation_spread_wad=draw(st.integers(0, WAD // 2)),
        earnings_rate_wad=draw(st.one_of(st.just(95 * WAD // 100), st.integers(0, WAD))),
    )


@st.composite
def accounts(draw: st.DrawFn, market: SoloMarket, *, most: int = 2**127) -> Account:
    """Any pars; now and then an account that somebody began to liquidate."""
    sizes = st.one_of(st.just(0), st.integers(1, 1000), st.integers(0, most))
    pars = [draw(sizes) * draw(st.sampled_from([1, -1])) for _ in market.reserves]
    return holding(*pars, mode=draw(st.sampled_from([NORMAL] * 9 + [LIQUID])))


@st.composite
def at_the_edge(draw: st.DrawFn, market: SoloMarket, *, most: int = 2**100) -> Account:
    """An account that owes in one market about as much as its supplies in the others allow."""
    owed = draw(st.integers(0, len(market.reserves) - 1))
    sizes = st.one_of(st.integers(1, 1000), st.integers(1, most))
    pars = [draw(sizes) if k != owed else 0 for k in range(len(market.reserves))]
    backing = 0
    for k, (reserve, par) in enumerate(zip(market.reserves, pars, strict=True)):
        value = par * reserve.supply_index_now_wad // WAD * market.price_of(k)
        backing += value * WAD // (WAD + reserve.margin_premium_wad)
    weight = WAD + market.reserves[owed].margin_premium_wad
    value = backing * WAD // (WAD + market.margin_ratio_wad) * WAD // weight
    par = to_par(market, owed, -(value // market.price_of(owed)))
    pars[owed] = max(-(2**128 - 1), min(0, par + draw(st.integers(-3, 3))))
    return holding(*pars)


@st.composite
def drivers(draw: st.DrawFn, market: SoloMarket) -> Driver:
    """One feed, or some that follow it in present proportion or in a ratio of their own."""
    lead = draw(st.integers(0, len(market.feeds) - 1))
    spot = market.prices[lead]
    others = [k for k in range(len(market.feeds)) if k != lead]
    followers = draw(st.lists(st.sampled_from(others), max_size=3, unique=True)) if others else []
    moves = [Move(lead)]
    for k in followers:
        numerator, denominator = draw(
            st.sampled_from([(market.prices[k], spot), (1, 1), (3, 2), (2, 3), (115, 100)])
        )
        if spot * numerator // denominator <= HIGHEST_PRICE:
            moves.append(Move(k, numerator, denominator))
    return driver_of_feeds(market.feeds[lead].name, spot, market.price_unit(lead), tuple(moves))
