"""Hypothesis strategies for markets in which much happens within seconds: steep rates, caps and discounts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st

from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph, Quantity
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.protocols.aave_v3.rules import rule
from defiliq.types import Account, StableDebt
from defiliq.units import BPS, RAY
from tests.builders import NOW
from tests.protocols.aave_v3.states import ALL_REVISIONS, accounts, markets

OWNER = "0x" + "11" * 20
COARSE = st.sampled_from([0, 1, 2])
STEEP = st.one_of(st.just(0), st.integers(0, RAY // 5), st.integers(0, 10**5 * RAY))
"""Yearly rates: none, usual ones, and up to a third of a percent in a second."""
STABLE_REVISIONS = (1, 4)


@st.composite
def price_graphs(draw: st.DrawFn, feeds: int) -> PriceGraph:
    """Some inputs, a cap that grows, a discount that runs off, and what is made of them."""
    small = st.integers(1, 60)
    quantities: list[Quantity] = [
        Input("X/USD", "aggregator", OWNER, draw(small), 0),
        Growing(draw(small), NOW - draw(st.integers(0, 60)), draw(st.integers(0, 9)), draw(small)),
        Discount(100, draw(st.integers(0, 100)), NOW + draw(st.integers(-10, 80)), 60),
        Fixed(draw(small)),
        Least((0, 1)),
        Fraction((0, 2), (), 1, draw(small)),
        Fraction((2,), (1,), draw(st.integers(1, 400)), 1),
        Least((3, 5)),
    ]
    return PriceGraph(
        tuple(quantities),
        tuple(draw(st.integers(0, len(quantities) - 1)) for _ in range(feeds)),
    )


@st.composite
def steep_markets(draw: st.DrawFn, revisions: tuple[int, ...] = ALL_REVISIONS) -> AaveMarket:
    """Coarse tokens whose balances change within seconds; prices stand, or some move with time."""
    market = draw(markets(revisions, decimals=COARSE, prices=st.integers(1, 120)))
    reserves = tuple(
        replace(
            reserve,
            liquidity_rate_ray=draw(STEEP),
            variable_borrow_rate_ray=draw(STEEP),
            updated_at=NOW - draw(st.sampled_from([0, 1, 2, 12, 4000])),
        )
        for reserve in market.reserves
    )
    market = replace(market, reserves=reserves)
    if draw(st.booleans()):
        graph = draw(price_graphs(len(reserves)))
        prices = graph.prices(NOW)
        assume(min(prices) > 0)
        market = replace(market, graph=graph, prices=prices)
    return market.at_time(NOW)


@st.composite
def steep_accounts(draw: st.DrawFn, market: AaveMarket) -> Account:
    """Any account, or one whose debt is about what its collateral backs."""
    account = draw(accounts(market, most=2000))
    if draw(st.booleans()):
        owed = draw(st.integers(0, len(market.reserves) - 1))
        reserve = market.reserves[owed]
        alone = replace(account, legs=tuple(replace(leg, debt=0) for leg in account.legs))
        backing = max(0, rule(alone, market).margin(market.prices)) // BPS
        debt = backing * reserve.unit * RAY // (market.price_of(owed) * reserve.debt_ray)
        legs = list(alone.legs)
        legs[owed] = replace(legs[owed], debt=max(0, debt + draw(st.integers(-3, 1))))
        account = replace(alone, legs=tuple(legs))
    if market.revision in STABLE_REVISIONS and draw(st.booleans()):
        stable = StableDebt(draw(st.integers(1, 40)), draw(STEEP), NOW - draw(st.sampled_from([0, 1, 5000])))
        account = replace(account, legs=(replace(account.legs[0], stable=stable), *account.legs[1:]))
    return account


@st.composite
def moments(draw: st.DrawFn, revisions: tuple[int, ...] = ALL_REVISIONS) -> tuple[AaveMarket, Account]:
    """A steep market and an account of it."""
    market = draw(steep_markets(revisions))
    return market, draw(steep_accounts(market))
