"""What public projects would estimate: by hand, and what they miss."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from defiliq.cex.history import History
from defiliq.cex.levels import Estimate
from defiliq.cex.peers import at_spot, one_sided
from defiliq.cex.population import SIMULATED
from defiliq.cex.priors import Prior
from defiliq.errors import InputError

TEN = Prior("ten", (10,), (1.0,))


def history(candles: list[tuple[float, float, float, float]], interest: list[float]) -> History:
    """(open, high, low, close) of each hour, and its open interest."""
    opened, high, low, close = np.array(candles).T
    none = np.full(len(candles), np.nan)
    return History(
        instrument=SIMULATED,
        step_s=3600,
        at=3600 * np.arange(len(candles)),
        open_usd=opened,
        high_usd=high,
        low_usd=low,
        close_usd=close,
        volume_usd=none,
        open_interest=np.array(interest),
        taker_buy_share=none,
        funding_rate=none,
        long_short_ratio=none,
        executed=None,
        fetched_at=0,
        source="by hand",
    )


def coins(found: Estimate) -> tuple[float, float]:
    """Of longs and shorts."""
    middles = np.sqrt(found.edges_usd[:-1] * found.edges_usd[1:])
    return float((found.long_usd[0] / middles).sum()), float((found.short_usd[0] / middles).sum())


FLAT = (100.0, 100.0, 100.0, 100.0)
RISE = (100.0, 101.0, 100.0, 101.0)
FALL = (101.0, 101.0, 100.0, 100.0)


def test_a_rise_opens_longs_only_and_a_fall_shorts_only() -> None:
    assert coins(one_sided(history([FLAT, RISE], [10, 14]), TEN)) == pytest.approx((4, 0))
    assert coins(one_sided(history([FLAT, FALL], [10, 14]), TEN)) == pytest.approx((0, 4))


def test_the_level_is_that_of_the_simple_formula_at_the_close() -> None:
    found = one_sided(history([FLAT, RISE], [10, 14]), TEN)
    low, high = found.edges_usd[0], found.edges_usd[-1]
    assert low <= 101 * (1 - 0.1 + 0.004) < high
    assert high / low == pytest.approx(1.001)


def test_what_open_interest_loses_is_taken_from_all() -> None:
    # Half of the ten coins from before and of the ten opened since.
    found = one_sided(history([FLAT, RISE, FLAT], [10, 20, 10]), TEN)
    assert coins(found) == pytest.approx((5, 0))
    emptied = one_sided(history([FLAT, RISE, FLAT], [10, 20, 0.5]), TEN)
    assert coins(emptied) == pytest.approx((0.25, 0))


def test_levels_that_the_price_went_through_are_gone_unless_nobody_looks() -> None:
    crash = (101.0, 101.0, 90.0, 100.0)
    seen = history([FLAT, RISE, crash], [10, 14, 14])
    assert coins(one_sided(seen, TEN)) == (0, 0)
    assert coins(one_sided(seen, TEN, has_consumption=False)) == pytest.approx((4, 0))


def test_all_at_spot_is_divided_as_accounts_are() -> None:
    seen = history([FLAT, RISE], [10, 14])
    assert coins(at_spot(seen, TEN)) == pytest.approx((14, 14))
    tilted = dataclasses.replace(seen, long_short_ratio=np.array([np.nan, 3.0]))
    assert coins(at_spot(tilted, TEN)) == pytest.approx((21, 7))


def test_what_is_not_known_changes_nothing() -> None:
    gap = (np.nan, np.nan, np.nan, np.nan)
    whole = one_sided(history([FLAT, RISE, FLAT, FALL], [10, 20, 10, 16]), TEN)
    known = history([FLAT, FLAT, RISE, gap, FLAT, FALL], [np.nan, 10, 20, np.nan, 10, 16])
    assert coins(whole) == pytest.approx((5, 6))
    assert coins(one_sided(known, TEN)) == pytest.approx((5, 6))
    last = history([FLAT, RISE, gap], [10, 14, np.nan])
    assert coins(at_spot(last, TEN)) == pytest.approx((14, 14))
    assert at_spot(last, TEN).spot_usd == 101
    with pytest.raises(InputError, match="never known"):
        one_sided(history([FLAT], [np.nan]), TEN)
