"""Every level of both Comets, asked of the contracts: it breaks there, and one integer nearer it does not.

Only what the driver itself is moves: an aggregator, or the rate that a token answers. The Comet's own price
feeds do the rest, and interest accrues in the same call unless the stored verdict is asked for.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from defiliq.oracle.drivers import drivers
from defiliq.protocols.compound_v3 import health, rule
from defiliq.types import Level
from tests.lab import CometLab
from tests.protocols.compound_v3.stage import Stage, World, ask_comet, open_stage
from tests.stages import at_prices, price_of, toward_spot

pytestmark = pytest.mark.lab
WORLDS = [(name, later_s) for name in ("usdc", "weth") for later_s in (None, 0, 1_234_567)]
"""Seconds after the block that was read; None: as stored."""
LEAST = {"usdc": 500, "weth": 400}


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world[0]}-{world[1]}")
def solved(request: pytest.FixtureRequest, lab_compound_v3: CometLab) -> Stage:
    name, later_s = request.param
    return open_stage(lab_compound_v3, name, later_s)


def lowest_searched(stage: Stage, level: Level) -> int:
    """Down to which integer a `never` speaks: everywhere, or down to where prices are a few integers."""
    driver, market = level.driver, stage.market
    at_zero = rule(stage.account(level), market).margin(driver.lead(market.prices, 0))
    return driver.lowest if at_zero < 0 else max(driver.lowest, driver.shallow)


def test_the_drivers_are_what_moves_the_lab(solved: Stage) -> None:
    assert not solved.unresolved
    assert not solved.market.graph.warnings
    for driver in drivers(solved.market):
        for name, value in solved.moved(driver, driver.spot).items():
            word = solved.lab.rpc("eth_getStorageAt", solved.lab.drivers[name], "0x0", "latest")
            assert int(word, 16) == value


def test_every_price_and_its_neighbour(solved: Stage) -> None:
    levels = solved.priced()
    assert solved.disagreements(at_prices(levels)) == []
    counted = Counter((level.driver.name, level.side) for level in levels)
    assert len(levels) >= LEAST[solved.name]
    assert {name for name, _ in counted} == {driver.name for driver in drivers(solved.market)}
    assert {side for _, side in counted} == {"long", "short"}


def test_no_integer_between_and_all_beyond(solved: Stage) -> None:
    draw = random.Random(3)
    claims = []
    for level in solved.priced():
        width = abs(level.driver.spot - price_of(level))
        if width:
            near, far = min(width, 2), draw.randrange(width) + 1
            claims += [(level, price_of(level) + toward_spot(level) * by, False) for by in {near, far}]
        last = price_of(level) if level.band is None else level.band
        end = max(level.driver.shallow, 1) if level.side == "long" else level.driver.highest
        beyond = {min(1, abs(end - last)), draw.randrange(abs(end - last) + 1)}
        claims += [(level, last - toward_spot(level) * by, True) for by in beyond]
    assert solved.disagreements(claims) == []


def test_never_means_at_no_price(solved: Stage) -> None:
    """Of every fourth that there are."""
    claims = []
    for level in [level for level in solved.levels if level.outcome == "never"][::4]:
        driver = level.driver
        end = lowest_searched(solved, level)
        asked = {end, driver.spot // 2, 3 * driver.spot} if solved.account(level).legs else set()
        claims += [(level, at, False) for at in asked if end <= at <= driver.highest]
    assert len(claims) > 500
    assert solved.disagreements(claims) == []


def test_already_broken_accounts_are(solved: Stage) -> None:
    already = [level for level in solved.levels if level.outcome == "already"]
    assert len({level.account for level in already}) >= 5
    assert solved.disagreements([(level, level.driver.spot, True) for level in already]) == []


@pytest.mark.parametrize("name", ["usdc", "weth"])
@pytest.mark.parametrize("later_s", [0, 1, 1_234_567, 10**8])
def test_accounts_between_the_stored_verdict_and_the_accrued(
    lab_compound_v3: CometLab, name: str, later_s: int
) -> None:
    """isLiquidatable says no while absorb goes through: both verdicts are the Comet's."""
    book = open_stage(lab_compound_v3, name, None).book
    accrued = book.market.at_time(book.market.block.timestamp + later_s)
    owners = [book.owner(row) for row in range(len(book))]
    between = 0
    for market, timestamp in ((book.market, None), (accrued, accrued.timestamp)):
        said = ask_comet(lab_compound_v3, name, [World(owner, {}, timestamp) for owner in owners])
        assert [health(account, market).liquidatable for account in book.accounts()] == said
        between = sum(said) - between
    assert between >= 3
