"""Debt or open interest 24 hours before the newest snapshot: which one stands for it, what is not known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from defiliq.errors import InputError
from defiliq.model.analysis import analyse
from defiliq.model.metrics import DAY_S
from defiliq.model.over_time import HeatOverTime, over_time
from defiliq.model.washout import MOST_OFF_S, outstanding
from tests.model.test_over_time import made
from tests.view.heat_stage import ladder_of

NOW = 1_764_000_000


def past(*moments: tuple[int, float], holds_open: bool = False) -> HeatOverTime:
    """Snapshots so many seconds before the newest, with what was outstanding."""
    frames = [made(NOW - ago, [1_500.0], [1.0], [True]) for ago, _ in moments]
    told = zip(frames, moments, strict=True)
    return over_time(replace(one, outstanding_usd=usd, holds_open=holds_open) for one, (_, usd) in told)


@pytest.mark.parametrize(
    ("before", "now", "change", "washed"),
    [(100.0, 80.0, -20.0, True), (100.0, 80.5, -19.5, False), (80.0, 100.0, 25.0, False)],
)
def test_the_change_in_24_hours(before: float, now: float, change: float, washed: bool) -> None:
    found = outstanding(past((0, now), (DAY_S, before), (DAY_S // 2, 1e9), (2 * DAY_S, 1e12)))
    assert (found.at, found.before_at, found.untold) == (NOW, NOW - DAY_S, "")
    assert found.change is not None
    assert (found.change.before_usd, found.change.after_usd) == (before, now)
    assert (found.change.change_pct, found.change.is_washed_out) == (change, washed)


@pytest.mark.parametrize("off", [MOST_OFF_S, -MOST_OFF_S])
def test_a_snapshot_an_hour_off_stands_for_it_and_one_further_off_does_not(off: int) -> None:
    assert outstanding(past((0, 50.0), (DAY_S + off, 100.0))).before_at == NOW - DAY_S - off
    found = outstanding(past((0, 50.0), (DAY_S + off + (1 if off > 0 else -1), 100.0)))
    assert (found.before_at, found.change, found.untold) == (None, None, "")


def test_the_nearest_stands_for_it() -> None:
    found = outstanding(past((0, 50.0), (DAY_S - 600, 1.0), (DAY_S + 599, 2.0), (DAY_S + 700, 3.0)))
    assert found.change is not None
    assert found.change.before_usd == 2.0


def test_one_snapshot_alone_has_no_change() -> None:
    found = outstanding(past((0, 50.0)))
    assert (found.at, found.before_at, found.change) == (NOW, None, None)


@pytest.mark.parametrize(("before", "now", "silent"), [(math.nan, 5.0, DAY_S), (5.0, math.nan, 0)])
def test_a_file_that_does_not_tell_is_named(before: float, now: float, silent: int) -> None:
    found = outstanding(past((0, now), (DAY_S, before), (DAY_S + 1, 7.0)))
    assert (found.change, found.untold) == (None, f"{NOW - silent}.parquet")


def test_snapshots_of_another_driver_are_refused() -> None:
    ladder = ladder_of([(50_000.0, 1.0, "long")], 60_000.0, "BTC/USD")
    with pytest.raises(InputError, match="the snapshots are of ETH/USD, and the ladders of BTC/USD"):
        analyse([ladder], "BTC/USD", over_time=past((0, 1.0)))
