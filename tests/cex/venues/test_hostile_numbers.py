"""Numbers and shapes that a reader's own arithmetic would trip over, and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from defiliq.errors import BadVenueAnswer
from defiliq.pipeline.cex_soundness import require_sound
from tests.cex.stub import Fault, made_world, stub
from tests.cex.venues.stage import NOW, now_ms, read

VENUES = ("binance", "bybit", "okx")
WORLDS = [made_world(venue, "BTC/USDT:USDT", until_at=NOW, candles=300) for venue in VENUES]


def put(answer: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The answer with one value in place of another."""
    inner = answer
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return answer


@pytest.mark.parametrize(
    ("venue", "path", "place", "value", "told"),
    [
        ("okx", "books", ("data", 0), "x", "no order book"),
        ("okx", "books", ("data", 0), [[]], "no order book"),
        ("okx", "books", ("data", 0, "ts"), "9" * 5_000, "no order book"),
        ("okx", "books", ("data", 0, "bids", 1, 1), "1e308", "no order book"),
        ("bybit", "orderbook", ("result",), "x", "no order book"),
        ("bybit", "orderbook", ("result",), None, "no order book"),
        ("bybit", "orderbook", ("result", "a", 0, 1), 1e308, "no order book"),
        ("binance", "depth", ("T",), "9" * 5_000, "no order book"),
        ("binance", "depth", ("asks", 0, 1), 10**400, "no order book"),
        ("binance", "openInterestHist", (0, "sumOpenInterest"), 10**400, "no open interest"),
        ("okx", "open-interest-history", ("data", 0, 1), "9e999999999", "no open interest"),
        ("okx", "taker", ("data", 0, 1), "-1", "no taker"),
        ("okx", "taker", ("data", 0, 1), "1e308", "no taker"),
        ("okx", "liquidation-orders", ("data", 0, "details", 0, "bkPx"), "1e308", "no executed"),
        ("okx", "liquidation-orders", ("data", 0, "details", 0, "sz"), "1e308", "no executed"),
    ],
)
def test_a_column_of_hostile_numbers_is_a_fault_and_the_others_stay(
    venue: str, path: str, place: tuple[Any, ...], value: Any, told: str
) -> None:
    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, Fault(path=path, change=lambda answer: put(answer, place, value)))
        (data,) = read(urls, venue, days=0.2, config={"retries": 0})
    assert any(told in fault for fault in data.history.faults)
    assert np.isfinite(data.history.close_usd).all()
    require_sound([data])


@pytest.mark.parametrize("value", ["1e-320", "0"])
def test_a_ratio_over_next_to_nobody_is_none(value: str) -> None:
    with stub(WORLDS, now_ms) as urls:
        urls.fail(
            "bybit",
            Fault(path="account-ratio", change=lambda a: put(a, ("result", "list", 0, "sellRatio"), value)),
        )
        (data,) = read(urls, "bybit", days=0.2, config={"retries": 0})
    assert not np.isfinite(data.history.long_short_ratio).all()
    require_sound([data])


@pytest.mark.parametrize("value", ["1e300", "9e999999", "1e-300", "NaN", "0", "-1", "x"])
def test_a_contract_of_no_size_is_refused(value: str) -> None:
    def spoil(answer: Any) -> Any:
        return put(answer, ("data", 0, "ctMult"), value) if answer["data"] else answer

    with stub(WORLDS, now_ms) as urls:
        urls.fail("okx", Fault(path="instruments", change=spoil))
        with pytest.raises(BadVenueAnswer, match="no size of contract"):
            read(urls, "okx", days=0.2, config={"retries": 0})


@pytest.mark.parametrize("value", [10**12, "9" * 400, -(10**12)])
def test_digits_without_end_are_not_written_out(value: Any) -> None:
    def spoil(answer: Any) -> Any:
        return put(answer, ("symbols", 0, "quotePrecision"), value) if answer["symbols"] else answer

    with stub(WORLDS, now_ms) as urls:
        urls.fail("binance", Fault(path="exchangeInfo", change=spoil))
        with pytest.raises(BadVenueAnswer, match="ValueError"):
            read(urls, "binance", days=0.2, config={"retries": 0})
