"""Clusters on known numbers: what is heavy, what joins, where a run is divided, what is significant."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.errors import InputError
from defiliq.model import Cluster, Heat, build_heat, cascade_risk, find_clusters
from defiliq.types import Side
from tests.model.ladders import SEED_LEVELS, SEED_SPOT, cluster, ladder, seed_ladder


def below(*sizes: float, step_pct: float = 1.0) -> Heat:
    """Longs in neighbouring buckets of 1%, the first the nearest to spot; a size of 0 leaves a gap."""
    ratio = 1 + step_pct / 100
    levels = [(100 / ratio ** (k + 0.5), size) for k, size in enumerate(sizes) if size]
    return build_heat([ladder(levels)], "ETH/USD", step_pct=step_pct)


def sizes(heat: Heat, **options: Any) -> list[float]:
    """The clusters' magnitudes from spot outwards."""
    found = sorted(find_clusters(heat, **options), key=lambda c: abs(c.distance_pct))
    return [c.magnitude_usd for c in found]


def test_the_published_example_by_default() -> None:
    """56,800 and 56,750 share a bucket; the next one is a dip, and 56,490 leads the rest."""
    heat = build_heat([seed_ladder()], "BTC/USD")
    strongest, other = find_clusters(heat)
    assert strongest.price_usd == 56_490.0
    assert strongest.magnitude_usd == pytest.approx(96.17e6, rel=1e-15)
    assert strongest.accounts == 4
    assert strongest.type == "long"
    assert strongest.distance_pct == pytest.approx(-100 * 510 / 57_000)
    assert strongest.share_pct == pytest.approx(100 * 96.17 / 153.7)
    assert other.price_usd == pytest.approx((56_800 * 16 + 56_750 * 22.31) / 38.31)
    assert other.magnitude_usd == pytest.approx(57.53e6, rel=1e-15)
    assert (other.accounts, other.low_usd) == (3, strongest.high_usd)
    assert cascade_risk(SEED_SPOT, (strongest, other), "down").label == "high"


def test_the_published_example_in_fine_buckets() -> None:
    found = find_clusters(build_heat([seed_ladder()], "BTC/USD", step_pct=0.02))
    assert sorted((c.price_usd, c.magnitude_usd) for c in found) == sorted(SEED_LEVELS)
    assert (found[0].price_usd, found[0].magnitude_usd) == (56_490.0, 34.04e6)
    risk = cascade_risk(SEED_SPOT, found, "down")
    assert (risk.label, risk.clusters, risk.stacked) == ("high", 7, 7)
    assert risk.smallest_gap_pct == 50 / 57_000 * 100
    assert risk.stacked_within_pct == pytest.approx(100 * 900 / 57_000)


def test_buckets_that_touch_join_and_gaps_divide() -> None:
    assert sizes(below(5.0, 6.0, 0, 7.0)) == [11.0, 7.0]


def test_a_light_bucket_divides_as_a_gap_does() -> None:
    """Two of 220 are less than 1%; three of 303 are not."""
    assert sizes(below(100.0, 2.0, 118.0), min_share_pct=1.0) == [100.0, 118.0]
    assert sizes(below(97.0, 1.0, 2.0), valley=0.0) == [100.0], "exactly 1% is heavy"
    assert sizes(below(97.0, math.nextafter(1.0, 0), 2.0), valley=0.0) == [97.0, 2.0], "and less is not"


@pytest.mark.parametrize(
    ("run", "parts"),
    [
        ((30.0, 20.0, 30.0), [80.0]),  # exactly two thirds is no dip
        ((30.0, 19.0, 31.0), [30.0, 50.0]),  # the dip goes to the larger neighbour
        ((31.0, 19.0, 30.0), [50.0, 30.0]),
        ((30.0, 19.0, 30.0), [49.0, 30.0]),  # of equal ones to the nearer
        ((30.0, 25.0, 20.0, 10.0), [85.0]),  # a slope has no dip
        ((30.0, 10.0, 10.0, 30.0), [40.0, 40.0]),
        ((30.0, 10.0, 5.0, 10.0, 30.0), [45.0, 40.0]),
        ((90.0, 40.0, 58.0, 40.0, 90.0), [130.0, 188.0]),  # far peaks count, not neighbours alone
        ((90.0, 10.0, 60.0, 10.0, 90.0), [100.0, 60.0, 100.0]),
        ((50.0, 60.0, 35.0, 90.0), [110.0, 125.0]),  # the highest on each side counts
        ((90.0, 35.0, 60.0, 50.0), [125.0, 110.0]),
        ((5.0, 1.0, 4.0, 2.0, 9.0), [6.0, 4.0, 11.0]),  # and a part may have a dip of its own
        ((9.0, 2.0, 4.0, 1.0, 5.0), [11.0, 4.0, 6.0]),
        ((50.0, 30.0, 30.0, 20.0, 50.0), [110.0, 70.0]),  # the deepest dip first
        ((10.0,), [10.0]),
        ((10.0, 1.0), [11.0]),
    ],
)
def test_a_run_is_divided_at_its_dips(run: tuple[float, ...], parts: list[float]) -> None:
    assert sizes(below(*run)) == parts


