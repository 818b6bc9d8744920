"""Every level of the lab with the driver's own aggregator moved on the chain, not the reserve's price."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest

from defiliq.book import Book
from defiliq.chain.evm import connect
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.reading import read
from defiliq.pipeline.solving import solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols.aave_v3 import AaveMarket, health, take
from defiliq.types import Level, Liquidation, Listing
from tests.lab import AccountData, Lab
from tests.lab.aave_v30 import EMODE_QUOTE
from tests.lab.build import word
from tests.lab.lab import PARAMETERS_FROM_SLOT, SCALING_FACTOR
from tests.lab.liquidation import Outcome
from tests.lab.reserves import RATIO, STAKED, quote
from tests.protocols.aave_v3.contract_says import (
    WAD,
    World,
    ask_pool,
    data_of,
    lowest_searched,
    price_of,
    toward_spot,
)
from tests.protocols.aave_v3.stage import selector, spread
from tests.takings import cover, sole

pytestmark = pytest.mark.lab
LATER_S = (0, 1_234_567)
WORLDS = [(lab, later_s) for lab in ("lab_v36", "lab_v30") for later_s in LATER_S]
LIQUIDATIONS = 20
OWN_EMODE_PRICE = quote(EMODE_QUOTE)
"""Moves members of one eMode of v3.0 on both sides alike: it may break nobody."""
LOOP = "emode-eth"
"""Accounts that hold the staked token alone and owe ETH alone."""
REFUSED = {"v3.6": selector("HealthFactorNotBelowThreshold"), "v3.0": "45"}


class Solved(NamedTuple):
    """A lab at one time with its levels on every driver, `never` included."""

    lab: Lab
    book: Book[AaveMarket]
    levels: tuple[Level, ...]
    unresolved: tuple[tuple[str, str], ...]

    def priced(self, name: str = "") -> list[Level]:
        """The levels that have a price, on one driver or all."""
        found = [level for level in self.levels if level.outcome == "price"]
        return [level for level in found if name in ("", level.driver.name)]

    def of(self, accounts: Sequence[int], name: str) -> list[Level]:
        """Some accounts' levels on one driver."""
        return [level for level in self.levels if level.account in accounts and level.driver.name == name]

    def driver(self, name: str) -> Driver:
        return next(level.driver for level in self.levels if level.driver.name == name)

    def shape(self, name: str) -> list[int]:
        """The accounts of one shape."""
        owners = {user.owner for user in self.lab.of_shape(name)}
        return [i for i in range(len(self.book)) if self.book.owner(i) in owners]

    def said(self, asked: Sequence[tuple[int, Driver, int]]) -> list[AccountData]:
        """The contract's answers, with what a driver is written elsewhere: (account, driver, integer)."""
        market = self.book.market
        return ask_pool(
            self.lab,
            [
                World(self.book.owner(i), written(market, driver, at), market.timestamp)
                for i, driver, at in asked
            ],
        )

    def disagreements(self, claims: Sequence[tuple[Level, int, bool]]) -> list[tuple[Level, int, int]]:
        """(level, integer, factor) where the contract does not share a claim of liquidatable or not."""
        said = self.said([(level.account, level.driver, at) for level, at, _ in claims])
        return [
            (level, at, data.factor_wad)
            for (level, at, liquidatable), data in zip(claims, said, strict=True)
            if (data.factor_wad < WAD) != liquidatable
        ]


def written(market: AaveMarket, driver: Driver, at: int) -> dict[str, dict[str, object]]:
    """The state override that puts a driver at an integer: storage of what it really is, and nothing else."""
    quantities = market.graph.quantities
    overrides: dict[str, dict[str, object]] = {}
    for position, value in driver.moved_inputs(at).items():
        source = next(quantity.source for k, quantity in market.graph.inputs if k == position)
        assert quantities[position].uses == ()
        overrides[source] = {"stateDiff": {word(0): word(value)}}
    return overrides


