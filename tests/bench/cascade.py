"""Cascades: rounds and sweeps over a synthetic Aave book, in columns and by the law; heat over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction as Ratio
from time import perf_counter
from typing import Any

from defiliq.book import Book
from defiliq.depth.impact import DEFAULT_VOLATILITY_PPM, SquareRootImpact
from defiliq.depth.venue import Token
from defiliq.engine.liquidate import ColumnBook
from defiliq.model.cascade import LawBook
from defiliq.pipeline.cascade import law_of, sweep
from defiliq.pricing.graph import Fraction, Input, PriceGraph, Quantity
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.aave_v3.market import AaveMarket
from tests.bench.levels import MOVED
from tests.bench.report import Note, Report, Row, best_of
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import NOW, address

SEED = 17
DRIVER = "ETH/USD"
FALLS_PCT = (3, 10, 20, 40)
ROUND_TARGET_S, SWEEP_TARGET_S = 0.005, 10.0
SHOCKS = 200
DAILY_QUOTE = 2 * 10**9 * 10**6
ALL = 10**9
"""The ratios to ETH are given in billionths."""


def graphed_market() -> AaveMarket:
    """The synthetic market with ETH/USD as an input that seven of its twenty prices hang on."""
    market = synthetic_market()
    lead = next(k for k, reserve in enumerate(market.reserves) if reserve.symbol == "WETH")
    quantities: list[Quantity] = [
        Input(DRIVER, "aggregator", address(0xF000), market.prices[lead], 8, NOW - 37, 3600, 50)
    ]
    feeds = []
    for k, reserve in enumerate(market.reserves):
        if k == lead:
            feeds.append(0)
            continue
        if reserve.symbol in MOVED:
            ratio = market.prices[k] * ALL // market.prices[lead]
            quantities.append(Fraction((0,), (), ratio, ALL, f"{reserve.symbol} / ETH / USD"))
        else:
            name = f"{reserve.symbol}/USD"
            quantities.append(
                Input(name, "aggregator", address(0xF001 + k), market.prices[k], 8, NOW - 60, 86_400, 50)
            )
        feeds.append(len(quantities) - 1)
    graph = PriceGraph(tuple(quantities), tuple(feeds))
    return replace(market, graph=graph, prices=graph.prices(NOW))


def ether_depth(market: AaveMarket) -> SquareRootImpact:
    """Two billion dollars a day at a daily volatility of 4%."""
    spot = market.prices[0]
    return SquareRootImpact(
        Token("WETH", 18),
        Token("USDC", 6),
        Ratio(spot, 10**20),
        DAILY_QUOTE,
        DAILY_QUOTE * 10**20 // spot,
        DEFAULT_VOLATILITY_PPM,
    )
