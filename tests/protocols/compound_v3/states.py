"""Small Comets and accounts, and hypothesis strategies that construct them, adversarial ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.compound_v3.market import CometMarket, CometReserve, RateCurve
from defiliq.types import Account, Feed, Leg
from defiliq.units import WAD
from tests.builders import BLOCK, NOW, address

UNITY = 10**15
NO_RATES = RateCurve(kink_wad=8 * WAD // 10, slope_low_wad=0, slope_high_wad=0, base_wad=0)
OWNER = address(0x1111)
MOST_PRINCIPAL = 2**103 - 4
"""Comet keeps a principal as an int104; this leaves room for a few units more."""


def base_asset(decimals: int = 6, **changes: Any) -> CometReserve:
    """The base asset, at feed 0."""
    plain = CometReserve(
        id=0, asset=address(0xA000), symbol="BASE", decimals=decimals, feed=0, offset=None, held=10**12
    )
    return replace(plain, **changes)


def collateral(position: int, decimals: int = 18, **changes: Any) -> CometReserve:
    """The collateral at a position from 1 on, with a feed of its own; its factors are 80%, 85% and 90%."""
    plain = CometReserve(
        id=position,
        asset=address(0xA000 + position),
        symbol=f"C{position}",
        decimals=decimals,
        feed=position,
        offset=position - 1,
        borrow_factor_wad=80 * WAD // 100,
        liquidate_factor_wad=85 * WAD // 100,
        liquidation_factor_wad=90 * WAD // 100,
    )
    return replace(plain, **changes)


def comet(reserves: Sequence[CometReserve], prices: Sequence[int], **changes: Any) -> CometMarket:
    """A Comet whose indices stand at one and whose rates are 0, but for the changes."""
    plain = CometMarket(
        protocol="compound-v3",
        name="Local",
        version="",
        block=BLOCK,
        timestamp=NOW,
        base_unit=10**8,
        base_symbol="USD",
        reserves=tuple(reserves),
        feeds=tuple(Feed(reserve.symbol, address(0xD000 + k)) for k, reserve in enumerate(reserves)),
        prices=tuple(prices),
        comet=address(0xE001),
        supply_index=UNITY,
        borrow_index=UNITY,
        accrued_at=NOW,
        total_supply=10**15,
        total_borrow=8 * 10**14,
        supply_rates=NO_RATES,
        borrow_rates=NO_RATES,
        store_front_factor_wad=6 * WAD // 10,
        target_reserves=10**18,
        absorb_paused=False,
        buy_paused=False,
    )
    return replace(plain, **changes).at_time(NOW)


def owing(principal: int, *balances: int) -> Account:
    """An account with a principal, negative where it owes, and balances of the collaterals in order."""
    legs = [Leg(0, max(0, principal), max(0, -principal), False)]
    legs += [Leg(k, balance, 0, True) for k, balance in enumerate(balances, start=1)]
    return Account(OWNER, 0, tuple(legs))


FACTORS = st.one_of(
    st.integers(1, 10_000).map(lambda bps: bps * WAD // 10_000),
    st.sampled_from([WAD, WAD - 1, 1, WAD // 3]),
    st.integers(1, WAD),
)
DECIMALS = st.sampled_from([0, 1, 2, 6, 8, 18])
SMALL_DECIMALS = st.sampled_from([0, 1, 2])


@st.composite
def curves(draw: st.DrawFn) -> RateCurve:
    """Rates per second from nothing to a few thousandths: an index moves within seconds."""
    slopes = st.one_of(st.just(0), st.integers(0, 10**14), st.integers(0, 10**15))
    return RateCurve(
        kink_wad=draw(st.sampled_from([0, 8 * WAD // 10, 9 * WAD // 10])),
        slope_low_wad=draw(slopes),
        slope_high_wad=draw(slopes),
        base_wad=draw(slopes),
    )


@st.composite
def comets(
    draw: st.DrawFn,
    *,
    decimals: st.SearchStrategy[int] = DECIMALS,
    prices: st.SearchStrategy[int] | None = None,
) -> CometMarket:
    """A Comet of one to four collaterals at its block's time; some share the base asset's feed."""
    prices = st.integers(1, 10**14) if prices is None else prices
    count = draw(st.integers(1, 4))
    reserves = [base_asset(draw(decimals))]
    for k in range(1, count + 1):
        liquidate, borrow = draw(FACTORS), draw(FACTORS)
        reserves.append(
            collateral(
                k,
                draw(decimals),
                feed=draw(st.sampled_from([k, k, k, 0])),
                borrow_factor_wad=min(borrow, liquidate),
                liquidate_factor_wad=liquidate,
                liquidation_factor_wad=draw(FACTORS),
            )
        )
    return comet(
        reserves,
        [draw(prices) for _ in reserves],
        supply_index=UNITY + draw(st.integers(0, UNITY)),
        borrow_index=UNITY + draw(st.one_of(st.just(0), st.integers(0, 2 * UNITY))),
        accrued_at=NOW - draw(st.sampled_from([0, 1, 12, 3600])),
        supply_rates=draw(curves()),
        borrow_rates=draw(curves()),
    )


@st.composite
def accounts(draw: st.DrawFn, market: CometMarket, *, most: int = 2**100) -> Account:
    """An account with any principal and balances; some collaterals are not entered."""
    amounts = st.one_of(st.just(0), st.integers(1, 1000), st.integers(0, most))
    principal = draw(amounts) * draw(st.sampled_from([-1, -1, -1, 1]))
    account = owing(principal, *(draw(amounts) for _ in market.reserves[1:]))
    legs = tuple(
        leg if leg.reserve == 0 else replace(leg, counted=draw(st.booleans()) or draw(st.booleans()))
        for leg in account.legs
    )
    return replace(account, legs=legs)


@st.composite
def at_the_edge(draw: st.DrawFn, market: CometMarket, *, most: int = 2**100) -> Account:
    """An account that owes about as much as its collateral backs."""
    account = draw(accounts(market, most=most))
    price, unit = market.price_of(0), market.reserves[0].unit
    backing = 0
    for leg in account.legs[1:]:
        reserve = market.reserves[leg.reserve]
        if leg.counted:
            value = leg.collateral * market.price_of(leg.reserve) // reserve.unit
            backing += value * reserve.liquidate_factor_wad // WAD
    owed = backing * unit // price
    principal = min(owed * UNITY // market.borrow_index_now, MOST_PRINCIPAL) + draw(st.integers(-3, 3))
    return replace(account, legs=(Leg(0, 0, max(0, principal), False), *account.legs[1:]))


@st.composite
def drivers(draw: st.DrawFn, market: CometMarket) -> Driver:
    """One feed, or some that follow it in present proportion or in a ratio of their own."""
    lead = draw(st.integers(0, len(market.feeds) - 1))
    spot = market.prices[lead]
    others = [k for k in range(len(market.feeds)) if k != lead]
    followers = draw(st.lists(st.sampled_from(others), max_size=3, unique=True))
    moves = [Move(lead)]
    for k in followers:
        numerator, denominator = draw(
            st.sampled_from([(market.prices[k], spot), (1, 1), (3, 2), (2, 3), (115, 100)])
        )
        moves.append(Move(k, numerator, denominator))
    return driver_of_feeds(market.feeds[lead].name, spot, market.base_unit, tuple(moves))