def solve(lab: Lab, later_s: int) -> Solved:
    """Read a lab as it stands, let time pass on paper, and find every level."""
    listing = Listing("aave-v3", "Local", lab.chain_id, 0, {"pool_addresses_provider": lab.provider})
    with connect(lab.url, retries=0) as node:
        book: Book[AaveMarket] = read(node, listing, "latest")
    market = book.market.at_time(book.market.block.timestamp + later_s)
    book = replace(book, market=market)
    found = solve_book(book, drivers(market), include_never=True)
    return Solved(lab, book, found.levels, found.unresolved)


def neighbours(levels: Sequence[Level]) -> list[tuple[Level, int, bool]]:
    """Liquidatable at each level's price, not one integer nearer to spot."""
    broken = [(level, price_of(level), True) for level in levels]
    return broken + [(level, price_of(level) + toward_spot(level), False) for level in levels]


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world[0]}-{world[1]}s")
def solved(request: pytest.FixtureRequest) -> Solved:
    """Both labs as they are, at the block's own time and two weeks after."""
    name, later_s = request.param
    return solve(request.getfixturevalue(name), later_s)


def test_the_drivers_are_what_moves_the_lab(solved: Solved) -> None:
    names = {driver.name for driver in drivers(solved.book.market)}
    assert names == set(solved.lab.drivers)
    assert not solved.unresolved
    assert not solved.book.market.graph.warnings


def test_every_price_and_its_neighbour(solved: Solved) -> None:
    levels = solved.priced()
    assert solved.disagreements(neighbours(levels)) == []
    assert len(levels) > 150
    assert {level.driver.name for level in levels} >= set(solved.lab.drivers) - {OWN_EMODE_PRICE}
    assert {level.side for level in levels} == {"long", "short"}


def test_the_six_numbers_there(solved: Solved) -> None:
    """Not only the verdict: collateral, debt, what may still be borrowed, threshold, LTV and factor."""
    market = solved.book.market
    asked = [(level.account, level.driver, price_of(level)) for level in solved.priced()]
    asked += [
        (level.account, level.driver, price_of(level) + toward_spot(level)) for level in solved.priced()
    ]
    ours = [
        data_of(health(solved.book.account(i), market.at_inputs(driver.moved_inputs(at))))
        for i, driver, at in asked
    ]
    differing = [each for each in zip(asked, ours, solved.said(asked), strict=True) if each[1] != each[2]]
    assert differing == []


