"""One axis: whose dollars lie where, in which order, and what is refused or told as a fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.cex.compare import Comparison, compare
from defiliq.cex.compare_tables import (
    AXIS_COLUMNS,
    LEVEL_COLUMNS,
    PAIR_COLUMNS,
    axis_table,
    level_table,
    pair_table,
)
from defiliq.cex.levels import Estimate
from defiliq.errors import InputError
from defiliq.ladder import IDENTITY
from defiliq.model import Heat, build_heat
from tests.cex.compare.estimates import estimate, middle
from tests.model.ladders import NOW, ladder


def heat(*levels: tuple[float, float], spot: float = 100.0, **options: Any) -> Heat:
    """The exact ladder's."""
    return build_heat([ladder(levels, spot, **options)], "ETH/USD")


def names(comparison: Comparison) -> list[str]:
    return [party.name for party in comparison.parties]


def test_dollars_of_everybody_on_one_axis() -> None:
    """Chain 10 at 95 and 5 at 105; binance 20 (10 to 40) at 95, okx 6 at 90; shorts 8 at 105 on okx."""
    found = compare(
        heat((95, 10), (105, 5)),
        [estimate([(90, 6), (105, 8)], "okx"), estimate([(95, (10, 20, 40))])],
    )
    assert names(found) == ["chain", "binance", "okx", "sum"]
    totals = {
        party.name: (found.band(party, "long").sum(axis=1).tolist(), found.band(party, "short")[1].sum())
        for party in found.parties
    }
    assert totals == {
        "chain": ([10, 10, 10], 5),
        "binance": ([10, 20, 40], 0),
        "okx": ([6, 6, 6], 8),
        "sum": ([16, 26, 46], 8),
    }
    assert found.faults == ()
    assert (found.asset, found.axis.driver, found.axis.spot_usd) == ("ETH", "ETH/USD", 100)


def test_curves_are_counted_from_spot_outwards() -> None:
    found = compare(heat((99, 1), (95, 10), (101, 2), (110, 7)), [])
    (chain,) = found.parties
    longs, shorts = found.cumulative(chain, "long")[1], found.cumulative(chain, "short")[1]
    edges = found.edges_usd
    assert longs[np.searchsorted(edges, 95) - 1] == 11
    assert longs[np.searchsorted(edges, 97) - 1] == 1
    assert longs[edges[:-1] >= 100].tolist() == [0] * int((edges[:-1] >= 100).sum())
    assert shorts[np.searchsorted(edges, 105) - 1] == 2
    assert shorts[-1] == 9
    assert len(edges) == len(longs) + 1


def test_the_buckets_of_the_ladder_are_the_axis_own() -> None:
    """With the same width, no exact dollar changes its bucket."""
    ladders = heat((95, 10), (95.01, 3), (88.8, 4), (103, 9), (151, 5))
    found = compare(ladders, [estimate([(97, 5)])])
    assert found.chain is not None
    rows = axis_table(found)
    rows = rows[rows["name"] == "chain"]
    kept = ladders.buckets[ladders.buckets["distance_pct"].abs() <= 50].reset_index()
    assert rows["price_low_usd"].to_numpy() == pytest.approx(kept["price_low_usd"].to_numpy(), rel=1e-13)
    assert rows["mid_usd"].tolist() == kept["size_usd"].tolist()
    assert rows["accounts"].tolist() == kept["accounts"].tolist()
    assert rows["cumulative_mid_usd"].tolist() == kept["cumulative_usd"].tolist()


def test_an_estimates_dollars_stand_in_the_middle_of_their_bucket() -> None:
    found = compare(None, [estimate([(95, 10)])])
    (venue,) = found.parties
    assert venue.points.price_usd.tolist() == pytest.approx([middle(95)], rel=1e-14)
    assert found.estimated is venue


