"""Hypothesis strategies that construct valid Aave v3 markets and accounts, adversarial ones included."""

from __future__ import annotations

from hypothesis import strategies as st

from defiliq.pricing.driver import Driver, Move, driver_of_feeds
from defiliq.protocols.aave_v3.market import AaveMarket, AaveReserve, EMode
from defiliq.types import Account, Leg
from defiliq.units import RAY
from tests.builders import NOW, plain_market, plain_reserve

ALL_REVISIONS = (1, 4, 6, 7, 8, 9, 10, 11)
AVERAGING_REVISIONS = (1, 4, 6, 7, 8)
DIRECT_REVISIONS = (9, 10, 11)


@st.composite
def reserves(draw: st.DrawFn, position: int, decimals: st.SearchStrategy[int]) -> AaveReserve:
    """One reserve with accrued indices; a threshold of 0 now and then."""
    threshold_bps = draw(st.one_of(st.just(0), st.integers(1, 9700), st.integers(7500, 8500)))
    return plain_reserve(
        position,
        f"T{position}",
        draw(decimals),
        id=position * 2 + 1,
        ltv_bps=threshold_bps * 9 // 10,
        liquidation_threshold_bps=threshold_bps,
        liquidation_bonus_bps=draw(st.integers(10_001, 11_500)) if threshold_bps else 0,
        liquidation_protocol_fee_bps=draw(st.sampled_from([0, 1000, 2000])),
        liquidity_index_ray=RAY + draw(st.integers(0, RAY)),
        liquidity_rate_ray=draw(st.integers(0, RAY // 5)),
        variable_borrow_index_ray=RAY + draw(st.integers(0, 2 * RAY)),
        variable_borrow_rate_ray=draw(st.integers(0, RAY // 3)),
        updated_at=NOW - draw(st.sampled_from([0, 1, 12, 86_400, 30_000_000])),
    )


@st.composite
def markets(
    draw: st.DrawFn,
    revisions: tuple[int, ...] = ALL_REVISIONS,
    *,
    decimals: st.SearchStrategy[int] | None = None,
    prices: st.SearchStrategy[int] | None = None,
) -> AaveMarket:
    """A market of two to five reserves and one eMode over the first two."""
    decimals = st.sampled_from([0, 2, 6, 8, 18]) if decimals is None else decimals
    prices = st.integers(1, 10**14) if prices is None else prices
    count = draw(st.integers(2, 5))
    listed = tuple(draw(reserves(k, decimals)) for k in range(count))
    emode = EMode(
        id=1,
        label="first two",
        ltv_bps=9000,
        liquidation_threshold_bps=draw(st.integers(9000, 9900)),
        liquidation_bonus_bps=10_100,
        collateral_bitmap=sum(1 << reserve.id for reserve in listed[:2]),
        borrowable_bitmap=sum(1 << reserve.id for reserve in listed[:2]),
    )
    return plain_market(
        listed, [draw(prices) for _ in listed], revision=draw(st.sampled_from(revisions)), emodes={1: emode}
    )


@st.composite
def accounts(draw: st.DrawFn, market: AaveMarket, *, most: int = 10**30, both: bool = True) -> Account:
    """An account with any legs; where not `both`, no reserve is collateral and debt at once."""
    amounts = st.one_of(st.just(0), st.integers(1, 1000), st.integers(0, most))
    legs = []
    for position in range(len(market.reserves)):
        collateral, debt = draw(amounts), draw(amounts)
        if not both and collateral and debt:
            collateral, debt = draw(st.sampled_from([(collateral, 0), (0, debt)]))
        legs.append(Leg(position, collateral, debt, draw(st.booleans()) or draw(st.booleans())))
    return Account("0x" + "11" * 20, draw(st.sampled_from([0, 0, 1])), tuple(legs))


@st.composite
def drivers(draw: st.DrawFn, market: AaveMarket) -> Driver:
    """One feed, or a group that follows the first in present proportion or in a ratio of its own."""
    lead = draw(st.integers(0, len(market.feeds) - 1))
    spot = market.prices[lead]
    moves = [Move(lead)]
    others = [k for k in range(len(market.feeds)) if k != lead]
    followers = (
        draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if draw(st.booleans()) else []
    )
    moves += [Move(k, market.prices[k], spot) for k in followers]
    return driver_of_feeds(market.feeds[lead].name, spot, market.base_unit, tuple(moves))
