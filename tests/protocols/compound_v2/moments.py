"""Hypothesis strategies for Comptrollers in which much happens within seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import assume
from hypothesis import strategies as st

from defiliq.protocols.compound_v2.market import Clock, CompoundMarket
from defiliq.types import Account
from defiliq.units import WAD
from tests.builders import BLOCK, NOW
from tests.protocols.aave_v3.moments import price_graphs
from tests.protocols.compound_v2.ctokens import holds, owner
from tests.protocols.compound_v2.states import COARSE_AMOUNTS, INDICES, markets, with_debt_at_the_edge

STEEP = st.one_of(st.just(0), st.integers(0, WAD // 10**6), st.integers(0, WAD // 20))
"""Rates per tick: none, and up to five percent."""
PACES = st.sampled_from([(1, 12), (1, 1), (3, 1), (5, 3), (7, 90)])
TOTALS = st.one_of(st.integers(0, 40), st.integers(0, 40 * WAD))


@st.composite
def steep_markets(draw: st.DrawFn) -> CompoundMarket:
    """cTokens whose indices change within seconds; prices stand, or some move with time."""
    market = draw(markets())
    clock: Clock = draw(st.sampled_from(get_args(Clock)))
    now = BLOCK.number if clock == "block" else NOW
    reserves = []
    for reserve in market.reserves:
        cash, borrows = draw(TOTALS), draw(TOTALS)
        reserves.append(
            replace(
                reserve,
                cash=cash,
                total_borrows=borrows,
                total_reserves=draw(st.integers(0, (cash + borrows) // 2)),
                total_supply=draw(st.one_of(st.just(0), st.integers(1, 40), st.integers(1, 40 * WAD))),
                initial_exchange_rate_wad=2 * WAD,
                reserve_factor_wad=draw(st.sampled_from([0, WAD // 3, WAD // 4 + 1, WAD])),
                borrow_rate_wad=draw(STEEP),
                borrow_index_wad=draw(INDICES),
                accrued_at=now - draw(st.sampled_from([0, 1, 5, 100])),
            )
        )
    market = replace(market, reserves=tuple(reserves), clock=clock)
    pace_blocks, pace_seconds = draw(PACES)
    market = replace(market, pace_blocks=pace_blocks, pace_seconds=pace_seconds)
    if draw(st.booleans()):
        graph = draw(price_graphs(len(market.feeds)))
        prices = graph.prices(NOW)
        assume(min(prices) > 0)
        market = replace(market, graph=graph, prices=prices)
    return market.at_time(NOW)


@st.composite
def moments(draw: st.DrawFn) -> tuple[CompoundMarket, Account]:
    """A steep market and an account of it, whose debt is often about what its collateral backs."""
    market = draw(steep_markets())
    legs = [
        holds(
            k, draw(COARSE_AMOUNTS), draw(COARSE_AMOUNTS), entered=draw(st.integers(0, 4)) > 0, index_wad=WAD
        )
        for k in range(len(market.reserves))
    ]
    account = owner(*legs)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(legs) - 1))
        account = with_debt_at_the_edge(account, market, at, draw(st.integers(-3, 1)))
    return market, account
