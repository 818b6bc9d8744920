"""The pool's own answers in bulk, asked without defiliq: what every exactness test compares with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from defiliq.book import Book
from defiliq.oracle.drivers import drivers
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import PriceGraph
from defiliq.protocols.aave_v3 import AaveMarket, rule
from defiliq.types import Health, Level
from tests.lab import AccountData, Lab
from tests.lab.build import word
from tests.lab.lab import ANSWER_FROM_SLOT_0, COMPUTED

BATCH = 400
WAD = 10**18
ADAPTER = "wstETH"
"""The feed of the lab that computes its answer from the ETH feed and a ratio."""
Overrides: TypeAlias = dict[str, dict[str, object]]


class World(NamedTuple):
    """What one question pretends: feeds at other answers, the block at another time."""

    owner: str
    overrides: Mapping[str, Mapping[str, object]]
    timestamp: int


def ask_pool(lab: Lab, worlds: Sequence[World]) -> list[AccountData]:
    """getUserAccountData in each world, at the latest block."""
    pool = lab.market.pool
    function = pool.functions["getUserAccountData"]
    requests: list[tuple[str, tuple[Any, ...]]] = []
    for world in worlds:
        request = {"to": pool.address, "data": function.data([world.owner])}
        time = {"time": hex(world.timestamp)}
        requests.append(("eth_call", (request, "latest", world.overrides, time)))
    answers: list[AccountData] = []
    for start in range(0, len(requests), BATCH):
        raw = lab.rpc.batch(requests[start : start + BATCH])
        answers += [AccountData(*function.answer(each)) for each in raw]
    return answers


def answers_of(lab: Lab, prices: Mapping[str, int], *, adapter_stays: bool = False) -> Overrides:
    """Storage that makes feeds answer these prices, by source address.

    A source that computes has its code replaced by one that answers a word, but for wstETH's where it is
    to follow the ETH feed.
    """
    adapter, computed = lab.feeds[ADAPTER], {lab.feeds[symbol] for symbol in COMPUTED}
    overrides: Overrides = {}
    for source, price in prices.items():
        if source == adapter and adapter_stays:
            continue
        overrides[source] = {"stateDiff": {word(0): word(price)}}
        if source in computed:
            overrides[source]["code"] = ANSWER_FROM_SLOT_0
    return overrides


def feed_drivers(market: AaveMarket) -> tuple[Driver, ...]:
    """One driver per feed: its price moves by itself, whatever its source is made of.

    What really moves prices is proved in tests/oracle; here prices are written where the pool reads them.
    """
    return drivers(replace(market, graph=PriceGraph()))


def moved_feeds(lab: Lab, market: AaveMarket, driver: Driver, at: int) -> dict[str, int]:
    """Source address to price with the driver at `at`; the adapter is named whenever the ETH feed moves."""
    prices = {market.feeds[feed].source: price for feed, price in driver.prices(at).items()}
    if lab.feeds["WETH"] in prices and lab.feeds[ADAPTER] not in prices:
        position = next(k for k, feed in enumerate(market.feeds) if feed.source == lab.feeds[ADAPTER])
        prices[lab.feeds[ADAPTER]] = market.prices[position]
    return prices


def data_of(health: Health) -> AccountData:
    """Our answer in the contract's six fields."""
    return AccountData(
        health.collateral_base,
        health.debt_base,
        health.available_borrows_base,
        health.threshold_bps,
        health.ltv_bps,
        health.factor_wad,
    )


def price_of(level: Level) -> int:
    """The price of a level that has one."""
    assert level.price is not None
    return level.price


def lowest_searched(book: Book[AaveMarket], level: Level) -> int:
    """Down to which integer a level's `never` speaks.

    A margin that is negative with the driver at 0 is looked for everywhere. Else the straight line has no
    crossing, and prices of a few integers, where rounding alone breaks accounts, are left out.
    """
    driver, market = level.driver, book.market
    at_zero = rule(book.account(level.account), market).margin(driver.lead(market.prices, 0))
    return driver.lowest if at_zero < 0 else max(driver.lowest, driver.shallow)


def toward_spot(level: Level) -> int:
    """The step from a level to its safe neighbour."""
    return 1 if level.side == "long" else -1
