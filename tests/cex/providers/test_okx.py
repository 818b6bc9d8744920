"""OKX's public statistics: newest first, page by page, funding as it was settled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from defiliq.errors import BadVenueAnswer, NoSuchContract, VenueRateLimited
from tests.cex.providers.asking import ask, ask_history, ask_table, standing_in
from tests.cex.providers.standin import FIRST_AT, LAST_AT, STEP_S, UNTIL_AT, documented, replay, serving

CANDLES = "/api/v5/market/history-candles"
INTEREST = "/api/v5/rubik/stat/contracts/open-interest-history"
FUNDING = "/api/v5/public/funding-rate-history"


def test_history() -> None:
    with standing_in("okx") as server:
        history = ask_history(server, "okx", environment={})
    assert history.at.tolist() == [FIRST_AT, FIRST_AT + STEP_S, LAST_AT]
    assert history.close_usd[:2].tolist() == [110200.4, 110750.2]
    assert np.isnan(history.close_usd[2]), "that candle is not complete"
    assert history.volume_usd[:2].tolist() == [128000000.5, 129000000.0], "in the quote, not in contracts"
    assert history.open_interest.tolist() == [28006.5419, 28010.25, 27990.0], "coins, not contracts"
    assert history.long_short_ratio.tolist() == [1.72, 1.7, 1.69]
    assert history.taker_buy_share[:2].tolist() == [0.3, 0.75], "sellers come before buyers in a row"
    assert np.isnan(history.taker_buy_share[2])
    assert history.funding_rate.tolist() == [0.0, 0.000057, 0.0], "realised, not predicted"
    assert "1 of 3 candles are missing" in history.faults
    assert history.instrument.venue == "okx"


def test_no_key_is_sent() -> None:
    with standing_in("okx") as server:
        ask_history(server, "okx")
    assert not {name for each in server.seen for name in each.headers if "key" in name or "auth" in name}


def test_funding_before_the_first_settlement_is_unknown() -> None:
    body = documented("okx")[FUNDING]
    body["data"] = body["data"][:1]
    with standing_in("okx", {FUNDING: body}) as server:
        history = ask_history(server, "okx")
    assert np.isnan(history.funding_rate[0])
    assert history.funding_rate[1:].tolist() == [0.000057, 0.0]


def test_funding_as_a_table() -> None:
    with standing_in("okx") as server:
        table = ask_table(server, "okx", "funding")
    assert table.to_numpy().tolist() == [[FIRST_AT + STEP_S, 0.000057]]


def test_long_stretches_come_page_by_page() -> None:
    bodies = documented("okx")
    count = 250
    moments = [(FIRST_AT + i * STEP_S) * 1000 for i in reversed(range(count))]
    bodies[CANDLES]["data"] = [[str(at), *"2222", "1", "1", "9", "1"] for at in moments]
    bodies[INTEREST]["data"] = [[str(at), "100", str(at // 10**9), "1"] for at in moments]
    with serving(replay(bodies)) as server:
        history = ask_history(server, "okx", until_at=FIRST_AT + count * STEP_S)
        ends = [int(each.params["end"]) // 1000 for each in server.asked(INTEREST)]
    assert (history.volume_usd == 9).all()
    assert not np.isnan(history.open_interest).any()
    assert ends == [FIRST_AT + (count - done) * STEP_S for done in (0, 100, 200)]


def test_pages_without_end() -> None:
    bodies = documented("okx")

    def respond(path: str, params: Any) -> Any:
        return bodies[path]

    with serving(respond) as server, pytest.raises(BadVenueAnswer, match="no end"):
        ask(server, "okx", "history", since_at=FIRST_AT - 10 * STEP_S)


@pytest.mark.parametrize(
    ("code", "error"), [("51001", NoSuchContract), ("50011", VenueRateLimited), ("50000", BadVenueAnswer)]
)
def test_failures_with_status_200(code: str, error: type[Exception]) -> None:
    changed = {CANDLES: {"code": code, "msg": "said so", "data": []}}
    with standing_in("okx", changed) as server, pytest.raises(error):
        ask(server, "okx", "history")


def test_days_open_at_midnight_utc() -> None:
    midnight = UNTIL_AT - UNTIL_AT % 86_400
    bodies = documented("okx")
    for path in bodies:
        bodies[path]["data"] = []
    bodies[CANDLES]["data"] = [[str(midnight * 1000), *"2222", "1", "1", "9", "1"]]
    with serving(replay(bodies)) as server:
        ask_history(server, "okx", since_at=midnight, until_at=midnight + 86_400, step_s=86_400)
        assert server.asked(CANDLES)[0].params["bar"] == "1Dutc"
        assert server.asked(INTEREST)[0].params["period"] == "1Dutc"
