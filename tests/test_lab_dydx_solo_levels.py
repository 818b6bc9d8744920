"""Every level of the Solo lab, asked of SoloMargin: it breaks there, and one integer nearer it does not.

Only the price's own source moves. Interest accrues in the same call, and all four values of an account are
compared to the integer.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from defiliq.oracle.drivers import drivers
from defiliq.pricing.driver import Driver
from tests.lab import SoloLab
from tests.lab.dydx_solo.specs import BY_SYMBOL
from tests.solo_stage import Stage, open_stage
from tests.stages import at_prices, nearer_than_prices, price_of, toward_spot

pytestmark = pytest.mark.lab
LATER_S = (None, 0, 1, 1_234_567)
"""Seconds after the block that was read; None: as stored."""


@pytest.fixture(scope="module", params=LATER_S, ids=lambda seconds: f"{seconds}")
def solved(request: pytest.FixtureRequest, lab_dydx_solo: SoloLab) -> Stage:
    return open_stage(lab_dydx_solo, request.param)


def highest(driver: Driver) -> int:
    """SoloMargin multiplies values by 10**18 in 256 bits: far above this it reverts for the largest."""
    return min(driver.highest, 1_000 * driver.spot)


def test_each_market_has_a_driver_of_its_own(solved: Stage) -> None:
    assert not solved.unresolved
    moved: dict[str, int] = {}
    for driver in drivers(solved.market):
        moved |= solved.moved(driver, driver.spot)
    assert moved == {symbol: spec.price("final") for symbol, spec in BY_SYMBOL.items()}


def test_every_price_and_its_neighbour(solved: Stage) -> None:
    levels = solved.priced()
    assert solved.disagreements(at_prices(levels)) == []
    counted = Counter((level.driver.name, level.side) for level in levels)
    assert len(levels) >= 450
    names = {driver.name for driver in drivers(solved.market)}
    assert all(counted[name, side] >= 10 for name in names for side in ("long", "short"))


def test_no_integer_between_a_price_and_spot(solved: Stage) -> None:
    """`nearest` is a claim about all integers in between; here some of each level."""
    claims = nearer_than_prices(solved.priced(), random.Random(3))
    assert len(claims) > 900
    assert solved.disagreements(claims) == []


def test_beyond_a_price_it_stays_broken(solved: Stage) -> None:
    draw = random.Random(4)
    claims = []
    for level in solved.priced():
        last = price_of(level) if level.band is None else level.band
        lowest = max(level.driver.shallow, 1)
        width = max(0, last - lowest if level.side == "long" else highest(level.driver) - last)
        distances = {min(width, distance) for distance in (1, draw.randrange(width + 1))}
        claims += [(level, last - toward_spot(level) * distance, True) for distance in distances]
    assert len(claims) > 600
    assert solved.disagreements(claims) == []


def test_never_means_at_no_price(solved: Stage) -> None:
    """Of every third that there are. A price of 0 is none: Solo refuses it."""
    claims = []
    for level in [level for level in solved.levels if level.outcome == "never"][::3]:
        if solved.account(level).legs:
            driver = level.driver
            end = max(driver.lowest, driver.shallow, 1)
            asked = {end, driver.spot // 2, 3 * driver.spot, highest(driver)}
            claims += [(level, at, False) for at in asked]
    assert len(claims) > 700
    assert solved.disagreements(claims) == []


def test_already_broken_accounts_are(solved: Stage) -> None:
    already = [level for level in solved.levels if level.outcome == "already"]
    assert len({level.account for level in already}) >= 50
    assert all(level.price == level.driver.spot for level in already)
    assert solved.disagreements([(level, level.driver.spot, True) for level in already]) == []
