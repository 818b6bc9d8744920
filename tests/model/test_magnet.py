"""Magnets, vacuums, gaps and asymmetry: known answers, each edge of the rules."""

from __future__ import annotations

import math
from itertools import permutations

import pytest

from defiliq.errors import InputError
from defiliq.model import (
    Cluster,
    Heat,
    asymmetry,
    build_heat,
    cascade_risk,
    find_clusters,
    find_magnet,
    find_vacuums,
    strongest,
)
from tests.model.ladders import NOW, cluster, ladder


def heat_of(*levels: tuple[float, float], spot: float = 100.0) -> Heat:
    return build_heat([ladder(levels, spot)], "ETH/USD")


EMPTY = heat_of((50.0, 1.0))


@pytest.mark.parametrize(
    ("above", "below", "label"),
    [
        (20.0, 10.0, "balanced"),  # exactly twice
        (math.nextafter(20.0, 21.0), 10.0, "upward_magnet"),
        (10.0, 20.0, "balanced"),
        (10.0, math.nextafter(20.0, 21.0), "downward_magnet"),
        (10.0, 10.0, "balanced"),
    ],
)
def test_a_magnet_is_more_than_twice_the_other(above: float, below: float, label: str) -> None:
    found = find_magnet(EMPTY, [cluster(110.0, above), cluster(90.0, below)])
    assert found.label == label


def test_the_nearest_clusters_are_compared_not_the_largest() -> None:
    near_above, near_below = cluster(101.0, 10.0), cluster(98.0, 21.0)
    every = [near_above, near_below, cluster(150.0, 1e9), cluster(60.0, 1e6)]
    for order in permutations(every):
        found = find_magnet(EMPTY, order)
        assert (found.label, found.nearest_above, found.nearest_below) == (
            *("downward_magnet", near_above, near_below),
        )


@pytest.mark.parametrize("clusters", [[], [cluster(110.0, 1.0)], [cluster(90.0, 1.0), cluster(80.0, 5.0)]])
def test_one_side_alone_has_no_label(clusters: list[Cluster]) -> None:
    assert find_magnet(EMPTY, clusters).label is None


def test_a_cluster_at_spot_is_on_neither_side() -> None:
    found = find_magnet(EMPTY, [cluster(100.0, 9.0), cluster(110.0, 1.0)])
    assert (found.label, found.nearest_below) == (None, None)
    assert found.nearest_above is not None
    assert found.nearest_above.price_usd == 110.0


def test_of_equally_near_clusters_the_larger_counts() -> None:
    every = [
        cluster(110.0, 9.0),
        cluster(110.0, 1.0, "long"),
        cluster(90.0, 2.0),
        cluster(90.0, 8.0, "short"),
    ]
    for order in permutations(every):
        found = find_magnet(EMPTY, order)
        assert (found.nearest_above, found.nearest_below) == (every[0], every[3])


def test_what_stands_at_the_shared_spot_does_not_pull() -> None:
    newest = ladder([(80.0, 1.0)], spot=90.0, block_timestamp=NOW + 1, market="New")
    there = [ladder([(90.0, 5.0)], spot=spot, chain_id=10, market=f"{spot}") for spot in (100.0, 85.0)]
    found = find_magnet(build_heat([newest, *there], "ETH/USD"), (), h=1.0)
    assert found.pull_up == 0.0
    assert found.pull_down == pytest.approx(80 / 90)


def test_the_pull_falls_off_with_the_logarithm_of_distance() -> None:
    """At spot * e^0.05 a dollar weighs 1/e for h = 0.05, and so it does at spot / e^0.05."""
    up, down = 100 * math.exp(0.05), 100 * math.exp(-0.10)
    found = find_magnet(heat_of((up, 10.0), (down, 30.0)), ())
    assert found.pull_up == pytest.approx(10 / math.e)
    assert found.pull_down == pytest.approx(30 / math.e**2)
    assert found.imbalance == pytest.approx((10 * math.e - 30) / (10 * math.e + 30))
    wider = find_magnet(heat_of((up, 10.0), (down, 30.0)), (), h=0.10)
    assert wider.pull_up == pytest.approx(10 / math.sqrt(math.e))
    assert wider.h == 0.10


def test_pulls_from_one_side_and_from_none() -> None:
    assert find_magnet(heat_of((90.0, 1.0)), ()).imbalance == -1.0
    assert find_magnet(heat_of((110.0, 1.0)), ()).imbalance == 1.0
    nothing = find_magnet(heat_of((90.0, 0.0)), ())
    assert (nothing.pull_up, nothing.pull_down) == (0.0, 0.0)
    assert math.isnan(nothing.imbalance)


def test_untold_sizes_and_those_that_broke_already_do_not_pull() -> None:
    table = ladder([(90.0, 5.0), (99.0, 5.0)], changes=[{"seized_usd": math.nan}, {"outcome": "already"}])
    assert find_magnet(build_heat([table], "ETH/USD"), ()).pull_down == 0.0


