"""Small chains and subaccounts, and hypothesis strategies that construct them, adversarial ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.dydx_v4.market import DydxMarket, LiquidationsConfig, Perpetual
from defiliq.protocols.dydx_v4.rules import rule
from defiliq.protocols.dydx_v4.settle import Position, Subaccount
from defiliq.types import Account, Block, Feed, Leg
from defiliq.units import PPM
from tests.builders import NOW

OWNER = "dydx1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnqm6q8v/0"
BLOCK = Block("dydx-local-1", 120, "0x" + "ab" * 32, NOW)
CONFIG = LiquidationsConfig(
    max_liquidation_fee_ppm=5_000,
    min_position_notional_liquidated=1_000,
    max_position_portion_liquidated_ppm=PPM,
    max_notional_liquidated=10**14,
    max_quantums_insurance_lost=10**14,
    bankruptcy_adjustment_ppm=PPM,
    spread_to_maintenance_margin_ratio_ppm=100_000,
)
"""The chain's own defaults (LiquidationsConfig_Default)."""


def usdc() -> Perpetual:
    """What everything is quoted in, at feed 0."""
    return Perpetual(
        id=0, asset="uusdc", symbol="USDC", decimals=6, feed=0, atomic_resolution=-6, exponent=-6
    )


def perpetual(position: int, **changes: Any) -> Perpetual:
    """The perpetual at a position from 1 on, with a feed of its own; margins are 5% and 3%.

    Its notional is quantums times price, unless the changes say otherwise.
    """
    resolution = changes.get("atomic_resolution", -6)
    plain = Perpetual(
        id=position - 1,
        asset=f"P{position}-USD",
        symbol=f"P{position}-USD",
        decimals=-resolution,
        feed=position,
        atomic_resolution=resolution,
        exponent=0,
        initial_margin_ppm=50_000,
        maintenance_fraction_ppm=600_000,
        clob_status="active",
        step_base_quantums=1,
        subticks_per_tick=1,
        quantum_conversion_exponent=-3,
    )
    return replace(plain, **changes)


def chain(perpetuals: Sequence[Perpetual], prices: Sequence[int], **changes: Any) -> DydxMarket:
    """A market of these perpetuals at these prices, and USDC."""
    reserves = (usdc(), *perpetuals)
    feeds = (
        Feed("USDC", "", 10**6),
        *(Feed(held.symbol, "", 10 ** max(0, -held.exponent)) for held in perpetuals),
    )
    plain = DydxMarket(
        protocol="dydx-v4",
        name="Local",
        version="",
        block=BLOCK,
        timestamp=NOW,
        base_unit=10**6,
        base_symbol="USD",
        reserves=reserves,
        feeds=feeds,
        prices=(10**6, *prices),
        liquidations=CONFIG,
    )
    return replace(plain, **changes)


def holding(settled_usdc: int, *sizes: int) -> Account:
    """An account with settled USDC and positions in the perpetuals in order, each with its sign."""
    legs = [Leg(0, max(0, settled_usdc), max(0, -settled_usdc), True)]
    legs += [Leg(k, max(0, size), max(0, -size), True) for k, size in enumerate(sizes, start=1) if size]
    return Account(OWNER, 0, tuple(legs))


@st.composite
def chains(draw: st.DrawFn, *, small: bool | None = None) -> DydxMarket:
    """Markets of one to four perpetuals; small ones have prices and notionals of a few integers."""
    is_small = draw(st.booleans()) if small is None else small
    count = draw(st.integers(1, 4))
    margins = st.one_of(st.integers(0, PPM), st.sampled_from([0, 1, 20_000, 50_000, 999_999, PPM]))
    exponents = st.integers(-8, -4) if is_small else st.integers(-26, 3)
    listed = []
    for position in range(1, count + 1):
        lower = draw(st.integers(0, 10**9))
        listed.append(
            perpetual(
                position,
                atomic_resolution=draw(exponents),
                initial_margin_ppm=draw(margins),
                maintenance_fraction_ppm=draw(margins),
                funding_index=draw(st.integers(-(10**9), 10**9)),
                open_interest=draw(st.integers(0, 10**12)),
                open_interest_lower_cap=lower,
                open_interest_upper_cap=draw(st.one_of(st.just(0), st.integers(lower, 10**12))),
            )
        )
    prices = st.integers(1, 300) if is_small else st.integers(1, 10**13)
    return chain(listed, [draw(prices) for _ in listed])


@st.composite
def accounts(draw: st.DrawFn, market: DydxMarket, most: int = 2**70) -> Account:
    """Accounts with USDC of either sign and positions of either side in some perpetuals."""
    sizes = [
        draw(st.one_of(st.just(0), st.integers(-most, most), st.integers(-3, 3))) for _ in market.reserves[1:]
    ]
    return holding(draw(st.integers(-most, most)), *sizes)


@st.composite
def at_the_edge(draw: st.DrawFn, market: DydxMarket, most: int = 2**70) -> Account:
    """Accounts whose USDC makes net collateral the maintenance margin, or a few quantums off."""
    account = draw(accounts(market, most))
    bare = holding(0, *[_size(account, k) for k in range(1, len(market.reserves))])
    off = -rule(bare, market).margin(market.prices) + draw(st.integers(-3, 3))
    return holding(off, *[_size(account, k) for k in range(1, len(market.reserves))])


def _size(account: Account, place: int) -> int:
    return sum(leg.collateral - leg.debt for leg in account.legs if leg.reserve == place)


@st.composite
def drivers(draw: st.DrawFn, market: DydxMarket) -> Driver:
    """One perpetual alone, or all of them together in proportion to one."""
    lead = draw(st.integers(1, len(market.feeds) - 1))
    spot = market.prices[lead]
    moves = [Move(lead)]
    if draw(st.booleans()):
        moves += [
            Move(feed, market.prices[feed], spot) for feed in range(1, len(market.feeds)) if feed != lead
        ]
    return driver_of_feeds(market.feeds[lead].name, spot, market.price_unit(lead), moves)


@st.composite
def subaccounts(draw: st.DrawFn, market: DydxMarket, most: int = 2**70) -> Subaccount:
    """Raw subaccounts: unsettled funding of either sign, and now and then quote balances."""
    amounts = st.one_of(st.integers(-most, most), st.integers(-3, 3))
    positions = [
        Position(
            reserve.id,
            draw(amounts),
            reserve.funding_index + draw(st.integers(-(10**9), 10**9)),
            draw(st.one_of(st.just(0), amounts)),
        )
        for reserve in market.reserves[1:]
        if draw(st.booleans())
    ]
    assets = ((0, draw(amounts)),) if draw(st.booleans()) else ()
    return Subaccount("dydx1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnqm6q8v", 0, assets, tuple(positions))
