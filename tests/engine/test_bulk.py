"""Columns against the law: the same levels, the same bands, on the same states that try the law itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.engine import bulk, sweep
from defiliq.engine.exact import margins_of
from defiliq.engine.pieces import straight_pieces
from defiliq.engine.solve import find_levels
from defiliq.engine.sweep import FOR_LAW, FOUND, NEVER, UNRESOLVED
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver, Move, driver_of_feeds, driver_of_inputs
from defiliq.pricing.graph import Fixed, Fraction, Input, Least, PriceGraph, Quantity
from defiliq.protocols.aave_v3 import margin, rule, values
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, Leg, Side
from defiliq.units import RAY
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import account, market, plain_market, plain_reserve
from tests.engine.test_solve import cancelling_scenes, scenes
from tests.protocols.aave_v3.states import DIRECT_REVISIONS

SCENES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIDES: tuple[Side, Side] = ("long", "short")


def columns(at: AaveMarket, accounts: list[Account], driver: Driver, side: Side) -> bulk.Crossings:
    book = Book.build(at, accounts)
    rows = np.arange(len(accounts), dtype=np.intp)
    return bulk.crossings(bulk.prepare(margin(book), values(book), at.prices, driver, rows), side)


def assert_as_the_law(at: AaveMarket, owner: Account, driver: Driver, *, may_be_for_law: bool = True) -> None:
    """One account that is safe at spot: what columns say of it is what the law says."""
    law = rule(owner, at)
    if law.liquidatable(driver.lead(at.prices, driver.spot)):
        return
    for side in SIDES:
        found = columns(at, [owner], driver, side)
        if found.state[0] in (FOR_LAW, UNRESOLVED):
            assert may_be_for_law or found.state[0] != FOR_LAW
            continue
        try:
            levels = [
                level for level in find_levels(law, 0, at.prices, driver, (side,)) if level.outcome == "price"
            ]
        except UnresolvedLevel:
            continue
        expected = [(level.price, level.band or bulk.NO_BAND) for level in levels]
        assert expected == ([(found.price[0], found.band[0])] if found.state[0] == FOUND else [])


@SCENES
@given(scenes(DIRECT_REVISIONS))
def test_coarse_states(scene: tuple[AaveMarket, Account, Driver]) -> None:
    at, owner, driver = scene
    assert_as_the_law(at.at_prices(driver.prices(driver.spot)), owner, driver)


@SCENES
@given(scenes(DIRECT_REVISIONS, coarse=False))
def test_real_sized_states(scene: tuple[AaveMarket, Account, Driver]) -> None:
    assert_as_the_law(*scene)


@SCENES
@given(cancelling_scenes())
def test_states_in_which_rounding_decides(scene: tuple[AaveMarket, Account, Driver]) -> None:
    at, owner, driver = scene
    if at.revision in DIRECT_REVISIONS:
        assert_as_the_law(at.at_prices(driver.prices(driver.spot)), owner, driver)


def staking_market(ratio: int, cap: int) -> tuple[AaveMarket, Driver, Driver]:
    """WETH at ETH/USD, wstETH at ETH/USD times a ratio under a cap; (market, ETH/USD, the ratio)."""
    plain = market()
    inputs = [
        Input(name, "aggregator", plain.feeds[0].source, value, decimals)
        for name, value, decimals in (("ETH/USD", 3000_00000000, 8), ("wstETH/ETH ratio", ratio, 18))
    ]
    rest = [Fixed(price) for price in plain.prices[2:]]
    capped: tuple[Quantity, ...] = (
        *inputs,
        Fixed(cap),
        Least((1, 2)),
        Fraction((0, 3), (), 1, 10**18),
        *rest,
    )
    graph = PriceGraph(capped, (0, 4, 5, 6, 7))
    at = replace(plain, graph=graph, prices=graph.prices(plain.timestamp))
    ether, stake = (
        driver_of_inputs(graph, q.name, q.value, 10**q.decimals, [Move(k)], at.timestamp)
        for k, q in enumerate(inputs)
    )
    return at, ether, stake


@SCENES
@given(
    st.integers(9 * 10**17, 14 * 10**17),
    st.integers(9 * 10**17, 14 * 10**17),
    st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0, 90_000)),
    st.tuples(st.floats(0, 20), st.floats(0, 20), st.floats(0, 60_000)),
)
def test_caps_bend_the_driver_and_not_the_answer(
    ratio: int, cap: int, supplied: tuple[float, float, float], owed: tuple[float, float, float]
) -> None:
    at, *drivers = staking_market(ratio, cap)
    weth, wsteth, usdc = zip(supplied, owed, strict=True)
    owner = account(1, WETH=weth, wstETH=wsteth, USDC=usdc)
    for driver in drivers:
        assert_as_the_law(at, owner, driver)


def test_a_loop_breaks_on_the_ratio_and_not_on_ether() -> None:
    at, ether, stake = staking_market(12 * 10**17, 13 * 10**17)
    loop = [account(1, wstETH=(100, 0), WETH=(0, 90))]
    assert columns(at, loop, ether, "long").state.tolist() == [NEVER]
    assert columns(at, loop, ether, "short").state.tolist() == [NEVER]
    found = columns(at, loop, stake, "long")
    assert found.state.tolist() == [FOUND]
    assert int(found.price[0]) < stake.spot


def test_a_cap_splits_the_range_where_it_begins_to_bind() -> None:
    _, _, stake = staking_market(13 * 10**17, 12 * 10**17)
    first, second = straight_pieces(stake) or []
    assert first[1] == 12 * 10**17 - 1
    assert second == (12 * 10**17, stake.highest)


def test_a_price_that_falls_as_its_driver_rises_is_for_the_law() -> None:
    graph = PriceGraph(
        (
            Input("ETH/USD", "aggregator", "0x" + "11" * 20, 3000, 0),
            Fraction((), (0,), 10**9, 1),
        ),
        (1,),
    )
    driver = driver_of_inputs(graph, "ETH/USD", 3000, 1, [Move(0)], 0)
    assert straight_pieces(driver) is None


def test_what_does_not_fit_the_columns_is_handed_back() -> None:
    """A whale whose scaled balance passes 2**96; one whose values pass 2**50 is still decided."""
    at = market()
    driver = driver_of_feeds("WETH/USD", at.prices[0], at.base_unit, [Move(0)])
    whales = [
        Account("0x" + "11" * 20, 0, (Leg(0, 10**25, 0, True), Leg(3, 0, 9 * 10**15, False))),
        Account("0x" + "22" * 20, 0, (Leg(0, 2**96, 0, True), Leg(3, 0, 10**17, False))),
    ]
    assert columns(at, whales, driver, "long").state.tolist() == [FOUND, FOR_LAW]


def test_an_averaging_revision_has_lines_only() -> None:
    at = market(revision=8)
    driver = driver_of_feeds("WETH/USD", at.prices[0], at.base_unit, [Move(0)])
    accounts = [account(1, WETH=(1, 0), USDC=(0, 2000)), account(2, WBTC=(1, 0), WETH=(0, 0.1))]
    assert columns(at, accounts, driver, "long").state.tolist() == [FOR_LAW, NEVER]


def test_a_search_out_of_turns_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collateral and debt that cancel to one part in 10**12: only rounding is left to decide."""
    monkeypatch.setattr(sweep, "MOST_ROUNDS", 3)
    monkeypatch.setattr(sweep, "MOST_TURNS", 8)
    monkeypatch.setattr(sweep, "MOST_LOOKS", 8)
    at = market(reserves={"DAI": {"liquidation_threshold_bps": 10_000}})
    listed = [replace(r, variable_borrow_index_ray=RAY) for r in at.reserves]
    at = replace(at, reserves=tuple(listed)).at_time(at.timestamp)
    driver = driver_of_feeds("DAI/USD", at.prices[4], at.base_unit, [Move(4), Move(3)])
    owner = Account("0x" + "11" * 20, 0, (Leg(4, 10**18 + 10**6, 0, True), Leg(3, 0, 10**6, False)))
    assert columns(at, [owner], driver, "long").state.tolist() == [UNRESOLVED]