def test_of_the_bucket_that_holds_spot_each_side_has_its_part() -> None:
    low, high = middle(100) / math.sqrt(1.0025), middle(100) * math.sqrt(1.0025)
    assert low < 100 < high
    found = compare(None, [estimate([(100, 3), (100, 4)], sides=["long", "short"])])
    prices = found.parties[0].points.price_usd.tolist()
    assert prices == pytest.approx([math.sqrt(low * 100), math.sqrt(100 * high)], rel=1e-14)


def test_venues_alone_stand_around_the_median_of_their_spots() -> None:
    spots = {"okx": 100.0, "bybit": 100.4, "binance": 100.1}
    found = compare(None, [estimate([(90, 1)], venue, spot=spot) for venue, spot in spots.items()])
    assert found.axis.spot_usd == 100.1
    assert found.chain is None
    assert names(found) == ["binance", "bybit", "okx", "sum"]
    table = level_table(found)
    assert table["chain_at_usd"].isna().all()
    assert table["chain_at_accounts"].isna().all()
    assert set(table["chain_id"]) == {""}


def test_contracts_of_one_venue_are_told_apart() -> None:
    later = estimate([(90, 1)], symbol="ETH/USDT:USDT-261225")
    found = compare(None, [later, estimate([(90, 1)]), estimate([(90, 1)], "okx")])
    assert names(found) == ["binance ETH/USDT:USDT", "binance ETH/USDT:USDT-261225", "okx", "sum"]


def test_spots_too_far_apart_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"ETH stands at 100 on chain and at 102\.1 on okx, 2\.1% apart"):
        compare(heat((95, 1)), [estimate([(95, 1)]), estimate([(95, 1)], "okx", spot=102.1)])
    with pytest.raises(InputError, match=r"100 on okx and at 150 on binance.*--by distance"):
        compare(None, [estimate([(95, 1)], spot=150.0), estimate([(95, 1)], "okx")])


def test_spots_exactly_as_far_apart_as_allowed_share_an_axis() -> None:
    compare(heat((95, 1), spot=200.0), [estimate([(190, 1)], spot=204.0)])
    compare(heat((95, 1)), [estimate([(95, 1)], spot=110.0)], spots_apart_pct=11)


def test_by_distance_every_spot_is_the_axis_own() -> None:
    """10% below 2,000 on the venue is where 10% below 100 is on chain."""
    venue = estimate([(1_800, 5), (2_300, 7)], spot=2_000.0)
    found = compare(heat((90, 1), (115, 3)), [venue], by="distance")
    assert found.axis.spot_usd == 100
    party = found.venues[0]
    assert party.own_spot_usd == 2_000
    assert party.points.price_usd.tolist() == pytest.approx([middle(1_800) / 20, middle(2_300) / 20])
    assert set(axis_table(found)["by"]) == {"distance"}
    assert [level.agreement.label for level in found.levels] == ["consensus"] * 4


def test_by_distance_and_by_price_agree_on_one_spot() -> None:
    parts = heat((90, 1), (115, 3)), [estimate([(90, 5), (112, 7)])]
    by_price, by_distance = compare(*parts), compare(*parts, by="distance")
    assert pair_table(by_price).drop(columns="by").equals(pair_table(by_distance).drop(columns="by"))


def test_the_window_cuts_everybody() -> None:
    found = compare(heat((95, 1), (80, 2)), [estimate([(95, 4), (79, 8), (121, 16)])], within_pct=20)
    chain, venue = found.parties
    assert found.band(chain, "long")[1].sum() == 3
    assert found.band(venue, "long")[1].sum() == 4
    assert found.band(venue, "short")[1].sum() == 0


