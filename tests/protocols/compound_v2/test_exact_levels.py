"""Every level of the lab, asked of the contracts: it breaks there, and one integer nearer it does not.

Only the driver's own aggregator moves. The market's oracle makes prices of it, interest accrues in the same
call, and liquidity and shortfall are compared to the integer.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter

import pytest

from defiliq.oracle.drivers import drivers
from defiliq.protocols.compound_v2 import health, rule
from defiliq.types import Level
from tests.lab import CompoundV2Lab
from tests.protocols.compound_v2.stage import Stage, World, ask_comptroller, open_stage
from tests.stages import at_prices, nearer_than_prices, price_of, toward_spot

pytestmark = pytest.mark.lab
LATER = [None, 0, 100_000]
"""Blocks after the one that was read; None: as stored."""
ONE_DRIVER = "one-driver"
"""Accounts that hold ETH and owe WETH or the other way round."""


@pytest.fixture(scope="module", params=LATER, ids=lambda blocks: f"{blocks}")
def solved(request: pytest.FixtureRequest, lab_compound_v2: CompoundV2Lab) -> Stage:
    return open_stage(lab_compound_v2, request.param)


def lowest_searched(stage: Stage, level: Level) -> int:
    """Down to which integer a `never` speaks: everywhere, or down to where prices are a few integers."""
    driver, market = level.driver, stage.market
    at_zero = rule(stage.account(level), market).margin(driver.lead(market.prices, 0))
    return driver.lowest if at_zero < 0 else max(driver.lowest, driver.shallow)


def test_the_drivers_are_the_aggregators(solved: Stage) -> None:
    assert {driver.name for driver in drivers(solved.market)} == set(solved.lab.drivers)
    assert not solved.unresolved
    assert not solved.market.graph.warnings
    for driver in drivers(solved.market):
        assert solved.moved(driver, driver.spot) == {driver.name: solved.lab.answer(driver.name)}


def test_every_price_and_its_neighbour(solved: Stage) -> None:
    levels = solved.priced()
    assert solved.disagreements(at_prices(levels)) == []
    counted = Counter((level.driver.name, level.side) for level in levels)
    assert len(levels) >= 400
    falling = ("ETH/USD", "BTC/USD", "LINK/USD", "USDC/USD", "USDT/USD")
    assert all(counted[name, "long"] >= 10 for name in falling)
    rising = (*falling, "COMP/USD")
    assert all(counted[name, "short"] >= 4 for name in rising)
    assert counted["COMP/USD", "long"] == 0, "it backs nothing"


def test_no_integer_between_a_price_and_spot(solved: Stage) -> None:
    """`nearest` is a claim about all integers in between; here some of each level."""
    claims = nearer_than_prices(solved.priced(), random.Random(3))
    assert len(claims) > 800
    assert solved.disagreements(claims) == []


def test_beyond_a_price_it_stays_broken(solved: Stage) -> None:
    draw = random.Random(4)
    claims = []
    for level in solved.priced():
        last = price_of(level) if level.band is None else level.band
        end = max(level.driver.shallow, 1) if level.side == "long" else level.driver.highest
        width = abs(end - last)
        distances = {min(width, distance) for distance in (1, draw.randrange(width + 1))}
        claims += [(level, last - toward_spot(level) * distance, True) for distance in distances]
    assert solved.disagreements(claims) == []


def test_never_means_at_no_price(solved: Stage) -> None:
    """Of every third that there are."""
    claims = []
    for level in [level for level in solved.levels if level.outcome == "never"][::3]:
        if solved.account(level).legs:
            driver, end = level.driver, lowest_searched(solved, level)
            asked = {end, driver.spot // 2, 3 * driver.spot, driver.highest}
            claims += [(level, at, False) for at in asked if at >= end]
    assert len(claims) > 700
    assert solved.disagreements(claims) == []


def test_already_broken_accounts_are(solved: Stage) -> None:
    already = [level for level in solved.levels if level.outcome == "already"]
    assert len({level.account for level in already}) >= 10
    assert all(level.price == level.driver.spot for level in already)
    assert solved.disagreements([(level, level.driver.spot, True) for level in already]) == []


def test_every_account_has_a_word_on_every_driver(solved: Stage) -> None:
    said = {(level.account, level.driver.name) for level in solved.levels}
    assert len(said) == len(solved.book) * len(solved.lab.drivers)


def test_what_hangs_on_one_aggregator_it_cannot_break(solved: Stage) -> None:
    own = [level for level in solved.levels if solved.shape(level) == ONE_DRIVER]
    assert {level.outcome for level in own} <= {"never", "already"}
    assert len({level.account for level in own if level.outcome == "never"}) >= 3


def test_a_level_that_accrual_alone_carries_past_spot(lab_compound_v2: CompoundV2Lab) -> None:
    """Stored, it breaks below spot. Once all have accrued it is broken at spot, and its level lies above."""
    lab = lab_compound_v2
    stored, accrued = open_stage(lab, None), open_stage(lab, 0)
    broken = {level.account for level in accrued.levels if level.outcome == "already"}
    passed = [level for level in stored.priced("BTC/USD", "ETH/USD") if level.account in broken]
    assert len({level.account for level in passed}) >= 2
    for level in passed:
        account, driver = stored.account(level), level.driver
        assert level.side == "long"
        law, prices = rule(account, accrued.market), accrued.market.prices
        ahead = range(driver.spot, driver.spot * 11 // 10)
        above = ahead[bisect_left(ahead, True, key=lambda at: not law.liquidatable(driver.lead(prices, at)))]
        assert price_of(level) < driver.spot < above
        asked = [(number, at) for number in (None, lab.chain.height()) for at in (above - 1, above)]
        asked += [(None, price_of(level)), (None, price_of(level) + 1)]
        worlds = [World(account.owner, stored.moved(driver, at), number) for number, at in asked]
        shortfalls = [each.shortfall > 0 for each in ask_comptroller(lab, worlds)]
        assert shortfalls == [False, False, True, False, True, False]


def test_health_at_every_level_says_what_the_comptroller_says(solved: Stage) -> None:
    """available_borrows_base and margin, and the factor on the right side of 1."""
    for level in solved.priced():
        for at, broken in ((price_of(level), True), (price_of(level) + toward_spot(level), False)):
            found = health(solved.account(level), solved.at(level.driver, at))
            assert found.liquidatable is broken
            assert (found.factor_wad < 10**18) is broken or found.debt_base > 10**18
            assert found.available_borrows_base == max(0, found.margin)
