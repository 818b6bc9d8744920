"""What a venue may send instead of an answer, and what a reader hears of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from defiliq.errors import (
    BadVenueAnswer,
    InputError,
    NoSuchContract,
    VenueError,
    VenueRateLimited,
    VenueRefused,
    VenueUnreachable,
)
from tests.cex.stub import Fault, made_world, stub
from tests.cex.venues.stage import NOW, STEP_S, now_ms, read

VENUES = ("binance", "bybit", "okx")
WORLDS = [made_world(venue, "BTC/USDT:USDT", until_at=NOW, candles=300) for venue in VENUES]
CANDLES = {"binance": "/klines", "bybit": "/kline", "okx": "candles"}
INTEREST = {"binance": "openInterestHist", "bybit": "open-interest", "okx": "open-interest-history"}
ROWS: dict[str, Callable[[Any], list[Any]]] = {
    "binance": lambda answer: answer,
    "bybit": lambda answer: answer["result"]["list"],
    "okx": lambda answer: answer["data"],
}


def failing(venue: str, fault: Fault, **options: Any) -> VenueError:
    """What reading a venue raises while something is wrong with it."""
    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, fault)
        with pytest.raises(VenueError) as raised:
            read(urls, venue, **options)
    assert raised.value.venue == venue
    assert "127.0.0.1" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("venue", "status"), [("binance", 418), ("binance", 451), ("bybit", 403), ("okx", 401), ("okx", 403)]
)
def test_a_place_that_is_not_served_is_told_at_once(venue: str, status: int) -> None:
    waited: list[float] = []
    error = failing(venue, Fault(status=status), config={"sleep_s": waited.append})
    assert type(error) is VenueRefused
    assert f"HTTP {status}" in str(error)
    assert waited == []


@pytest.mark.parametrize("venue", VENUES)
def test_a_venue_that_is_down_is_asked_again_and_then_told(venue: str) -> None:
    waited: list[float] = []
    error = failing(venue, Fault(status=502), config={"sleep_s": waited.append, "retries": 4})
    assert type(error) is VenueUnreachable
    assert len(waited) == 4
    assert waited == sorted(waited)
    assert sum(waited) < 10


@pytest.mark.parametrize("venue", VENUES)
def test_errors_that_pass_leave_nothing_behind(venue: str) -> None:
    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, Fault(path=CANDLES[venue], status=500, times=2))
        urls.fail(venue, Fault(path=INTEREST[venue], status=503, times=1))
        (data,) = read(urls, venue, days=0.5)
    assert data.history.faults == ()
    assert np.isfinite(data.history.open_interest).all()


def test_a_retry_after_is_honoured_once_and_no_longer_than_a_minute() -> None:
    waited: list[float] = []
    busy = Fault(status=429, headers={"Retry-After": "3600"})
    error = failing("binance", busy, config={"sleep_s": waited.append})
    assert type(error) is VenueRateLimited
    assert waited == [60.0]
    with stub(WORLDS, now_ms) as urls:
        waited.clear()
        urls.fail("okx", Fault(status=429, headers={"Retry-After": "7"}, times=1))
        (data,) = read(urls, "okx", days=0.1, config={"sleep_s": waited.append})
    assert waited == [7.0]
    assert data.history.faults == ()


def test_too_many_requests_without_a_hint_are_waited_for_longer_and_longer() -> None:
    waited: list[float] = []
    error = failing("bybit", Fault(status=429), config={"sleep_s": waited.append, "retries": 2})
    assert type(error) is VenueRateLimited
    assert len(waited) == 2
    body = b'{"retCode": 10006, "retMsg": "Too many visits!", "result": {}}'
    error = failing("bybit", Fault(body=body), config={"retries": 1})
    assert type(error) is VenueRateLimited


BODIES = [b"", b"null", b"3", b'"text"', b"<html>no</html>", b"[1, 2", b'{"a": ', b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize(("venue", "body"), [*zip(VENUES * 3, BODIES, strict=True)])
def test_a_body_that_is_no_answer_is_named(venue: str, body: bytes) -> None:
    error = failing(venue, Fault(path=CANDLES[venue], body=body))
    assert type(error) is BadVenueAnswer


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("body", [b"", b"<html>a word from the company</html>", b'{"symbols": ['])
def test_a_page_in_place_of_the_contracts_is_no_exchange_without_contracts(venue: str, body: bytes) -> None:
    error = failing(venue, Fault(body=body))
    assert type(error) is BadVenueAnswer
    assert "no complete JSON" in str(error)


@pytest.mark.parametrize("venue", VENUES)
def test_json_that_is_cut_short_is_asked_for_again(venue: str) -> None:
    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, Fault(path=CANDLES[venue], cut=200, times=1))
        (data,) = read(urls, venue, days=0.5)
    assert data.history.faults == ()
    assert len(data.history) == 144


IMPOSSIBLE: list[tuple[int, Any]] = [
    (1, "0"),
    (2, "-1"),
    (3, "NaN"),
    (4, "Infinity"),
    (2, "1"),
    (3, "9000000"),
    (4, None),
    (1, "many"),
    (1, {}),
    (1, [1]),
    (1, True),
    (1, "1e300"),
    (0, "-5"),
    (0, "1790000000123"),
    (0, 1e40),
    (7, "-1"),
    (5, "x"),
]


@pytest.mark.parametrize(
    ("venue", "field", "value"),
    [
        *(("binance", field, value) for field, value in IMPOSSIBLE),
        *((venue, field, value) for venue in ("bybit", "okx") for field, value in IMPOSSIBLE[::4]),
    ],
)
def test_a_candle_of_impossible_numbers_is_refused(venue: str, field: int, value: Any) -> None:
    def spoil(answer: Any) -> Any:
        row = ROWS[venue](answer)[5]
        # Bybit has one column less, and counts what it does not show in another.
        at = {5: 6, 7: 6}.get(field, field) if venue == "bybit" else 7 if field == 5 else field
        row[at] = value
        return answer

    error = failing(venue, Fault(path=CANDLES[venue], change=spoil), days=0.5)
    assert type(error) is BadVenueAnswer


@pytest.mark.parametrize("venue", ["binance", "okx"])
def test_rows_of_another_shape_are_refused(venue: str) -> None:
    rows: list[Any] = [[], {}, None, 7, "row", [1, 2]]
    for row in rows:

        def spoil(answer: Any, row: Any = row) -> Any:
            ROWS[venue](answer)[3] = row
            return answer

        assert type(failing(venue, Fault(path=CANDLES[venue], change=spoil), days=0.5)) is BadVenueAnswer


def test_contracts_of_another_shape_are_refused() -> None:
    for body in (b'{"symbols": 5}', b'{"symbols": [5]}', b'{"symbols": [{"symbol": {}}]}', b"[]"):
        error = failing("binance", Fault(path="exchangeInfo", body=body))
        assert type(error) in (BadVenueAnswer, NoSuchContract)


def test_an_endless_body_and_a_dripping_one_are_given_up() -> None:
    huge = b'{"data": "' + b"x" * 300_000 + b'"}'
    error = failing("okx", Fault(body=huge), config={"max_response_bytes": 100_000})
    assert type(error) is BadVenueAnswer
    assert "100000 bytes" in str(error)
    dripping = Fault(path="/klines", drip_s=0.02)
    error = failing("binance", dripping, config={"timeout_s": 0.1, "retries": 0}, days=0.5)
    assert type(error) is VenueUnreachable
    assert "unfinished" in str(error)


def test_a_slow_answer_is_not_waited_for() -> None:
    error = failing("bybit", Fault(wait_s=0.6), config={"timeout_s": 0.2, "retries": 1})
    assert type(error) is VenueUnreachable
    assert "no answer within 0.2 s" in str(error)


def test_a_redirect_is_not_followed() -> None:
    error = failing("binance", Fault(status=302, headers={"Location": "http://127.0.0.1:1/?key=secret"}))
    assert type(error) is BadVenueAnswer
    assert "secret" not in str(error)


def test_nobody_listening_is_told_without_the_address() -> None:
    with stub(WORLDS, now_ms) as urls:
        pass  # the port is free again
    urls["okx"] = urls["okx"].replace("http://", "http://user:secret@")
    with pytest.raises(VenueUnreachable) as raised:
        read(urls, "okx", config={"retries": 1})
    assert "secret" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)


def test_an_asset_that_a_venue_does_not_list_is_named() -> None:
    with stub(WORLDS, now_ms) as urls:
        for venue in VENUES:
            with pytest.raises(NoSuchContract, match=f"{venue} lists no futures contract of DOGE"):
                read(urls, venue, asset="DOGE")


@pytest.mark.parametrize(
    "options",
    [
        {"asset": "../../etc"},
        {"asset": ""},
        {"step_s": 7},
        {"contracts": "spot"},
        {"since_at": NOW, "until_at": NOW},
        {"since_at": NOW + 5 * STEP_S, "until_at": NOW + 9 * STEP_S},
        {"since_at": 0, "step_s": 60},
        {"config": {"urls": {"binance": "ftp://host"}}},
        {"config": {"urls": {"binance": "http://"}}},
        {"config": {"urls": {"binance": "http://a b"}}},
    ],
)
def test_what_cannot_be_asked_is_the_users_to_mend(options: dict[str, Any]) -> None:
    with stub(WORLDS, now_ms) as urls, pytest.raises(InputError):
        read(urls, "binance", **options)


def test_an_unknown_venue_is_named() -> None:
    with stub(WORLDS, now_ms) as urls, pytest.raises(InputError, match="binance, bybit, okx"):
        read(urls, "nowhere")


@pytest.mark.parametrize("venue", VENUES)
def test_what_candles_can_do_without_becomes_a_fault(venue: str) -> None:
    with stub(WORLDS, now_ms) as urls:
        urls.fail(venue, Fault(path=INTEREST[venue], status=451))
        urls.fail(venue, Fault(path="funding", body=b"[[]"))
        urls.fail(venue, Fault(path="Rate", body=b"[[]"))
        urls.fail(venue, Fault(path="depth", body=b'{"bids": [["1", "1"]], "asks": [["1", "1"]]}'))
        urls.fail(venue, Fault(path="book", body=b"{}"))
        (data,) = read(urls, venue, days=0.5, config={"retries": 1})
    assert np.isnan(data.history.open_interest).all()
    assert np.isnan(data.history.funding_rate).all()
    assert data.order_book is None
    faults = " ".join(data.history.faults)
    assert "no open interest: " in faults
    assert "HTTP 451" in faults
    assert "no funding: " in faults
    assert "no order book: " in faults
    assert np.isfinite(data.history.close_usd).all()


def test_a_contract_without_usable_candles_is_left_out_and_told() -> None:
    both = [WORLDS[0], made_world("binance", "BTC/USD:BTC", until_at=NOW, candles=300)]
    with stub(both, now_ms) as urls:
        urls.fail("binance", Fault(path="/dapi/v1/klines", body=b"[]"))
        (data,) = read(urls, "binance", days=0.5)
        assert data.history.instrument.symbol == "BTC/USDT:USDT"
        (fault,) = data.history.faults
        assert fault.startswith(
            "binance BTC/USD:BTC is left out: binance sent an unusable answer: no candles"
        )
        urls.fail("binance", Fault(path="/fapi/v1/klines", body=b"[]"))
        with pytest.raises(BadVenueAnswer, match="no candles"):
            read(urls, "binance", days=0.5)


def test_a_contract_that_was_listed_later_is_no_contract_of_that_time() -> None:
    young = made_world("bybit", "BTC/USDC:USDC", until_at=NOW, candles=20)
    with stub([WORLDS[1], young], now_ms) as urls:
        past = {"since_at": NOW - 20 * 3_600, "until_at": NOW - 10 * 3_600}
        assert len(read(urls, "bybit", **past)) == 1
        assert len(read(urls, "bybit", days=0.5)) == 2
    with stub([young], now_ms) as urls, pytest.raises(NoSuchContract):
        read(urls, "bybit", **past)


def test_a_proxy_of_the_environment_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stub(WORLDS, now_ms) as urls:
        (data,) = read(urls, "okx", days=0.1)  # a configured address goes past the proxy
        assert data.history.faults == ()
        urls.clear()
        with pytest.raises(VenueUnreachable) as raised:
            read(urls, "okx", config={"retries": 0})
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_contract_without_a_ratio_is_complete_without_it() -> None:
    said: list[str] = []
    refusal = b'{"retCode": 10001, "retMsg": "params error: symbol invalid", "result": {}}'
    with stub(WORLDS, now_ms) as urls:
        urls.fail("bybit", Fault(path="account-ratio", body=refusal, times=1))
        (data,) = read(urls, "bybit", days=0.1, on_progress=said.append)
        assert data.history.faults == ()
        assert np.isnan(data.history.long_short_ratio).all()
        assert any("no ratio" in sentence and "symbol invalid" in sentence for sentence in said)
        urls.fail("bybit", Fault(path="account-ratio", status=500))
        (data,) = read(urls, "bybit", days=0.1, config={"retries": 0})
    assert "no ratio: cannot reach bybit" in data.history.faults[0]