@pytest.mark.parametrize("h", [0.0, -1.0, math.nan, math.inf])
def test_a_pull_needs_a_distance(h: float) -> None:
    with pytest.raises(InputError, match="fall off"):
        find_magnet(EMPTY, (), h)


def test_an_empty_stretch_between_clusters_is_a_vacuum() -> None:
    heat = heat_of((95.0, 10.0), (90.0, 10.0), (110.0, 20.0))
    lower, upper = find_vacuums(heat, find_clusters(heat))
    assert (lower.below.price_usd, lower.above.price_usd, lower.holds_spot) == (90.0, 95.0, False)
    assert (upper.below.price_usd, upper.above.price_usd, upper.holds_spot) == (95.0, 110.0, True)
    assert upper.low_usd == upper.below.high_usd
    assert upper.high_usd == upper.above.low_usd
    assert upper.width_pct == pytest.approx(upper.high_usd - upper.low_usd)
    assert upper.inside_usd == 0.0


@pytest.mark.parametrize(("inside", "count"), [(2.5, 1), (math.nextafter(2.5, 3.0), 0)])
def test_a_vacuum_holds_at_most_a_quarter_of_its_smaller_flank(inside: float, count: int) -> None:
    heat = heat_of((95.0, 10.0), (85.0, 40.0), (90.0, inside))
    flanks = find_clusters(heat, min_share_pct=10.0)
    assert len(flanks) == 2
    found = find_vacuums(heat, flanks)
    assert [vacuum.inside_usd for vacuum in found] == [inside] * count


def test_a_stretch_of_one_percent_is_wide_enough() -> None:
    heat = heat_of((95.0, 10.0), (93.0, 10.0))
    (found,) = find_vacuums(heat, find_clusters(heat))
    assert 1.0 < found.width_pct < 2.0


def test_a_light_bucket_beside_a_cluster_lies_in_the_vacuum() -> None:
    """All of it: the buckets that touch the flanks too."""
    ratio = 1.0025
    levels = [(100 / ratio ** (k + 0.5), size) for k, size in ((0, 100.0), (1, 0.5), (8, 0.25), (9, 200.0))]
    heat = heat_of(*levels)
    (found,) = find_vacuums(heat, find_clusters(heat))
    assert found.inside_usd == 0.75


@pytest.mark.parametrize("price", [99.9, 100.1])
def test_a_vacuum_that_begins_at_spot_holds_it(price: float) -> None:
    heat = heat_of((price, 10.0), (200.0 - price + (10 if price < 100 else -10), 10.0))
    (found,) = find_vacuums(heat, find_clusters(heat))
    assert found.holds_spot
    assert heat.spot_usd in (found.low_usd, found.high_usd)


def test_a_stretch_of_exactly_the_least_width_counts() -> None:
    flanks = [
        cluster(90.5, 1.0, low_usd=90.0, high_usd=91.0),
        cluster(92.5, 1.0, low_usd=92.0, high_usd=93.0),
    ]
    assert len(find_vacuums(EMPTY, flanks)) == 1
    assert find_vacuums(EMPTY, flanks, min_width_pct=math.nextafter(1.0, 2.0)) == ()


def test_narrow_stretches_and_touching_clusters_are_no_vacuum() -> None:
    heat = heat_of((95.0, 10.0), (94.0, 10.0))
    assert find_vacuums(heat, find_clusters(heat)) == ()
    assert len(find_vacuums(heat, find_clusters(heat), min_width_pct=0.5)) == 1
    touching = [
        cluster(90.0, 1.0, low_usd=89.0, high_usd=91.0),
        cluster(92.0, 1.0, low_usd=91.0, high_usd=93.0),
    ]
    assert find_vacuums(heat, touching, min_width_pct=0.0) == ()


def test_a_cluster_that_reaches_over_others_is_the_neighbour() -> None:
    """Markets of other spots: shorts from 90 on within longs that reach up to 97."""
    wide = cluster(95.0, 9.0, "long", low_usd=85.0, high_usd=97.0)
    inner = cluster(90.5, 9.0, "short", low_usd=90.0, high_usd=91.0)
    far = cluster(99.5, 9.0, "short", low_usd=99.0, high_usd=100.0)
    for order in permutations((wide, inner, far)):
        (found,) = find_vacuums(EMPTY, order)
        assert (found.low_usd, found.high_usd) == (97.0, 99.0)
        assert (found.below, found.above) == (wide, far)


def test_vacuums_do_not_hang_on_the_order_of_clusters() -> None:
    heat = heat_of((95.0, 10.0), (90.0, 10.0), (110.0, 20.0))
    found = find_clusters(heat)
    assert all(find_vacuums(heat, order) == find_vacuums(heat, found) for order in permutations(found))