def test_never_means_at_no_integer(solved: Solved) -> None:
    """Down to where it speaks: see `test_what_never_leaves_out`."""
    draw = random.Random(21)
    claims = []
    for level in solved.levels:
        if level.outcome == "never":
            driver = level.driver
            end = lowest_searched(solved.book, level)
            asked = {end, end + 1, driver.spot // 2, driver.spot - 1, driver.spot + 1, driver.highest}
            asked |= {min(driver.highest, 3 * driver.spot), draw.randrange(end, 2 * driver.spot)}
            claims += [(level, at, False) for at in asked if at >= end]
    assert len(claims) > 1000
    assert solved.disagreements(claims) == []


def test_already_broken_accounts_are(solved: Solved) -> None:
    already = [level for level in solved.levels if level.outcome == "already"]
    assert len(already) > 20
    assert solved.disagreements([(level, level.driver.spot, True) for level in already]) == []


def test_every_account_has_a_word_on_every_driver(solved: Solved) -> None:
    said = {(level.account, level.driver.name) for level in solved.levels}
    assert len(said) == len(solved.book) * len(solved.lab.drivers)


def test_what_never_leaves_out(solved: Solved) -> None:
    """At prices of a few integers rounding does break loops, which no other price of ETH breaks.

    With ETH at one integer the staked token is one integer too, so a fifth of the collateral is gone.
    """
    ether = solved.driver("ETH/USD")
    loops = [level for level in solved.of(solved.shape(LOOP), "ETH/USD") if level.outcome == "never"]
    broken = solved.disagreements([(level, 1, False) for level in loops])
    assert len(broken) > len(loops) // 2
    assert solved.disagreements([(level, ether.shallow, False) for level in loops]) == []


def liquidated(solved: Solved, level: Level, ours: Liquidation, at: int) -> Outcome:
    """A real liquidationCall with the level's driver really at an integer."""
    lab, market = solved.lab, solved.book.market
    names = {address: name for name, address in lab.drivers.items()}
    sources = {position: quantity.source for position, quantity in market.graph.inputs}
    moved = {names[sources[position]]: value for position, value in level.driver.moved_inputs(at).items()}
    return lab.liquidate(
        solved.book.owner(level.account),
        collateral=market.reserves[sole(ours).reserve].symbol,
        debt=market.reserves[ours.repay_reserve].symbol,
        debt_to_cover=cover(ours),
        timestamp=market.timestamp,
        drivers=moved,
        takes_a_token=True,
    )


@pytest.mark.parametrize("fixture", ["lab_v36", "lab_v30"])
def test_real_liquidations(request: pytest.FixtureRequest, fixture: str) -> None:
    """On every driver and both sides: they succeed at p*, and one integer nearer they are refused."""
    lab: Lab = request.getfixturevalue(fixture)
    solved = solve(lab, 777)
    market, chosen = solved.book.market, spread(solved.priced(), LIQUIDATIONS)
    for level in chosen:
        price = price_of(level)
        ours = take(solved.book.account(level.account), market.at_inputs(level.driver.moved_inputs(price)))
        assert isinstance(ours, Liquidation), level
        done = liquidated(solved, level, ours, price)
        assert (done.success, done.repaid, done.seized) == (True, ours.repaid, sole(ours).amount), level
        nearer = liquidated(solved, level, ours, price + toward_spot(level))
        assert (nearer.success, nearer.error) == (False, REFUSED[lab.version]), level
    assert len(chosen) == LIQUIDATIONS
    assert {level.driver.name for level in chosen} >= set(lab.drivers) - {OWN_EMODE_PRICE}
    assert {level.side for level in chosen} == {"long", "short"}


def test_a_staking_loop_has_its_level_on_the_ratio_alone(solved: Solved) -> None:
    loops = solved.shape(LOOP)
    on_ether, on_ratio = solved.of(loops, "ETH/USD"), solved.of(loops, RATIO)
    safe = {level.account for level in on_ether if level.outcome == "never"}
    assert len(safe) >= 3
    ratios = [level for level in on_ratio if level.account in safe]
    assert {level.outcome for level in ratios} == {"price"}
    assert {level.side for level in ratios} == {"long"}
    spot, ether = solved.driver(RATIO).spot, solved.driver("ETH/USD")
    assert all(spot // 2 < price_of(level) < spot for level in ratios)
    assert solved.disagreements(neighbours(ratios)) == []
    moves = {ether.shallow, ether.spot // 100, ether.spot // 2, 2 * ether.spot, 100 * ether.spot}
    claims = [(level, at, False) for level in on_ether if level.account in safe for at in moves]
    assert solved.disagreements(claims) == []


@pytest.fixture(scope="module", params=LATER_S, ids=lambda later_s: f"{later_s}s")
def capped(request: pytest.FixtureRequest, lab_v36: Lab) -> Iterator[Solved]:
    """The staked token's ratio stands 2% above its cap, which grows by 10% in a year."""
    ratio = int(lab_v36.chain.call(lab_v36.market.ratio, "getRatio"))
    with lab_v36.rewinding():
        lab_v36.set_cap(STAKED, ratio * 98 // 100, yearly_growth_bps=1_000)
        yield solve(lab_v36, request.param)


def cap_of(solved: Solved) -> int:
    """The highest ratio that counts at the time that is looked at, from the adapter's own storage."""
    lab, slots = solved.lab, (hex(PARAMETERS_FROM_SLOT + k) for k in range(3))
    words = [lab.rpc("eth_getStorageAt", lab.feeds[STAKED], slot, "latest") for slot in slots]
    start, since, growth = (int(each, 16) for each in words)
    return start + growth * (solved.book.market.timestamp - since) // SCALING_FACTOR


def test_above_the_cap_the_ratio_moves_nothing(capped: Solved) -> None:
    """Down to the cap no integer changes any account; at the first one below it something does."""
    driver, cap = capped.driver(RATIO), cap_of(capped)
    assert driver.spot > cap
    holders = [level.account for level in capped.priced(RATIO)]
    free = [driver.spot, driver.spot - 1, (driver.spot + cap) // 2, cap + 1, cap, 3 * driver.spot]
    for account in holders:
        answers = capped.said([(account, driver, at) for at in free])
        assert len(set(answers)) == 1
    below = capped.said([(account, driver, cap * 999 // 1_000) for account in holders])
    assert all(
        data != same
        for data, same in zip(below, capped.said([(i, driver, cap) for i in holders]), strict=True)
    )


def test_a_cap_that_stops_binding_on_the_way_down(capped: Solved) -> None:
    """All levels of the capped ratio lie below the cap, none on the way up; each is the contract's own."""
    levels, cap = capped.priced(RATIO), cap_of(capped)
    assert len(levels) >= 10
    assert all(price_of(level) < cap for level in levels)
    assert {level.side for level in levels} == {"long"}
    assert capped.disagreements(neighbours(levels)) == []
    assert capped.disagreements(neighbours(capped.priced("ETH/USD"))) == []


def price_of_staked(solved: Solved) -> int:
    """The staked token's price in the market as read and carried to its time."""
    market = solved.book.market
    return next(market.prices[reserve.feed] for reserve in market.reserves if reserve.symbol == STAKED)


def test_the_cap_grows(capped: Solved) -> None:
    """Later the cap is higher, and so is the price that it holds down, while nothing else moves."""
    market, ether = capped.book.market, capped.driver("ETH/USD").spot
    assert price_of_staked(capped) == ether * cap_of(capped) // WAD
    grown = price_of_staked(capped) - capped.lab.price(STAKED)
    assert (grown > 0) == (market.timestamp > market.block.timestamp)
    assert grown >= 0


def test_a_cap_that_time_lifts(lab_v36: Lab) -> None:
    """It binds at the block and not two weeks later, where it binds on the way up instead."""
    ratio = int(lab_v36.chain.call(lab_v36.market.ratio, "getRatio"))
    with lab_v36.rewinding():
        lab_v36.set_cap(STAKED, ratio * 98 // 100, yearly_growth_bps=10_000)
        now, later = solve(lab_v36, 0), solve(lab_v36, LATER_S[-1])
        assert cap_of(now) < ratio < cap_of(later)
        assert price_of_staked(later) == later.driver("ETH/USD").spot * ratio // WAD
        for world in (now, later):
            assert world.disagreements(neighbours(world.priced(RATIO))) == []
            assert world.disagreements(neighbours(world.priced("ETH/USD"))) == []


def test_on_the_way_up_a_cap_ends_what_a_ratio_can_do(lab_v36: Lab) -> None:
    """Who owes the staked token breaks as the ratio rises, unless a cap holds it before."""
    with lab_v36.rewinding():
        spot = int(lab_v36.chain.call(lab_v36.market.ratio, "getRatio"))
        lab_v36.set_cap(STAKED, 100 * spot)
        free = solve(lab_v36, 0)
        short = {level.account: price_of(level) for level in free.priced(RATIO) if level.side == "short"}
        assert free.disagreements(neighbours(free.priced(RATIO))) == []
        assert len(set(short.values())) >= 2
        cap = min(short.values())
        assert spot < cap
        lab_v36.set_cap(STAKED, cap)
        held = solve(lab_v36, 0)
        still = [level for level in held.priced(RATIO) if level.side == "short"]
        assert {level.account: price_of(level) for level in still} == {
            account: price for account, price in short.items() if price == cap
        }
        assert held.disagreements(neighbours(still)) == []
        driver, gone = held.driver(RATIO), sorted(set(short) - {level.account for level in still})
        asked = [
            (account, driver, at) for account in gone for at in (cap + 1, short[account], driver.highest)
        ]
        assert all(data.factor_wad >= WAD for data in held.said(asked))
