"""Time by price: buckets that do not hang on spot, order of time, and what may not stand side by side."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from defiliq.errors import InputError
from defiliq.model.over_time import Frame, Moment, buckets_of, frame, over_time, price_at

KEY = ("1", "aave-v3", "core", "USD")


def made(
    at: int, prices: list[float], sizes: list[float], longs: list[bool], already: list[bool] | None = None
) -> Frame:
    columns = (
        np.array(prices),
        np.array(sizes),
        np.array(longs, dtype=np.bool_),
        np.array([False] * len(prices) if already is None else already, dtype=np.bool_),
    )
    return frame(
        f"{at}.parquet",
        [KEY],
        "ETH/USD",
        Moment(at // 12, f"0x{at:064x}", at, "3.6"),
        2_000.0 + at,
        columns,
        1.0,
    )


def test_a_bucket_is_the_floor_of_the_logarithm() -> None:
    prices = np.array([1.0, 1.0099, 1.0101, 0.9999, 2_000.0, 1e-9, 1e12])
    wanted = [math.floor(math.log(price) / math.log(1.01)) for price in prices]
    assert buckets_of(prices, 1.0).tolist() == wanted
    low, high = price_at(np.array(wanted), 1.0), price_at(np.array(wanted) + 1, 1.0)
    assert ((low <= prices * (1 + 1e-12)) & (prices < high * (1 + 1e-12))).all()


def test_one_frame_in_numbers() -> None:
    one = made(
        12,
        [1_500.0, 1_501.0, 2_500.0, 1_500.5, 2_000.0, 2_000.0, 1_400.0],
        [10.0, 5.0, 7.0, 2.0, 90.0, 80.0, math.nan],
        [True, True, False, False, True, False, True],
        [False, False, False, False, True, True, False],
    )
    assert one.bucket.tolist() == [728, 734, 735, 786]
    assert one.long_usd.tolist() == [0.0, 10.0, 5.0, 0.0]
    assert one.short_usd.tolist() == [0.0, 0.0, 2.0, 7.0]
    assert one.accounts.tolist() == [1, 1, 2, 1]
    assert (one.already_long_usd, one.already_short_usd, one.already, one.untold) == (90.0, 80.0, 2, 1)


def test_frames_stand_in_order_of_time_whatever_theirs_is() -> None:
    frames = [
        made(24, [1_500.0], [10.0], [True]),
        made(12, [1_500.0, 1_600.0], [3.0, 4.0], [True, True]),
        made(36, [], [], []),
    ]
    for order in permutations(frames):
        heat = over_time(order)
        assert heat.times["block_timestamp"].tolist() == [12, 24, 36]
        assert heat.times["long_usd"].tolist() == [7.0, 10.0, 0.0]
        grid = heat.grid("long")
        assert grid.shape == (3, len(heat.edges()) - 1)
        assert [row[row > 0].tolist() for row in grid] == [[3.0, 4.0], [10.0], []]
        assert heat.grid("short").sum() == 0.0


def test_bounds_cut_the_grid() -> None:
    heat = over_time([made(12, [1_000.0, 1_500.0, 3_000.0], [1.0, 2.0, 4.0], [True] * 3)])
    assert heat.grid("long").sum() == 7.0
    assert heat.grid("long", 1_200.0, 2_000.0).sum() == 2.0
    edges = heat.edges(1_200.0, 2_000.0)
    assert edges[0] <= 1_500.0 < edges[-1]
    assert heat.grid("long", 5_000.0).shape == (1, 0)
    assert len(heat.edges(5_000.0)) == 0


def test_no_order_of_accounts_changes_a_cell() -> None:
    rng = np.random.default_rng(2)
    prices, sizes = rng.uniform(1_000, 1_050, 500), rng.lognormal(5, 5, 500)
    longs = rng.random(500) < 0.5
    wanted = made(12, prices.tolist(), sizes.tolist(), longs.tolist())
    for _ in range(3):
        order = rng.permutation(500)
        other = made(12, prices[order].tolist(), sizes[order].tolist(), longs[order].tolist())
        assert other.long_usd.tolist() == wanted.long_usd.tolist()
        assert other.short_usd.tolist() == wanted.short_usd.tolist()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"driver": "BTC/USD"}, "24.parquet is of BTC/USD, and 12.parquet of ETH/USD"),
        (
            {"markets": (("1", "aave-v3", "prime", "USD"),)},
            "24.parquet is of aave-v3 prime on 1 in USD, and 12.parquet of aave-v3 core on 1 in USD",
        ),
        ({"step_pct": 0.5}, "24.parquet has buckets of 0.5%"),
        ({"moment": Moment(1, "0x01", 12, "3.6")}, "24.parquet is of the same time as 12.parquet"),
    ],
)
def test_what_may_not_stand_side_by_side_is_named(changes: dict[str, object], said: str) -> None:
    first, second = made(12, [1.0], [1.0], [True]), made(24, [1.0], [1.0], [True])
    with pytest.raises(InputError, match=said):
        over_time([replace(second, **changes), first])  # type: ignore[arg-type]


def test_nothing_to_look_at() -> None:
    with pytest.raises(InputError, match="no snapshot"):
        over_time([])