def test_times_far_apart_are_told() -> None:
    late = estimate([(95, 1)], "okx", at=NOW + 3 * 3600)
    (fault,) = compare(heat((95, 1)), [late]).faults
    assert fault == "chain is of 2025-11-24 16:00 UTC and okx of 2025-11-24 19:00 UTC, 3 hours later."
    assert compare(heat((95, 1)), [estimate([(95, 1)], at=NOW + 900)]).faults == ()
    assert "15 minutes later" in compare(heat((95, 1)), [estimate([(95, 1)], at=NOW + 901)]).faults[0]
    assert "40 days later" in compare(heat((95, 1)), [estimate([(95, 1)], at=NOW + 40 * 86_400)]).faults[0]


def test_what_parties_lack_is_told_in_their_name() -> None:
    partial = estimate([(95, 1)], faults=("a week of open interest is missing.",))
    untold = heat((95, 1), (94, math.nan))
    faults = compare(untold, [partial, estimate([], "okx")]).faults
    assert [fault.split(":")[0] for fault in faults] == ["chain", "binance", "okx"]
    assert "1 rungs" in faults[0]
    assert faults[1] == "binance: a week of open interest is missing."
    assert "no dollars" in faults[2]
    failed = build_heat([ladder([(95, 1)])], "ETH/USD", failed={("1", "aave-v3", "Core"): 7})
    assert "7 accounts could not be read" in compare(failed, [estimate([(95, 1)])]).faults[0]
    assert "no estimate" in compare(heat((95, 1)), []).faults[0]


def test_an_empty_ladder_leaves_the_venues_alone() -> None:
    found = compare(build_heat([], "ETH/USD"), [estimate([(95, 1)])])
    assert names(found) == ["binance"]
    assert "of no market" in found.faults[0]
    assert found.on_chain is None


def test_nobody_holds_anything() -> None:
    found = compare(heat((20, 1)), [estimate([]), estimate([(95, 0.0)], "okx")])
    assert len(found.faults) == 3
    assert found.levels == ()
    assert all(math.isnan(pair.distance) and math.isnan(pair.jaccard) for pair in found.pairs)
    assert axis_table(found).empty
    assert list(axis_table(found)) == list(AXIS_COLUMNS)
    assert len(found.edges_usd) == 3
    assert pair_table(found)["moved_pct"].isna().all()


