"""Who agrees on a level, and what the exact ladder holds before, at and beyond it: by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.compare import Comparison, compare
from defiliq.cex.compare_tables import level_table
from defiliq.cex.consensus import Level, dollars_at, is_near, matched, ratio_band
from defiliq.model import Cluster, build_heat
from tests.cex.compare.estimates import estimate, middle
from tests.cex.compare.test_compare import heat
from tests.model.ladders import cluster, ladder


def levels(comparison: Comparison, name: str) -> list[Level]:
    return [level for level in comparison.levels if level.name == name]


def labels(comparison: Comparison) -> dict[tuple[str, int], tuple[str | None, tuple[str, ...]]]:
    return {
        (one.name, round(one.cluster.price_usd)): (one.agreement.label, one.agreement.agreeing)
        for one in comparison.levels
    }


def test_who_has_a_cluster_where_another_has_one() -> None:
    """All have 95; the chain and okx have 90; 85 is binance's alone; 95 as a short is another level."""
    found = compare(
        heat((95, 10), (90, 5)),
        [estimate([(95, 9), (85, 3)]), estimate([(95, 9), (90, 3), (105, 2)], "okx")],
    )
    assert labels(found) == {
        ("chain", 95): ("consensus", ("binance", "okx")),
        ("chain", 90): ("partial", ("okx",)),
        ("binance", 95): ("consensus", ("chain", "okx")),
        ("binance", 85): ("alone", ()),
        ("okx", 95): ("consensus", ("chain", "binance")),
        ("okx", 90): ("partial", ("chain",)),
        ("okx", 105): ("alone", ()),
        ("sum", 95): ("consensus", ("chain", "binance", "okx")),
        ("sum", 90): ("partial", ("chain", "okx")),
        ("sum", 85): ("partial", ("binance",)),
        ("sum", 105): ("partial", ("okx",)),
    }


def test_a_cluster_of_the_other_side_does_not_agree() -> None:
    """Binance's spot is below its shorts at 99.4, where okx has longs."""
    found = compare(
        None,
        [estimate([(99.4, 1)], spot=99.0, sides=["short"]), estimate([(99.4, 1)], "okx", spot=100.0)],
    )
    assert {one.agreement.label for one in found.levels if one.name != "sum"} == {"alone"}


def test_with_nobody_else_to_ask_there_is_no_label() -> None:
    alone = compare(None, [estimate([(95, 1)])])
    assert [one.agreement.label for one in alone.levels] == [None]
    assert level_table(alone)["consensus"].tolist() == [""]
    beside_nothing = compare(heat((95, 1)), [estimate([])])
    (level,) = beside_nothing.levels
    assert (level.agreement.label, level.agreement.asked) == (None, ())


def test_one_who_holds_nothing_is_not_asked() -> None:
    found = compare(heat((95, 1)), [estimate([(95, 1)]), estimate([], "okx")])
    assert {one.agreement.label for one in found.levels} == {"consensus"}
    assert levels(found, "chain")[0].agreement.asked == ("binance",)


def test_one_who_holds_only_the_other_side_is_asked() -> None:
    found = compare(heat((95, 1)), [estimate([(105, 1)])])
    assert [one.agreement.label for one in found.levels] == ["alone", "alone"]


def test_anyone_can_ask_about_any_price() -> None:
    found = compare(heat((95, 1)), [estimate([(95, 1)]), estimate([(90, 1)], "okx")])
    assert found.agreement("", 95.0, "long").agreeing == ("chain", "binance")
    assert found.agreement("chain", 95.0, "long").label == "partial"
    assert found.agreement("", 95.0, "short").label == "alone"


def test_what_the_chain_holds_around_a_level() -> None:
    """Of longs: 1 at 99, 2 at 96; 4 + 8 within half a percent of 95; 16 at 94.4 and 32 at 90 beyond.

    The venue's level stands in the middle of its bucket, a hair off 95.
    """
    ladders = heat((99, 1), (96, 2), (95.3, 4), (94.8, 8), (94.4, 16), (90, 32), (104, 64))
    found = compare(ladders, [estimate([(95, (5, 6, 24))])])
    (level,) = levels(found, "binance")
    assert abs(level.cluster.price_usd / 95 - 1) < 0.00125
    there = level.on_chain
    assert there is not None
    assert (there.before_usd, there.before_accounts) == (3, 2)
    assert (there.at_usd, there.at_accounts) == (12, 2)
    assert there.next is not None
    assert there.next.price_usd == 94.4
    assert level.estimated_usd == (5, 6, 24)
    assert level.per_estimated == (0.5, 2, 12 / 5)
    row = level_table(found).set_index("name").loc["binance"]
    assert (row["chain_before_usd"], row["chain_at_usd"], row["chain_next_usd"]) == (3, 12, 94.4)
    assert (row["chain_before_accounts"], row["chain_at_accounts"]) == (2, 2)
    assert (row["chain_per_estimated_low"], row["chain_per_estimated"]) == (0.5, 2)
    assert row["chain_per_estimated_high"] == 12 / 5


def test_of_shorts_the_way_goes_up() -> None:
    ladders = heat((101, 1), (105.2, 4), (110, 16), (104, 2), (99, 64))
    (level,) = levels(compare(ladders, [estimate([(105, 6)])]), "binance")
    there = level.on_chain
    assert there is not None
    assert (there.before_usd, there.at_usd) == (3, 4)
    assert there.next is not None
    assert there.next.price_usd == 110


def test_beyond_the_last_cluster_there_is_none() -> None:
    (level,) = levels(compare(heat((99, 1)), [estimate([(95, 6)])]), "binance")
    there = level.on_chain
    assert there is not None
    assert (there.before_usd, there.at_usd, there.at_accounts, there.next) == (1, 0, 0, None)
    assert level.per_estimated == (0, 0, 0)


