"""`cex` with exchanges that answer, fail, and answer wrongly: a local stand-in speaks for them."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from defiliq.cex.priors import MID
from tests.cex.stub import Fault, Urls, made_world, stub
from tests.cli.cex_stage import (
    LIVE,
    NOW,
    STEP_S,
    VENUES,
    WORLDS,
    asked,
    assert_rows,
    computed,
    tiers_at,
    world,
)
from tests.cli.conftest import Run

CANDLES = {"binance": "/klines", "bybit": "/kline", "okx": "candles"}
INTEREST = {"binance": "openInterestHist", "bybit": "open-interest", "okx": "open-interest-history"}
ROWS: dict[str, Callable[[Any], list[Any]]] = {
    "binance": lambda answer: answer,
    "bybit": lambda answer: answer["result"]["list"],
    "okx": lambda answer: answer["data"],
}


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Urls]:
    """Three exchanges that answer."""
    with asked(monkeypatch) as found:
        yield found


def rows(text: str) -> pd.DataFrame:
    """Rows as they were printed, floats to the last digit."""
    return pd.read_csv(io.StringIO(text))


def one_line(err: str) -> str:
    """The one error that is told."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, err
    return lines[0]


def test_what_is_printed_is_the_estimate_of_the_served_world(run: Run, urls: Urls) -> None:
    code, out, err = run("cex", "BTC", *LIVE)
    assert (code, err) == (0, "")
    assert_rows(rows(out), computed(WORLDS, tiers_at(urls)))
    assert set(rows(out)["source"]) == {f"{venue} through ccxt {_ccxt_version()}" for venue in VENUES}


def _ccxt_version() -> str:
    return version("ccxt")


@pytest.mark.parametrize("by", ["environment", "file"])
def test_configuration_alone_asks_the_exchanges(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by: str
) -> None:
    """With their real pace, patience and clock, and no option but which exchange and which prior."""
    now = int(time.time())
    worlds = [made_world("binance", "BTC/USDT:USDT", until_at=now + 7_200, candles=800, step_s=3_600)]
    with stub(worlds) as urls:
        if by == "environment":
            monkeypatch.setenv("DEFILIQ_CEX", "live")
            monkeypatch.setenv("VENUE_URL_BINANCE", urls["binance"])
        else:
            config = tmp_path / "config" / "defiliq" / "config.toml"
            config.parent.mkdir(parents=True)
            config.write_text(f'[cex]\nsource = "live"\n[venues]\nbinance = "{urls["binance"]}"\n')
        code, out, err = run("cex", "BTC", "--venue", "binance", "--prior", "mid")
    assert (code, err) == (0, "")
    found = rows(out)
    until_at = int(found["at"].iloc[0])
    assert now // 3_600 * 3_600 <= until_at <= now // 3_600 * 3_600 + 3_600
    asked_ms = [int(query["startTime"]) for _, path, query in urls.asked if path.endswith("/klines")]
    since_at = min(asked_ms) // 1_000
    assert abs(since_at - (now - 30 * 86_400)) <= 2 * 3_600, "30 days are the default"
    assert_rows(found, computed(worlds, {}, since_at=since_at, until_at=until_at, priors=(MID,)))


def test_what_is_saved_comes_to_the_same_rows(run: Run, urls: Urls, tmp_path: Path) -> None:
    """The exchanges' own margin tiers, which are not the bundled ones, are kept with the data."""
    kept = tmp_path / "kept.parquet"
    code, live, err = run("cex", "BTC", *LIVE, "--save", kept)
    assert (code, err) == (0, f"Wrote 3 contracts to {kept}\n")
    urls.heal()
    code, again, err = run("cex", "btc", "--from", kept)
    assert (code, again, err) == (0, live, "")
    assert urls.asked == []
    code, one, _ = run("cex", "BTC", "--from", kept, "--venue", "okx")
    assert (code, one.splitlines()[1:]) == (0, [line for line in live.splitlines() if line[:3] == "okx"])


def test_a_file_without_an_exchange_is_told(run: Run, urls: Urls, tmp_path: Path) -> None:
    kept = tmp_path / "kept.parquet"
    run("cex", "BTC", *LIVE, "--venue", "okx", "--save", kept)
    code, out, err = run("cex", "BTC", "--from", kept)
    assert code == 3
    assert set(rows(out)["venue"]) == {"okx"}
    told = "Warning: INCOMPLETE: without {}: no such contract of it is in kept.parquet."
    assert err.splitlines() == [told.format("binance"), told.format("bybit")]
    code, out, err = run("cex", "BTC", "--from", kept, "--venue", "bybit")
    assert (code, out) == (2, "")
    assert one_line(err).endswith("of bybit in kept.parquet. There is: okx BTC/USDT:USDT.")
    code, out, err = run("cex", "BTC", "--from", kept, "--from", kept)
    assert (code, out) == (2, "")
    assert "okx BTC/USDT:USDT is in kept.parquet, kept.parquet more than once" in one_line(err)


