"""What is kept on disk: only the tail is asked for again, and no file is trusted blindly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defiliq.cex.history import VenueData
from defiliq.cex.venues import Cache
from defiliq.cex.venues.cache import Key, _united, _without
from defiliq.cex.venues.rows import Rows
from defiliq.errors import VenueUnreachable
from tests.cex.stub import Fault, Urls, made_world, stub
from tests.cex.venues.stage import COLUMNS, DAY_S, NOW, STEP_S, assert_same, read

LATER = NOW + 2 * 3_600
WORLDS = [
    made_world(venue, "BTC/USDT:USDT", until_at=LATER, candles=1_400) for venue in ("binance", "bybit", "okx")
]
HIDDEN = {"bybit": ("taker_buy_share",)}


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.at = NOW + 10

    def now_ms(self) -> int:
        """As VenueConfig wants it."""
        return self.at * 1000


def spans(urls: Urls, path: str) -> list[tuple[int, int]]:
    """Of the questions to a path: the spans in seconds."""
    names = ("startTime", "start", "before", "begin"), ("endTime", "end", "after", "end")
    return [
        tuple(int(next(query[name] for name in each if name in query)) // 1000 for each in names)  # type: ignore[misc]
        for _, asked, query in urls.asked
        if path in asked
    ]


def assert_equal(one: VenueData, other: VenueData) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one.history, name), getattr(other.history, name), err_msg=name)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.history.instrument.venue)
def test_a_second_read_asks_for_the_tail_only(world: VenueData, tmp_path: Path) -> None:
    venue = world.history.instrument.venue
    clock, cache = Clock(), Cache(tmp_path)
    candles = {"binance": "/klines", "bybit": "/kline", "okx": "candles"}[venue]
    with stub(WORLDS, clock.now_ms) as urls:
        (first,) = read(urls, venue, days=2, cache=cache)
        assert min(since for since, _ in spans(urls, candles)) <= NOW - 2 * DAY_S
        clock.at = LATER + 10
        urls.asked.clear()
        (second,) = read(urls, venue, days=2, cache=cache)
        assert [since >= NOW - 3 * STEP_S for since, _ in spans(urls, candles)] == [True]
        interest = {"binance": "InterestHist", "bybit": "open-interest", "okx": "interest-history"}[venue]
        assert [since >= NOW - 2 * 3_600 for since, _ in spans(urls, interest)] == [True]
        assert not any("nstrument" in path or "exchangeInfo" in path for _, path, _ in urls.asked)
        urls.asked.clear()
        (fresh,) = read(urls, venue, days=2)
    assert len(second.history) == len(first.history) + 24
    assert_same(second.history, world, unpublished=HIDDEN.get(venue, ()))
    assert_equal(second, fresh)


def test_an_earlier_start_asks_for_what_is_missing_before(tmp_path: Path) -> None:
    clock, cache = Clock(), Cache(tmp_path)
    with stub(WORLDS, clock.now_ms) as urls:
        read(urls, "bybit", days=1, cache=cache)
        urls.asked.clear()
        (data,) = read(urls, "bybit", days=3, cache=cache)
    last, first = spans(urls, "/kline")
    assert first == (NOW - 3 * DAY_S, NOW - DAY_S - 1)
    assert last[0] >= NOW - 3 * STEP_S
    assert_same(data.history, cut_to(WORLDS[1], data), unpublished=("taker_buy_share",))


def cut_to(world: VenueData, data: VenueData) -> VenueData:
    """The world as it was when the data end."""
    rows = int(np.searchsorted(world.history.at, data.history.at[-1])) + 1
    kept: dict[str, Any] = {name: getattr(world.history, name)[:rows] for name in COLUMNS}
    return VenueData(replace(world.history, **kept), None)


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "other", "garbage"])
def test_a_damaged_file_is_told_and_fetched_anew(tmp_path: Path, spoil: str) -> None:
    said: list[str] = []
    clock, cache = Clock(), Cache(tmp_path, say=said.append)
    with stub(WORLDS, clock.now_ms) as urls:
        (first,) = read(urls, "binance", days=2, cache=cache)
        assert said == []
        files = sorted(tmp_path.rglob("candles*/*.rows"))
        assert files
        for path in files:
            body = path.read_bytes()
            place = len(body) * 2 // 3
            path.write_bytes(
                {
                    "cut": body[:place],
                    "flip": body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :],
                    "empty": b"",
                    "other": body.replace(b"candles", b"ratioes", 1),
                    "garbage": b"\x00\xff" * 100,
                }[spoil]
            )
        urls.asked.clear()
        (second,) = read(urls, "binance", days=2, cache=cache)
        assert len(said) == 2 * len(files)  # read once, and once before it is written
        assert "is damaged" in said[0]
        assert min(since for since, _ in spans(urls, "/klines")) <= NOW - 2 * DAY_S
        urls.asked.clear()
        (third,) = read(urls, "binance", days=2, cache=cache)
        assert min(since for since, _ in spans(urls, "/klines")) >= NOW - 3 * STEP_S
    assert_equal(first, second)
    assert_equal(first, third)


def test_absurd_answers_are_not_kept(tmp_path: Path) -> None:
    clock, cache = Clock(), Cache(tmp_path)

    def spoil(answer: Any) -> Any:
        answer[3][1] = "0"
        return answer

    with stub(WORLDS, clock.now_ms) as urls:
        urls.fail("binance", Fault(path="/klines", change=spoil))
        with pytest.raises(Exception, match="a price that is none"):
            read(urls, "binance", cache=cache)
        urls.heal()
        (data,) = read(urls, "binance", cache=cache)
    assert data.history.faults == ()


def test_a_venue_that_sends_nothing_politely_is_asked_again(tmp_path: Path) -> None:
    clock, cache = Clock(), Cache(tmp_path)
    with stub(WORLDS, clock.now_ms) as urls:
        urls.fail(
            "bybit", Fault(path="open-interest", change=lambda answer: answer | {"result": {"list": []}})
        )
        (without,) = read(urls, "bybit", cache=cache)
        assert np.isnan(without.history.open_interest).all()
        assert "no open interest was published" in without.history.faults[0]
        urls.heal()
        (data,) = read(urls, "bybit", cache=cache)
    assert data.history.faults == ()
    assert np.isfinite(data.history.open_interest).all()


def test_another_address_shares_nothing_with_the_venues_own(tmp_path: Path) -> None:
    clock, cache = Clock(), Cache(tmp_path)
    with stub(WORLDS, clock.now_ms) as urls, stub([], clock.now_ms) as others:
        read(urls, "binance", cache=cache)
        with pytest.raises(Exception, match="lists no futures contract"):
            read(others, "binance", cache=cache)


def test_the_folder_keeps_within_its_bound_and_loses_the_oldest(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=30_000)
    key = Key("binance", "BTCUSDT", "candles", 60, 2)
    for start in range(20):
        first_ms = start * key.stretch_ms
        at_ms = first_ms + 60_000 * np.arange(100, dtype=np.int64)
        rows = Rows(at_ms, np.full((100, 2), float(start)))
        cache.write(key, (first_ms, first_ms + 6_000_000), rows, fetched_at=start)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.rows")) <= 30_000
    newest, missing = cache.read(key, 19 * key.stretch_ms, 19 * key.stretch_ms + 6_000_000)
    assert missing == []
    assert (newest.values == 19.0).all()
    oldest, missing = cache.read(key, 0, 6_000_000)
    assert len(oldest) == 0
    assert missing == [(0, 6_000_000)]


def test_a_folder_that_cannot_be_written_is_told_and_does_not_stop_a_read(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    said: list[str] = []
    clock = Clock()
    with stub(WORLDS, clock.now_ms) as urls:
        (data,) = read(urls, "binance", cache=Cache(blocked / "below", say=said.append))
    assert data.history.faults == ()
    assert any("nothing is kept below" in sentence for sentence in said)


def test_names_from_outside_stay_below_the_folder(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "kept")
    key = Key("../..", "../../../etc/passwd", "..", 60, 1)
    cache.write(key, (0, 60_000), Rows(np.array([0]), np.array([[1.0]])), fetched_at=1)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert len(list((tmp_path / "kept").rglob("*.rows"))) == 1


def test_spans_are_joined_and_cut() -> None:
    assert _united([(5, 9), (0, 3), (3, 4), (8, 12), (20, 20)]) == [(0, 4), (5, 12)]
    assert _without((0, 20), [(5, 9), (8, 12)]) == [(0, 5), (12, 20)]
    assert _without((0, 20), [(-5, 30)]) == []
    assert _without((0, 20), []) == [(0, 20)]
    assert _without((6, 10), [(0, 7), (9, 11)]) == [(7, 9)]


def test_a_read_that_fails_half_way_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The newer pages are kept, and what is kept is there while the venue is down."""
    clock, cache = Clock(), Cache(tmp_path)
    clock.at = LATER + 10

    with stub(WORLDS, clock.now_ms) as urls:
        fresh = read(urls, "okx", days=4)[0].history.open_interest
        urls.asked.clear()
        # The third page of open interest, and all after it.
        urls.fail("okx", Fault(path="interest-history", times=2))
        urls.fail("okx", Fault(path="interest-history", status=503))
        (half,) = read(urls, "okx", days=2, cache=cache, config={"retries": 0})
        known = np.isfinite(half.history.open_interest)
        assert known.sum() == 200
        assert known[-200:].all()
        assert any("open interest is incomplete: cannot reach okx" in each for each in half.history.faults)
        urls.heal()
        (whole,) = read(urls, "okx", days=2, cache=cache)
        np.testing.assert_array_equal(whole.history.open_interest, fresh[-len(whole.history) :])
        spans_asked = spans(urls, "interest-history")
        assert min(until for _, until in spans_asked) > NOW - 2 * DAY_S
        # The two newest pages were kept: of them only what may still change is asked for again.
        assert sum(until - since for since, until in spans_asked) < 420 * STEP_S
        urls.fail("okx", Fault(path="interest-history", status=503))
        (kept,) = read(urls, "okx", days=2, cache=cache, config={"retries": 0})
    settled = len(kept.history) - 13
    np.testing.assert_array_equal(kept.history.open_interest[:settled], whole.history.open_interest[:settled])
    assert np.isnan(kept.history.open_interest[-1])
    assert "open interest is incomplete" in kept.history.faults[0]