@pytest.mark.parametrize(
    ("prices", "label", "gap"),
    [
        ((98.0, 96.0), "moderate", 2.0),  # exactly 2% is not high
        ((98.0, 96.5), "high", 1.5),
        ((95.0, 90.0), "low", 5.0),  # exactly 5% is not moderate
        ((95.0, 90.5), "moderate", 4.5),
        ((99.0, 90.0, 60.0), "low", 9.0),
        ((99.0, 80.0, 79.0), "high", 1.0),
    ],
)
def test_cascade_risk_by_the_smallest_gap(prices: tuple[float, ...], label: str, gap: float) -> None:
    for order in permutations(prices):
        risk = cascade_risk(100.0, [cluster(price, 1.0) for price in order], "down")
        assert (risk.label, risk.clusters, risk.smallest_gap_pct) == (label, len(prices), gap)
    mirrored = cascade_risk(100.0, [cluster(200.0 - price, 1.0) for price in prices], "up")
    assert (mirrored.label, mirrored.smallest_gap_pct) == (label, gap)


def test_fewer_than_two_clusters_are_a_low_risk() -> None:
    for clusters in ([], [cluster(98.0, 1.0)]):
        risk = cascade_risk(100.0, clusters, "down")
        assert (risk.label, risk.clusters, risk.smallest_gap_pct) == ("low", len(clusters), None)
        assert (risk.stacked, risk.stacked_within_pct) == (0, None)


def test_only_the_direction_s_own_side_counts() -> None:
    """Shorts below spot and longs above it are of no direction; so is what stands at spot."""
    strays = [cluster(98.0, 1.0, "short"), cluster(97.0, 1.0, "short"), cluster(100.0, 1.0, "long")]
    strays += [cluster(102.0, 1.0, "long"), cluster(103.0, 1.0, "long"), cluster(100.0, 1.0, "short")]
    assert cascade_risk(100.0, [*strays, cluster(99.0, 1.0)], "down").clusters == 1
    assert cascade_risk(100.0, [*strays, cluster(101.0, 1.0)], "up").clusters == 1


def test_the_stack_is_those_less_than_five_percent_from_a_neighbour() -> None:
    risk = cascade_risk(100.0, [cluster(price, 1.0) for price in (96.0, 90.0, 86.0, 85.0, 70.0)], "down")
    assert [c.price_usd for c in risk.stack] == [90.0, 86.0, 85.0]
    assert (risk.stacked, risk.stacked_within_pct) == (3, 15.0)


@pytest.mark.parametrize(
    ("prices", "stack"),
    [
        ((99.0, 97.0, 80.0, 79.0, 75.0), [80.0, 79.0, 75.0]),  # around the smallest gap
        ((99.0, 98.0, 80.0, 79.0), [99.0, 98.0]),  # of equal ones around the nearest to spot
        ((99.0, 94.0, 93.0, 88.0), [94.0, 93.0]),  # exactly 5% is not close
        ((99.0, 95.0, 94.0, 90.0), [99.0, 95.0, 94.0, 90.0]),
        ((99.0, 98.0, 95.0, 80.0, 78.0), [99.0, 98.0, 95.0]),  # nothing beyond the first wide gap
        ((95.0, 90.0), []),  # nor is it where there is no closer one
    ],
)
def test_of_several_stacks_the_closest_counts(prices: tuple[float, ...], stack: list[float]) -> None:
    risk = cascade_risk(100.0, [cluster(price, 1.0) for price in prices], "down")
    assert [c.price_usd for c in risk.stack] == stack
    mirrored = cascade_risk(100.0, [cluster(200.0 - price, 1.0) for price in prices], "up")
    assert [200.0 - c.price_usd for c in mirrored.stack] == stack


def test_of_clusters_at_one_price_the_larger_begins_the_stack() -> None:
    larger, smaller = cluster(98.0, 9.0), cluster(98.0, 1.0)
    for order in permutations((larger, smaller, cluster(97.5, 1.0))):
        assert cascade_risk(100.0, order, "down").stack[0] == larger


@pytest.mark.parametrize(
    ("above", "below", "found"),
    [
        ([20.0], [10.0], "balanced"),
        ([20.1], [10.0], "upside_stronger"),
        ([10.0], [20.0], "balanced"),
        ([10.0], [20.1], "downside_stronger"),
        ([10.0], [], "upside_stronger"),
        ([], [10.0], "downside_stronger"),
        ([], [], None),
        ([1.0, 30.0], [10.0, 2.0], "upside_stronger"),
    ],
)
def test_asymmetry_compares_the_strongest(above: list[float], below: list[float], found: str | None) -> None:
    clusters = [cluster(110.0 + k, size) for k, size in enumerate(above)]
    clusters += [cluster(90.0 - k, size) for k, size in enumerate(below)]
    assert asymmetry(100.0, clusters) == found
    up, down = strongest(100.0, clusters)
    assert (up.magnitude_usd if up else None) == max(above, default=None)
    assert (down.magnitude_usd if down else None) == max(below, default=None)


def test_of_equally_strong_clusters_the_nearer_is_named() -> None:
    near = [cluster(110.0, 1.0), cluster(90.0, 1.0)]
    for order in permutations([*near, cluster(120.0, 1.0), cluster(80.0, 1.0), cluster(100.0, 5.0)]):
        assert [*strongest(100.0, order)] == near, "what stands at spot is on neither side"