def test_only_what_is_new_is_asked_again(run: Run, urls: Urls) -> None:
    _, first, _ = run("cex", "BTC", *LIVE)
    whole = len(urls.asked)
    urls.heal()
    code, again, _ = run("cex", "BTC", *LIVE)
    assert (code, again) == (0, first)
    (tail,) = [query for _, path, query in urls.asked if path.endswith("/klines")]
    assert int(tail["startTime"]) >= (NOW - 2 * STEP_S) * 1_000, "a candle may still settle for a minute"
    assert 0 < len(urls.asked) < whole
    urls.heal()
    code, again, _ = run("cex", "BTC", *LIVE, "--no-cache")
    assert (code, again, len(urls.asked)) == (0, first, whole)


FAULTS = {
    "451": (Fault(status=451), "refuses to answer here (HTTP 451)"),
    "403": (Fault(status=403), "refuses to answer here (HTTP 403)"),
    "429": (Fault(status=429), "still refuses (too many requests) after 4 attempts"),
    "502": (Fault(status=502), "cannot reach VENUE: HTTP 502"),
    "no JSON": (Fault(body=b"<html>"), "sent an unusable answer"),
}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("name", FAULTS)
def test_one_exchange_that_fails_is_told_and_the_others_go_on(
    run: Run, urls: Urls, venue: str, name: str
) -> None:
    fault, said = FAULTS[name]
    tiers = tiers_at(urls)
    urls.fail(venue, fault)
    code, out, err = run("cex", "BTC", *LIVE, "--venue", "all")
    others = [one for one in WORLDS if one.history.instrument.venue != venue]
    assert code == 3
    assert_rows(rows(out), computed(others, tiers))
    assert len(err.splitlines()) == 1
    assert err.startswith(f"Warning: INCOMPLETE: without {venue}: {venue}" if said[0] != "c" else "Warning")
    assert said.replace("VENUE", venue) in err
    code, out, err = run("cex", "BTC", *LIVE, "--venue", venue)
    assert (code, out) == (1, "")
    assert said.replace("VENUE", venue) in one_line(err)
    assert "127.0.0.1" not in err


def test_all_exchanges_that_fail_are_told_in_one_line(run: Run, urls: Urls) -> None:
    for venue, name in zip(VENUES, ("451", "429", "502"), strict=True):
        urls.fail(venue, FAULTS[name][0])
    code, out, err = run("cex", "BTC", *LIVE)
    assert (code, out) == (1, "")
    told = one_line(err)
    assert told.startswith("Error: no exchange answers. Binance refuses to answer here (HTTP 451).")
    assert "Bybit still refuses" in told
    assert "Cannot reach okx: HTTP 502." in told


