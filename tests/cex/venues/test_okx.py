"""OKX through the stub: what comes back is the world that is served."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.cex.stub import made_world, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, assert_same, now_ms, read

WORLDS = [
    made_world("okx", "BTC/USDT:USDT", until_at=NOW, candles=2_600),
    made_world("okx", "BTC/USD:BTC", until_at=NOW, candles=2_600),
]


def test_linear_and_inverse_perpetuals_come_back_to_the_last_digit() -> None:
    with stub(WORLDS, now_ms) as urls:
        got = read(urls, "okx", days=2)
    assert [data.history.instrument.symbol for data in got] == ["BTC/USDT:USDT", "BTC/USD:BTC"]
    for data, world in zip(got, WORLDS, strict=True):
        assert len(data.history) == 2 * DAY_S // STEP_S
        assert data.history.faults == ()
        assert_same(data.history, world)


def test_executed_liquidations_of_the_last_day_come_back() -> None:
    with stub(WORLDS, now_ms) as urls:
        got = read(urls, "okx", days=0.5)
    for data, world in zip(got, WORLDS, strict=True):
        served = world.history.executed
        assert served is not None
        expected = served[served["at"] >= NOW - DAY_S // 2].reset_index(drop=True)
        assert len(expected) > 20
        assert data.history.executed is not None
        pd.testing.assert_frame_equal(data.history.executed, expected, check_exact=False, rtol=1e-12)


def test_older_open_interest_is_read_once_an_hour_and_then_once_a_day() -> None:
    with stub(WORLDS[:1], now_ms) as urls:
        (data,) = read(urls, "okx", days=8)
    history, world = data.history, WORLDS[0].history
    ends = history.at + STEP_S
    age = NOW - ends
    known = np.isfinite(history.open_interest)
    np.testing.assert_array_equal(history.open_interest[known], world.open_interest[-len(history) :][known])
    assert known[age < 3 * DAY_S - 2 * STEP_S].all()
    hourly = (age > 3 * DAY_S) & (age < 5 * DAY_S - 3_600)
    assert (known[hourly] == (ends[hourly] % 3_600 == 0)).all()
    daily = age > 5 * DAY_S
    assert (known[daily] == (ends[daily] % DAY_S == 0)).all()
    assert len(history.faults) == 2
    assert "once in 3600 s only" in history.faults[0]
    assert "once in 86400 s only" in history.faults[1]
