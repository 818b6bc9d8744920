"""Feeds behind levels by hand: thresholds met to the unit, heartbeats to the second, who captures updates."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from defiliq.errors import InputError
from defiliq.mev.triggers import (
    TRIGGER_FIELDS,
    Facts,
    Offchain,
    crossed,
    deviates,
    deviation_bps,
    facts_of,
    inputs_of,
    is_stale,
    nearest,
    offchain_integer,
    trigger_fields,
    update_expected,
)
from defiliq.oracle.drivers import drivers, find_driver, group_driver
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.oev import NONE_KNOWN, Capture
from defiliq.pricing.graph import Fraction as Product
from defiliq.pricing.graph import Input, PriceGraph
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Block, Level
from tests.builders import HASH, NOW, address, graph_market, market, plain_market, plain_reserve

SPOT = 2000_00000000
SVR_ETHER = "0x5424384B256154046E9667dDFaaa5e550145215e"


def facts(**changes: object) -> Facts:
    plain = Facts("aggregator", address(1), (), NOW - 100, 3600, 50, NONE_KNOWN)
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [1, -1])
def test_a_feed_answers_at_its_threshold_and_not_a_unit_before(side: int) -> None:
    at = SPOT + side * SPOT * 50 // 10_000
    assert deviates(SPOT, at, 50)
    assert not deviates(SPOT, at - side, 50)
    assert update_expected(facts(), SPOT, at, NOW) == "deviation"
    assert update_expected(facts(), SPOT, at - side, NOW) == "heartbeat in 3500 s"
    assert deviation_bps(SPOT, at) == 50 * side
    assert deviation_bps(SPOT, at - side) == 49 * side


def test_a_threshold_that_no_integer_meets_is_passed_by_the_next_one() -> None:
    """50 bps of 199 are 0.995: a move of 1 is enough. Of 201 they are 1.005: it is not, nor rounded down."""
    assert deviates(199, 200, 50)
    assert not deviates(201, 202, 50)
    assert deviates(201, 203, 50)


def test_nothing_deviates_from_nothing_but_a_price() -> None:
    assert not deviates(0, 0, 50)
    assert deviates(0, 1, 50)
    assert deviation_bps(0, 1) is None


def test_a_heartbeat_is_due_to_the_second() -> None:
    due_at = NOW - 100 + 3600
    said = [update_expected(facts(), SPOT, None, due_at + late) for late in (-1, 0, 1)]
    assert said == ["heartbeat in 1 s", "heartbeat now", "heartbeat 1 s overdue"]
    assert [is_stale(facts(), due_at + late) for late in (-1, 0, 1)] == [False, False, True]


@pytest.mark.parametrize("unknown", [{"heartbeat_s": None}, {"updated_at": None}])
def test_what_is_not_known_is_not_made_up(unknown: dict[str, None]) -> None:
    seen = facts(**unknown)
    assert update_expected(seen, SPOT, SPOT, NOW) == ""
    assert is_stale(seen, NOW) is None
    assert seen.heartbeat_due_at() is None
    assert update_expected(facts(deviation_bps=None), SPOT, 2 * SPOT, NOW) == "heartbeat in 3500 s"


def test_a_chain_that_keeps_its_prices_writes_them_in_every_block() -> None:
    assert update_expected(facts(kind="oracle", heartbeat_s=None), SPOT, SPOT, NOW) == "every block"


def test_the_feed_of_a_driver_is_that_of_its_leading_input() -> None:
    at = graph_market()
    ether = facts_of(at, find_driver(at, "ETH/USD"))
    assert ether == Facts("aggregator", address(0xD000), (), NOW - 37, 3600, 50, NONE_KNOWN)
    ratio = facts_of(at, find_driver(at, "wstETH/ETH ratio"))
    assert (ratio.kind, ratio.source, ratio.updated_at, ratio.heartbeat_s) == (
        "ratio",
        address(0xF001),
        None,
        None,
    )


def test_what_a_user_says_of_a_feed_goes_before_what_is_known() -> None:
    at = graph_market()
    ether = find_driver(at, "ETH/USD")
    assert facts_of(at, ether, Promise(60)).heartbeat_s == 60
    assert facts_of(at, ether, Promise(60)).deviation_bps == 50
    assert facts_of(at, ether, Promise(None, 7)).deviation_bps == 7


def two_feeds_of_one_pair() -> AaveMarket:
    """A feed of ETH/USD prices one asset, and another one, 1 cent above, two."""
    quantities = (
        Input("ETH/USD", "aggregator", address(1), 3000_00000000, 8, NOW - 5, 60, 10),
        Input("ETH/USD", "aggregator", address(2), 3000_01000000, 8, NOW - 7, 3600, 50),
        Product((1,), (), 2, 1),
    )
    graph = PriceGraph(quantities, (0, 1, 2))
    reserves = [plain_reserve(k, symbol, 18) for k, symbol in enumerate(("A", "B", "C"))]
    return plain_market(reserves, graph.prices(NOW), graph=graph)


def test_of_two_feeds_of_a_pair_the_one_behind_most_prices_speaks_and_the_other_is_named() -> None:
    at = two_feeds_of_one_pair()
    ether = find_driver(at, "ETH/USD")
    assert [one.source for one in inputs_of(at, ether)] == [address(2), address(1)]
    seen = facts_of(at, ether)
    assert (seen.source, seen.others, seen.updated_at, seen.heartbeat_s) == (
        address(2),
        (address(1),),
        NOW - 7,
        3600,
    )
    assert ether.spot == 3000_01000000


def test_of_two_feeds_that_say_the_same_the_one_behind_most_prices_speaks() -> None:
    at = two_feeds_of_one_pair()
    there = at.at_inputs({0: SPOT, 1: SPOT})
    assert [one.source for one in inputs_of(there, find_driver(there, "ETH/USD"))] == [address(2), address(1)]


def test_a_market_without_a_price_graph_still_names_its_sources() -> None:
    at = market()
    seen = facts_of(at, find_driver(at, "WETH"))
    assert (seen.kind, seen.source, seen.updated_at) == ("unresolved", address(0xD000), None)
    both = group_driver(at, "ETH=WETH,wstETH")
    assert facts_of(at, both).source == ""
    assert facts_of(at, both).others == (address(0xD000), address(0xD001))


def on_ethereum(source: str) -> AaveMarket:
    graph = PriceGraph((Input("ETH/USD", "aggregator", source, SPOT, 8, NOW, None, None),), (0,))
    at = plain_market([plain_reserve(0, "WETH", 18)], (SPOT,), graph=graph)
    return replace(at, block=Block(1, 120, HASH, NOW))


def test_an_svr_proxy_is_known_by_name_on_its_chain_alone() -> None:
    at = on_ethereum(SVR_ETHER)
    seen = facts_of(at, drivers(at)[0]).capture
    assert seen.kind == "svr"
    assert "AAVE_SVR_ETH__USD" in seen.source
    elsewhere = replace(at, block=Block(10, 120, HASH, NOW))
    assert facts_of(elsewhere, drivers(elsewhere)[0]).capture == NONE_KNOWN
    plain = on_ethereum("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419")
    assert facts_of(plain, drivers(plain)[0]).capture == NONE_KNOWN


def test_what_a_contract_says_of_itself_counts_where_no_list_has_it() -> None:
    at = on_ethereum(address(5))
    said = {address(5): Capture("svr possible", "asked")}
    assert facts_of(at, drivers(at)[0], captures=said).capture == said[address(5)]
    held = {at.feeds[0].source: Capture("oev wrapper", "asked")}
    assert facts_of(at, drivers(at)[0], captures=held).capture == held[at.feeds[0].source]


def test_a_wrapper_of_some_prices_is_none_of_the_driver() -> None:
    at = graph_market()
    ether = find_driver(at, "ETH/USD")
    held = {at.feeds[1].source: Capture("oev wrapper", "asked")}
    assert facts_of(at, ether, captures=held).capture == NONE_KNOWN


def test_fields_of_an_event_are_those_of_the_level_and_of_the_feed() -> None:
    at = graph_market()
    ether = find_driver(at, "ETH/USD")
    said = trigger_fields(at, Level(0, ether, "long", "price", 2950_00000001))
    assert list(said) == [name for name, _, _ in TRIGGER_FIELDS]
    assert said == {
        "driver": "ETH/USD",
        "side": "long",
        "price_raw": "295000000001",
        "spot_raw": "300000000000",
        "distance_units": "-4999999999",
        "distance_pct": 100 * -4999999999 / 300000000000,
        "feed": address(0xD000),
        "feed_updated_at": NOW - 37,
        "feed_heartbeat_s": 3600,
        "feed_deviation_bps": 50,
        "oev": "none known",
    }
    never = trigger_fields(at, Level(0, ether, "short", "never", None))
    assert (never["price_raw"], never["distance_units"], never["distance_pct"]) == (None, None, None)


def test_a_price_is_cut_to_the_digits_of_the_feed() -> None:
    ether = find_driver(graph_market(), "ETH/USD")
    assert offchain_integer(ether, Offchain(Fraction("2999.999999999"), "x")) == 2999_99999999
    assert offchain_integer(ether, Offchain(Fraction(3000), "x")) == 3000_00000000


@pytest.mark.parametrize("price", ["0.000000001", "1" + "0" * 60])
def test_a_price_that_the_feed_cannot_answer_is_refused(price: str) -> None:
    ether = find_driver(graph_market(), "ETH/USD")
    with pytest.raises(InputError, match="somebody has ETH/USD at"):
        offchain_integer(ether, Offchain(Fraction(price), "somebody"))


def test_nearest_and_crossed_levels() -> None:
    ether = find_driver(graph_market(), "ETH/USD")
    levels = [
        Level(4, ether, "long", "price", 290),
        Level(1, ether, "long", "price", 295),
        Level(2, ether, "long", "price", 295),
        Level(3, ether, "short", "price", 305),
        Level(1, ether, "short", "price", 400),
        Level(7, ether, "long", "already", 300),
        Level(8, ether, "long", "never", None),
    ]
    assert nearest(levels, "long") == (295, (1, 2))
    assert nearest(levels, "short") == (305, (3,))
    assert nearest(levels[4:], "long") is None
    assert crossed(levels, 300, 296) == ()
    assert crossed(levels, 300, 295) == (1, 2)
    assert crossed(levels, 300, 290) == (1, 2, 4)
    assert crossed(levels, 300, 304) == ()
    assert crossed(levels, 300, 400) == (1, 3)