def test_an_asset_that_one_exchange_does_not_list(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = [world("binance", "DOGE/USDT:USDT"), WORLDS[1], WORLDS[2]]
    with asked(monkeypatch, worlds):
        code, out, err = run("cex", "BTC", *LIVE)
        assert (code, set(rows(out)["venue"])) == (3, {"bybit", "okx"})
        assert err == ("Warning: INCOMPLETE: without binance: binance lists no futures contract of BTC.\n")
        code, out, err = run("cex", "BTC", *LIVE, "--venue", "binance")
        assert (code, out) == (2, "")
        assert one_line(err) == "Error: binance lists no futures contract of BTC."
        code, out, err = run("cex", "XYZ", *LIVE)
        assert (code, out) == (2, "")
        assert one_line(err) == "Error: binance lists no futures contract of XYZ."
        code, out, err = run("cex", "B T C", *LIVE)
        assert (code, out) == (2, "")
        assert "is no asset" in one_line(err)


@pytest.mark.parametrize("venue", VENUES)
def test_open_interest_that_is_missing_is_told(run: Run, urls: Urls, venue: str) -> None:
    urls.fail(venue, Fault(path=INTEREST[venue], status=502))
    code, out, err = run("cex", "BTC", *LIVE)
    assert code == 3
    assert set(rows(out)["venue"]) == set(VENUES) - {venue}
    said = f"without {venue} BTC/USDT:USDT: the history of {venue} BTC/USDT:USDT holds no price"
    assert said in err
    assert f"no open interest: cannot reach {venue}: HTTP 502" in err
    code, out, err = run("cex", "BTC", *LIVE, "--venue", venue)
    assert (code, out) == (2, "")
    assert f"no open interest: cannot reach {venue}: HTTP 502" in one_line(err)


@pytest.mark.parametrize("venue", VENUES)
def test_gaps_and_duplicates_in_candles_are_told(run: Run, urls: Urls, venue: str) -> None:
    def with_gap(answer: Any) -> Any:
        found = ROWS[venue](answer)
        del found[20:23]
        return answer

    def with_duplicates(answer: Any) -> Any:
        found = ROWS[venue](answer)
        found[10:10] = found[10:12]
        return answer

    whole = run("cex", "BTC", *LIVE, "--no-cache")[1]
    urls.fail(venue, Fault(path=CANDLES[venue], change=with_duplicates))
    code, out, _ = run("cex", "BTC", *LIVE, "--no-cache")
    assert (code, out) == (0, whole), "a candle that is sent twice, the same each time, is one"
    urls.heal()
    urls.fail(venue, Fault(path=CANDLES[venue], change=with_gap))
    for words in ((), ("--venue", venue)):
        code, out, err = run("cex", "BTC", *LIVE, "--no-cache", *words)
        assert code == 3
        assert venue in set(rows(out)["venue"])
        assert f"INCOMPLETE: {venue} BTC/USDT:USDT: 3 of 71 candles are missing" in err
    assert not np.isnan(rows(out)["mid_usd"]).any()


def test_an_interrupted_command_does_not_wait_for_the_exchanges(run: Run, urls: Urls) -> None:
    """Ctrl-C while every answer takes a while: the next question is not asked any more."""
    for venue in VENUES:
        urls.fail(venue, Fault(wait_s=0.3))
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.is_set() and len(urls.asked) < len(VENUES):
            time.sleep(0.01)
        if not ended.is_set():
            signal.pthread_kill(main_thread, signal.SIGINT)

    # A shell that starts tests in the background has them ignore the signal.
    handled = signal.signal(signal.SIGINT, signal.default_int_handler)
    watching = threading.Thread(target=interrupt)
    watching.start()
    try:
        code, out, err = run("cex", "BTC", *LIVE)
    finally:
        ended.set()
        watching.join()
        signal.signal(signal.SIGINT, handled)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1].startswith("Interrupted.")
    assert len(urls.asked) < 20, "a whole round asks more than that"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--candles", "7min"), "has no candles of 420 s"),
        (("--span", "soon"), "'soon' is no time"),
        (("--span", "0d"), "'0d' is no time"),
        (("--span", "1min"), "there is no closed candle between"),
        (("--candles", "x"), "'x' is no time"),
        (("--save", "kept.csv"), "'--save': 'kept.csv' has an unknown format"),
        (("--save", "no/such/folder/kept.parquet"), "'--save': the folder of"),
        (("--sample",), "Data come from --live, from --sample or from a file: choose one."),
        (("--from", "some.parquet"), "Data come from --live, from --sample or from a file: choose one."),
        (("--prior", "greedy"), "there is no leverage prior 'greedy'"),
        (("--half-life", "never"), "'never' is no time"),
        (("--tiers", "none.json"), "none.json"),
        (("--margin", "cross"), "--margin cross needs --wallet"),
        (("--venue", "mtgox"), "'mtgox' is not one of"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_it_is(
    run: Run, urls: Urls, words: tuple[str, ...], said: str
) -> None:
    code, out, err = run("cex", "BTC", *LIVE, *words)
    assert (code, out) == (2, "")
    assert said in one_line(err)
    assert urls.asked == []


@pytest.mark.parametrize("contracts", ["linear", "inverse", "perpetual"])
def test_contracts_of_coins_and_of_dollars(run: Run, monkeypatch: pytest.MonkeyPatch, contracts: str) -> None:
    """Open interest in coins, in contracts of coins and in contracts of dollars comes to the same columns.

    Of Binance's inverse contracts no margin tiers are known without a key, which is told.
    """
    inverse = [world(venue, "BTC/USD:BTC", seed=number) for number, venue in enumerate(VENUES, start=3)]
    mixed = [WORLDS[0], WORLDS[1], inverse[1], WORLDS[2], inverse[2]]
    wanted = {"linear": WORLDS, "inverse": inverse[1:], "perpetual": mixed}
    with asked(monkeypatch, [*WORLDS, *inverse]) as urls:
        code, out, err = run("cex", "BTC", *LIVE, "--contracts", contracts)
        expected = computed(wanted[contracts], tiers_at(urls))
    assert_rows(rows(out), expected)
    told = "Warning: INCOMPLETE: without binance BTC/USD:BTC: no margin tiers of BTC/USD:BTC on binance"
    assert [line.startswith(told) for line in err.splitlines()] == [True] * (contracts != "linear")
    assert code == (0 if contracts == "linear" else 3)


def test_a_comparison_goes_on_without_an_exchange(run: Run, urls: Urls, tmp_path: Path) -> None:
    kept = tmp_path / "kept.parquet"
    urls.fail("bybit", Fault(status=451))
    code, out, err = run("compare", "BTC", *LIVE, "--save", kept)
    assert code == 3
    assert "Warning: INCOMPLETE: without bybit: bybit refuses to answer here (HTTP 451)" in err
    assert {"binance", "okx"} <= set(rows(out)["name"])
    assert "bybit" not in set(rows(out)["name"])
    again = run("compare", "BTC", "--venue-file", kept, "--venue", "binance", "--venue", "okx")
    assert again[:2] == (0, out)
    for venue in VENUES:
        urls.fail(venue, Fault(status=451))
    code, out, err = run("compare", "BTC", *LIVE, "--no-cache")
    assert (code, out) == (1, "")
    assert one_line(err).startswith("Error: no exchange answers.")
