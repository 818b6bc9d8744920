"""The dependency graph: acyclic, and what it says of drivers is what moving them does."""

from __future__ import annotations

from dataclasses import replace

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.oracle.dag import (
    TIME,
    Node,
    dependency_graph,
    driver_name,
    inputs_of,
    limits,
    moved_by,
    price_tree,
    prices,
)
from defiliq.oracle.drivers import drivers
from defiliq.oracle.scale import decimals_of, power_of_ten
from defiliq.pricing.branch import Branch
from defiliq.pricing.graph import Fixed, Fraction, Growing, Input, Least, PriceGraph
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Feed
from tests.builders import NOW, address, graph_market, market, plain_market, plain_reserve
from tests.pricing.test_driver import graphs

SYMBOLS = [reserve.symbol for reserve in graph_market().reserves]


def market_of(graph: PriceGraph) -> AaveMarket:
    """A market with one reserve per feed of a graph."""
    reserves = [plain_reserve(k, f"R{k}", 18) for k in range(len(graph.feeds))]
    return plain_market(reserves, graph.prices(NOW), graph=graph)


def moved(at: AaveMarket, node: Node) -> list[str]:
    dag = dependency_graph(at)
    return [dag.nodes[price]["label"] for price in moved_by(dag, node)]


def positions(found: list[Node]) -> set[int]:
    assert all(price.layer == "reserve" for price in found)
    return {int(price.key) for price in found}


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_no_price_hangs_on_itself(graph: PriceGraph) -> None:
    dag = dependency_graph(market_of(graph))
    assert networkx.is_directed_acyclic_graph(dag)
    assert {dag.nodes[node]["kind"] for node in dag} >= {
        "driver",
        "aggregator",
        "growing",
        "discount",
        "feed",
    }


@settings(max_examples=80, deadline=None)
@given(graphs(), st.integers(1, 300))
def test_only_descendants_of_a_driver_move(graph: PriceGraph, at: int) -> None:
    here = market_of(graph)
    dag = dependency_graph(here)
    for driver in drivers(here):
        there = here.at_inputs(driver.moved_inputs(at))
        changed = {k for k in range(len(here.reserves)) if here.price_of(k) != there.price_of(k)}
        assert changed <= positions(moved_by(dag, Node("driver", driver.name)))
        assert positions(moved_by(dag, Node("driver", driver.name))) == driver.feeds


@settings(max_examples=80, deadline=None)
@given(graphs(), st.integers(1, 10**6))
def test_only_descendants_of_time_move_by_time(graph: PriceGraph, later: int) -> None:
    here = market_of(graph)
    there = here.prices_at(NOW + later)
    changed = {k for k in range(len(here.reserves)) if here.price_of(k) != there[k]}
    assert changed <= positions(moved_by(dependency_graph(here), TIME))


def evaluated(branch: Branch) -> int:
    """The value of a branch from its parts alone: by the quantity where it is a leaf, else by roles."""
    parts = [(part.role, evaluated(part)) for part in branch.parts]
    if isinstance(branch.quantity, Least):
        return min(value for _, value in parts)
    if not isinstance(branch.quantity, Fraction):
        return branch.quantity.value_at([], NOW)
    over, under = branch.quantity.numerator, branch.quantity.denominator
    for role, value in parts:
        over, under = (over * value, under) if role == "factor" else (over, under * value)
    return over // under if under else 0


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_a_price_taken_apart_gives_the_price(graph: PriceGraph) -> None:
    here = market_of(graph)
    dag = dependency_graph(here)
    for k in range(len(here.reserves)):
        tree = price_tree(dag, Node("reserve", k))
        assert tree.value == evaluated(tree) == here.price_of(k)


def test_a_driver_moves_its_reserves() -> None:
    at = graph_market()
    assert moved(at, Node("driver", "ETH/USD")) == ["WETH", "wstETH", "weETH"]
    assert moved(at, Node("driver", "wstETH/ETH ratio")) == ["wstETH"]
    assert moved(at, Node("driver", "USDT/USD")) == ["USDT", "PT-sUSDe"]
    assert moved(at, TIME) == ["wstETH", "weETH", "PT-sUSDe"]
    assert moved(at, Node("feed", 3)) == ["USDC"]


def test_a_reserve_hangs_on_its_inputs() -> None:
    dag = dependency_graph(graph_market())
    named = {
        symbol: [driver_name(dag, at) for at in inputs_of(dag, Node("reserve", k))]
        for k, symbol in enumerate(SYMBOLS)
    }
    assert named == {
        "WETH": ["ETH/USD"],
        "wstETH": ["ETH/USD", "wstETH/ETH ratio"],
        "weETH": ["ETH/USD", "weETH/ETH ratio"],
        "USDC": ["USDC/USD"],
        "WBTC": ["BTC/USD", "WBTC/BTC"],
        "USDT": ["USDT/USD"],
        "PT-sUSDe": ["USDT/USD"],
        "GHO": [],
        "LDO": ["LDO/USD"],
    }


def test_nodes_say_what_they_are() -> None:
    at = graph_market()
    dag = dependency_graph(at)
    ether = dag.nodes[Node("quantity", 0)]
    assert (ether["kind"], ether["label"], ether["value"]) == ("aggregator", "ETH/USD", 3000_00000000)
    assert (ether["decimals"], ether["source"]) == (8, address(0xD000))
    kinds = [dag.nodes[Node("quantity", k)]["kind"] for k in (2, 3, 4, 18, 20, 21)]
    assert kinds == ["growing", "least", "fraction", "discount", "fixed", "unresolved"]
    assert dag.nodes[Node("reserve", 1)]["value"] == dag.nodes[Node("feed", 1)]["value"] == at.prices[1]
    assert dag.edges[Node("quantity", 2), Node("quantity", 3)]["roles"] == ("cap",)