@pytest.mark.parametrize(
    ("estimates", "options", "seen"),
    [
        ([], {}, "nothing to compare"),
        ([estimate([(95, 1)]), estimate([(95, 1)], "okx", asset="BTC")], {}, "different assets"),
        ([estimate([(95, 1)]), estimate([(95, 1)])], {}, "twice"),
        ([estimate([(95, math.nan)])], {}, "no number"),
        ([estimate([(95, -1.0)])], {}, "below 0"),
        ([estimate([(95, (1, 1, math.inf))])], {}, "without end"),
        ([replace(estimate([(95, 1)]), spot_usd=math.nan)], {}, "no spot price"),
        ([replace(estimate([(95, 1)]), spot_usd=0.0)], {}, "no spot price"),
        ([estimate([(95, 1)])], {"step_pct": 0}, "above 0%"),
        ([estimate([(95, 1)])], {"within_pct": math.nan}, "above 0%"),
        ([estimate([(95, 1)])], {"k": 0}, "at least one cluster"),
        ([estimate([(95, 1)])], {"tolerance_pct": -1}, "tolerances"),
        ([estimate([(95, 1)])], {"spots_apart_pct": math.nan}, "tolerances"),
        ([estimate([(95, 1)])], {"by": "time"}, "by price or by distance"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    estimates: Sequence[Estimate], options: dict[str, Any], seen: str
) -> None:
    with pytest.raises(InputError, match=seen):
        compare(None, estimates, **options)


def test_a_ladder_in_other_money_is_refused() -> None:
    with pytest.raises(InputError, match="counts in ETH"):
        compare(heat((95, 1), base_symbol="ETH"), [estimate([(95, 1)])])
    with pytest.raises(InputError, match="nothing to compare"):
        compare(build_heat([], "ETH/USD"), [])


def test_tables_have_their_columns_and_types() -> None:
    found = compare(heat((95, 10), (105, 5)), [estimate([(95, 4)]), estimate([(90, 4)], "okx")])
    tables = (
        (axis_table(found), AXIS_COLUMNS),
        (level_table(found), LEVEL_COLUMNS),
        (pair_table(found), PAIR_COLUMNS),
    )
    for table, columns in tables:
        assert list(table) == list(columns)
        assert tuple(columns[: len(IDENTITY)]) == IDENTITY
        assert len(table)
        assert set(table["chain_id"]) == {1}
        assert set(table["block_number"]) == {100}
        floats = [name for name in columns if name.endswith(("_usd", "_pct")) or "_per_" in name]
        assert {str(table[name].dtype) for name in floats} == {"float64"}
    axis = axis_table(found)
    assert axis["accounts"].notna().tolist() == (axis["name"] == "chain").tolist()
    assert axis["name"].drop_duplicates().tolist() == ["chain", "binance", "okx", "sum"]


def test_no_order_of_estimates_matters() -> None:
    given = [
        estimate([(95, (1, 2, 9)), (107, 3)]),
        estimate([(91, 0.1), (95.1, 0.2)], "okx", spot=100.3),
        estimate([(95.3, 0.3), (104, 7)], "bybit", spot=99.9),
    ]
    ladders = heat((94, 3))
    found = [compare(ladders, list(order)) for order in permutations(given)]
    for make in (axis_table, level_table, pair_table):
        first, *others = [make(comparison) for comparison in found]
        assert all(first.equals(other) for other in others)


amounts = st.floats(0, 1e9, allow_subnormal=False)
books = st.lists(st.tuples(st.floats(55, 149), st.tuples(amounts, amounts, amounts)), max_size=15).map(
    lambda levels: [(price, tuple(sorted(band))) for price, band in levels]
)


@settings(max_examples=20)
@given(books, books, st.sampled_from([0.1, 0.25, 1.0]))
def test_no_dollar_is_lost_or_made(one: Any, other: Any, step_pct: float) -> None:
    found = compare(None, [estimate(one), estimate(other, "okx")], step_pct=step_pct)
    first, second, both = found.parties
    for side in ("long", "short"):
        known = [sum(band[k] for p, band in one if (p < 100) == (side == "long")) for k in range(3)]
        band = found.band(first, side)
        assert band.sum(axis=1).tolist() == pytest.approx(known, rel=1e-9, abs=1e-6)
        assert (band[0] <= band[2] * (1 + 1e-12)).all()
        assert found.band(both, side) == pytest.approx(band + found.band(second, side), rel=1e-9)
        curve = found.cumulative(first, side)
        outermost = curve[:, 0] if side == "long" else curve[:, -1]
        assert outermost.tolist() == pytest.approx(known, rel=1e-9, abs=1e-6)


def test_what_share_makes_a_bucket_heavy_can_be_said() -> None:
    """Of 100 dollars, 3 are a cluster unless a tenth is asked for."""
    parts = heat((95, 97), (90, 3)), [estimate([(95, 97), (90, 3)])]
    assert [len(party.clusters) for party in compare(*parts).parties] == [2, 2]
    assert [len(party.clusters) for party in compare(*parts, min_share_pct=10).parties] == [1, 1]
    with pytest.raises(InputError, match="a share"):
        compare(*parts, min_share_pct=101)


def test_what_only_the_highest_prior_has_is_in_the_band_alone() -> None:
    found = compare(None, [estimate([(95, (0, 0, 8)), (90, 4)])])
    (venue,) = found.parties
    assert found.band(venue, "long").sum(axis=1).tolist() == [4, 4, 12]
    assert venue.heat.buckets["size_usd"].tolist() == [4]
    assert len(axis_table(found)) == 2
    unsure = compare(None, [estimate([(95, (0, 0, 8))])])
    assert unsure.faults == ()
    assert unsure.levels == ()
