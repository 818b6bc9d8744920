"""20,000 subaccounts on real parameters, read both ways: every level on every driver, by the raw messages.

The judge here is a plain restatement of the chain's IsLiquidatable that shares no code with the law.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import pytest

from defiliq.book import Book
from defiliq.engine.solve import find_levels
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.solving import Solved, solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols.dydx_v4 import DydxMarket, rule
from defiliq.types import Level
from tests.chain.cosmos_standin import StandIn
from tests.dydx.parameters import facts
from tests.dydx.population import Population, population
from tests.dydx.standin import dydx_standin
from tests.protocols.dydx_v4.stage import assert_same_book, decoded, name_of, read_from

COUNT = 20_000
JOINT = "ALL"
JOINT_UNIT = 10**9
SAMPLED = 20
"""Prices at which an account that never breaks is judged, besides the ends."""
BY_LAW = ("BTC/USD", "ETH/USD", "PEPE/USD", "EIGEN/USD", JOINT)


@dataclass(frozen=True)
class Held:
    """One position, as the chain's own integers."""

    pair: str
    """The pair of its market, which is also the name of its driver."""
    quantums: int
    scale: int
    """Quote quantums are quantums times price times 10 to this."""
    imf_ppm: int
    mf_ppm: int


@dataclass(frozen=True)
class Judged:
    """One subaccount after funding, made from its message alone."""

    usdc: int
    positions: tuple[Held, ...]

    def collateral_and_margin(self, prices: dict[str, int]) -> tuple[int, int]:
        """Net collateral and maintenance margin, as the chain adds them up."""
        net, margin = self.usdc, 0
        for held in self.positions:
            notional = abs(held.quantums) * prices[held.pair]
            notional = notional * 10**held.scale if held.scale >= 0 else notional // 10**-held.scale
            net += notional if held.quantums > 0 else -notional
            initial = (notional * held.imf_ppm + 999_999) // 1_000_000
            margin += (initial * held.mf_ppm + 999_999) // 1_000_000
        return net, margin

    def is_liquidatable(self, prices: dict[str, int]) -> bool:
        """IsLiquidatable: some margin is required, and more than there is."""
        net, margin = self.collateral_and_margin(prices)
        return margin > 0 and margin > net


@cache
def held() -> Population:
    return population(COUNT, seed=11)


@cache
def model() -> StandIn:
    return dydx_standin(held())


@cache
def book() -> Book[DydxMarket]:
    return read_from(model(), "grpc")


@cache
def all_drivers() -> tuple[Driver, ...]:
    return drivers(book().market)


@cache
def solved() -> Solved:
    return solve_book(book(), all_drivers())


@cache
def spot() -> dict[str, int]:
    """Pair to price, of the parameters themselves."""
    pairs = {each["id"]: each["pair"].replace("-", "/") for each in facts()["market_params"]}
    return {pairs[each["id"]]: each["price"] for each in facts()["market_prices"]}


