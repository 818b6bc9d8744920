"""Contagion on prices that are known by heart: which cluster reaches which, and by what."""

from __future__ import annotations

import math
from itertools import pairwise, permutations
from random import Random

import networkx as nx
import pytest

from defiliq.errors import InputError
from defiliq.model import (
    Flow,
    Heat,
    Place,
    PriceAfter,
    build_contagion,
    build_heat,
    cluster_flows,
    critical_clusters,
    find_clusters,
    strongest_paths,
)
from defiliq.types import Side
from tests.model.ladders import ladder

ETH, BTC = "ETH/USD", "BTC/USD"


def straight(usd_per_pct: float) -> PriceAfter:
    """A price that moves by 1% of where the trade begins for so many dollars."""

    def after(price_usd: float, usd: float, side: Side) -> float:
        return price_usd * (1 + (-1 if side == "long" else 1) * usd / usd_per_pct / 100)

    return after


def dry(_price_usd: float, _usd: float, _side: Side) -> float:
    return math.nan


def heat_of(*levels: tuple[float, float], driver: str = ETH) -> Heat:
    return build_heat([ladder(levels, driver=driver)], driver)


def graph_of(heat: Heat, after: PriceAfter):  # type: ignore[no-untyped-def]
    return build_contagion([heat], {heat.driver: find_clusters(heat)}, {heat.driver: after})


def edges(graph) -> dict[tuple[float, float], float]:  # type: ignore[no-untyped-def]
    return {(a.price_usd, b.price_usd): data["volume_usd"] for a, b, data in graph.edges(data=True)}


STACK = ((95.0, 20.0), (90.0, 100.0), (85.0, 30.0))
"""Three longs; a dollar moves the price by 0.1%, so 20 from 95 reach 93.1, 100 from 90 go far below 85."""


def test_a_cluster_reaches_those_that_its_sale_takes_the_price_to() -> None:
    graph = graph_of(heat_of(*STACK), straight(10.0))
    assert edges(graph) == {(90.0, 85.0): 30.0}
    deeper = graph_of(heat_of(*STACK), straight(3.0))
    assert edges(deeper) == {(95.0, 90.0): 100.0, (90.0, 85.0): 30.0}


def test_shorts_push_up_in_the_same_way_and_never_reach_the_other_side() -> None:
    mirrored = heat_of((105.0, 20.0), (110.0, 100.0), (115.0, 30.0), (95.0, 1000.0))
    assert edges(graph_of(mirrored, straight(10.0))) == {(110.0, 115.0): 30.0}


def test_a_cluster_is_reached_in_part() -> None:
    """85 is three buckets that touch; from the first edge at 90.25, 57 dollars lead to 85.1."""
    heat = heat_of((90.0, 57.0), (85.3, 5.0), (85.15, 4.0), (84.9, 3.0))
    clusters = find_clusters(heat, valley=0.0)
    assert sorted(c.magnitude_usd for c in clusters) == [12.0, 57.0]
    graph = build_contagion([heat], {ETH: clusters}, {ETH: straight(10.0)})
    (data,) = [data for _, _, data in graph.edges(data=True)]
    assert (data["volume_usd"], data["share"], data["runs_dry"]) == (9.0, 0.75, False)


@pytest.mark.parametrize(("levels", "end"), [(STACK, 90.0), (((105.0, 1.0), (110.0, 5.0)), 110.0)])
def test_a_price_that_is_just_reached_counts(levels: tuple[tuple[float, float], ...], end: float) -> None:
    graph = graph_of(heat_of(*levels), lambda *_: end)
    assert (levels[0][0], end) in edges(graph)
    short_of = graph_of(heat_of(*levels), lambda *_: math.nextafter(end, 100.0))
    assert (levels[0][0], end) not in edges(short_of)


def test_where_depth_runs_dry_all_further_out_is_reached() -> None:
    graph = graph_of(heat_of(*STACK), dry)
    assert set(edges(graph)) == {(95.0, 90.0), (95.0, 85.0), (90.0, 85.0)}
    assert all(data["runs_dry"] for *_, data in graph.edges(data=True))


def test_without_depth_nothing_is_reached() -> None:
    heat = heat_of(*STACK)
    graph = build_contagion([heat], {ETH: find_clusters(heat)}, {})
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (3, 0)


def test_nodes_say_what_the_clusters_are() -> None:
    heat = heat_of(*STACK)
    clusters = find_clusters(heat)
    graph = build_contagion([heat], {ETH: clusters}, {})
    for found in clusters:
        about = graph.nodes[Place(ETH, "long", found.price_usd)]
        assert about["size_usd"] == found.magnitude_usd
        assert (about["low_usd"], about["high_usd"]) == (found.low_usd, found.high_usd)
        assert (about["accounts"], about["elsewhere_usd"]) == (1, 0.0)


def test_the_graph_does_not_hang_on_the_order_of_clusters() -> None:
    heat = heat_of(*STACK)
    found = find_clusters(heat)
    graphs = [build_contagion([heat], {ETH: order}, {ETH: dry}) for order in permutations(found)]
    told = [(list(graph.nodes(data=True)), list(graph.edges(data=True))) for graph in graphs]
    assert all(each == told[0] for each in told)


