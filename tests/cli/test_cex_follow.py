"""`cex levels --follow`: round after round of live exchanges, at a time that only the test moves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from tests.cex.stub import Fault, Urls
from tests.cli.cex_stage import (
    INTO_S,
    LIVE,
    NOW,
    SPAN_S,
    STEP_S,
    WORLDS,
    Clock,
    asked,
    assert_rows,
    computed,
    tiers_at,
)
from tests.cli.conftest import Run

FOLLOW = ("cex", "levels", "BTC", *LIVE, "--follow")
TIERS = ("risk-limit", "position-tiers")
CONTRACTS = ("exchangeInfo", "instruments")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("defiliq.cli.cex_follow._sleep", clock.sleep)
    monkeypatch.setattr("defiliq.cli.cex_follow._clock", clock.now)
    return clock


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Urls]:
    """Three exchanges that answer."""
    with asked(monkeypatch, clock=clock) as found:
        yield found


def rounds_of(out: str) -> dict[int, pd.DataFrame]:
    """JSON lines by round."""
    table = pd.DataFrame([json.loads(line) for line in out.splitlines()])
    numbers = sorted(set(table["round"].tolist()))
    return {number: table[table["round"] == number].drop(columns="round") for number in numbers}


def test_every_round_is_the_estimate_of_its_moment(run: Run, urls: Urls, clock: Clock) -> None:
    """The second round is 20 seconds into the next candle."""
    clock.at = NOW + 260
    tiers = tiers_at(urls)
    code, out, err = run(*FOLLOW, "--rounds", "3")
    assert (code, clock.waited_s) == (0, [60, 60])
    assert err == "Asking again in 60 s (Ctrl-C ends)\n" * 2
    found = rounds_of(out)
    for number, until_at in ((1, NOW), (2, NOW + STEP_S), (3, NOW + STEP_S)):
        since_at = NOW + 260 + 60 * (number - 1) - SPAN_S
        expected = computed(WORLDS, tiers, since_at=since_at, until_at=until_at)
        assert_rows(found[number], expected)


def test_between_rounds_only_the_tail_is_asked(run: Run, urls: Urls, clock: Clock) -> None:
    """Not the contracts, nor the margin tiers, nor candles that are closed for good."""
    assert run(*FOLLOW, "--rounds", "1")[0] == 0
    first = [path for _, path, _ in urls.asked]
    assert sum(any(word in path for word in TIERS) for path in first) == 2
    urls.heal()
    clock.at = NOW + INTO_S
    code, _, _ = run(*FOLLOW, "--rounds", "4", "--quiet")
    assert code == 0
    paths = [path for _, path, _ in urls.asked]
    assert sum(any(word in path for word in TIERS) for path in paths) == 2, "once, not in every round"
    tails = [query for _, path, query in urls.asked if path.endswith("/klines")]
    assert len(tails) == 4
    assert all(int(query["startTime"]) >= (NOW - 2 * STEP_S) * 1_000 for query in tails)


def test_rounds_come_faster_while_the_price_runs(run: Run, urls: Urls, clock: Clock) -> None:
    books: list[Any] = []

    def run_away(answer: Any) -> Any:
        """4% up from the second look on."""
        books.append(answer)
        times = 1.0 if len(books) == 1 else 1.04
        for side in ("bids", "asks"):
            answer[side] = [[str(float(price) * times), size] for price, size in answer[side]]
        return answer

    urls.fail("binance", Fault(path="/depth", change=run_away))
    code, _, _ = run(*FOLLOW, "--rounds", "4", "-q")
    assert (code, clock.waited_s) == (0, [60, 15, 15])


def test_a_round_in_which_an_exchange_fails_is_told_and_the_next_one_goes_on(
    run: Run, urls: Urls, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_and_heal(seconds: float) -> None:
        clock.sleep(seconds)
        urls.heal()
        if len(clock.waited_s) == 1:
            urls.fail("okx", Fault(status=403))
        if len(clock.waited_s) == 2:
            for venue in urls:
                urls.fail(venue, Fault(status=502))

    monkeypatch.setattr("defiliq.cli.cex_follow._sleep", fail_and_heal)
    code, out, err = run(*FOLLOW, "--rounds", "4", "-q")
    assert code == 3
    found = {number: set(part["venue"]) for number, part in rounds_of(out).items()}
    assert found == {1: {"binance", "bybit", "okx"}, 2: {"binance", "bybit"}, 4: {"binance", "bybit", "okx"}}
    told = err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("Warning: INCOMPLETE: without okx: okx refuses to answer here (HTTP 403)")
    assert told[1].startswith("Warning: INCOMPLETE: round 3 gives nothing: no exchange answers.")


def test_rounds_that_all_fail_are_an_error(run: Run, urls: Urls, clock: Clock) -> None:
    urls.fail("okx", Fault(status=502))
    code, out, err = run(*FOLLOW, "--venue", "okx", "--rounds", "2")
    assert (code, out, clock.waited_s) == (1, "", [60])
    assert err.count("gives nothing: cannot reach okx") == 2
    assert err.splitlines()[-1].startswith("Error: cannot reach okx")
    assert "Traceback" not in err


def test_what_can_never_work_ends_the_first_round(run: Run, urls: Urls, clock: Clock) -> None:
    code, out, err = run("cex", "levels", "XYZ", *LIVE, "--follow")
    assert (code, out, clock.waited_s) == (2, "", [])
    assert err == "Error: binance lists no futures contract of XYZ.\n"


def test_control_c_ends_it_with_what_was_written(
    run: Run, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("defiliq.cli.cex_follow._sleep", interrupt)
    code, out, err = run(*FOLLOW)
    assert code == 130
    assert set(rounds_of(out)) == {1}
    assert err.splitlines()[-1].startswith("Interrupted.")


def test_a_screen_is_redrawn_every_round(run: Run, urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[int] = []
    monkeypatch.setattr("click.clear", lambda: cleared.append(1))
    code, out, _ = run(*FOLLOW, "--rounds", "2", "--format", "table", "--prior", "mid")
    assert (code, len(cleared)) == (0, 2)
    assert out.count("liquidations of BTC, spot $") == 2
    assert out.count("current price") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--follow",), "--follow asks the exchanges again and again. Add --live."),
        (("--rounds", "2"), "--rounds does nothing without --follow."),
        (("--live", "--follow", "-o", "rows.csv"), "no -o, --save or CSV"),
        (("--live", "--follow", "--save", "kept.parquet"), "no -o, --save or CSV"),
        (("--live", "--follow", "--format", "csv"), "no -o, --save or CSV"),
        (("--live", "--follow", "--over-time"), "--over-time does nothing without"),
        (("--live", "--follow", "--rounds", "0"), "0 is not in the range"),
        (("--live", "--follow", "--prior", "greedy"), "there is no leverage prior"),
    ],
)
def test_what_does_not_follow_is_refused(run: Run, urls: Urls, words: tuple[str, ...], said: str) -> None:
    code, out, err = run("cex", "BTC", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert urls.asked == []