@pytest.mark.parametrize("seed", [3, 5])
def test_a_synthetic_book_on_a_driver_of_a_third_of_its_reserves(seed: int) -> None:
    at = synthetic_market()
    book = synthetic_book(at, 1500, seed)
    lead = at.prices[0]
    followers = [Move(k, at.prices[k], lead) for k in (1, 2, 3, 4, 13, 18)]
    driver = driver_of_feeds("ETH/USD", lead, at.base_unit, [Move(0), *followers])
    handed_back = compared = 0
    for side in SIDES:
        laws = [rule(book.nameless(i), at) for i in range(len(book))]
        safe = np.array([i for i, law in enumerate(laws) if not law.liquidatable(at.prices)])
        found = bulk.crossings(bulk.prepare(margin(book), values(book), at.prices, driver, safe), side)
        for row, i in enumerate(safe.tolist()):
            if found.state[row] in (FOR_LAW, UNRESOLVED):
                handed_back += 1
                continue
            levels = find_levels(laws[i], i, at.prices, driver, (side,))
            expected = [(x.price, x.band or bulk.NO_BAND) for x in levels if x.outcome == "price"]
            got = [(found.price[row], found.band[row])] if found.state[row] == FOUND else []
            assert expected == got
            compared += 1
    assert compared > 2500
    assert handed_back < compared / 100