def test_one_heat_per_driver() -> None:
    heat = heat_of(*STACK)
    with pytest.raises(InputError, match="BTC/USD"):
        build_contagion([heat], {BTC: ()}, {})
    with pytest.raises(InputError, match="twice"):
        build_contagion([heat, heat], {ETH: ()}, {})


def test_other_drivers_are_hit_through_what_is_sold_of_them() -> None:
    """Shorts of bitcoin are backed by ether: 50 dollars of it from spot take it to 95, where longs break."""
    ether, bitcoin = heat_of((96.0, 7.0), (94.0, 9.0)), heat_of((110.0, 40.0), driver=BTC)
    (short,) = find_clusters(bitcoin)
    place = Place(BTC, "short", 110.0)
    flows = {place: (Flow(ETH, "long", 50.0), Flow(BTC, "short", 40.0), Flow("", "short", 3.0))}
    graph = build_contagion(
        [ether, bitcoin],
        {ETH: find_clusters(ether), BTC: [short]},
        {ETH: straight(10.0), BTC: straight(10.0)},
        flows,
    )
    assert [(a, b, data["volume_usd"]) for a, b, data in graph.edges(data=True)] == [
        (place, Place(ETH, "long", 96.0), 7.0)
    ]
    assert graph.nodes[place]["elsewhere_usd"] == 3.0


def test_what_a_cluster_trades_is_told_by_its_rungs() -> None:
    table = ladder(
        [
            *((96.0, 10.0), (96.01, 4.0), (96.02, 5.0), (96.03, 6.0), (96.04, 7.0), (110.0, 20.0)),
            *((96.05, 1.0), (96.06, 1.0)),
        ],
        changes=[
            {"seize_asset": "wstETH", "repay_asset": "WBTC", "repaid_usd": 9.0},
            {"repaid_usd": 3.0},
            {"seize_asset": "WETH+wstETH", "repaid_usd": 5.0, "repay_asset": "WETH"},
            {"seize_asset": "WETH+LINK"},
            {"notional_usd": 70.0},
            {"seized_usd": 22.0, "seize_asset": "WBTC", "repay_asset": "WETH"},
            {"outcome": "already"},
            {"seized_usd": math.nan, "repaid_usd": 8.0},  # of unknown size, and so of no cluster
        ],
    )
    heat = build_heat([table], ETH, step_pct=1.0)
    clusters = find_clusters(heat)
    drivers = {"WETH": [ETH], "wstETH": [ETH], "WBTC": [BTC]}
    flows = cluster_flows([table], heat, clusters, drivers)
    long = next(c for c in clusters if c.type == "long")
    assert flows[Place(ETH, "long", long.price_usd)] == (
        Flow(BTC, "short", 9.0),
        Flow(ETH, "long", 10.0 + 4.0 + 5.0 - 5.0 + 70.0),
        Flow("", "long", 6.0),
        Flow("", "short", 3.0),
    )
    assert flows[Place(ETH, "short", 110.0)] == (Flow(BTC, "long", 22.0), Flow(ETH, "short", 20.0))
    assert cluster_flows([ladder([])], heat, clusters, drivers) == {}
    later = ladder([(96.0, 1.0)], market="Prime", block_hash="0xbb")
    with pytest.raises(InputError, match="different blocks"):
        cluster_flows([table, later], heat, clusters, drivers)
    both = cluster_flows([table, later], heat, clusters, drivers, mixed_blocks=True)
    assert Flow(ETH, "long", 85.0) in both[Place(ETH, "long", long.price_usd)]


def test_flows_hold_all_that_the_clusters_hold() -> None:
    """Where all that is seized hangs on the driver and all that is repaid on none."""
    heat = build_heat([table := ladder([(90.0 + k / 7, 1.0 + k) for k in range(40)])], ETH)
    clusters = find_clusters(heat)
    flows = cluster_flows([table], heat, clusters, {"WETH": [ETH]})
    assert len(clusters) > 2
    for found in clusters:
        assert flows[Place(ETH, "long", found.price_usd)] == (Flow(ETH, "long", found.magnitude_usd),)


def test_paths_are_as_strong_as_their_smallest_volume() -> None:
    paths = strongest_paths(graph_of(heat_of(*STACK), straight(3.0)))
    assert [([place.price_usd for place in path.places], path.volume_usd) for path in paths] == [
        ([95.0, 90.0], 100.0),
        ([95.0, 90.0, 85.0], 30.0),
    ], "90 to 85 is a part of the latter, and as strong"
    assert len(strongest_paths(graph_of(heat_of(*STACK), straight(3.0)), count=1)) == 1
    assert strongest_paths(graph_of(heat_of(*STACK), straight(1e9))) == ()


