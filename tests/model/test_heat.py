"""Heat on known numbers: which bucket, which sums, which spot; and what may not share an axis."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import defiliq
from defiliq.errors import InputError
from defiliq.model import HEAT_COLUMNS, Heat, build_heat, find_clusters
from tests.builders import book as lending_book
from tests.model.ladders import NOW, SEED_LEVELS, SEED_SPOT, ladder, seed_ladder
from tests.venue import venue_book

ETH = "ETH/USD"


def rows(heat: Heat, *columns: str) -> list[tuple[Any, ...]]:
    return list(heat.buckets[list(columns)].itertuples(index=False, name=None))


def test_levels_fall_in_buckets_of_equal_width_in_the_logarithm_of_price() -> None:
    """10% buckets from 100: below to 90.90.., 82.6..; above to 110, 121."""
    heat = build_heat(
        [ladder([(99.0, 1.0), (91.0, 3.0), (90.0, 5.0), (109.0, 7.0), (111.0, 9.0)])], ETH, step_pct=10
    )
    assert list(heat.buckets.columns) == list(HEAT_COLUMNS)
    assert rows(heat, "side", "accounts", "size_usd", "price_usd", "cumulative_usd") == [
        ("long", 1, 5.0, 90.0, 9.0),
        ("long", 2, 4.0, 93.0, 4.0),
        ("short", 1, 7.0, 109.0, 7.0),
        ("short", 1, 9.0, 111.0, 16.0),
    ]
    edges = [100 / 1.21, 100 / 1.1, 100 / 1.1, 100.0, 100.0, 110.0, 110.0, 121.0]
    found = [edge for pair in rows(heat, "price_low_usd", "price_high_usd") for edge in pair]
    assert found == pytest.approx(edges, rel=1e-14)
    assert heat.buckets["distance_pct"].tolist() == pytest.approx([-10.0, -7.0, 9.0, 11.0])
    assert heat.buckets["density_usd"].tolist() == pytest.approx(
        [size / (100 * math.log(1.1)) for size in (5.0, 4.0, 7.0, 9.0)]
    )


def test_neighbours_share_an_edge_to_the_last_bit() -> None:
    heat = build_heat([seed_ladder()], "BTC/USD")
    highs, lows = heat.buckets["price_high_usd"].tolist(), heat.buckets["price_low_usd"].tolist()
    assert len(highs) == 6
    assert highs[:-1] == lows[1:]


def test_what_is_liquidatable_already_is_apart() -> None:
    already = {"outcome": "already"}
    table = ladder(
        [(99.0, 1.0), (99.0, 2.0), (101.0, 4.0), (98.0, 8.0)], changes=[already, already, already, {}]
    )
    heat = build_heat([table], ETH)
    assert (heat.already_long_usd, heat.already_short_usd, heat.already_accounts) == (3.0, 4.0, 3)
    assert rows(heat, "accounts", "size_usd") == [(1, 8.0)]
    assert heat.sources[["rungs", "already", "never", "untold"]].to_numpy().tolist() == [[1, 3, 0, 0]]


def test_all_already_leaves_no_bucket() -> None:
    heat = build_heat([ladder([(99.0, 5.0)], changes=[{"outcome": "already"}])], ETH)
    assert heat.buckets.empty
    assert (heat.spot_usd, heat.already_long_usd, heat.size_usd("long")) == (100.0, 5.0, 0.0)


def test_an_empty_ladder_has_no_spot() -> None:
    for ladders in ([], [ladder([])], [ladder([]), ladder([])]):
        heat = build_heat(ladders, ETH)
        assert heat.buckets.empty
        assert heat.sources.empty
        assert math.isnan(heat.spot_usd)
        assert (heat.driver, heat.already_accounts, heat.untold) == (ETH, 0, 0)
        assert (heat.already_long_usd, heat.already_short_usd) == (0.0, 0.0)


def test_who_never_breaks_only_tells_where_spot_is() -> None:
    never = {"outcome": "never", "price_usd": math.nan, "distance_pct": math.nan, "seized_usd": 0.0}
    heat = build_heat([ladder([(99.0, 5.0)], changes=[never])], ETH)
    assert heat.buckets.empty
    assert (heat.spot_usd, heat.untold) == (100.0, 0)
    assert heat.sources["never"].tolist() == [1]


def test_a_size_is_the_notional_of_a_perpetual_and_else_what_is_taken() -> None:
    table = ladder(
        [(90.0, 1.0), (91.0, 2.0), (110.0, 4.0)],
        changes=[{"notional_usd": 50.0}, {"repaid_usd": 7.0}, {"seized_usd": 9.0}],
    )
    assert [size for (size,) in rows(build_heat([table], ETH), "size_usd")] == [50.0, 2.0, 4.0]


def test_sizes_that_nobody_knows_are_counted_and_never_nothing() -> None:
    untold = {"seized_usd": math.nan}
    table = ladder([(99.9, 1.0), (99.9, 2.0), (90.0, 4.0)], changes=[{}, untold, untold])
    heat = build_heat([table], ETH)
    far, near = heat.buckets.to_dict("records")
    assert heat.untold == 2
    assert (near["accounts"], near["untold"], near["size_usd"], near["cumulative_usd"]) == (2, 1, 1.0, 1.0)
    assert math.isnan(far["size_usd"])
    assert math.isnan(far["density_usd"])
    assert (far["price_usd"], far["cumulative_usd"]) == (90.0, 1.0)
    nothing = build_heat([ladder([(90.0, 4.0)], changes=[untold])], ETH).buckets
    assert nothing["cumulative_usd"].isna().all()


def test_sizes_of_nothing_are_nothing() -> None:
    heat = build_heat([ladder([(99.80, 0.0), (99.82, 0.0)])], ETH)
    assert rows(heat, "accounts", "size_usd", "untold") == [(2, 0.0, 0)]
    assert heat.buckets["price_usd"].item() == pytest.approx(99.81)


def test_sizes_and_prices_may_be_as_large_and_small_as_can_be() -> None:
    levels = [(99_999.8, 1e150), (99_999.9, 1e150), (1e-150, 1e-300), (1e150, 1e-300)]
    heat = build_heat([ladder(levels, spot=100_000.0)], ETH)
    assert heat.buckets["price_usd"].tolist() == [1e-150, pytest.approx(99_999.85, rel=1e-12), 1e150]
    assert heat.buckets["size_usd"].tolist() == [1e-300, 2e150, 1e-300]
    (found, *rest) = find_clusters(heat, within_pct=1e200)
    assert (found.magnitude_usd, found.accounts, len(rest)) == (2e150, 2, 1)


def test_markets_of_different_spots_share_the_newest_one() -> None:
    old = ladder([(98.0, 1.0)], spot=100.0, chain_id=10, market="Old")
    new = ladder([(98.5, 2.0), (99.5, 4.0)], spot=99.0, block_timestamp=NOW + 60, market="New")
    heat = build_heat([old, new], ETH)
    assert heat.spot_usd == 99.0
    assert heat.sources[["chain_id", "market", "spot_usd", "rungs"]].to_numpy().tolist() == [
        ["1", "New", 99.0, 2],
        ["10", "Old", 100.0, 1],
    ]
    assert rows(heat, "side", "size_usd") == [("long", 1.0), ("long", 2.0), ("short", 4.0)]
    twin = ladder([(98.0, 1.0)], spot=101.0, block_timestamp=NOW + 60, market="Alpha")
    assert build_heat([new, twin], ETH).spot_usd == 101.0, "of two that are as new, the first by name"


def test_a_long_above_the_shared_spot_lies_where_its_price_is() -> None:
    newest = ladder([(80.0, 1.0)], spot=90.0, block_timestamp=NOW + 1, market="New")
    heat = build_heat([newest, ladder([(95.0, 2.0), (85.0, 4.0)], spot=100.0, chain_id=10)], ETH)
    assert rows(heat, "price_usd", "side", "cumulative_usd") == [
        (80.0, "long", 7.0),
        (85.0, "long", 6.0),
        (95.0, "long", 2.0),
    ]


def test_levels_at_the_shared_spot_keep_to_their_own_side() -> None:
    newest = ladder([(80.0, 1.0)], spot=90.0, block_timestamp=NOW + 1, market="New")
    above = ladder([(90.0, 2.0)], spot=100.0, chain_id=10)
    below = ladder([(90.0, 4.0)], spot=85.0, chain_id=137)
    found = build_heat([newest, above, below], ETH).buckets.iloc[1:]
    assert found["side"].tolist() == ["long", "short"]
    assert found["price_high_usd"].iloc[0] == found["price_low_usd"].iloc[1] == 90.0


def test_chains_with_names_stand_beside_numbers() -> None:
    venue = ladder([(90.0, 1.0)], chain_id="dydx-mainnet-1", protocol="dydx-v4", market="Chain")
    heat = build_heat([venue, ladder([(91.0, 2.0)])], ETH)
    assert heat.sources["chain_id"].tolist() == ["1", "dydx-mainnet-1"]
    assert heat.buckets["size_usd"].tolist() == [1.0, 2.0]


def test_the_driver_s_name_is_spelled_as_in_the_ladder() -> None:
    assert build_heat([ladder([(90.0, 1.0)])], " eth/usd ").driver == ETH


def test_accounts_that_could_not_be_read_stand_in_the_sources() -> None:
    one, other = ladder([(90.0, 1.0)]), ladder([(90.0, 1.0)], market="Prime")
    heat = build_heat([one, other], ETH, failed={("1", "aave-v3", "Core"): 3})
    assert heat.sources["failed"].isna().tolist() == [False, True]
    assert heat.sources["failed"].iloc[0] == 3


def test_rows_of_other_drivers_are_left_out() -> None:
    both = pd.concat([ladder([(90.0, 1.0)]), ladder([(50.0, 2.0)], driver="BTC/USD", spot=60.0)])
    assert rows(build_heat([both], ETH), "price_usd", "size_usd") == [(90.0, 1.0)]


def refused(ladders: list[pd.DataFrame], driver: str = ETH, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        build_heat(ladders, driver, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_ladder_of_another_driver_is_refused_by_name() -> None:
    prime = ladder([(90.0, 1.0)], market="Prime", driver="BTC/USD")
    assert refused([ladder([(90.0, 1.0)]), prime]) == (
        "no driver 'ETH/USD' in the ladder of aave-v3 Prime on chain 1. Its drivers: BTC/USD."
    )


def test_different_money_is_refused() -> None:
    weth = ladder([(90.0, 1.0)], market="Old", base_symbol="WETH")
    said = refused([ladder([(90.0, 1.0)]), weth])
    assert "aave-v3 Core on chain 1 in USD and aave-v3 Old on chain 1 in WETH" in said


def test_two_blocks_of_a_chain_are_refused_unless_asked_for() -> None:
    later = ladder(
        [(90.0, 1.0)], market="Prime", block_number=101, block_hash="0xbb", block_timestamp=NOW + 12
    )
    said = refused([ladder([(90.0, 1.0)]), later])
    assert "aave-v3 Core on chain 1 at block 100 and aave-v3 Prime on chain 1 at block 101" in said
    assert len(build_heat([ladder([(90.0, 1.0)]), later], ETH, mixed_blocks=True).sources) == 2


def test_a_block_of_the_same_number_and_another_hash_is_another_block() -> None:
    assert "different blocks" in refused(
        [ladder([(90.0, 1.0)]), ladder([(90.0, 1.0)], market="Prime", block_hash="0xbb")]
    )


@pytest.mark.parametrize("column", ["block_timestamp", "evaluated_at"])
def test_chains_may_be_fifteen_minutes_apart_and_no_more(column: str) -> None:
    one = ladder([(90.0, 1.0)])
    near, far = (ladder([(90.0, 1.0)], chain_id=10).assign(**{column: NOW + late}) for late in (900, 901))
    assert build_heat([one, near], ETH).buckets["accounts"].tolist() == [2]
    assert "15 minutes apart" in refused([one, far])
    assert build_heat([one, far], ETH, mixed_blocks=True).buckets["accounts"].tolist() == [2]


def test_an_account_counts_once() -> None:
    table = ladder([(90.0, 1.0)])
    assert "twice" in refused([table, table])
    later = ladder(
        [(89.0, 1.0)], block_number=101, block_hash="0xbb", block_timestamp=NOW + 12, version="3.6"
    )
    assert "twice" in refused([table, later], mixed_blocks=True), (
        "two blocks of one market count it twice too"
    )
    other_side = ladder([(110.0, 1.0)])
    assert build_heat([table, other_side], ETH).buckets["accounts"].tolist() == [1, 1]


def test_one_name_for_two_prices_is_refused() -> None:
    near, far = (ladder([(90.0, 1.0)], spot=spot, chain_id=10) for spot in (150.0, 150.1))
    assert len(build_heat([ladder([(90.0, 1.0)]), near], ETH).sources) == 2
    said = refused([far, ladder([(90.0, 1.0)])])
    assert "not one price: aave-v3 Core on chain 1 at 100 and aave-v3 Core on chain 10 at 150.1" in said
    assert len(build_heat([ladder([(90.0, 1.0)]), far], ETH, mixed_blocks=True).sources) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"price_usd": math.nan},
        {"price_usd": 0.0},
        {"price_usd": -1.0},
        {"price_usd": math.inf},
        {"price_usd": 1e-151},
        {"price_usd": 1e151},
        {"spot_usd": 1e151},
        {"seized_usd": 1e151},
        {"spot_usd": 0.0},
        {"seized_usd": -1.0},
        {"seized_usd": math.inf},
        {"side": "left"},
        {"outcome": "maybe"},
    ],
)
def test_senseless_rungs_are_refused(change: dict[str, Any]) -> None:
    assert "makes no sense" in refused([ladder([(90.0, 1.0)], changes=[change])])


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_senseless_widths_are_refused(width: float) -> None:
    assert "wide" in refused([ladder([(90.0, 1.0)])], step_pct=width)


LEVELS = st.lists(st.tuples(st.floats(1.0, 10_000.0), st.floats(0.0, 1e12)), min_size=1, max_size=25)


def same(one: Heat, other: Heat) -> bool:
    pd.testing.assert_frame_equal(one.buckets, other.buckets, check_exact=True)
    pd.testing.assert_frame_equal(one.sources, other.sources, check_exact=True)
    return (one.spot_usd, one.untold) == (other.spot_usd, other.untold)


@settings(max_examples=30, deadline=None)
@given(LEVELS, st.randoms(use_true_random=False), st.sampled_from([0.25, 1.0, 7.0]))
def test_no_order_matters(levels: list[tuple[float, float]], random: Any, step: float) -> None:
    whole = ladder(levels)
    places = list(range(len(whole)))
    random.shuffle(places)
    cut = random.randrange(len(whole) + 1)
    parts = [whole.iloc[places[:cut]], whole.iloc[places[cut:]]]
    random.shuffle(parts)
    assert same(build_heat([whole], ETH, step_pct=step), build_heat(parts, ETH, step_pct=step))


@settings(max_examples=30, deadline=None)
@given(LEVELS, st.sampled_from([0.25, 1.0, 7.0]))
def test_nothing_is_lost_and_every_level_lies_in_its_bucket(
    levels: list[tuple[float, float]], step: float
) -> None:
    buckets = build_heat([ladder(levels)], ETH, step_pct=step).buckets
    assert buckets["accounts"].sum() == len(levels)
    exact = float(sum((Fraction(size) for _, size in levels), Fraction(0)))
    assert math.fsum(buckets["size_usd"]) == pytest.approx(exact, rel=1e-15)
    for row in buckets.to_dict("records"):
        inside = [
            (price, size)
            for price, size in levels
            if row["price_low_usd"] * (1 - 1e-12) <= price <= row["price_high_usd"] * (1 + 1e-12)
        ]
        assert row["accounts"] <= len(inside)
        assert row["size_usd"] <= math.fsum(size for _, size in inside) * (1 + 1e-15)
        assert min(p for p, _ in inside) <= row["price_usd"] <= max(p for p, _ in inside)
    for side, last in (("long", 0), ("short", -1)):
        sizes = buckets[buckets["side"] == side]
        if len(sizes):
            assert sizes["cumulative_usd"].iloc[last] == math.fsum(sizes["size_usd"])


@settings(max_examples=20, deadline=None)
@given(LEVELS, st.integers(-30, 30))
def test_twice_the_dollars_are_twice_the_heat(levels: list[tuple[float, float]], power: int) -> None:
    levels = [(price, float(round(size))) for price, size in levels]
    factor = 2.0**power
    plain = build_heat([ladder(levels)], ETH).buckets
    scaled = build_heat([ladder([(price, size * factor) for price, size in levels])], ETH).buckets
    for column in ("size_usd", "density_usd", "cumulative_usd"):
        assert scaled[column].tolist() == [value * factor for value in plain[column]]
    assert scaled["price_usd"].tolist() == plain["price_usd"].tolist()


def test_the_published_levels_are_the_buckets_when_these_are_fine() -> None:
    heat = build_heat([seed_ladder()], "BTC/USD", step_pct=0.02)
    assert rows(heat, "price_usd", "size_usd") == sorted(SEED_LEVELS)
    assert heat.spot_usd == SEED_SPOT
    assert heat.buckets["cumulative_usd"].iloc[0] == pytest.approx(153.7e6, rel=1e-15)


def test_real_ladders_of_two_protocols_on_one_axis() -> None:
    """A lending market whose bitcoin is called otherwise, and a venue of perpetuals."""
    venue = defiliq.ladder(venue_book(), "BTC/USD")
    lending = defiliq.ladder(lending_book(), "WBTC/USD")
    assert "its drivers: wbtc/usd" in refused([venue, lending], "BTC/USD").casefold()
    heat = build_heat([venue, lending.assign(driver="BTC/USD")], "BTC/USD")
    assert rows(heat, "side", "accounts", "price_usd", "size_usd") == [
        ("long", 1, 26_282.05128205, 18_287.49999999),
        ("long", 1, 51_546.39175, 51_546.39175),
        ("short", 1, 66_333.33334, 99_500.00001),
    ]
    assert heat.sources["protocol"].tolist() == ["aave-v3", "dydx-v4"]
    assert (heat.spot_usd, heat.already_accounts) == (60_000.0, 2)