def fixed_market(prices: list[int], thresholds_bps: list[int]) -> AaveMarket:
    """A market of tokens without decimals and without interest."""
    listed = [
        plain_reserve(k, f"T{k}", 0, liquidation_threshold_bps=bps) for k, bps in enumerate(thresholds_bps)
    ]
    return plain_market(listed, prices)


def test_bands_are_searched_no_further_than_the_lowest_price() -> None:
    """Nothing is owed with the driver at 0, and its lowest integer, 5, lies far above a millionth of spot."""
    at = fixed_market([12, 60], [10_000, 0])
    driver = driver_of_feeds("both", 60, 1, [Move(0, 1, 5), Move(1)])
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 8, 0, True), Leg(1, 0, 1, False)))
    found = columns(at, [owner], driver, "long")
    assert (found.state.tolist(), found.price.tolist(), found.band.tolist()) == ([FOUND], [9], [bulk.NO_BAND])
    assert_as_the_law(at, owner, driver, may_be_for_law=False)


def test_a_cap_that_binds_right_below_spot_leaves_a_piece_of_one_integer() -> None:
    """Spot is 5 under a cap of 4: at 4 the account is at exactly 1, at 3 it breaks."""
    ratio = Input("R", "ratio", "0x" + "11" * 20, 5, 0)
    graph = PriceGraph((ratio, Fixed(4), Least((0, 1)), Fixed(2)), (2, 3))
    at = replace(fixed_market([4, 2], [10_000, 0]), graph=graph)
    driver = driver_of_inputs(graph, "R", 5, 1, [Move(0)], at.timestamp)
    assert straight_pieces(driver) == [(1, 3), (4, driver.highest)]
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 8, 0, True), Leg(1, 0, 16, False)))
    found = columns(at, [owner], driver, "long")
    assert (found.state.tolist(), found.price.tolist()) == ([FOUND], [3])
    assert_as_the_law(at, owner, driver, may_be_for_law=False)


def test_a_piece_of_one_integer_above_spot_is_left_upwards() -> None:
    """The level is the last integer before a cap binds; further out rounding breaks the account again."""
    price = Input("X", "aggregator", "0x" + "11" * 20, 130, 0)
    graph = PriceGraph((price, Fixed(132), Least((0, 1))), (0, 0, 2))
    listed = [
        plain_reserve(0, "A", 2),
        plain_reserve(1, "B", 1, liquidation_threshold_bps=7526),
        plain_reserve(2, "C", 0),
    ]
    at = replace(plain_market(listed, [130, 130, 130]), graph=graph)
    driver = driver_of_inputs(graph, "X", 130, 1, [Move(0)], at.timestamp)
    assert straight_pieces(driver) == [(1, 131), (132, driver.highest)]
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 0, 6073, False), Leg(1, 819, 9, True)))
    assert [(x.price, x.band) for x in find_levels(rule(owner, at), 0, at.prices, driver, ("short",))] == [
        (131, 237)
    ]
    assert_as_the_law(at, owner, driver)


@pytest.mark.parametrize("tokens", [1_000, 4_100, 20_000, 61_500, 300_000, 1_000_000])
def test_sums_that_wrap_around_are_told_by_their_doubles(tokens: int) -> None:
    """From 4e6 dollars of margin on, sums times 1e4 pass 2**62, and soon 2**63 again and again."""
    at = market()
    driver = driver_of_feeds("WETH/USD", at.prices[0], at.base_unit, [Move(0)])
    for share in (1, 20, 60, 80):
        owner = account(1, WETH=(tokens, 0), USDC=(0, tokens * 3000 * share // 100))
        book = Book.build(at, [owner])
        terms, columns_of = margin(book), values(book)
        assert columns_of is not None
        margins = margins_of(terms, columns_of, at.prices, driver, np.arange(1))
        law = rule(owner, at)
        for price in (driver.spot // 10, driver.spot // 2, driver.spot, 3 * driver.spot):
            here = np.array([price])
            short, fits = margins.is_short(here, here)
            assert fits.tolist() == [True]
            assert short.tolist() == [law.liquidatable(driver.lead(at.prices, price))]


@pytest.mark.parametrize("price", [2**62 - 1, 2**62, 2**62 + 1, 2**66])
def test_a_still_price_beyond_the_columns_is_never_cut(price: int) -> None:
    """One base unit of a dear token of 18 decimals is worth little, whatever its price."""
    listed = [plain_reserve(0, "A", 0, liquidation_threshold_bps=8000), plain_reserve(1, "B", 18)]
    at = plain_market(listed, [1000, price])
    driver = driver_of_feeds("A/USD", 1000, 1, [Move(0)])
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 1, 0, True), Leg(1, 0, 10, False)))
    assert_as_the_law(at, owner, driver, may_be_for_law=price >= 2**62)


