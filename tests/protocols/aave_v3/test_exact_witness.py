"""Accounts made to show a rounding: health that rises as a collateral falls, and a factor rounded up to 1."""

from __future__ import annotations

import pytest

from defiliq.engine.solve import find_levels
from defiliq.protocols.aave_v3 import rule, take
from defiliq.types import Health, Level, Liquidation
from defiliq.units import percent_mul_half_up
from tests.lab import AccountData, Lab
from tests.lab.liquidation import LIQUIDATOR
from tests.protocols.aave_v3.contract_says import (
    WAD,
    World,
    answers_of,
    ask_pool,
    data_of,
    feed_drivers,
    price_of,
)
from tests.protocols.aave_v3.stage import Stage, amounts_of, open_position, set_stage

pytestmark = pytest.mark.lab


def at(stage: Stage, level: Level, prices: list[int]) -> list[AccountData]:
    """The contract's answers with the level's driver at each price, at the second of the stage."""
    owner, timestamp = stage.book.owner(0), stage.market.timestamp
    worlds = [
        World(owner, answers_of(stage.lab, stage.feeds(level.driver, price)), timestamp) for price in prices
    ]
    return ask_pool(stage.lab, worlds)


def step_below(stage: Stage, owner: str, spot: int) -> int:
    """The highest BTC price under `spot` at which the contract's average threshold is higher than at spot."""
    lab, timestamp, feed = stage.lab, stage.market.timestamp, stage.lab.feeds["WBTC"]

    def threshold_bps(price: int) -> int:
        (said,) = ask_pool(lab, [World(owner, answers_of(lab, {feed: price}), timestamp)])
        return said.threshold_bps

    here = threshold_bps(spot)
    low, high = 1, spot
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if threshold_bps(middle) > here else (low, middle)
    return low


