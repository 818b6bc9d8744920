"""Binance through the stub: what comes back is the world that is served."""

from __future__ import annotations

import numpy as np

from tests.cex.stub import made_world, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, assert_same, now_ms, read

WORLDS = [
    made_world("binance", "BTC/USDT:USDT", until_at=NOW, candles=2_600),
    made_world("binance", "BTC/USD:BTC", until_at=NOW, candles=2_600),
]


def test_linear_and_inverse_perpetuals_come_back_to_the_last_digit() -> None:
    with stub(WORLDS, now_ms) as urls:
        got = read(urls, "binance", asset="btc", days=8)
    assert [data.history.instrument.symbol for data in got] == ["BTC/USDT:USDT", "BTC/USD:BTC"]
    for data, world in zip(got, WORLDS, strict=True):
        assert len(data.history) == 8 * DAY_S // STEP_S
        assert data.history.faults == ()
        assert_same(data.history, world)
        assert np.count_nonzero(data.history.funding_rate) == 24


def test_the_running_candle_is_left_out() -> None:
    with stub(WORLDS[:1], now_ms) as urls:
        (data,) = read(urls, "binance", days=0.1)
    assert data.history.until_at == NOW
    assert data.history.open_interest[-1] == WORLDS[0].history.open_interest[-1]