def test_above_spot_the_nearer_neighbour_of_a_dip_is_the_lower_one() -> None:
    levels = [(100 * 1.01 ** (k + 0.5), size) for k, size in enumerate((30.0, 19.0, 30.0))]
    found = find_clusters(build_heat([ladder(levels)], "ETH/USD", step_pct=1))
    assert [(c.type, c.magnitude_usd) for c in found] == [("short", 49.0), ("short", 30.0)]
    assert found[0].price_usd < found[1].price_usd


def test_without_valleys_a_run_is_one() -> None:
    assert sizes(below(30.0, 1.0, 30.0), valley=0.0) == [61.0]


def test_sides_are_weighed_apart_and_never_join() -> None:
    levels = [(99.9, 1000.0), (100.1, 1.0)]
    one, other = find_clusters(build_heat([ladder(levels)], "ETH/USD"))
    assert (one.type, one.long_liq_usd, one.short_liq_usd, one.share_pct) == ("long", 1000.0, 0.0, 100.0)
    assert (other.type, other.long_liq_usd, other.short_liq_usd, other.share_pct) == (
        "short",
        0.0,
        1.0,
        100.0,
    )
    assert (one.near_usd, other.near_usd) == (100.0, 100.0)


def test_only_what_lies_within_the_window_counts() -> None:
    heat = build_heat([ladder([(90.0, 1.0), (49.0, 1000.0), (151.0, 1000.0)])], "ETH/USD")
    (found,) = find_clusters(heat)
    assert (found.price_usd, found.share_pct) == (90.0, 100.0)
    assert len(find_clusters(heat, within_pct=60.0)) == 2, "the nearer long is 0.1% of its side now"
    assert len(find_clusters(build_heat([ladder([(50.0, 1.0), (150.0, 1.0)])], "ETH/USD"))) == 2
    beyond = [(math.nextafter(50.0, 0), 1.0), (math.nextafter(150.0, 200), 1.0)]
    assert find_clusters(build_heat([ladder(beyond)], "ETH/USD")) == ()
    assert len(find_clusters(heat, within_pct=10.0)) == 1
    assert find_clusters(heat, within_pct=0.5) == ()


def test_the_price_is_that_of_the_heaviest_bucket() -> None:
    (found,) = find_clusters(below(30.0, 31.0, 29.0))
    assert found.price_usd == pytest.approx(100 / 1.01**1.5)
    (equal,) = find_clusters(below(30.0, 30.0))
    assert equal.price_usd == pytest.approx(100 / 1.01**0.5), "of equal ones the nearest to spot"


def test_of_equal_clusters_the_nearer_comes_first() -> None:
    found = find_clusters(below(10.0, 0, 0, 10.0))
    assert abs(found[0].distance_pct) < abs(found[1].distance_pct)


def test_a_cluster_must_move_the_price_where_depth_is_known() -> None:
    asked: list[tuple[float, float, Side]] = []

    def moved(price_usd: float, usd: float, side: Side) -> float:
        asked.append((price_usd, usd, side))
        return -usd / 100

    heat = build_heat([ladder([(90.0, 10.0), (80.0, 9.99), (110.0, 20.0)])], "ETH/USD")
    found = find_clusters(heat, impact=moved, min_impact_pct=0.1)
    assert [(c.price_usd, c.impact_pct) for c in found] == [(110.0, 0.2), (90.0, 0.1)], (
        "exactly 0.1% is enough"
    )
    edges = {side: price for price, usd, side in asked if usd in (10.0, 20.0)}
    assert edges["long"] == heat.buckets["price_high_usd"].iloc[1]
    assert edges["short"] == heat.buckets["price_low_usd"].iloc[2]
    assert all(math.isnan(c.impact_pct) for c in find_clusters(heat))
    assert len(find_clusters(heat, impact=lambda *_: 0.1)) == 3, "a tenth of a percent by default"
    assert find_clusters(heat, impact=lambda *_: 0.09) == ()
    assert len(find_clusters(heat, impact=lambda *_: 0.0, min_impact_pct=0.0)) == 3


