"""How much alike two parties are: distance, overlap, dollars and curves, by hand and by law."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings

from defiliq.cex.compare import compare
from defiliq.cex.compare_tables import pair_table
from defiliq.types import Side
from tests.cex.compare.estimates import STEP_PCT, estimate, middle
from tests.cex.compare.test_compare import books, heat


def test_every_two_parties_in_order() -> None:
    found = compare(heat((95, 1)), [estimate([(95, 1)]), estimate([(90, 1)], "okx")])
    two = [("chain", "binance"), ("chain", "okx"), ("chain", "sum"), ("binance", "okx")]
    two += [("binance", "sum"), ("okx", "sum")]
    assert [(one.a, one.b, one.side) for one in found.pairs] == [
        (a, b, side) for a, b in two for side in ("long", "short", "both")
    ]
    with pytest.raises(KeyError):
        found.pair("sum", "chain", "both")


def test_the_same_ladder_is_nowhere_else() -> None:
    levels = [(middle(price), size) for price, size in ((95, 3.0), (90, 5.0), (106, 2.0))]
    pair = compare(heat(*levels), [estimate(levels)]).pair("chain", "binance", "both")
    assert pair.distance == pytest.approx(0, abs=1e-12)
    assert pair.moved_pct == pytest.approx(0, abs=1e-10)
    assert (pair.jaccard, pair.difference_usd) == (1, 0)
    assert pair.a_per_b == (1, 1, 1)
    assert (pair.matched_a_usd, pair.matched_b_usd) == (10, 10)
    assert pair.widest_gap_usd == 0
    assert math.isnan(pair.widest_gap_at_usd)


def test_by_hand() -> None:
    """Chain: 30 at 90 and 10 at 80. The venue: 20 (10 to 40) at 90 and 20 at 80 of bucket middles."""
    high, low = middle(90), middle(80)
    found = compare(heat((high, 30), (low, 10)), [estimate([(90, (10, 20, 40)), (80, 20)])])
    pair = found.pair("chain", "binance", "long")
    assert pair.a_usd == (40, 40, 40)
    assert pair.b_usd == (30, 40, 60)
    assert pair.difference_usd == 0
    assert pair.a_per_b == (40 / 60, 1, 40 / 30)
    way = math.log(high / low)
    assert pair.distance == pytest.approx(way / 4, rel=1e-12)
    assert pair.moved_pct == pytest.approx(100 * math.expm1(way / 4), rel=1e-12)
    assert pair.spread == pytest.approx(way / 4, rel=1e-12)
    assert pair.moved_per_spread == pytest.approx(1, rel=1e-12)
    assert pair.widest_gap_usd == -10
    assert high / 1.0025 < pair.widest_gap_at_usd <= high
    assert (len(pair.top_a), len(pair.top_b), len(pair.matches), pair.jaccard) == (2, 2, 2, 1)


def test_disjoint_ladders_share_no_cluster() -> None:
    pair = compare(heat((95, 1), (90, 1)), [estimate([(80, 1), (70, 1)])]).pair("chain", "binance", "long")
    assert (pair.jaccard, pair.matched_a_usd, pair.matched_b_usd) == (0, 0, 0)
    moved = (math.log(95 / middle(80)) + math.log(90 / middle(70))) / 2
    assert pair.distance == pytest.approx(moved, rel=1e-12)
    assert pair.widest_gap_usd == -2


def test_a_third_of_the_clusters_match() -> None:
    """Two of a and two of b, one of each near: 1 of 3. They hold 5 of 7, and 4 of 13."""
    found = compare(heat((95, 5), (85, 2)), [estimate([(95, 4), (80, 9)])])
    pair = found.pair("chain", "binance", "both")
    assert pair.jaccard == pytest.approx(1 / 3)
    assert (pair.matched_a_usd, pair.matched_b_usd) == (5, 4)


def test_of_one_side_those_of_the_largest_that_are_of_it() -> None:
    found = compare(heat((95, 5), (85, 4), (105, 3)), [estimate([(105, 9)])], k=2)
    assert len(found.pair("chain", "binance", "both").top_a) == 2
    assert found.pair("chain", "binance", "short").top_a == ()
    assert found.pair("chain", "binance", "short").jaccard == 0
    assert math.isnan(compare(heat((95, 5)), [estimate([(95, 9)])]).pair("chain", "binance", "short").jaccard)


def test_all_of_it_on_one_side() -> None:
    """A side that one of the two does not have is at no distance; over both sides all has to cross spot."""
    found = compare(heat((95, 5)), [estimate([(105, 5)])])
    assert math.isnan(found.pair("chain", "binance", "long").distance)
    assert math.isnan(found.pair("chain", "binance", "short").moved_per_spread)
    both = found.pair("chain", "binance", "both")
    assert both.distance == pytest.approx(math.log(middle(105) / 95), rel=1e-12)
    assert both.spread == 0
    assert both.moved_per_spread == math.inf
    assert found.pair("chain", "binance", "long").a_per_b == (math.inf,) * 3
    assert found.pair("chain", "binance", "short").a_per_b == (0, 0, 0)


def test_over_both_sides_the_wider_gap_is_told() -> None:
    found = compare(heat((95, 5), (105, 1)), [estimate([(95, 4), (105, 9)])])
    assert found.pair("chain", "binance", "both").widest_gap_usd == 8
    assert found.pair("chain", "binance", "long").widest_gap_usd == -1


def test_a_gap_is_told_at_the_edge_where_the_price_leaves_the_bucket() -> None:
    """Shorts at 105 are met rising: their bucket's high edge. Longs at 95 are met falling: the low one."""
    found = compare(heat((95, 5), (105, 5)), [estimate([(90, 1), (110, 1)])])
    sides: tuple[tuple[Side, float], ...] = (("short", 105), ("long", 95))
    for side, price in sides:
        at = found.pair("chain", "binance", side).widest_gap_at_usd
        near, far = sorted((price, at), key=lambda one: abs(one - 100))
        assert (near, far) == (price, at)
        assert abs(far / near - 1) < 0.0025


