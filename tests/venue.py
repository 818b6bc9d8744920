"""A venue of two perpetuals and a few traders whose numbers are known by heart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from defiliq.book import Book
from defiliq.pricing.graph import Fixed, Input, PriceGraph
from defiliq.protocols.dydx_v4.market import DydxMarket
from defiliq.types import Account, Feed, Leg
from tests.dydx.population import owner
from tests.protocols.dydx_v4.states import CONFIG, chain, perpetual

USD = 10**6
BTC = 10**10
"""Quantums of a bitcoin."""
PAID = 500
"""Millionths of a quote quantum that a quantum of bitcoin has paid since positions were settled: 5 dollars
for each bitcoin."""
ALICE, BOB, CAROL, DAVE, IDLE, BROKE = range(6)


def venue(**changes: Any) -> DydxMarket:
    """Bitcoin at 60,000 dollars, and PEPE at 0.00001, of which a quantum is ten; both need 5% and keep 3%.

    A block may close a tenth of a position.
    """
    bitcoin = perpetual(
        1,
        symbol="BTC-USD",
        atomic_resolution=-10,
        decimals=10,
        exponent=-5,
        quantum_conversion_exponent=-9,
        subticks_per_tick=100_000,
        funding_index=7_000,
        open_interest=3 * BTC // 2,
    )
    pepe = perpetual(
        2,
        symbol="PEPE-USD",
        atomic_resolution=1,
        decimals=-1,
        exponent=-16,
        quantum_conversion_exponent=-9,
        subticks_per_tick=1_000_000,
        open_interest=5_000_000,
    )
    prices = 60_000 * 10**5, 10**11
    graph = PriceGraph(
        (
            Fixed(USD, "the chain counts a USDC as a dollar"),
            Input("BTC/USD", "oracle", "market/0", prices[0], 5),
            Input("PEPE/USD", "oracle", "market/1", prices[1], 16),
        ),
        (0, 1, 2),
    )
    whole = chain([bitcoin, pepe], prices)
    slow = replace(CONFIG, max_position_portion_liquidated_ppm=100_000, max_liquidation_fee_ppm=15_000)
    feeds = (
        whole.feeds[0],
        Feed("BTC-USD", "market/0", 10**5),
        Feed("PEPE-USD", "market/1", 10**16),
    )
    return replace(whole, graph=graph, feeds=feeds, liquidations=slow, version="v4", **changes)


def name(number: int) -> str:
    """What a trader's subaccount is called."""
    return f"{owner(number)}/0"


def holder(
    number: int, dollars: int, bitcoin: int = 0, pepe: int = 0, *, is_settled: bool = False
) -> Account:
    """A subaccount with USDC and two positions in quantums, whose funding is pending unless settled."""
    index = 7_000 if is_settled else 7_000 - PAID
    legs = [Leg(0, max(0, dollars) * USD, max(0, -dollars) * USD, True, funding_index=0)]
    legs += [
        Leg(place, max(0, size), max(0, -size), True, funding_index=at)
        for place, size, at in ((1, bitcoin, index), (2, pepe, 0))
        if size
    ]
    return Account(name(number), 0, tuple(legs))


def traders() -> list[Account]:
    """Two longs and a short of bitcoin, a long and a short of PEPE, and two without any position.

    Carol owes more than she has, and so does the last, of whom no margin is asked.
    """
    return [
        holder(ALICE, -50_000, BTC),
        holder(BOB, 102_000, -3 * BTC // 2, 5_000_000),
        holder(CAROL, 400, 0, -5_000_000),
        holder(DAVE, 0, BTC // 2, is_settled=True),
        holder(IDLE, 77),
        holder(BROKE, -5),
    ]


def venue_book() -> Book[DydxMarket]:
    """All of them."""
    return Book.build(venue(), traders())
