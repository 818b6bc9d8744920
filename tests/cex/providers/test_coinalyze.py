"""Coinalyze: its documented answers as the room's columns, in coins and in dollars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from defiliq.errors import BadVenueAnswer, NoSuchContract
from tests.cex.providers.asking import ask, ask_history, ask_table, standing_in
from tests.cex.providers.standin import FIRST_AT, LAST_AT, STEP_S, UNTIL_AT, documented


def _counted_in(unit: str) -> dict[str, Any]:
    markets = documented("coinalyze")["/future-markets"]
    for market in markets:
        market["oi_lq_vol_denominated_in"] = unit
    return {"/future-markets": markets}


def test_history_of_a_contract_counted_in_coins() -> None:
    with standing_in("coinalyze") as server:
        history = ask_history(server, "coinalyze")
    assert history.at.tolist() == [FIRST_AT, FIRST_AT + STEP_S, LAST_AT]
    assert history.high_usd.tolist() == [110450.0, 110900.0, 110800.0]
    assert history.open_interest.tolist() == [76935.927, 77010.5, 76800.25]
    # 1,000 coins at (110,450 + 109,500.5 + 110,200.4) / 3 dollars
    assert history.volume_usd[0] == pytest.approx(110_050_300.0)
    assert history.taker_buy_share[:2].tolist() == [0.4, 0.25]
    assert np.isnan(history.taker_buy_share[2]), "nothing was traded"
    assert history.long_short_ratio.tolist() == [2.003, 1.98, 1.95]
    assert history.faults == ("1 of 3 taker shares are missing",)


def test_history_of_a_contract_counted_in_dollars() -> None:
    with standing_in("coinalyze", _counted_in("QUOTE_ASSET")) as server:
        history = ask_history(server, "coinalyze")
    assert history.volume_usd.tolist() == [1000.0, 2000.5, 0.0]
    assert history.open_interest[2] == pytest.approx(76800.25 / 110000)
    assert history.open_interest_usd[2] == pytest.approx(76800.25)


def test_an_unknown_unit_is_not_guessed() -> None:
    changed = _counted_in("CONTRACTS")
    with standing_in("coinalyze", changed) as server, pytest.raises(BadVenueAnswer, match="denominated_in"):
        ask_history(server, "coinalyze")


def test_open_interest_is_not_converted_and_liquidations_are() -> None:
    with standing_in("coinalyze") as server:
        ask_history(server, "coinalyze")
        table = ask_table(server, "coinalyze", "liquidations")
        (interest,) = server.asked("/open-interest-history")
        (liquidated,) = server.asked("/liquidation-history")
    assert interest.params["convert_to_usd"] == "false"
    assert liquidated.params["convert_to_usd"] == "true"
    assert liquidated.params["from"] == str(FIRST_AT), "seconds"
    assert liquidated.params["to"] == str(UNTIL_AT - 1), "its end is inclusive"
    assert liquidated.params["symbols"] == "BTCUSDT_PERP.A"
    assert table["long_usd"].tolist() == [7484.64, 0, 1500000.25]
    assert table["short_usd"].tolist() == [9686.01, 12.5, 0]


def test_funding_is_percent() -> None:
    with standing_in("coinalyze") as server:
        table = ask_table(server, "coinalyze", "funding")
    assert table["rate"].tolist() == pytest.approx([0.00002673, 0.00002673, -0.000011])


def test_the_venue_is_found_by_name() -> None:
    changed = {"/exchanges": [{"name": "Binance", "code": "B"}, {"name": "Bybit", "code": "A"}]}
    with standing_in("coinalyze", changed) as server:
        assert len(ask_history(server, "coinalyze", venue="bybit")) == 3
        with pytest.raises(NoSuchContract):
            ask_history(server, "coinalyze", venue="binance")
        with pytest.raises(NoSuchContract):
            ask_history(server, "coinalyze", venue="okx")


def test_takers_that_bought_more_than_was_traded() -> None:
    body = documented("coinalyze")["/ohlcv-history"]
    body[0]["history"][1]["bv"] = 2000.6
    with (
        standing_in("coinalyze", {"/ohlcv-history": body}) as server,
        pytest.raises(BadVenueAnswer, match=r"history\[1\]\.bv"),
    ):
        ask_history(server, "coinalyze")


@pytest.mark.parametrize("body", [[], [{"symbol": "ETHUSDT_PERP.A", "history": []}]])
def test_no_candles(body: list[object]) -> None:
    changed = {"/ohlcv-history": body, "/open-interest-history": body, "/long-short-ratio-history": body}
    with standing_in("coinalyze", changed) as server, pytest.raises(BadVenueAnswer, match="no candle"):
        ask(server, "coinalyze", "history")


def test_no_liquidations_are_an_empty_table() -> None:
    with standing_in("coinalyze", {"/liquidation-history": []}) as server:
        table = ask_table(server, "coinalyze", "liquidations")
    assert len(table) == 0
    assert table.dtypes.astype(str).tolist() == ["int64", "float64", "float64"]
