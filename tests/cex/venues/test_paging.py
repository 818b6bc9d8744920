"""Pages, limits, horizons, steps and dated contracts."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from defiliq.cex.history import History, VenueData
from defiliq.cex.venues import read_venue
from defiliq.errors import BadVenueAnswer, VenueError
from tests.cex.stub import Fault, Urls, made_world, stub
from tests.cex.venues.stage import DAY_S, NOW, STEP_S, assert_same, config_for, now_ms, read

VENUES = ("binance", "bybit", "okx")
WORLDS = [made_world(venue, "BTC/USDT:USDT", until_at=NOW, candles=2_600) for venue in VENUES]
HOURLY = [made_world(venue, "BTC/USDT:USDT", until_at=NOW, candles=24 * 45, step_s=3_600) for venue in VENUES]
CANDLES = {"binance": "/klines", "bybit": "/kline", "okx": "candles"}


def asked(urls: Urls, path: str) -> list[dict[str, str]]:
    return [query for _, seen, query in urls.asked if path in seen]


@pytest.mark.parametrize(("venue", "pages"), [("binance", 3), ("bybit", 3), ("okx", 8)])
def test_candles_take_no_more_pages_than_they_fill(venue: str, pages: int) -> None:
    with stub(WORLDS, now_ms) as urls:
        read(urls, venue, days=2_300 / 288)
        assert len(asked(urls, CANDLES[venue])) == pages


@pytest.mark.parametrize(("venue", "most"), [("bybit", 200), ("okx", 100)])
def test_smaller_pages_than_documented_lose_nothing(venue: str, most: int) -> None:
    """OKX's history had 100 rows a page, and Bybit's 200, before today's limits."""

    def cut(answer: Any) -> Any:
        if venue == "bybit":
            answer["result"]["list"] = answer["result"]["list"][:most]
        else:
            answer["data"] = answer["data"][:most]
        return answer

    world = WORLDS[VENUES.index(venue)]
    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, Fault(path=CANDLES[venue], change=cut))
        (data,) = read(urls, venue, days=2)
    np.testing.assert_array_equal(data.history.close_usd, world.history.close_usd[-576:])
    assert data.history.faults == ()


def test_a_venue_that_repeats_itself_is_left() -> None:
    """The same page whatever is asked, and one row a page: neither goes on for ever."""
    with stub(WORLDS, now_ms) as urls:
        first = {"retCode": 0, "result": {"list": [[str(NOW * 1000 - 300_000), *"111122"]]}}
        urls.fail("bybit", Fault(path="/kline", change=lambda _answer: first))
        with pytest.raises(BadVenueAnswer, match="of another time than was asked"):
            read(urls, "bybit", days=2)
        urls.heal()

        def one(answer: Any) -> Any:
            answer["result"]["list"] = answer["result"]["list"][:1]
            return answer

        urls.fail("bybit", Fault(path="/kline", change=one))
        with pytest.raises(BadVenueAnswer, match="in more than 40 pages"):
            read(urls, "bybit", days=2, config={"max_pages": 40})
        assert len(asked(urls, "/kline")) <= 42


@pytest.mark.parametrize("venue", VENUES)
def test_a_page_without_bounds_is_refused(venue: str) -> None:
    def grow(answer: Any) -> Any:
        rows = (
            answer if venue == "binance" else answer["result"]["list"] if venue == "bybit" else answer["data"]
        )
        rows.extend(rows[:1] * 20_000)
        return answer

    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, Fault(path=CANDLES[venue], change=grow))
        with pytest.raises(VenueError, match="in one page of 2"):
            read(urls, venue, days=0.5)


def test_binance_keeps_open_interest_for_thirty_days() -> None:
    world = HOURLY[0]
    with stub(HOURLY, now_ms) as urls:
        (data,) = read(urls, "binance", days=40, step_s=3_600)
        assert all(int(query["startTime"]) >= now_ms() - 30 * DAY_S * 1000 for query in asked(urls, "Hist"))
    history = data.history
    assert len(history) == 959  # from 15:00 to 14:00: whole hours between two quarters past
    known = np.isfinite(history.open_interest)
    assert known.sum() == 720
    assert known[-720:].all()
    np.testing.assert_array_equal(
        history.open_interest[known], world.history.open_interest[-len(history) :][known]
    )
    np.testing.assert_array_equal(history.close_usd, world.history.close_usd[-959:])
    (fault,) = history.faults
    assert "no open interest before 2026-08-22" in fault


def test_coin_margined_candles_of_binance_are_asked_for_in_spans_of_200_days() -> None:
    world = made_world("binance", "BTC/USD:BTC", until_at=NOW, candles=500, step_s=DAY_S)
    with stub([world], now_ms) as urls:
        (data,) = read(urls, "binance", days=450, step_s=DAY_S)
        assert len(asked(urls, "/klines")) == 3
    np.testing.assert_array_equal(data.history.close_usd, world.history.close_usd[-len(data.history) :])
    assert len(data.history) == 449  # whole days between two quarters past two
    assert all("candles" not in fault for fault in data.history.faults)