@pytest.mark.parametrize(("moves", "stays"), [(math.nan, True), (-math.inf, True), (0.0, False)])
def test_depth_that_runs_dry_or_says_nothing_dismisses_no_cluster(moves: float, stays: bool) -> None:
    heat = build_heat([ladder([(90.0, 10.0)])], "ETH/USD")
    assert bool(find_clusters(heat, impact=lambda *_: moves)) == stays


@pytest.mark.parametrize(
    "levels", [[], [(90.0, 0.0)], [(49.0, 5.0)]], ids=["empty", "of no size", "out of the window"]
)
def test_nothing_makes_no_cluster(levels: list[tuple[float, float]]) -> None:
    assert find_clusters(build_heat([ladder(levels)], "ETH/USD"), min_share_pct=0.0) == ()


def test_untold_sizes_make_no_cluster() -> None:
    table = ladder([(90.0, 5.0), (80.0, 5.0)], changes=[{"seized_usd": math.nan}])
    assert [c.price_usd for c in find_clusters(build_heat([table], "ETH/USD"))] == [80.0]


def test_one_account_is_a_cluster() -> None:
    (found,) = find_clusters(build_heat([ladder([(90.0, 5.0)])], "ETH/USD"))
    assert (found.accounts, found.magnitude_usd, found.share_pct) == (1, 5.0, 100.0)
    assert found.low_usd < 90.0 < found.high_usd


def test_a_tie_of_both_sides_counts_as_short() -> None:
    """As the rule has it: long only if more longs than shorts."""
    assert cluster(90.0, 0.0, long_liq_usd=5.0, short_liq_usd=5.0).type == "short"
    assert cluster(90.0, 0.0, long_liq_usd=5.0, short_liq_usd=4.0).type == "long"
    assert cluster(90.0, 0.0, long_liq_usd=5.0, short_liq_usd=4.0).magnitude_usd == 9.0


@pytest.mark.parametrize(
    "options",
    [
        {"within_pct": 0.0},
        {"within_pct": math.nan},
        {"min_share_pct": -1.0},
        {"min_share_pct": 101.0},
        {"valley": 1.1},
        {"valley": -0.1},
        {"min_impact_pct": -1.0},
    ],
)
def test_senseless_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="clusters need"):
        find_clusters(below(1.0), **options)  # type: ignore[arg-type]


def key(found: Cluster) -> tuple[float, float, float, int]:
    return found.price_usd, found.low_usd, found.high_usd, found.accounts


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(40.0, 160.0), st.integers(0, 10**9)), max_size=25),
    st.integers(-30, 30),
    st.sampled_from([0.25, 2.0]),
)
def test_clusters_hold_heavy_buckets_whole_and_scale_with_them(
    levels: list[tuple[float, int]], power: int, step: float
) -> None:
    factor = 2.0**power
    heat = build_heat([ladder([(p, float(s)) for p, s in levels])], "ETH/USD", step_pct=step)
    scaled = build_heat([ladder([(p, s * factor) for p, s in levels])], "ETH/USD", step_pct=step)
    found, larger = find_clusters(heat), find_clusters(scaled)
    assert [key(c) for c in found] == [key(c) for c in larger]
    assert [c.magnitude_usd * factor for c in found] == [c.magnitude_usd for c in larger]
    assert [c.share_pct for c in found] == pytest.approx([c.share_pct for c in larger])
    for side in ("long", "short"):
        near = heat.buckets[(heat.buckets["side"] == side) & (heat.buckets["distance_pct"].abs() <= 50)]
        heavy = near[(near["size_usd"] > 0) & (100 * near["size_usd"] >= math.fsum(near["size_usd"]))]
        ours = [c for c in found if c.type == side]
        assert math.fsum(c.magnitude_usd for c in ours) == pytest.approx(math.fsum(heavy["size_usd"]))
        spans = sorted((c.low_usd, c.high_usd) for c in ours)
        assert all(one[1] <= other[0] for one, other in pairwise(spans))
