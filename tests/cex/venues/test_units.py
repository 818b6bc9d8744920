"""Known answers by hand: one row of each endpoint, in the venue's own units, and what it is here."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from defiliq.cex.history import VenueData
from tests.cex.stub import Fault, made_world, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, now_ms, read

LINEAR, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
OPENED = NOW - STEP_S
"""The last closed candle."""


def last_row(venue: str, symbol: str, faults: dict[str, Any]) -> VenueData:
    """A venue that answers what is given, by path, read for its last candle."""
    world = made_world(venue, symbol, until_at=NOW, candles=300)
    with stub([world], now_ms) as urls:
        for path, answer in faults.items():
            urls.fail(venue, Fault(path=path, body=json.dumps(answer).encode()))
        (data,) = read(urls, venue, days=STEP_S / DAY_S)
    assert len(data.history) == 1
    return data


def bybit(*rows: Any) -> Any:
    return {"retCode": 0, "result": {"list": list(rows)}}


def okx(*rows: Any) -> Any:
    return {"code": "0", "msg": "", "data": list(rows)}


def test_binance_linear_counts_coins_and_quotes_dollars() -> None:
    kline = [OPENED * 1000, "100", "120", "90", "110", "3", NOW * 1000 - 1, "330", 5, "0.75", "82.5", "0"]
    reading = {"symbol": "BTCUSDT", "sumOpenInterest": "75375.617", "sumOpenInterestValue": "8291317.87"}
    data = last_row(
        "binance",
        LINEAR,
        {"/klines": [kline], "InterestHist": [reading | {"timestamp": NOW * 1000}]},
    )
    history = data.history
    assert (history.open_usd[0], history.high_usd[0]) == (100, 120)
    assert (history.low_usd[0], history.close_usd[0]) == (90, 110)
    assert history.volume_usd[0] == 330
    assert history.taker_buy_share[0] == 0.25
    assert history.open_interest[0] == 75_375.617
    assert history.open_interest_usd[0] == pytest.approx(75_375.617 * 110)


def test_binance_inverse_counts_contracts_of_a_hundred_dollars() -> None:
    kline = [OPENED * 1000, "100", "120", "90", "110", "30", NOW * 1000 - 1, "27.27", 5, "6", "5.45", "0"]
    reading = {"pair": "BTCUSD", "contractType": "PERPETUAL", "sumOpenInterest": "13069401.00000000"}
    reading |= {"sumOpenInterestValue": "15796.96988405"}
    book = {"T": NOW * 1000, "bids": [["100", "7"]], "asks": [["101", "2"], ["102", "1"]]}
    data = last_row(
        "binance",
        INVERSE,
        {"/klines": [kline], "InterestHist": [reading | {"timestamp": NOW * 1000}], "depth": book},
    )
    assert data.history.volume_usd[0] == 3_000
    assert data.history.taker_buy_share[0] == 0.2
    assert data.history.open_interest[0] == 1_306_940_100
    assert data.history.open_interest_usd[0] == 1_306_940_100
    assert data.order_book is not None
    assert data.order_book.bid_size_usd.tolist() == [700]
    assert data.order_book.ask_size_usd.tolist() == [200, 100]


def test_bybit_linear_counts_coins_and_turns_over_dollars() -> None:
    data = last_row(
        "bybit",
        LINEAR,
        {
            "/kline": bybit([str(OPENED * 1000), "100", "120", "90", "110", "3", "330"]),
            "open-interest": bybit({"openInterest": "64757.62400000", "timestamp": str(NOW * 1000)}),
            "account-ratio": bybit(
                {"symbol": "BTCUSDT", "buyRatio": "0.6", "sellRatio": "0.4", "timestamp": str(NOW * 1000)}
            ),
            "funding": bybit({"fundingRate": "-0.0001", "fundingRateTimestamp": str(OPENED * 1000)}),
            "orderbook": {"retCode": 0, "result": {"b": [["100", "2"]], "a": [["110", "3"]], "ts": 5_000}},
        },
    )
    history = data.history
    assert history.volume_usd[0] == 330
    assert history.open_interest[0] == 64_757.624
    assert history.long_short_ratio[0] == pytest.approx(1.5)
    assert history.funding_rate[0] == -0.0001
    assert np.isnan(history.taker_buy_share[0])
    assert data.order_book is not None
    assert data.order_book.at == 5
    assert data.order_book.bid_size_usd.tolist() == [200]
    assert data.order_book.ask_size_usd.tolist() == [330]


def test_bybit_inverse_counts_dollars_and_turns_over_coins() -> None:
    data = last_row(
        "bybit",
        INVERSE,
        {
            "/kline": bybit([str(OPENED * 1000), "100", "120", "90", "110", "268611", "15.74462667"]),
            "open-interest": bybit({"openInterest": "461134384.00000000", "timestamp": str(NOW * 1000)}),
            "orderbook": {"retCode": 0, "result": {"b": [["100", "2"]], "a": [["110", "3"]], "ts": 5_000}},
        },
    )
    assert data.history.volume_usd[0] == 268_611
    assert data.history.open_interest[0] == 461_134_384
    assert data.history.open_interest_usd[0] == 461_134_384
    assert data.order_book is not None
    assert data.order_book.bid_size_usd.tolist() == [2]


def test_okx_linear_counts_contracts_of_a_hundredth_coin() -> None:
    data = last_row(
        "okx",
        LINEAR,
        {
            "candles": okx([str(OPENED * 1000), "100", "120", "90", "110", "300", "3", "330", "1"]),
            # A reading is stamped with the start of its period.
            "interest-history": okx([str(OPENED * 1000), "2800476.45", "28006.5419", "2360916466.88"]),
            "taker-volume": okx([str(OPENED * 1000), "30", "10"]),
            "account-ratio": okx([str(OPENED * 1000), "0.9398602814619824"]),
            "funding": okx(
                {"fundingRate": "0.018", "realizedRate": "0.017", "fundingTime": str(OPENED * 1000)}
            ),
            "books": okx({"asks": [["110", "3", "0", "2"]], "bids": [["100", "2", "0", "2"]], "ts": "5000"}),
        },
    )
    history = data.history
    assert history.volume_usd[0] == 330
    assert history.open_interest[0] == 28_004.7645
    assert history.taker_buy_share[0] == 0.25
    assert history.long_short_ratio[0] == 0.9398602814619824
    assert history.funding_rate[0] == 0.017
    assert data.order_book is not None
    assert data.order_book.bid_size_usd.tolist() == [2]
    assert data.order_book.ask_size_usd.tolist() == pytest.approx([3.3])


def test_okx_inverse_counts_contracts_of_a_hundred_dollars() -> None:
    row = {"bkPx": "95", "sz": "4", "side": "sell", "posSide": "net", "ts": str(OPENED * 1000)}
    other = {"bkPx": "105", "sz": "2.5", "side": "buy", "posSide": "short", "ts": str(OPENED * 1000 + 2_000)}
    data = last_row(
        "okx",
        INVERSE,
        {
            "candles": okx([str(OPENED * 1000), "100", "120", "90", "110", "628", "2.5819", "62800", "1"]),
            "interest-history": okx([str(OPENED * 1000), "5000000", "5952", "500000000"]),
            "liquidation-orders": okx({"instId": "BTC-USD-SWAP", "details": [other, row]}),
        },
    )
    assert data.history.volume_usd[0] == 62_800
    assert data.history.open_interest[0] == 500_000_000
    executed = data.history.executed
    assert executed is not None
    assert executed.to_dict("list") == {
        "at": [OPENED, OPENED + 2],
        "price_usd": [95, 105],
        "side": ["long", "short"],
        "size_usd": [400, 250],
    }
