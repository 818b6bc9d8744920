"""Every level of both labs, asked of the contracts: it breaks there, and one integer nearer it does not."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import pytest

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.oracle.drivers import group_driver
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols.aave_v3 import AaveMarket, rule
from defiliq.types import Level, Listing
from tests.lab import Lab
from tests.protocols.aave_v3.contract_says import (
    WAD,
    World,
    answers_of,
    ask_pool,
    feed_drivers,
    lowest_searched,
    moved_feeds,
    price_of,
    toward_spot,
)

pytestmark = pytest.mark.lab
WORLDS = [(lab, later_s) for lab in ("lab_v36", "lab_v30") for later_s in (0, 1_234_567)]
THROUGH_ADAPTER = "ETHER"
"""The group whose follower stays real: only the ETH feed is overridden, and the adapter computes."""


class Claim(NamedTuple):
    """What we say of one account in one world."""

    level: Level
    what: str
    at: int
    liquidatable: bool


class Solved(NamedTuple):
    """All levels of a lab, `never` included, at one time."""

    lab: Lab
    book: Book[AaveMarket]
    levels: tuple[Level, ...]
    unresolved: tuple[tuple[str, str], ...]


def groups(lab: Lab, market: AaveMarket) -> tuple[Driver, ...]:
    """Feeds that move together: by the adapter's own ratio, and in their present proportions."""
    ratio = lab.chain.call(lab.market.ratio, "getRatio")
    return (
        group_driver(market, f"{THROUGH_ADAPTER}=WETH,wstETH:{ratio}/{10**18}"),
        group_driver(market, "DOLLARS=USDC,USDT,GHO"),
        group_driver(market, "CRYPTO=WETH,wstETH,WBTC,LINK,CRV,AAVE"),
    )


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world[0]}-{world[1]}s")
def solved(request: pytest.FixtureRequest) -> Solved:
    """Both labs, at the block's own time and some days after."""
    name, later_s = request.param
    lab: Lab = request.getfixturevalue(name)
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        book: Book[AaveMarket] = read(node, listing, "latest")
    market = book.market.at_time(book.market.block.timestamp + later_s)
    book = replace(book, market=market)
    found = solve_book(book, (*groups(lab, market), *feed_drivers(market)), include_never=True)
    return Solved(lab, book, found.levels, found.unresolved)


def disagreements(solved: Solved, claims: list[Claim]) -> list[tuple[Claim, int]]:
    """Claims that the contract does not share, with its health factor."""
    lab, market = solved.lab, solved.book.market
    worlds = []
    for claim in claims:
        driver = claim.level.driver
        prices = moved_feeds(lab, market, driver, claim.at)
        overrides = answers_of(lab, prices, adapter_stays=driver.name == THROUGH_ADAPTER)
        worlds.append(World(solved.book.owner(claim.level.account), overrides, market.timestamp))
    answers = ask_pool(lab, worlds)
    return [
        (claim, said.factor_wad)
        for claim, said in zip(claims, answers, strict=True)
        if (said.factor_wad < WAD) != claim.liquidatable
    ]


def prices_of(solved: Solved) -> list[Level]:
    return [level for level in solved.levels if level.outcome == "price"]


def end_of(level: Level) -> int:
    """The last integer that was searched."""
    return level.driver.lowest if level.side == "long" else level.driver.highest


def test_every_price_and_its_neighbour(solved: Solved) -> None:
    assert not solved.unresolved
    claims = []
    for level in prices_of(solved):
        claims.append(Claim(level, "p*", price_of(level), True))
        claims.append(Claim(level, "neighbour", price_of(level) + toward_spot(level), False))
    assert disagreements(solved, claims) == []
    counted = Counter(level.driver.name for level in prices_of(solved))
    assert len(prices_of(solved)) > 150
    assert counted[THROUGH_ADAPTER] > 10
    assert len(counted) >= 9
    assert {level.side for level in prices_of(solved)} == {"long", "short"}


def test_no_integer_between_a_price_and_spot(solved: Solved) -> None:
    """`nearest` is a claim about all integers in between; here some of each level."""
    draw = random.Random(3)
    claims = []
    for level in prices_of(solved):
        step, price = toward_spot(level), price_of(level)
        width = abs(level.driver.spot - price)
        near = {min(width, distance) for distance in (2, 3, 7, 100)}
        far = {draw.randrange(width) + 1 for _ in range(6)} if width else set()
        claims += [
            Claim(level, "between", price + step * distance, False) for distance in near | far if distance
        ]
    assert len(claims) > 1000
    assert disagreements(solved, claims) == []


def test_every_band_and_its_neighbour(solved: Solved) -> None:
    """Where an account is safe again beyond its price: the band is where the last safe stretch ends."""
    claims = []
    for level in prices_of(solved):
        if level.band is not None:
            claims.append(Claim(level, "band", level.band, True))
            claims.append(Claim(level, "band's neighbour", level.band + toward_spot(level), False))
    assert disagreements(solved, claims) == []
    assert claims or solved.lab.revision >= 9, "v3.0 flickers near prices of its own accord"


def test_beyond_price_and_band_it_stays_broken(solved: Solved) -> None:
    """Except below a millionth of spot, where prices of a few integers round all: there the law says."""
    draw = random.Random(4)
    claims, market = [], solved.book.market
    for level in prices_of(solved):
        last = price_of(level) if level.band is None else level.band
        step, width = -toward_spot(level), abs(end_of(level) - last)
        distances = {min(width, distance) for distance in (1, 2, 3, 17, 1000, 10**6, width)}
        distances |= {int(width * draw.random() ** 8) for _ in range(3)}
        law = rule(solved.book.account(level.account), market)
        for at in (last + step * distance for distance in distances):
            tiny = at < level.driver.spot // 10**6
            claims.append(
                Claim(level, "beyond", at, not tiny or law.liquidatable(level.driver.lead(market.prices, at)))
            )
    assert len(claims) > 1000
    assert disagreements(solved, claims) == []


def test_already_broken_accounts_are(solved: Solved) -> None:
    claims = [
        Claim(level, "already", level.driver.spot, True)
        for level in solved.levels
        if level.outcome == "already"
    ]
    assert all(claim.level.price == claim.level.driver.spot for claim in claims)
    assert len(claims) > 20
    assert disagreements(solved, claims) == []


def test_never_means_at_no_price(solved: Solved) -> None:
    draw = random.Random(5)
    claims = []
    for level in solved.levels:
        if level.outcome == "never":
            driver = level.driver
            end = lowest_searched(solved.book, level)
            asked = {end, end + 1, driver.spot // 2, driver.spot - 1, driver.spot + 1, 3 * driver.spot}
            asked |= {driver.highest, draw.randrange(end, 2 * driver.spot)}
            claims += [Claim(level, "never", at, False) for at in asked if end <= at]
    assert len(claims) > 1000
    assert disagreements(solved, claims) == []


def test_every_account_has_a_word_on_every_driver(solved: Solved) -> None:
    """No account is forgotten, and no account has two levels on one side."""
    seen = Counter((level.account, level.driver.name, level.side) for level in solved.levels)
    assert max(seen.values()) == 1
    pairs = {(level.account, level.driver.name) for level in solved.levels}
    names = {level.driver.name for level in solved.levels}
    assert len(pairs) == len(names) * len(solved.book)
    assert len(names) == 3 + len(solved.book.market.feeds)


def test_every_driver_starts_where_the_market_stands(solved: Solved) -> None:
    prices = list(solved.book.market.prices)
    for driver in {level.driver for level in solved.levels}:
        assert driver.lead(prices, driver.spot) == prices
