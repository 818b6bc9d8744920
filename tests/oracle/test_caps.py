"""Caps found by name and moved, in a market with growing, fixed and shared caps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.errors import InputError
from defiliq.oracle.caps import caps_of, find_cap, is_capped, with_cap
from defiliq.oracle.dag import dependency_graph
from defiliq.oracle.drivers import find_driver
from defiliq.pricing.graph import Fixed, Growing, Least, PriceGraph
from defiliq.protocols.aave_v3.market import AaveMarket
from tests.builders import NOW, address, graph_market, market

WSTETH_RATIO = 1_200000000000000007
SYMBOLS = ("WETH", "wstETH", "weETH", "USDC", "WBTC", "USDT", "PT-sUSDe", "GHO", "LDO")


def price(at: AaveMarket, symbol: str) -> int:
    return at.price_of(SYMBOLS.index(symbol))


def test_which_prices_are_capped() -> None:
    at = graph_market()
    said = {symbol: is_capped(at, feed) for feed, symbol in enumerate(SYMBOLS)}
    assert said == {
        **dict.fromkeys(("WETH", "WBTC", "GHO", "LDO")),
        **dict.fromkeys(("wstETH", "USDC", "USDT", "PT-sUSDe"), False),
        "weETH": True,
    }


def test_a_cap_that_equals_what_it_limits_does_not_bind() -> None:
    at = graph_market()
    cap = find_cap(at, "USDC")
    for value, binds in ((cap.limited_value, False), (cap.limited_value - 1, True)):
        assert is_capped(with_cap(at, cap, value), SYMBOLS.index("USDC")) is binds


def test_a_market_that_is_not_resolved_has_no_caps() -> None:
    assert caps_of(market(), 0) == ()
    assert is_capped(market(), 0) is None
    with pytest.raises(InputError, match=r"no cap on 'WETH' in this market\. Capped are: none"):
        find_cap(market(), "WETH")


@pytest.mark.parametrize("name", ["wstETH", "WSTETH ", address(0xA001), "wstETH/ETH ratio", address(0xD001)])
def test_a_cap_is_found_by_reserve_limited_input_and_contract(name: str) -> None:
    cap = find_cap(graph_market(), name)
    assert cap.limited_value == WSTETH_RATIO
    assert cap.decimals == 18
    assert not cap.binds


def test_a_reserve_under_two_caps_means_its_own() -> None:
    """PT-sUSDe has no cap of its own: it is under that of USDT, which is then meant."""
    assert find_cap(graph_market(), "PT-sUSDe") == find_cap(graph_market(), "USDT")


def test_an_unknown_cap_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"no cap on 'WETH'.*Capped are: wstETH, weETH, USDC, USDT, PT-sUSDe"
    ):
        find_cap(graph_market(), "WETH")


def test_two_caps_that_nothing_tells_apart_are_named_by_contract() -> None:
    at = graph_market()
    assert isinstance(at.graph.quantities[7], Least)
    moved = replace(at.reserves[2], symbol="wstETH")
    twice = replace(at, reserves=(*at.reserves[:2], moved, *at.reserves[3:]))
    with pytest.raises(InputError, match=f"wstETH is under 2 caps.*{address(0xD001)}, {address(0xD002)}"):
        find_cap(twice, "wstETH")
    assert find_cap(twice, address(0xD002)).least == 7


def test_a_lowered_cap_holds_its_price_and_no_other() -> None:
    at = graph_market()
    cap = find_cap(at, "wstETH")
    low = WSTETH_RATIO * 97 // 100
    there = with_cap(at, cap, low)
    assert price(there, "wstETH") == 3000_00000000 * low // 10**18
    assert [p for k, p in enumerate(there.prices) if k != 1] == [p for k, p in enumerate(at.prices) if k != 1]
    assert is_capped(there, 1) is True
    assert at.graph == graph_market().graph


def test_the_drivers_stay_and_follow_the_new_cap() -> None:
    at = graph_market()
    there = with_cap(at, find_cap(at, "wstETH"), 10**18)
    ratio = find_driver(there, "wstETH/ETH ratio")
    assert ratio.spot == WSTETH_RATIO
    below = 9 * 10**17
    assert there.at_inputs(ratio.moved_inputs(below)).price_of(1) == 2700_00000000
    assert there.at_inputs(ratio.moved_inputs(2 * 10**18)).price_of(1) == 3000_00000000
    ether = find_driver(there, "ETH/USD")
    assert there.at_inputs(ether.moved_inputs(2000_00000000)).price_of(1) == 2000_00000000
    assert dependency_graph(there)


def test_a_growing_cap_grows_on_from_where_it_was_put() -> None:
    at = graph_market()
    cap = find_cap(at, "wstETH")
    old = at.graph.quantities[cap.position]
    assert isinstance(old, Growing)
    there = with_cap(at, cap, 10**18)
    day = 86_400
    grown = 10**18 + old.growth * day // old.scale
    assert there.at_time(NOW + day).price_of(1) == 3000_00000000 * grown // 10**18


def test_a_raised_cap_lets_go() -> None:
    at = graph_market()
    there = with_cap(at, find_cap(at, "weETH"), 2 * 10**18)
    assert is_capped(there, 2) is False
    assert price(there, "weETH") == 3300_00000000


def test_a_shared_cap_moves_for_one_contract_only() -> None:
    """Two adapters with the same numbers share a quantity of the graph, and each has a cap of its own."""
    at = graph_market()
    quantities = list(at.graph.quantities)
    held = quantities[7]
    assert isinstance(held, Least)
    quantities[7] = replace(held, of=(5, 2))
    graph = PriceGraph(tuple(quantities), at.graph.feeds)
    shared = replace(at, graph=graph, prices=graph.prices(NOW))
    there = with_cap(shared, find_cap(shared, "wstETH"), 10**18)
    assert price(there, "wstETH") == 3000_00000000
    assert price(there, "weETH") == price(shared, "weETH") == 3300_00000000


def test_a_fixed_cap_keeps_its_label_and_source() -> None:
    at = graph_market()
    cap = find_cap(at, "USDC")
    there = with_cap(at, cap, 90000000)
    assert there.graph.quantities[cap.least] == Fixed(90000000, "cap", address(0xD003))
    assert price(there, "USDC") == 90000000


def doubly_capped(*own: int) -> AaveMarket:
    """PT-sUSDe under caps of its own, on top of that of USDT."""
    at = graph_market()
    caps = [Fixed(value, "cap", address(0xD006)) for value in own]
    first = len(at.graph.quantities)
    held = Least((19, *range(first, first + len(own))), "twice capped", address(0xD006))
    feeds = (*at.graph.feeds[:6], first + len(own), *at.graph.feeds[7:])
    graph = PriceGraph((*at.graph.quantities, *caps, held), feeds)
    return replace(at, graph=graph, prices=graph.prices(NOW))


def test_a_reserve_under_its_own_cap_and_another_means_its_own() -> None:
    at = doubly_capped(90000000)
    assert len(caps_of(at, 6)) == 2
    cap = find_cap(at, "PT-sUSDe")
    assert cap.value == 90000000
    assert with_cap(at, cap, 80000000).price_of(6) == 80000000
    assert find_cap(at, "USDT").value == 1_04000000


def test_one_cap_of_two_that_binds_is_enough() -> None:
    at = doubly_capped(90000000)
    assert [cap.binds for cap in caps_of(at, 6)] == [False, True]
    assert is_capped(at, 6) is True
    assert is_capped(doubly_capped(99000000), 6) is False


def test_of_two_caps_in_one_contract_the_lower_is_the_cap() -> None:
    at = doubly_capped(95000000, 90000000)
    cap = find_cap(at, "PT-sUSDe")
    assert cap.value == 90000000
    assert with_cap(at, cap, 99000000).price_of(6) == 95000000, "the other one binds now"