def test_of_equally_strong_paths_the_shortest_is_told() -> None:
    paths = strongest_paths(graph_of(heat_of((95.0, 1.0), (90.0, 50.0), (85.0, 30.0)), dry))
    assert [([place.price_usd for place in path.places], path.volume_usd) for path in paths] == [
        ([95.0, 90.0], 50.0),
        ([90.0, 85.0], 30.0),
        ([95.0, 85.0], 30.0),
    ]


def test_the_critical_cluster_reaches_most() -> None:
    found = critical_clusters(graph_of(heat_of(*STACK), straight(3.0)))
    assert [(each.place.price_usd, each.size_usd, each.downstream_usd, each.reached) for each in found] == [
        (95.0, 20.0, 130.0, 2),
        (90.0, 100.0, 30.0, 1),
        (85.0, 30.0, 0.0, 0),
    ]
    assert critical_clusters(graph_of(heat_of(), dry)) == ()
    alone = critical_clusters(graph_of(heat_of(*STACK), straight(1e9)))
    assert [each.size_usd for each in alone] == [100.0, 30.0, 20.0], (
        "of equally critical ones the largest first"
    )


def test_what_several_push_into_one_cluster_counts_once() -> None:
    found = critical_clusters(graph_of(heat_of(*STACK), dry))
    assert found[0].downstream_usd == 130.0


def test_circles_between_drivers_end() -> None:
    ether, bitcoin = heat_of((96.0, 50.0)), heat_of((97.0, 40.0), driver=BTC)
    one, other = Place(ETH, "long", 96.0), Place(BTC, "long", 97.0)
    graph = build_contagion(
        [ether, bitcoin],
        {ETH: find_clusters(ether), BTC: find_clusters(bitcoin)},
        {ETH: dry, BTC: dry},
        {one: (Flow(BTC, "long", 1.0),), other: (Flow(ETH, "long", 1.0),)},
    )
    assert set(graph.edges) == {(one, other), (other, one)}
    assert [each.downstream_usd for each in critical_clusters(graph)] == [40.0, 50.0][::-1]
    assert [(path.places, path.volume_usd) for path in strongest_paths(graph)] == [
        ((other, one), 50.0),
        ((one, other), 40.0),
    ]


@pytest.mark.parametrize("sign", [-1, 1])
def test_clusters_that_touch_reach_each_other(sign: int) -> None:
    """A dip divides a run of buckets; all sizes are below a dollar."""
    levels = [(100 * 1.0025 ** (sign * (k + 0.5)), size) for k, size in enumerate((0.5, 0.1, 0.4))]
    heat = heat_of(*levels)
    one, other = find_clusters(heat)
    assert {one.low_usd, one.high_usd} & {other.low_usd, other.high_usd}
    assert list(edges(graph_of(heat, dry)).values()) == [0.4]


def test_of_several_pushes_into_one_cluster_the_largest_counts() -> None:
    """The first reaches a part of the last, and the second, which it triggers, all of it."""

    def after(price_usd: float, _usd: float, _side: Side) -> float:
        return 85.2 if price_usd > 94 else 80.0

    heat = heat_of((95.0, 10.0), (90.0, 11.0), (85.3, 5.0), (85.15, 4.0), (84.9, 3.0))
    clusters = find_clusters(heat, valley=0.0)
    graph = build_contagion([heat], {ETH: clusters}, {ETH: after})
    assert sorted(edges(graph).values()) == [5.0, 11.0, 12.0]
    assert critical_clusters(graph)[0].downstream_usd == 11.0 + 12.0


def test_five_paths_are_told_unless_asked_for_more() -> None:
    graph = graph_of(heat_of((95.0, 9.0), (90.0, 8.0), (85.0, 7.0), (80.0, 6.0)), dry)
    assert len(strongest_paths(graph)) == 5
    assert len(strongest_paths(graph, count=9)) == 6


@pytest.mark.parametrize("seed", range(40))
def test_paths_are_the_strongest_and_then_the_shortest_of_all_that_there_are(seed: int) -> None:
    """Volumes of 1 to 4, so that many are equally strong: the strongest way to a cluster may begin weakly."""
    random = Random(seed)
    places = [Place(ETH, "long", float(k)) for k in range(random.randint(2, 6))]
    graph: nx.DiGraph[Place] = nx.DiGraph()
    graph.add_nodes_from(places)
    pushed = [pair for pair in permutations(places, 2) if random.random() < 0.5]
    graph.add_edges_from((one, other, {"volume_usd": float(random.randint(1, 4))}) for one, other in pushed)
    best = []
    for one, other in permutations(places, 2):
        ways = [
            (-min(graph[a][b]["volume_usd"] for a, b in pairwise(way)), len(way), tuple(way))
            for way in nx.all_simple_paths(graph, one, other)
        ]
        best += [min(ways)] if ways else []
    expected: list[tuple[float, tuple[Place, ...]]] = []
    for volume, length, way in sorted(best, key=lambda each: (each[0], -each[1], each[2])):
        equals = [other for strength, other in expected if strength == -volume]
        if not any(way == other[k : k + length] for other in equals for k in range(len(other))):
            expected.append((-volume, way))
    found = strongest_paths(graph, count=len(best))
    assert [(path.volume_usd, path.places) for path in found] == expected