def test_bybit_keeps_open_interest_since_the_launch() -> None:
    with stub(HOURLY, now_ms) as urls:
        (data,) = read(urls, "bybit", days=60, step_s=3_600)
    assert len(data.history) == 24 * 45
    assert data.history.faults == ()  # the contract was listed when its candles begin
    assert_same(data.history, HOURLY[1], unpublished=("taker_buy_share",))


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("step_s", [900, 3_600, 14_400, 86_400])
def test_longer_candles_are_those_of_the_world_put_together(venue: str, step_s: int) -> None:
    world = WORLDS[VENUES.index(venue)].history
    with stub(WORLDS, now_ms) as urls:
        (data,) = read(urls, venue, days=2.5, step_s=step_s)
    history, many = data.history, step_s // STEP_S
    first = int(np.searchsorted(world.at, history.at[0]))
    assert history.at[0] % step_s == 0
    assert len(history) == int(NOW // step_s - -(-(NOW - 2.5 * DAY_S) // step_s))

    def grouped(column: Any) -> Any:
        return column[first : first + many * len(history)].reshape(-1, many)

    np.testing.assert_array_equal(history.high_usd, grouped(world.high_usd).max(axis=1))
    np.testing.assert_array_equal(history.close_usd, grouped(world.close_usd)[:, -1])
    np.testing.assert_array_equal(history.volume_usd, grouped(world.volume_usd).sum(axis=1))
    np.testing.assert_array_equal(history.open_interest, grouped(world.open_interest)[:, -1])
    np.testing.assert_allclose(history.funding_rate, grouped(world.funding_rate).sum(axis=1), rtol=1e-12)
    assert history.faults == ()


def test_finer_candles_than_readings_know_open_interest_at_every_fifth_end() -> None:
    world = made_world("bybit", "BTC/USDT:USDT", until_at=NOW, candles=600, step_s=60)
    with stub([world], now_ms) as urls:
        (data,) = read(urls, "bybit", days=0.25, step_s=60)
    ends = data.history.at + 60
    known = np.isfinite(data.history.open_interest)
    assert (known == (ends % 300 == 0)).all()
    np.testing.assert_array_equal(
        data.history.open_interest[known], world.history.open_interest[-len(ends) :][known]
    )
    assert data.history.faults == ()


@pytest.mark.parametrize("venue", VENUES)
def test_dated_contracts_are_read_when_asked_for(venue: str) -> None:
    expires_at = 1_798_185_600  # 2026-12-25 08:00 UTC
    dated = [
        made_world(venue, "BTC/USDT:USDT-261225", until_at=NOW, candles=400, expires_at=expires_at),
        made_world(venue, "BTC/USD:BTC-261225", until_at=NOW, candles=400, expires_at=expires_at),
    ]
    worlds = [WORLDS[VENUES.index(venue)], *dated]
    hidden = ("taker_buy_share",) if venue == "bybit" else ()
    with stub(worlds, now_ms) as urls:
        quarterly = read(urls, venue, contracts="quarterly", days=1)
        everything = read(urls, venue, contracts="all", days=0.2)
    for data, world in zip(quarterly, dated, strict=True):
        assert data.history.instrument == world.history.instrument
        assert_same(data.history, world, unpublished=hidden)
    symbols = ["BTC/USDT:USDT", "BTC/USDT:USDT-261225", "BTC/USD:BTC-261225"]
    assert [data.history.instrument.symbol for data in everything] == symbols


def test_venues_are_read_side_by_side() -> None:
    got: dict[str, History] = {}
    with stub(WORLDS, now_ms) as urls:

        def work(venue: str) -> None:
            (data,) = read(urls, venue, days=2)
            got[venue] = data.history

        threads = [threading.Thread(target=work, args=(venue,)) for venue in VENUES * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for world, hidden in zip(WORLDS, ((), ("taker_buy_share",), ()), strict=True):
        assert_same(got[world.history.instrument.venue], world, unpublished=hidden)


def test_a_world_with_a_hole_is_served_with_it() -> None:
    history = WORLDS[0].history
    columns: dict[str, Any] = {
        name: np.where(
            (history.at >= NOW - 3_600) & (history.at < NOW - 1_800), np.nan, getattr(history, name)
        )
        for name in ("open_usd", "high_usd", "low_usd", "close_usd", "volume_usd")
    }
    world = VenueData(replace(history, **columns), None)
    with stub([world], now_ms) as urls:
        (data,) = read(urls, "binance", days=0.5)
    assert np.isnan(data.history.close_usd).sum() == 6
    assert any("6 of 144 candles are missing" in fault for fault in data.history.faults)


def test_progress_is_told() -> None:
    said: list[str] = []
    with stub(WORLDS, now_ms) as urls:
        read_venue(
            "okx",
            "BTC",
            since_at=NOW - DAY_S,
            until_at=NOW,
            step_s=STEP_S,
            want_order_book=False,
            config=config_for(urls),
            on_progress=said.append,
        )
        assert asked(urls, "books") == []
    assert said[0] == "okx: contracts of BTC"
    assert "okx: open interest of BTC/USDT:USDT" in said


def test_the_pace_of_the_venue_is_kept_unless_switched_off() -> None:
    with stub(WORLDS, now_ms) as urls:
        began = time.monotonic()
        read(urls, "bybit", days=0.1, config={"is_rate_limited": True})
        paced_s = time.monotonic() - began
        count = len(urls.asked)
    assert count >= 9
    assert paced_s > 0.1 * (count - 2) * 0.9  # ten questions a second