def witness(lab: Lab) -> str:
    """One WETH (83%) and some WBTC (78%) against USDC, whose price puts the debt right above a step.

    Below the step the average threshold is a basis point higher, which gives back more than the fall took.
    """
    owner = open_position(lab, "witness", {"WETH": 10**18, "WBTC": 10**5}, {"USDC": 1_950 * 10**6})
    stage = set_stage(lab, [owner])
    step = step_below(stage, owner, lab.price("WBTC"))
    overrides = answers_of(lab, {lab.feeds["WBTC"]: step + 1})
    (above,) = ask_pool(lab, [World(owner, overrides, stage.market.timestamp)])
    backing_base = above.collateral_base * above.threshold_bps // 10_000
    owed = above.debt_base * 10**6 // lab.price("USDC")
    lab.set_price("USDC", (backing_base + 4_000) * 10**6 // owed + 1)
    return owner


def test_health_rises_as_a_collateral_falls_and_the_band_says_so(lab_v30: Lab) -> None:
    lab = lab_v30
    with lab.rewinding():
        owner = witness(lab)
        stage = set_stage(lab, [owner])
        (level,) = (level for level in stage.levels if level.driver.name == "WBTC/USD")
        price, band = price_of(level), level.band
        assert band is not None
        assert level.side == "long"
        assert band < price < level.driver.spot
        between = [(price * part + band * (7 - part)) // 7 for part in range(8)]
        said = at(stage, level, [price + 1, price, band + 1, band, *between])
        verdicts = [each.factor_wad < WAD for each in said]
        assert verdicts[:4] == [False, True, False, True]
        assert said[2].factor_wad > said[1].factor_wad, "cheaper collateral, higher health factor"
        assert said[2].collateral_base < said[1].collateral_base
        assert said[2].threshold_bps == said[1].threshold_bps + 1
        assert set(verdicts[4:]) == {True, False}
        law = rule(stage.account(level), stage.market)
        ours = [law.liquidatable(stage.at(level.driver, each).prices) for each in between]
        assert verdicts[4:] == ours
        beyond = [max(1, band * part // 100) for part in range(0, 100, 3)]
        assert all(each.factor_wad < WAD for each in at(stage, level, beyond)), "broken for good"
        first_step = [price + 1 + k * (level.driver.spot - price - 1) // 40 for k in range(41)]
        assert all(each.factor_wad >= WAD for each in at(stage, level, first_step))


def test_real_liquidations_at_both_ends_of_the_band(lab_v30: Lab) -> None:
    with lab_v30.rewinding():
        stage = set_stage(lab_v30, [witness(lab_v30)])
        (level,) = (level for level in stage.levels if level.driver.name == "WBTC/USD")
        assert level.band is not None
        for price in (price_of(level), level.band):
            found = take(stage.account(level), stage.at(level.driver, price))
            assert isinstance(found, Liquidation)
            done = stage.call(level, price, found)
            assert done.success
            assert amounts_of(done) == amounts_of(found)
            refused = stage.call(level, price + 1, found)
            assert (refused.success, refused.error) == (False, "45")


def test_the_same_account_has_one_crossing_since_v35(lab_v36: Lab) -> None:
    with lab_v36.rewinding():
        stage = set_stage(lab_v36, [witness(lab_v36)])
        (level,) = (level for level in stage.levels if level.driver.name == "WBTC/USD")
        assert (level.side, level.band) == ("long", None)
        price = price_of(level)
        said = at(stage, level, [price + 1, price, *(price * part // 100 for part in range(1, 100))])
        assert [each.factor_wad < WAD for each in said] == [False, *[True] * 100]


def trillions(lab: Lab) -> str:
    """$2.5 trillion of debt, of which a base unit is less than the factor's last digit; WETH backs 98% of it.

    Less than one LINK, at an enormous price, backs the rest to the base unit.
    """
    usdc = 3 * 10**18
    lab.chain.send(lab.market.pool, "supply", lab.tokens["USDC"], usdc, LIQUIDATOR, 0, sender=LIQUIDATOR)
    supplies = {"WETH": 2_500_000_000 * 10**18, "LINK": 9 * 10**17}
    owner = open_position(lab, "trillions", supplies, {"USDC": 25 * 10**17})
    lab.set_price("WETH", 1_180 * 10**8)
    lab.set_price("LINK", 3 * 10**20)
    return owner


def lacks(lab: Lab, health: Health) -> bool:
    """Whether the backing, as the version sums it up, is less than the debt."""
    if lab.revision >= 9:
        return health.margin < 0
    return percent_mul_half_up(health.collateral_base, health.threshold_bps) < health.debt_base


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_a_factor_that_is_rounded_up_to_one_is_safe(request: pytest.FixtureRequest, fixture: str) -> None:
    """wadDiv rounds halves up, so an account that lacks a few base units of so much stands at exactly 1."""
    lab: Lab = request.getfixturevalue(fixture)
    with lab.rewinding():
        stage = set_stage(lab, [trillions(lab)])
        market, account, owner = stage.market, stage.book.account(0), stage.book.owner(0)
        link = next(driver for driver in feed_drivers(market) if driver.name == "LINK/USD")
        ether = next(driver for driver in feed_drivers(market) if driver.name == "WETH/USD")
        seen = 0
        for ether_price in range(ether.spot, ether.spot + 400):
            moved = market.at_prices(ether.prices(ether_price))
            (level,) = find_levels(rule(account, moved), 0, moved.prices, link)
            safe = price_of(level) + 1
            health = rule(account, moved).health(link.lead(moved.prices, safe))
            if lacks(lab, health) and not seen:
                feeds = {lab.feeds["WETH"]: ether_price}
                worlds = [
                    World(owner, answers_of(lab, {**feeds, lab.feeds["LINK"]: price}), market.timestamp)
                    for price in (safe, price_of(level))
                ]
                said = ask_pool(lab, worlds)
                assert said[0] == data_of(health)
                assert said[0].factor_wad == WAD, "and yet it backs less than it owes"
                assert said[1].factor_wad < WAD
                seen += 1
        assert seen
