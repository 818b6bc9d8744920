"""What happened, summed and named: known answers, and each edge of the bands."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.errors import InputError
from defiliq.model import (
    DAY_S,
    SR_COLUMNS,
    Metrics,
    liquidation_metrics,
    market_state,
    open_interest_change,
    support_resistance,
)
from tests.model.happened import UNPRICED, happened, longs, shorts
from tests.model.ladders import NOW


def day(rows: list[dict[str, Any]]) -> Metrics:
    return liquidation_metrics(happened(rows), NOW - DAY_S, NOW)


def below(value: float) -> float:
    return math.nextafter(value, 0)


def above(value: float) -> float:
    return math.nextafter(value, math.inf)


@pytest.mark.parametrize(
    ("volume", "label"),
    [
        (0.0, "calm"),
        (below(50e6), "calm"),
        (50e6, "normal"),
        (below(200e6), "normal"),
        (200e6, "elevated"),
        (below(500e6), "elevated"),
        (500e6, "high"),
        (1e9, "high"),
        (above(1e9), "extreme"),
        (math.inf, "extreme"),
    ],
)
def test_what_a_day_is_called(volume: float, label: str) -> None:
    assert market_state(volume).label == label
    assert market_state(volume).implication


@pytest.mark.parametrize("volume", [math.nan, -1.0])
def test_a_day_of_no_volume_at_all_has_no_name(volume: float) -> None:
    with pytest.raises(InputError, match="no day"):
        market_state(volume)


def test_longs_are_summed_by_what_was_seized_and_shorts_by_what_was_repaid() -> None:
    found = day([*longs(30.0, 10.0), *shorts(20.0)])
    assert (found.total_usd, found.long_usd, found.short_usd) == (60.0, 40.0, 20.0)
    assert (found.long_share_pct, found.short_share_pct) == pytest.approx((200 / 3, 100 / 3))
    assert (found.liquidations, found.untold, found.long_short_ratio) == (3, 0, 2.0)
    assert found.largest is not None
    assert (found.largest_usd, found.largest["account"], found.largest["protocol"]) == (
        30.0,
        "0xowner",
        "aave-v3",
    )
    assert found.state is market_state(60.0)


@pytest.mark.parametrize(
    ("long", "short", "ratio", "squeezed"),
    [
        (20.0, 10.0, 2.0, None),  # exactly 2
        (above(20.0), 10.0, above(2.0), "longs"),
        (5.0, 10.0, 0.5, None),  # exactly a half
        (below(4.0), 8.0, below(0.5), "shorts"),
        (10.0, 10.0, 1.0, None),
        (0.5, 0.25, 2.0, None),  # cents count as dollars do
    ],
)
def test_one_side_is_squeezed_beyond_two_to_one(
    long: float, short: float, ratio: float, squeezed: str | None
) -> None:
    found = day([*longs(long), *shorts(short)])
    assert (found.long_short_ratio, found.squeezed) == (ratio, squeezed)


def test_one_side_alone() -> None:
    only_longs, only_shorts = day(longs(0.5)), day(shorts(0.5))
    assert (only_longs.long_short_ratio, only_longs.squeezed) == (math.inf, "longs")
    assert (only_shorts.long_short_ratio, only_shorts.squeezed) == (0.0, "shorts")
    assert (only_longs.long_share_pct, only_longs.short_share_pct) == (100.0, 0.0)


def test_nothing_happened() -> None:
    found = day([])
    assert (found.liquidations, found.total_usd, found.largest, found.squeezed) == (0, 0.0, None, None)
    assert all(map(math.isnan, (found.long_short_ratio, found.long_share_pct, found.largest_usd)))
    assert found.by_venue.empty
    assert found.state is market_state(0.0)
    assert not found.is_whale


def test_a_stretch_begins_after_its_first_second_and_holds_its_last() -> None:
    rows = [
        {"seized_usd": size, "block_timestamp": at}
        for size, at in ((1.0, NOW - DAY_S), (2.0, NOW - DAY_S + 1), (4.0, NOW), (8.0, NOW + 1))
    ]
    assert day(rows).total_usd == 6.0


def test_only_a_day_has_a_name() -> None:
    assert liquidation_metrics(happened([]), NOW - DAY_S + 1, NOW).state is None
    with pytest.raises(InputError, match="nothing happens"):
        liquidation_metrics(happened([]), NOW, NOW)


def test_what_one_transaction_takes_of_one_account_is_one_liquidation() -> None:
    same = {"transaction": "0xaa"}
    found = day(
        [
            *longs(6.0, 7.0, driver="ETH/USD", **same),
            *longs(5.0, driver="BTC/USD", **same),
            *longs(10.0, account="0xother", **same),
            *longs(17.0),
        ]
    )
    assert (found.liquidations, found.largest_usd, found.total_usd) == (3, 18.0, 45.0)
    assert found.largest is not None
    assert (found.largest["driver"], found.largest["log_index"]) == ("BTC/USD + ETH/USD", 0)
    assert math.isnan(found.largest["price_usd"]), "of two drivers there is no one price"


def test_a_day_has_24_hours() -> None:
    assert DAY_S == 24 * 60 * 60


def test_an_event_of_no_size_does_not_move_the_price() -> None:
    found = day([*longs(0.0, price_usd=50.0, transaction="0xaa"), *longs(6.0, transaction="0xaa")])
    assert found.largest is not None
    assert (found.largest["price_usd"], found.largest_usd) == (100.0, 6.0)


def test_whales_are_above_ten_million_dollars() -> None:
    assert not day(longs(10e6)).is_whale
    assert day(longs(above(10e6))).is_whale


def test_of_equally_large_liquidations_the_first_is_named() -> None:
    rows = [*longs(5.0, account="0xlate"), *longs(5.0, account="0xearly", block_timestamp=NOW - 90)]
    assert day(rows).largest["account"] == "0xearly"  # type: ignore[index]


def test_venues_stand_by_size() -> None:
    comet = {"protocol": "compound-v3", "market": "USDC"}
    found = day([*longs(10.0), *shorts(20.0, **comet), *longs(10.0, **comet)]).by_venue
    assert found[
        ["protocol", "market", "liquidations", "long_usd", "short_usd", "total_usd", "share_pct"]
    ].to_numpy().tolist() == [
        ["compound-v3", "USDC", 2, 10.0, 20.0, 30.0, 75.0],
        ["aave-v3", "Core", 1, 10.0, 0.0, 10.0, 25.0],
    ]


def test_events_of_unknown_size_are_counted_and_never_nothing() -> None:
    found = day([*longs(5.0), *longs(math.nan), UNPRICED])
    assert (found.liquidations, found.untold, found.total_usd) == (3, 2, 5.0)
    half_told = day([*longs(5.0, math.nan, transaction="0xaa")])
    assert (half_told.liquidations, half_told.untold, half_told.largest) == (1, 1, None)


def test_money_of_two_kinds_is_not_added() -> None:
    with pytest.raises(InputError, match="USD, WETH"):
        day([*longs(5.0), *longs(5.0, base_symbol="WETH")])


def test_only_dollars_name_days_and_whales() -> None:
    found = day(longs(1e12, base_symbol="WETH"))
    assert (found.state, found.is_whale, found.total_usd) == (None, False, 1e12)


@pytest.mark.parametrize(
    ("before", "after", "change", "washed"),
    [
        (0.5, 0.25, -50.0, True),
        (100.0, 80.0, -20.0, True),
        (100.0, 81.0, -19.0, False),
        (100.0, 150.0, 50.0, False),
    ],
)
def test_open_interest(before: float, after: float, change: float, washed: bool) -> None:
    found = open_interest_change(before, after)
    assert (found.change_pct, found.is_washed_out) == (change, washed)


def test_open_interest_from_nothing_has_no_change() -> None:
    found = open_interest_change(0.0, 5.0)
    assert math.isnan(found.change_pct)
    assert not found.is_washed_out


def levels(rows: list[dict[str, Any]], **options: Any) -> list[tuple[Any, ...]]:
    found = support_resistance(happened(rows), **options)
    assert list(found.columns) == list(SR_COLUMNS)
    assert list(found.index) == list(range(len(found)))
    return list(found[["price_usd", "type", "strength_usd"]].itertuples(index=False, name=None))


def test_large_liquidations_leave_support_and_resistance() -> None:
    """Above 100 million, and not at it."""
    rows = [*longs(100e6, above(100e6)), *shorts(150e6, price_usd=120.0, block_timestamp=NOW)]
    assert levels(rows) == [(120.0, "resistance", 150e6), (100.0, "support", above(100e6))]


def test_levels_say_when_they_were_formed() -> None:
    found = support_resistance(happened(longs(2.0, block_timestamp=1_764_028_799)), 1.0)
    assert found["date"].tolist() == ["2025-11-24"]
    assert found[["liquidations", "accounts", "first_at", "last_at"]].to_numpy().tolist() == [
        [1, 1, 1_764_028_799, 1_764_028_799]
    ]
    assert found["driver"].tolist() == ["ETH/USD"]


def test_collateral_of_several_drivers_leaves_a_level_on_each() -> None:
    rows = longs(6.0, transaction="0xaa") + longs(7.0, transaction="0xaa", driver="BTC/USD", price_usd=9.0)
    assert sorted(levels(rows, threshold_usd=5.0)) == [(9.0, "support", 7.0), (100.0, "support", 6.0)]


def test_small_ones_together_are_an_event_of_their_bucket_and_window() -> None:
    """The 1% bucket of 100.3 goes from 100.18 to 101.18; the next day, side, price and driver are others."""
    near = longs(30.0, price_usd=100.3) + longs(60.0, price_usd=100.9, account="0xother")
    others = [
        *longs(30.0, price_usd=101.3),
        *longs(30.0, price_usd=100.3, block_timestamp=NOW - 60 - DAY_S),
        *shorts(30.0, price_usd=100.3),
        *longs(30.0, price_usd=100.3, driver="BTC/USD"),
    ]
    assert levels(near + others, threshold_usd=31.0, by="bucket") == [(pytest.approx(100.7), "support", 90.0)]
    found = support_resistance(happened(near + others), 31.0, by="bucket")
    assert found[["liquidations", "accounts"]].to_numpy().tolist() == [[2, 2]]
    assert levels(near + others, threshold_usd=31.0) == [(100.9, "support", 60.0)]
    wider = levels(near + others, threshold_usd=100.0, by="bucket", window_s=30 * DAY_S)
    assert wider == [(pytest.approx(100.6), "support", 120.0)]


def test_a_bucket_must_hold_more_than_the_threshold() -> None:
    rows = longs(30.0, 60.0, price_usd=0.5)
    assert levels(rows, threshold_usd=90.0, by="bucket") == []
    assert levels(rows, threshold_usd=89.9, by="bucket") == [(0.5, "support", 90.0)]


def test_wider_buckets_hold_more() -> None:
    """The 5% bucket of 100 goes from 98.07 to 102.97."""
    rows = longs(30.0, price_usd=98.0) + longs(30.0, price_usd=98.2) + longs(60.0, price_usd=102.9)
    assert levels(rows, threshold_usd=80.0, by="bucket", step_pct=5.0) == [
        (pytest.approx((98.2 + 2 * 102.9) / 3), "support", 90.0)
    ]


def test_the_newest_levels_come_first_and_of_these_the_strongest() -> None:
    rows = [
        *longs(5.0, price_usd=100.0),
        *longs(5.0, price_usd=90.0),
        *longs(7.0, price_usd=100.0),
        *longs(5.0, price_usd=95.0, driver="BTC/USD"),
        *shorts(5.0, price_usd=100.0),
        *longs(1.0, price_usd=80.0, block_timestamp=NOW),
        *longs(9.0, price_usd=80.0, block_timestamp=NOW - 90),
    ]
    for by in ("single", "bucket"):
        assert levels(rows, threshold_usd=0.5, by=by, window_s=1) == [
            (80.0, "support", 1.0),
            *([(100.0, "support", 7.0)] if by == "single" else [(100.0, "support", 12.0)]),
            (95.0, "support", 5.0),
            (90.0, "support", 5.0),
            (100.0, "resistance", 5.0),
            *([(100.0, "support", 5.0)] if by == "single" else []),
            (80.0, "support", 9.0),
        ]


def test_what_has_no_size_no_price_or_no_side_leaves_no_level() -> None:
    rows = [*longs(math.nan), *longs(5.0, price_usd=math.nan), UNPRICED]
    assert levels(rows, threshold_usd=0.0) == []
    assert levels(rows, threshold_usd=0.0, by="bucket") == []
    assert levels([]) == []


@pytest.mark.parametrize(
    "options", [{"threshold_usd": -1.0}, {"step_pct": 0.0}, {"step_pct": math.inf}, {"window_s": 0}]
)
def test_senseless_levels_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="levels need"):
        support_resistance(happened([]), **options)


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "side": st.sampled_from(["long", "short"]),
            "seized_usd": st.floats(0, 1e9),
            "repaid_usd": st.floats(0, 1e9),
            "price_usd": st.floats(1, 1e5),
            "transaction": st.sampled_from(["0xa", "0xb", "0xc"]),
            "account": st.sampled_from(["0x1", "0x2"]),
            "driver": st.sampled_from(["ETH/USD", "BTC/USD"]),
            "block_timestamp": st.just(NOW) | st.integers(NOW - DAY_S, NOW),
        }
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.sampled_from(["single", "bucket"]))
def test_no_order_of_events_matters(rows: list[dict[str, Any]], random: Any, by: Any) -> None:
    table = happened(rows)
    shuffled = list(range(len(table)))
    random.shuffle(shuffled)
    other = table.iloc[shuffled]
    one, two = (liquidation_metrics(each, NOW - DAY_S, NOW) for each in (table, other))
    assert [getattr(one, name) for name in ("total_usd", "long_usd", "liquidations", "squeezed")] == [
        getattr(two, name) for name in ("total_usd", "long_usd", "liquidations", "squeezed")
    ]
    pd.testing.assert_frame_equal(one.by_venue, two.by_venue, check_exact=True)
    if one.largest is not None and two.largest is not None:
        assert one.largest["transaction"] == two.largest["transaction"]
    assert one.total_usd == pytest.approx(one.long_usd + one.short_usd)
    first, second = (support_resistance(each, 1e6, by=by) for each in (table, other))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