def test_debts_at_which_the_health_factor_rounds_a_whole_integer_are_for_the_law() -> None:
    """At D = 2e18 a margin of -1 is a health factor of 1: columns would break one integer too early."""
    owed = 2 * 10**18
    at = fixed_market([owed + 10**17, 1, owed], [10_000, 9_999, 0])
    driver = driver_of_feeds("A/USD", at.prices[0], 1, [Move(0)])
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 1, 0, True), Leg(1, 1, 0, True), Leg(2, 0, 1, False)))
    law = rule(owner, at)
    assert law.margin(driver.lead(at.prices, owed - 1)) == -1
    assert not law.liquidatable(driver.lead(at.prices, owed - 1))
    assert columns(at, [owner], driver, "long").state.tolist() == [FOR_LAW]


def test_a_price_whose_divisor_stands_at_nothing_does_not_stop_a_book() -> None:
    """A feed over a dead input is 0 throughout; the driver's other feeds have no range, and no answer."""
    inputs = [Input(name, "aggregator", "0x" + "11" * 20, value, 0) for name, value in (("A", 50), ("B", 0))]
    graph = PriceGraph((*inputs, Fraction((0,), (1,), 1, 1)), (0, 2))
    at = replace(fixed_market([50, 0], [8000, 0]), graph=graph)
    driver = driver_of_inputs(graph, "A", 50, 1, [Move(0)], at.timestamp)
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 10, 0, True), Leg(1, 0, 3, False)))
    assert_as_the_law(at, owner, driver)


def test_far_below_spot_only_who_owes_at_nothing_is_searched() -> None:
    """Both sides move, so the margin at 0 is 0; rounding would break the account at half a base unit."""
    listed = [plain_reserve(0, "A", 6, liquidation_threshold_bps=8000), plain_reserve(1, "B", 6)]
    at = plain_market(listed, [10**8, 10**8])
    driver = driver_of_feeds("both", 10**8, 1, [Move(0), Move(1)])
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 10**6, 0, True), Leg(1, 0, 700_000, False)))
    law = rule(owner, at)
    assert driver.lowest == 1
    assert driver.shallow == 100
    assert law.liquidatable(driver.lead(at.prices, 1))
    assert [x.outcome for x in find_levels(law, 0, at.prices, driver)] == ["never"]
    assert_as_the_law(at, owner, driver, may_be_for_law=False)


def test_capped_collateral_falls_behind_a_debt_that_is_not() -> None:
    """X is 1000 under a cap of 1100 on what backs: 10 at 80% against 7 break where X passes 1257."""
    price = Input("X", "aggregator", "0x" + "11" * 20, 1000, 0)
    graph = PriceGraph((price, Fixed(1100), Least((0, 1))), (2, 0))
    at = replace(fixed_market([1000, 1000], [8000, 0]), graph=graph)
    driver = driver_of_inputs(graph, "X", 1000, 1, [Move(0)], at.timestamp)
    owner = Account("0x" + "11" * 20, 0, (Leg(0, 10, 0, True), Leg(1, 0, 7, False)))
    found = columns(at, [owner], driver, "short")
    assert (found.state.tolist(), found.price.tolist()) == ([FOUND], [1258])
    assert_as_the_law(at, owner, driver, may_be_for_law=False)


def test_a_large_amount_on_both_sides_of_a_driver_of_18_decimals_is_decided() -> None:
    """Its price takes one integer in some four million of the driver's: only new prices count as changes."""
    at, _, stake = staking_market(1_193_371_824_550_718_263, 1_316_432_255_514_967_019)
    owner = account(1, WETH=(98.7, 0), wstETH=(27.16, 15.09), USDC=(0, 245_000))
    found = columns(at, [owner], stake, "long")
    assert found.state.tolist() == [FOUND]
    (level,) = find_levels(rule(owner, at), 0, at.prices, stake, ("long",))
    assert (level.price, level.band or bulk.NO_BAND) == (found.price[0], found.band[0])