def test_two_sources_of_one_pair_are_one_driver() -> None:
    quantities = tuple(
        Input(name, "aggregator", address(k), 5, 8) for k, name in enumerate(("A/USD", "a/usd"))
    )
    at = market_of(PriceGraph(quantities, (0, 1)))
    dag = dependency_graph(at)
    assert [driver_name(dag, k) for k in (0, 1)] == ["A/USD", "A/USD"]
    assert moved_by(dag, Node("driver", "A/USD")) == prices(dag)


def test_an_input_at_nothing_still_has_a_name() -> None:
    """No driver moves it in proportion, yet its reserve hangs on it."""
    inputs = (Input("A/USD", "aggregator", address(1), 0, 8), Fixed(7), Least((0, 1)))
    at = plain_market([plain_reserve(0, "R0", 18)], [1], graph=PriceGraph(inputs, (2,)))
    assert driver_name(dependency_graph(at), 0) == "A/USD"


def test_feeds_that_nothing_resolves_are_inputs() -> None:
    dag = dependency_graph(market())
    assert [driver_name(dag, *inputs_of(dag, Node("reserve", k))) for k in range(2)] == [
        "WETH/USD",
        "wstETH/USD",
    ]
    tree = price_tree(dag, Node("reserve", 0))
    assert isinstance(tree.quantity, Input)
    assert (tree.quantity.kind, tree.quantity.source) == ("unresolved", address(0xD000))
    assert moved_by(dag, Node("driver", "WETH/USD")) == [Node("reserve", 0)]


def test_a_feed_that_prices_no_reserve_is_a_price_too() -> None:
    """An eMode of an early revision has a source of its own."""
    at = with_emode_feed()
    dag = dependency_graph(at)
    assert prices(dag)[-1] == Node("feed", 9)
    assert moved_by(dag, Node("driver", "ETH/USD"))[-1] == Node("feed", 9)
    assert price_tree(dag, Node("feed", 9)).value == at.prices[0]


def with_emode_feed() -> AaveMarket:
    plain = graph_market()
    graph = replace(plain.graph, feeds=(*plain.graph.feeds, 0))
    feeds = (*plain.feeds, Feed("eMode 1", address(0xD0FF)))
    return replace(plain, graph=graph, feeds=feeds, prices=(*plain.prices, plain.prices[0]))


def caps(at: AaveMarket, position: int, reserve: int) -> list[tuple[int, int]]:
    dag = dependency_graph(at)
    return [(limited.value, cap.value) for limited, cap in limits(dag, position, Node("reserve", reserve))]


def test_a_cap_limits_the_ratio_and_not_the_base() -> None:
    at = graph_market()
    values = at.graph.values(NOW)
    assert caps(at, 1, 1) == [(values[1], values[2])]
    assert caps(at, 0, 1) == []
    assert caps(at, 15, 6) == [(1_00050000, 1_04000000)]


def test_a_cap_that_follows_a_market_limits_the_other_side_only() -> None:
    """EURPriceCapAdapterStable: the asset is capped by a ratio of EUR/USD."""
    quantities = (
        Input("EURC/USD", "aggregator", address(1), 1_20000000, 8),
        Input("EUR/USD", "aggregator", address(2), 1_10000000, 8),
        Fraction((1,), (), 104, 100, "price cap"),
        Least((0, 2), "Capped EURC / USD"),
    )
    at = market_of(PriceGraph(quantities, (3,)))
    assert caps(at, 0, 0) == [(1_20000000, 1_14400000)]
    assert caps(at, 1, 0) == []


def test_a_capped_ratio_is_no_cap_of_a_capped_price() -> None:
    quantities = (
        Input("R ratio", "ratio", address(1), 130, 8),
        Fixed(120, "cap"),
        Least((0, 1), "ratio, at most the cap"),
        Fixed(110, "price cap"),
        Least((2, 3), "Capped R"),
    )
    assert caps(market_of(PriceGraph(quantities, (4,))), 0, 0) == [(130, 120), (120, 110)]


@pytest.mark.parametrize(
    ("number", "power"), [(1, 0), (10, 1), (10**18, 18), (11, None), (101, None), (0, None)]
)
def test_powers_of_ten(number: int, power: int | None) -> None:
    assert power_of_ten(number) == power


def test_decimals_follow_the_arithmetic() -> None:
    graph = graph_market().graph
    assert decimals_of(graph, [8] * len(graph.feeds)) == [
        8,
        18,
        18,
        18,
        8,
        18,
        18,
        18,
        8,
        8,
        8,
        8,
        8,
        8,
        8,
        8,
        8,
        8,
        18,
        8,
        8,
        8,
    ]
    rate = Input("A/B ratio", "ratio", address(1), 5, 18)
    odd = PriceGraph(
        (rate, Fraction((0,), (), 1, 24), Fraction((0, 0), (), 1, 10**18), Growing(1, 0, 1, 1)), ()
    )
    assert decimals_of(odd, [8]) == [18, None, 18, None]
    assert decimals_of(replace(odd, feeds=(0, 1)), [8, 8])[:2] == [18, 8]