def test_at_a_level_of_the_chain_the_venues_are_summed() -> None:
    found = compare(heat((95, 6)), [estimate([(95, (1, 2, 3))]), estimate([(95.2, (0, 1, 3))], "okx")])
    (level,) = levels(found, "chain")
    assert level.estimated_usd == (1, 3, 6)
    assert level.per_estimated == (1, 2, 6)


def test_dollars_per_nothing_are_infinite_and_nothing_per_nothing_is_no_number() -> None:
    (level,) = levels(compare(heat((95, 6)), [estimate([(80, 1)])]), "chain")
    assert level.per_estimated == (math.inf,) * 3
    assert ratio_band((6, 6, 6), (0, 2, 3)) == (2, 3, math.inf)
    assert all(math.isnan(value) for value in ratio_band((0, 0, 0), (0, 0, 0)))
    (without,) = levels(compare(heat((95, 6)), []), "chain")
    assert all(math.isnan(value) for value in (*without.estimated_usd, *without.per_estimated))


def test_only_the_largest_are_listed_but_all_are_asked() -> None:
    """The third cluster of okx is not among its two largest, and still agrees."""
    venues = [estimate([(80, 9), (90, 1)]), estimate([(95, 3), (85, 2), (80, 1)], "okx")]
    found = compare(None, venues, k=2)
    assert [(one.name, one.rank) for one in found.levels] == [
        (name, rank) for name in ("binance", "okx", "sum") for rank in (1, 2)
    ]
    assert levels(found, "binance")[0].agreement.agreeing == ("okx",)


def test_exactly_within_tolerance_is_near() -> None:
    assert is_near(100.0, 100.5, 0.5)
    assert is_near(100.5, 100.0, 0.5)
    assert not is_near(100.0, math.nextafter(100.5, 101), 0.5)
    assert is_near(7.0, 7.0, 0.0)


def test_dollars_a_hair_beyond_tolerance_are_not_at_the_level() -> None:
    """100.5 is half a percent above 100; 100.502 is more, and less than half a percent of itself."""
    chain = compare(heat((100.5, 1), (100.502, 2), spot=99.0), []).parties[0]
    assert dollars_at(chain, 100.0, "short", 0.5) == (0, 0, 0)
    apart = compare(build_heat([ladder([(100.5, 1), (100.502, 2)], 99.0)], "ETH/USD", step_pct=0.001), [])
    assert dollars_at(apart.parties[0], 100.0, "short", 0.5) == (1, 1, 1)


def test_levels_match_once() -> None:
    """Both of a are near 100.2, which has room for one of them."""
    ours, theirs = [cluster(99.9, 1), cluster(99.8, 2)], [cluster(99.85, 4)]
    assert len(matched(ours, theirs, 0.5)) == 1


def test_a_chain_of_near_levels_matches_as_often_as_it_can() -> None:
    """The nearest pair (90.4, 90.5) would leave 90.0 and 90.9 alone; two pairs are possible."""
    ours, theirs = [cluster(90.4, 1), cluster(90.9, 1)], [cluster(90.0, 1), cluster(90.5, 1)]
    pairs = matched(ours, theirs, 0.5)
    assert [(a.price_usd, b.price_usd) for a, b in pairs] == [(90.4, 90.0), (90.9, 90.5)]


places = st.lists(st.integers(900, 930), max_size=5, unique=True).map(
    lambda found: [cluster(price / 10, 1) for price in found]
)


def most_pairs(ours: list[Cluster], theirs: list[Cluster], tolerance_pct: float) -> int:
    """By trying everything."""
    if not ours:
        return 0
    first, rest = ours[0], ours[1:]
    found = most_pairs(rest, theirs, tolerance_pct)
    for k, other in enumerate(theirs):
        if is_near(first.price_usd, other.price_usd, tolerance_pct):
            found = max(found, 1 + most_pairs(rest, theirs[:k] + theirs[k + 1 :], tolerance_pct))
    return found


@given(places, places, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_no_pairing_has_more(ours: list[Cluster], theirs: list[Cluster], tolerance_pct: float) -> None:
    found = matched(ours, theirs, tolerance_pct)
    assert len(found) == most_pairs(ours, theirs, tolerance_pct)
    assert len(matched(theirs, ours, tolerance_pct)) == len(found)
    assert len({id(a) for a, _ in found}) == len({id(b) for _, b in found}) == len(found)
    assert all(is_near(a.price_usd, b.price_usd, tolerance_pct) for a, b in found)


def test_a_wide_cluster_agrees_wherever_it_is_heavy() -> None:
    """Okx has its longs from 94 to 96, most of them at 96; binance its own at 94, where okx's end."""
    wide = [(94 + k / 8, 10.0 + k) for k in range(17)]
    found = compare(None, [estimate([(94, 5)]), estimate(wide, "okx")])
    assert len(levels(found, "okx")) == 1
    assert labels(found)["binance", 94] == ("consensus", ("okx",))
    assert labels(found)["okx", 96] == ("alone", ())
    assert found.pair("binance", "okx", "long").jaccard == 0


def test_wide_tolerance_agrees_on_more() -> None:
    parts = heat((95, 1)), [estimate([(94, 1)])]
    assert {one.agreement.label for one in compare(*parts).levels} == {"alone"}
    assert {one.agreement.label for one in compare(*parts, tolerance_pct=2).levels} == {"consensus"}
    assert abs(middle(94) / 94 - 1) < 0.002
    assert compare(*parts).pair("chain", "binance", "long").distance == pytest.approx(
        math.log(95 / middle(94)), rel=1e-12
    )