@cache
def judges() -> dict[str, Judged]:
    """Every subaccount by name."""
    params = {each["id"]: each for each in facts()["perpetuals"]}
    pairs = {each["id"]: each["pair"].replace("-", "/") for each in facts()["market_params"]}
    exponents = {each["id"]: each["exponent"] for each in facts()["market_prices"]}
    tiers = {each["id"]: each for each in facts()["liquidity_tiers"]}
    indices = {each.params.id: decoded(each.funding_index) for each in held().perpetuals}

    def judged(message: Any) -> Judged:
        usdc = sum(decoded(each.quantums) for each in message.asset_positions if each.asset_id == 0)
        due_ppm, positions = 0, []
        for each in message.perpetual_positions:
            own, quantums = params[each.perpetual_id], decoded(each.quantums)
            tier = tiers[own["liquidity_tier"]]
            usdc += decoded(each.quote_balance)
            due_ppm -= (indices[own["id"]] - decoded(each.funding_index)) * quantums
            scale = exponents[own["market_id"]] + own["atomic_resolution"] + 6
            fractions = tier["initial_margin_ppm"], tier["maintenance_fraction_ppm"]
            positions.append(Held(pairs[own["market_id"]], quantums, scale, *fractions))
        return Judged(usdc + due_ppm // 1_000_000, tuple(positions))

    return {name_of(message): judged(message) for message in held().subaccounts}


def prices_at(driver: str, at: int) -> dict[str, int]:
    """All prices with a driver at an integer: one pair alone, or every one in proportion."""
    if driver == JOINT:
        return {pair: price * at // JOINT_UNIT for pair, price in spot().items()}
    return {**spot(), driver: at}


def levels_by_account(driver: Driver) -> dict[int, list[Level]]:
    found = defaultdict(list)
    for level in solved().levels:
        if level.driver is driver:
            found[level.account].append(level)
    return found


def test_both_ways_give_the_same_book() -> None:
    assert_same_book(read_from(model(), "comet"), book())
    assert len(book()) == len(held().subaccounts) >= COUNT
    assert dict(book().failed) == {}
    assert {driver.name for driver in all_drivers()} == {JOINT, *pairs_held()}
    assert len(all_drivers()) == 36


def pairs_held() -> Iterator[str]:
    return (position.pair for each in judges().values() for position in each.positions)


def test_every_level_of_every_driver_by_the_raw_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Liquidatable at the level, and not one integer nearer to spot; already is so at spot."""
    judged, counts = judges(), Counter[str]()
    assert solved().unresolved == ()
    names = [book().owner(i) for i in range(len(book()))]
    for level in solved().levels:
        own, name = judged[names[level.account]], level.driver.name
        assert level.price is not None
        assert own.is_liquidatable(prices_at(name, level.price)), (names[level.account], level)
        if level.outcome == "already":
            assert level.price == level.driver.spot
        else:
            nearer = level.price + (1 if level.side == "long" else -1)
            assert (level.price < level.driver.spot) == (level.side == "long")
            assert not own.is_liquidatable(prices_at(name, nearer)), (names[level.account], level)
        counts[f"{level.outcome} {level.side}"] += 1
        counts["joint" if name == JOINT else "single"] += 1
        counts["bands"] += level.band is not None
    with capsys.disabled():
        print(f"\n{len(book())} subaccounts, {len(all_drivers())} drivers, levels: {dict(counts)}")
    assert min(counts["price long"], counts["price short"], counts["joint"]) > 5_000
    assert min(counts["already long"], counts["already short"]) > 500


def test_whoever_has_no_level_is_safe_wherever_it_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """At both far ends of the driver and at 20 prices between them; and whom it does not touch, at spot.

    Below a millionth of spot prices are a few integers: there only those are searched whom the driver at 0
    would leave in debt.
    """
    random, judged, counts = Random(3), judges(), Counter[str]()
    names = [book().owner(i) for i in range(len(book()))]
    for driver in all_drivers():
        broken = levels_by_account(driver)
        assert solved().never[driver.name] == len(book()) - len(broken)
        factors = [2.0 ** random.uniform(-19, 40) for _ in range(SAMPLED)]
        points = [max(driver.lowest, int(driver.spot * factor)) for factor in factors]
        ends = [driver.lowest, driver.shallow, driver.highest]
        prices = {at: prices_at(driver.name, at) for at in (0, driver.spot, *ends, *points)}
        for row, name in enumerate(names):
            if row in broken:
                continue
            own = judged[name]
            if not own.positions or (
                driver.name != JOINT and driver.name not in {position.pair for position in own.positions}
            ):
                counts["untouched"] += 1
                continue
            net, _ = own.collateral_and_margin(prices[0])
            lowest = driver.lowest if net < 0 else max(driver.lowest, driver.shallow)
            for at in (driver.spot, lowest, driver.highest, *points):
                assert not own.is_liquidatable(prices[at]), (name, driver.name, at)
            counts["touched"] += 1
    with capsys.disabled():
        print(f"\nnever: {dict(counts)}")
    assert counts["touched"] > 20_000


def test_already_is_the_verdict_at_spot_and_nothing_else() -> None:
    """A driver lists whom it touches, and so does each that touches the same account."""
    judged = judges()
    names = [book().owner(i) for i in range(len(book()))]
    broken = {row for row, name in enumerate(names) if judged[name].is_liquidatable(spot())}
    for driver in all_drivers():
        found = levels_by_account(driver)
        already = {row for row, levels in found.items() if levels[0].outcome == "already"}
        assert already == broken
        assert all(len(found[row]) == 1 for row in already)


@pytest.mark.parametrize("name", BY_LAW)
def test_columns_give_the_laws_levels_and_bands(name: str) -> None:
    """1,000 accounts that the driver touches, judged one by one without columns."""
    (driver,) = [each for each in all_drivers() if each.name == name]
    found, market = levels_by_account(driver), book().market
    touched = [
        row
        for row in range(len(book()))
        if any(market.reserves[leg.reserve].feed in driver.feeds for leg in book().account(row).legs)
    ]
    rows = touched[:: max(1, len(touched) // 1_000)]
    assert len(rows) >= min(len(touched), 1_000) > 50
    for row in rows:
        law = rule(book().nameless(row), market)
        expected = find_levels(law, row, market.prices, driver)
        listed = [level for level in expected if level.outcome != "never"]
        assert [(one.side, one.outcome, one.price, one.band) for one in found[row]] == [
            (one.side, one.outcome, one.price, one.band) for one in listed
        ]
