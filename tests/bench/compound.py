"""Verdicts and levels of Compound's two protocols: each law alone, and with the engine in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Amounts, Book
from defiliq.pricing.graph import Fraction, Input, PriceGraph, Quantity
from defiliq.protocols.compound_v2.market import CompoundMarket
from defiliq.protocols.compound_v3.market import CometMarket
from defiliq.units import WAD
from tests.bench.books import bench_book
from tests.bench.report import Report
from tests.builders import NOW, address
from tests.protocols.compound_v2.ctokens import comptroller, ctoken
from tests.protocols.compound_v3.states import UNITY, base_asset, collateral, comet

SEED = 13
MOST_COLLATERALS = 3
DENSE_SHARE = 0.2
ASSETS = (
    # symbol, decimals, dollars, collateral factor in bps, whether it follows ETH/USD
    ("WETH", 18, 2_795.3164, 8950, True),
    ("wstETH", 18, 3_409.11872511, 8750, True),
    ("cbETH", 18, 3_101.77213005, 8700, True),
    ("WBTC", 8, 86_512.34, 8500, False),
    ("tBTC", 18, 86_422.6, 8000, False),
    ("LINK", 18, 12.8654, 7900, False),
    ("UNI", 18, 6.077, 7500, False),
    ("COMP", 18, 31.25, 7000, False),
)
DOLLAR = ("USDC", 6, 0.99987)

Floats = NDArray[np.float64]


def bench_comet(accounts: int) -> list[Report]:
    """Verdicts and levels of Compound III."""
    return bench_book("Compound III", synthetic_comet(accounts)[1], SEED, ["ETH/USD"])


def bench_comptroller(accounts: int) -> list[Report]:
    """Verdicts and levels of Compound v2."""
    return bench_book("Compound v2", synthetic_comptroller(accounts)[1], SEED, ["ETH/USD"])


def synthetic_comet(accounts: int) -> tuple[CometMarket, Book[Any]]:
    """A Comet that lends dollars on eight collaterals."""
    reserves = [base_asset(DOLLAR[1], symbol=DOLLAR[0])]
    for k, (symbol, decimals, _, bps, _) in enumerate(ASSETS, start=1):
        factor_wad = bps * WAD // 10_000
        reserves.append(
            collateral(
                k,
                decimals,
                symbol=symbol,
                borrow_factor_wad=factor_wad - WAD // 20,
                liquidate_factor_wad=factor_wad,
            )
        )
    graph = _graph([1] * len(reserves))
    market = comet(reserves, graph.prices(NOW), graph=graph, borrow_index=UNITY * 117 // 100 + 7)
    return market, _book(market, accounts, 1.17)


def synthetic_comptroller(accounts: int) -> tuple[CompoundMarket, Book[Any]]:
    """A Comptroller with nine cTokens, of which dollars are owed."""
    rate = 213 * 10**24 + 1_234_567_890_123
    rows = [(DOLLAR[0], DOLLAR[1], 8550), *((row[0], row[1], row[3]) for row in ASSETS)]
    reserves = [
        ctoken(
            k,
            symbol,
            decimals,
            collateral_factor_wad=bps * WAD // 10_000,
            exchange_rate_now_wad=rate * 10**decimals // 10**18,
            borrow_index_now_wad=12 * WAD // 10 + k,
        )
        for k, (symbol, decimals, bps) in enumerate(rows)
    ]
    graph = _graph([10 ** (28 - reserve.decimals) for reserve in reserves])
    market = comptroller(reserves, graph.prices(NOW), graph=graph)
    return market, _book(market, accounts, 1.2)


def _book(market: Any, accounts: int, debt_grown: float) -> Book[Any]:
    """Accounts with one to three collaterals of lognormal size, and debts at health factors of 0.9 to 10."""
    rng = np.random.default_rng(SEED)
    count = rng.integers(1, MOST_COLLATERALS + 1, size=accounts)
    legs_of = count + 1
    first_leg = np.concatenate(([0], np.cumsum(legs_of))).astype(np.int64)
    account = np.repeat(np.arange(accounts), legs_of)
    place = np.arange(first_leg[-1]) - first_leg[account]
    is_debt = place == 0
    chosen = np.argsort(rng.random((accounts, len(ASSETS))), axis=1)[:, :MOST_COLLATERALS] + 1
    reserve = np.where(is_debt, 0, chosen[account, np.maximum(place - 1, 0)])
    bps = np.array([1.0, *(row[3] / 10_000 for row in ASSETS)])
    dollars = np.array([DOLLAR[2], *(row[2] for row in ASSETS)])
    decimals = np.array([DOLLAR[1], *(row[1] for row in ASSETS)], dtype=np.float64)
    worth = np.where(is_debt, 0.0, rng.lognormal(np.log(3_000.0), 2.3, size=len(account)))
    backing = np.bincount(account, worth * bps[reserve], minlength=accounts)
    factor = 1.02 + rng.lognormal(-0.6, 0.9, size=accounts)
    dense = rng.random(accounts) < DENSE_SHARE
    factor = np.where(dense, rng.normal(1.05, 0.05, size=accounts), factor)
    debt_worth = backing / np.clip(factor, 0.9, 10.0)
    tokens = worth / dollars[reserve] * 10.0 ** decimals[reserve]
    if market.protocol == "compound-v2":
        tokens = tokens / np.array([r.exchange_rate_now_wad / WAD for r in market.reserves])[reserve]
    owed = np.where(is_debt, debt_worth[account] / dollars[0] * 10.0 ** decimals[0] / debt_grown, 0.0)
    index = [WAD if row else 0 for row in is_debt.tolist()]
    return Book(
        market=market,
        owners=rng.integers(0, 256, size=(accounts, 20), dtype=np.uint8),
        modes=np.zeros(accounts, dtype=np.uint8),
        first_leg=first_leg,
        reserves=reserve.astype(np.int16),
        collateral=_amounts(tokens),
        debt=_amounts(owed),
        counted=~is_debt | (market.protocol == "compound-v2"),
        debt_index=Amounts.of(index) if market.protocol == "compound-v2" else None,
    )


def _amounts(units: Floats) -> Amounts:
    units = np.floor(units)
    high = np.floor(units / 2.0**64)
    return Amounts(high.astype(np.uint64), (units - high * 2.0**64).astype(np.uint64))


def _graph(scales: Sequence[int]) -> PriceGraph:
    """Prices of the base asset and the others, each an aggregator's answer of 8 decimals times a scale.

    Three hang on ETH/USD, two of them by a ratio that stands still.
    """
    ether = round(ASSETS[0][2] * 1e8)
    quantities: list[Quantity] = [Input("ETH/USD", "aggregator", address(0xF000), ether, 8)]
    feeds = []
    dollars = (DOLLAR[2], *(row[2] for row in ASSETS))
    follows = (False, *(row[4] for row in ASSETS))
    for k, (each, follows_ether, scale) in enumerate(zip(dollars, follows, scales, strict=True)):
        answer = round(each * 1e8)
        if not follows_ether:
            quantities.append(Input(f"A{k}/USD", "aggregator", address(0xF001 + k), answer, 8))
        source, ratio = (0, answer) if follows_ether else (len(quantities) - 1, 1)
        quantities.append(Fraction((source,), (), ratio * scale, ether if follows_ether else 1))
        feeds.append(len(quantities) - 1)
    return PriceGraph(tuple(quantities), tuple(feeds))