def test_more_dollars_of_the_same_shape_are_no_further() -> None:
    once, twice = [(90, 3.0), (80, 1.0)], [(90, 6.0), (80, 2.0)]
    pair = compare(None, [estimate(once), estimate(twice, "okx")]).pair("binance", "okx", "long")
    assert pair.distance == 0
    assert (pair.difference_usd, pair.a_per_b[1]) == (4, 0.5)
    assert pair.widest_gap_usd == 4


def test_moved_by_whole_buckets() -> None:
    """Four buckets up are 1.0025**4 - 1 percent."""
    ratio = 1 + STEP_PCT / 100
    levels = [(middle(90), 3.0), (middle(80), 1.0)]
    moved = [(price * ratio**4, size) for price, size in levels]
    pair = compare(None, [estimate(levels), estimate(moved, "okx")]).pair("binance", "okx", "both")
    assert pair.moved_pct == pytest.approx(100 * (ratio**4 - 1), rel=1e-10)


@settings(max_examples=15)
@given(books, books, books)
def test_pairs_obey_the_triangle(one: Any, way: Any, other: Any) -> None:
    found = compare(None, [estimate(one, "a"), estimate(way, "b"), estimate(other, "c")])
    for side in ("long", "short", "both"):
        ab, bc, ac = (found.pair(*names, side).distance for names in (("a", "b"), ("b", "c"), ("a", "c")))
        if not any(map(math.isnan, (ab, bc, ac))):
            assert ac <= ab + bc + 1e-12
    for pair in found.pairs:
        low, mid, high = pair.a_per_b
        assert not low > mid * (1 + 1e-12)  # nothing per nothing is no number, and in no order
        assert not mid > high * (1 + 1e-12)
        assert math.isnan(pair.jaccard) or 0 <= pair.jaccard <= 1
        assert pair.matched_a_usd <= sum(c.magnitude_usd for c in pair.top_a) * (1 + 1e-12)


def test_the_table_says_the_same() -> None:
    found = compare(heat((95, 5), (85, 2)), [estimate([(95, (2, 4, 8)), (80, 9)])])
    row = pair_table(found).iloc[2]
    pair = found.pair("chain", "binance", "both")
    assert (row["a"], row["b"], row["side"]) == ("chain", "binance", "both")
    assert (row["a_mid_usd"], row["b_low_usd"], row["b_high_usd"]) == (7, 11, 17)
    assert (row["a_per_b_low"], row["a_per_b"], row["a_per_b_high"]) == pair.a_per_b
    assert (row["moved_pct"], row["moved_per_spread"]) == (pair.moved_pct, pair.moved_per_spread)
    assert (row["top_a"], row["top_b"], row["matched"]) == (2, 2, 1)
    assert row["jaccard"] == pair.jaccard


def test_one_price_beside_nothing_is_no_distance() -> None:
    """The chain's shorts stand at one price, so their spread is 0; the venue has none at all."""
    found = compare(heat((95, 1), (105, 1)), [estimate([(90, 1)])])
    pair = found.pair("chain", "binance", "short")
    assert pair.spread == 0
    assert math.isnan(pair.distance)
    assert math.isnan(pair.moved_per_spread)