def test_candles_that_fail_half_way_are_an_error_and_their_newer_pages_are_kept(tmp_path: Path) -> None:
    clock, cache = Clock(), Cache(tmp_path)
    with stub(WORLDS, clock.now_ms) as urls:
        urls.fail("okx", Fault(path="candles", times=1))
        urls.fail("okx", Fault(path="candles", status=500))
        with pytest.raises(VenueUnreachable):
            read(urls, "okx", days=2, cache=cache, config={"retries": 0})
        urls.heal()
        (data,) = read(urls, "okx", days=2, cache=cache)
        assert len(spans(urls, "candles")) == 2  # the tail that may change, and what was not reached
    assert data.history.faults == ()
    assert len(data.history) == 576


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.history.instrument.venue)
def test_a_clock_that_was_ahead_leaves_no_hole(world: VenueData, tmp_path: Path) -> None:
    venue = world.history.instrument.venue
    clock, cache = Clock(), Cache(tmp_path)
    fast: dict[str, Any] = {"now_ms": lambda: (NOW + 86_400) * 1000}
    with stub(WORLDS, clock.now_ms) as urls:
        read(urls, venue, cache=cache, days=0.5, config=fast)
        clock.at = LATER + 10
        (data,) = read(urls, venue, cache=cache, days=0.5)
        (fresh,) = read(urls, venue, days=0.5)
    for name in ("close_usd", "volume_usd", "open_interest"):
        np.testing.assert_array_equal(getattr(data.history, name), getattr(fresh.history, name), err_msg=name)
    assert np.isfinite(data.history.close_usd).all()
