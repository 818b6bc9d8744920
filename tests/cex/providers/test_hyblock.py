"""Hyblock: an access token first, then prices, ratios, and levels without dollars."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from defiliq.errors import BadVenueAnswer, VenueRefused
from tests.cex.providers.asking import ask, ask_history, ask_table, standing_in
from tests.cex.providers.standin import FIRST_AT, KEYS, STEP_S, UNTIL_AT, documented
from tests.chain.rpc_server import Raw

TOKEN = "an-access-token-of-a-day"


def test_the_token_is_got_once_and_sent_along() -> None:
    with standing_in("hyblock") as server:
        ask_history(server, "hyblock")
    first, *others = server.seen
    assert (first.method, first.path, first.body) == (
        "POST",
        "/oauth2/token",
        "grant_type=client_credentials",
    )
    kind, _, proof = first.headers["authorization"].partition(" ")
    assert kind == "Basic"
    assert b64decode(proof).decode() == f"{KEYS['HYBLOCK_CLIENT_ID']}:{KEYS['HYBLOCK_CLIENT_SECRET']}"
    assert len(others) == 2
    for each in others:
        assert each.headers["authorization"] == f"Bearer {TOKEN}"
        assert each.headers["x-api-key"] == KEYS["HYBLOCK_API_KEY"]


def test_history() -> None:
    with standing_in("hyblock") as server:
        history = ask_history(server, "hyblock")
        (asked,) = server.asked("/klines")
    assert history.low_usd.tolist() == [109500.5, 110100.0, 109900.9]
    assert history.long_short_ratio.tolist() == [2.0395, 2.01, 1.99]
    for unknown in (history.open_interest, history.volume_usd, history.funding_rate):
        assert np.isnan(unknown).all()
    assert history.faults == ()
    assert asked.params["exchange"] == "binance_perp_stable"
    assert asked.params["coin"] == "btc"
    assert asked.params["startTime"] == str(FIRST_AT)
    assert asked.params["endTime"] == str(UNTIL_AT - 1)
    assert asked.params["timeframe"] == "1h"


def test_long_stretches_come_in_several_answers() -> None:
    with standing_in("hyblock") as server:
        ask_history(server, "hyblock", until_at=FIRST_AT + 1001 * STEP_S)
        starts = [int(each.params["startTime"]) for each in server.asked("/klines")]
    assert starts == [FIRST_AT, FIRST_AT + 1000 * STEP_S]


def test_levels() -> None:
    with standing_in("hyblock") as server:
        table = ask_table(server, "hyblock", "levels")
        (asked,) = server.asked("/liquidationLevels")
    assert table["price_usd"].tolist() == [98000.25, 121380.15]
    assert table["side"].tolist() == ["long", "short"]
    assert table["score"].tolist() == [1, 0.2], "two leverages at one price add up"
    assert table["size_usd"].isna().all()
    assert asked.params["timestamp"] == str(UNTIL_AT)


def test_a_side_that_is_none() -> None:
    body = documented("hyblock")["/liquidationLevels"]
    body["data"][2]["side"] = "both"
    with (
        standing_in("hyblock", {"/liquidationLevels": body}) as server,
        pytest.raises(BadVenueAnswer, match=r"data\[2\]\.side is 'both'"),
    ):
        ask(server, "hyblock", "levels")


@pytest.mark.parametrize(
    "body", [{}, [], {"access_token": ""}, {"access_token": 7}, {"access_token": "a\nb"}]
)
def test_no_token(body: object) -> None:
    with standing_in("hyblock", {"/oauth2/token": body}) as server:
        with pytest.raises(BadVenueAnswer, match="no access token") as raised:
            ask(server, "hyblock", "levels")
        assert len(server.seen) == 1
    assert "a b" not in str(raised.value)


def test_wrong_credentials() -> None:
    with standing_in("hyblock", {"/oauth2/token": Raw(b'{"error": "invalid_client"}', 401)}) as server:
        with pytest.raises(VenueRefused, match="invalid_client"):
            ask(server, "hyblock", "levels")
        assert len(server.seen) == 1, "a refusal is not asked for again"
