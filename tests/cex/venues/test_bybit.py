"""Bybit through the stub: what comes back is the world that is served."""

from __future__ import annotations

from tests.cex.stub import made_world, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, assert_same, now_ms, read

WORLDS = [
    made_world("bybit", "BTC/USDT:USDT", until_at=NOW, candles=2_600),
    made_world("bybit", "BTC/USDC:USDC", until_at=NOW, candles=2_600),
    made_world("bybit", "BTC/USD:BTC", until_at=NOW, candles=2_600),
]


def test_linear_and_inverse_perpetuals_come_back_to_the_last_digit() -> None:
    with stub(WORLDS, now_ms) as urls:
        got = read(urls, "bybit", days=8)
    assert [data.history.instrument.symbol for data in got] == [
        world.history.instrument.symbol for world in WORLDS
    ]
    for data, world in zip(got, WORLDS, strict=True):
        assert len(data.history) == 8 * DAY_S // STEP_S
        assert data.history.faults == ()
        # Takers' side is not published over REST.
        assert_same(data.history, world, unpublished=("taker_buy_share",))
