"""The stub holds readers to the venues' own limits: what a real venue would refuse, it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from defiliq.cex.venues import VenueConfig, read_venue
from tests.cex.stub import made_world, moved, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, now_ms

WORLDS = [
    made_world(venue, symbol, until_at=NOW, candles=1_600)
    for venue in ("binance", "bybit", "okx")
    for symbol in ("BTC/USDT:USDT", "BTC/USD:BTC")
]
MS = 1_000
INTEREST = "/futures/data/openInterestHist"
RUBIK = "/api/v5/rubik/stat/contracts/open-interest-history"


@pytest.fixture(scope="module")
def urls() -> Any:
    with stub(WORLDS, now_ms) as served:
        yield served


def ask(urls: Any, venue: str, path: str, **query: Any) -> Any:
    return requests.get(urls[venue] + path, params=query, timeout=5).json()


def test_pages_beyond_the_limit_are_refused(urls: Any) -> None:
    kline = {"symbol": "BTCUSDT", "interval": "5m"}
    assert len(ask(urls, "binance", "/fapi/v1/klines", **kline, limit=1_500)) == 1_500
    assert ask(urls, "binance", "/fapi/v1/klines", **kline, limit=1_501)["code"] == -1130
    assert ask(urls, "binance", INTEREST, symbol="BTCUSDT", period="5m", limit=501)["code"] == -1130
    bybit = {"category": "linear", "symbol": "BTCUSDT"}
    assert ask(urls, "bybit", "/v5/market/kline", **bybit, interval="5", limit=1_001)["retCode"] == 10001
    interest = {**bybit, "intervalTime": "5min"}
    assert ask(urls, "bybit", "/v5/market/open-interest", **interest, limit=201)["retCode"] == 10001
    okx = {"instId": "BTC-USDT-SWAP"}
    assert ask(urls, "okx", "/api/v5/market/history-candles", **okx, bar="5m", limit=301)["code"] == "51000"
    assert ask(urls, "okx", RUBIK, **okx, period="5m", limit=101)["code"] == "51000"


def test_binance_gives_the_oldest_candles_of_a_span_and_refuses_old_statistics(urls: Any) -> None:
    asked = {"symbol": "BTCUSDT", "interval": "5m", "startTime": (NOW - DAY_S) * MS, "limit": 3}
    rows = ask(urls, "binance", "/fapi/v1/klines", **asked)
    assert [row[0] // MS for row in rows] == [NOW - DAY_S + STEP_S * place for place in range(3)]
    old = {"symbol": "BTCUSDT", "period": "5m", "startTime": (NOW - 31 * DAY_S) * MS}
    assert ask(urls, "binance", INTEREST, **old)["msg"] == "parameter 'startTime' is invalid."


def test_bybit_gives_the_newest_first_and_adds_the_candle_of_the_start(urls: Any) -> None:
    asked = {"category": "linear", "symbol": "BTCUSDT", "interval": "5", "limit": 2}
    span = {"start": (NOW - 3_600 + 10) * MS, "end": (NOW - 1_800) * MS}
    rows = ask(urls, "bybit", "/v5/market/kline", **asked, **span)["result"]["list"]
    assert [int(row[0]) // MS for row in rows] == [NOW - 1_800, NOW - 2_100]
    rows = ask(urls, "bybit", "/v5/market/kline", **(asked | {"limit": 1_000}), **span)["result"]["list"]
    assert int(rows[-1][0]) // MS == NOW - 3_600
    lone = {"category": "linear", "symbol": "BTCUSDT", "startTime": (NOW - DAY_S) * MS}
    assert ask(urls, "bybit", "/v5/market/funding/history", **lone)["retCode"] == 10001


def test_okx_excludes_both_bounds_gives_the_newest_first_and_forgets(urls: Any) -> None:
    asked = {"instId": "BTC-USDT-SWAP", "bar": "5m"}
    span = {"before": (NOW - 1_800) * MS, "after": (NOW - 900) * MS}
    rows = ask(urls, "okx", "/api/v5/market/candles", **asked, **span)["data"]
    assert [int(row[0]) // MS for row in rows] == [NOW - 1_200, NOW - 1_500]
    old = {"before": int(NOW - 5.25 * DAY_S) * MS, "after": int(NOW - 5.125 * DAY_S) * MS}
    assert ask(urls, "okx", "/api/v5/market/candles", **asked, **old)["data"] == []
    assert len(ask(urls, "okx", "/api/v5/market/history-candles", **asked, **old)["data"]) == 35
    statistic = {"instId": "BTC-USDT-SWAP", "period": "5m"}
    four_days = {"begin": int(NOW - 4.1 * DAY_S) * MS, "end": int(NOW - 4 * DAY_S) * MS}
    assert ask(urls, "okx", RUBIK, **statistic, **four_days)["data"] == []
    assert ask(urls, "okx", "/api/v5/public/liquidation-orders", instType="SWAP")["code"] == "50015"


def test_the_running_candle_is_there_and_is_not_what_it_will_be(urls: Any) -> None:
    rows = ask(urls, "binance", "/fapi/v1/klines", symbol="BTCUSDT", interval="5m", limit=1_500)
    assert rows[-1][0] // MS == NOW
    row = ask(urls, "okx", "/api/v5/market/candles", instId="BTC-USDT-SWAP", bar="5m", limit=1)["data"][0]
    assert int(row[0]) // MS == NOW
    assert row[8] == "0"


def test_unknown_paths_and_symbols_are_refused(urls: Any) -> None:
    assert requests.get(urls["binance"] + "/fapi/v2/account", timeout=5).status_code == 404
    assert ask(urls, "binance", "/fapi/v1/klines", symbol="NOUSDT", interval="5m")["code"] == -1121
    assert ask(urls, "okx", "/api/v5/market/books", instId="NO-USDT-SWAP")["code"] == "51001"
    book = {"category": "linear", "symbol": "NOUSDT"}
    assert ask(urls, "bybit", "/v5/market/orderbook", **book)["retCode"] == 10001


def test_the_command_serves_a_market_that_goes_on() -> None:
    command = [sys.executable, "-m", "tests.cex.stub", "--assets", "BTC", "--days", "2"]
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        now = int(time.time())
        config = VenueConfig(urls=served, is_rate_limited=False)
        data, _ = read_venue("bybit", "BTC", since_at=now - 3_600, until_at=now, step_s=STEP_S, config=config)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert data.history.faults == ()
    assert now - STEP_S - 10 <= data.history.until_at <= now


def test_a_moved_world_is_the_same_at_another_time() -> None:
    world = WORLDS[4]
    later = moved(world, NOW + DAY_S + 17)
    assert later.history.until_at == NOW + DAY_S
    assert (later.history.close_usd == world.history.close_usd).all()
    assert later.history.executed is not None
    assert world.history.executed is not None
    assert (later.history.executed["at"] - world.history.executed["at"] == DAY_S).all()
