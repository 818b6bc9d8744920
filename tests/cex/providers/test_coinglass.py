"""CoinGlass: its documented answers as the room's columns, with the units worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from defiliq.cex.providers import HEATMAP_COLUMNS, LEVELS_COLUMNS, LIQUIDATIONS_COLUMNS
from defiliq.errors import BadVenueAnswer, NoSuchContract, VenueRateLimited, VenueRefused
from tests.cex.providers.asking import ask, ask_history, ask_table, standing_in
from tests.cex.providers.standin import FIRST_AT, LAST_AT, STEP_S, UNTIL_AT, Slept, documented, serving

PRICES = "/api/futures/price/history"


def test_history() -> None:
    with standing_in("coinglass") as server:
        history = ask_history(server, "coinglass")
    assert history.at.tolist() == [FIRST_AT, FIRST_AT + STEP_S, LAST_AT]
    assert history.open_usd.tolist() == [109800.1, 110200.4, 110750.2]
    assert history.close_usd.tolist() == [110200.4, 110750.2, 110000.0]
    assert history.volume_usd.tolist() == [1166471854.3026, 871812560.3437, 902000000.5]
    assert history.open_interest.tolist() == [76935.927, 77010.5, 76800.25]
    assert history.long_short_ratio.tolist() == [2.83, 2.74, 2.7]
    assert history.taker_buy_share[2] == 0.75
    assert history.taker_buy_share[0] == pytest.approx(414120141.0714 / 764537650.7264)
    assert np.isnan(history.funding_rate).all(), "a quoted rate is no payment"
    assert history.executed is None
    assert history.faults == ()
    assert history.instrument.symbol == "BTC/USDT:USDT"
    assert not history.instrument.is_inverse
    assert history.open_interest_usd[2] == 76800.25 * 110000


def test_open_interest_is_asked_for_in_coins() -> None:
    with standing_in("coinglass") as server:
        ask_history(server, "coinglass")
        (asked,) = server.asked("/api/futures/open-interest/history")
    assert asked.params["unit"] == "coin"
    assert asked.params["exchange"] == "Binance"
    assert asked.params["symbol"] == "BTCUSDT"
    assert asked.params["interval"] == "1h"
    assert int(asked.params["start_time"]) == FIRST_AT * 1000
    assert int(asked.params["end_time"]) == UNTIL_AT * 1000 - 1


def test_long_stretches_come_in_several_answers() -> None:
    bodies = documented("coinglass")

    def respond(path: str, params: Any) -> Any:
        if path != PRICES:
            body = dict(bodies[path])
            if isinstance(body["data"], list):
                body["data"] = []
            return body
        first, last = int(params["start_time"]) // 1000, int(params["end_time"]) // 1000
        moments = range(first, last + 1, STEP_S)
        flat = dict.fromkeys(("open", "high", "low", "close"), "2")
        return {"code": "0", "data": [{"time": at * 1000, "volume_usd": "1", **flat} for at in moments]}

    with serving(respond) as server:
        history = ask_history(server, "coinglass", until_at=FIRST_AT + 2500 * STEP_S)
        sizes = [
            int(each.params["end_time"]) - int(each.params["start_time"]) for each in server.asked(PRICES)
        ]
    assert len(history) == 2500
    assert (history.close_usd == 2).all()
    assert [round(size / 1000 / STEP_S) for size in sizes] == [1000, 1000, 500]
    assert "2500 of 2500 open interest are missing" in history.faults


def test_liquidations_are_dollars() -> None:
    with standing_in("coinglass") as server:
        table = ask_table(server, "coinglass", "liquidations")
    assert tuple(table.columns) == LIQUIDATIONS_COLUMNS
    assert table.iloc[1].tolist() == [FIRST_AT + STEP_S, 5118407.85124, 8517330.44192]
    assert table["long_usd"].tolist()[2] == 0


def test_funding_is_percent() -> None:
    with standing_in("coinglass") as server:
        table = ask_table(server, "coinglass", "funding")
    assert table["rate"].tolist() == pytest.approx([0.00009229, 0.0001, -0.000021])


def test_map_gives_scores_and_no_dollars() -> None:
    with standing_in("coinglass") as server:
        table = ask_table(server, "coinglass", "levels")
        (asked,) = server.asked("/api/futures/liquidation/map")
    assert tuple(table.columns) == LEVELS_COLUMNS
    assert table["price_usd"].tolist() == [48935, 52100.5]
    assert table["size_usd"].isna().all()
    assert table["score"].tolist() == [1, 0.25], "2,000,000 of two leverages, and 500,000"
    assert set(table["side"]) == {"unknown"}
    assert set(table["provider"]) == {"coinglass"}
    assert asked.params["range"] == "1d"


@pytest.mark.parametrize(
    ("days", "map_range", "heatmap_range"),
    [(1, "1d", "24h"), (2, "7d", "3d"), (8, "30d", "30d"), (200, "30d", "1y"), (900, "30d", "1y")],
)
def test_ranges(days: int, map_range: str, heatmap_range: str) -> None:
    with standing_in("coinglass") as server:
        for kind in ("levels", "heatmap"):
            ask(server, "coinglass", kind, until_at=FIRST_AT + days * 86_400)
    assert [each.params["range"] for each in server.seen if "range" in each.params] == [
        map_range,
        heatmap_range,
    ]


def test_heatmap() -> None:
    with standing_in("coinglass") as server:
        table = ask_table(server, "coinglass", "heatmap")
    assert tuple(table.columns) == HEATMAP_COLUMNS
    assert table.drop(columns="provider").to_numpy().tolist() == [
        [FIRST_AT, 48031.46, 2288867.26],
        [FIRST_AT + STEP_S, 48000.0, 318624.82],
        [LAST_AT, 47968.54, 1600000.0],
    ]


def test_a_cell_outside_of_the_axes() -> None:
    path = "/api/futures/liquidation/aggregated-heatmap/model2"
    body = documented("coinglass")[path]
    body["data"]["liquidation_leverage_data"].append([5, 124, 2288867.26])
    with standing_in("coinglass", {path: body}) as server, pytest.raises(BadVenueAnswer, match=r"data\[4\]"):
        ask(server, "coinglass", "heatmap")


def test_an_unlisted_pair() -> None:
    with standing_in("coinglass") as server:
        with pytest.raises(NoSuchContract) as raised:
            ask_history(server, "coinglass", asset="FOO")
        with pytest.raises(NoSuchContract):
            ask_history(server, "coinglass", venue="okx")
    assert raised.value.exit_code == 2
    assert [each.path for each in server.seen] == ["/api/futures/supported-exchange-pairs"] * 2


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("401", VenueRefused),
        ("403", VenueRefused),
        ("429", VenueRateLimited),
        ("400", BadVenueAnswer),
        ("40001", BadVenueAnswer),
    ],
)
def test_failures_with_status_200(code: str, error: type[Exception]) -> None:
    slept = Slept()
    changed = {PRICES: {"code": code, "msg": "Upgrade plan"}}
    with standing_in("coinglass", changed) as server, pytest.raises(error):
        ask_history(server, "coinglass", sleep=slept)
    assert len(slept.waits_s) == (3 if code == "429" else 0)


@pytest.mark.parametrize("code", ["4" * 5000, [["0"]], None, {"0": "0"}, "-1", "\uff14\uff10\uff11"])
def test_a_code_of_any_shape_is_a_bad_answer_or_a_refusal(code: object) -> None:
    changed = {PRICES: {"code": code, "msg": [code], "data": []}}
    with standing_in("coinglass", changed) as server, pytest.raises((BadVenueAnswer, VenueRefused)):
        ask(server, "coinglass", "history")


def test_a_code_nested_deeper_than_can_be_shown() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    changed = {PRICES: {"code": deep, "msg": deep, "data": []}}
    with standing_in("coinglass", changed) as server, pytest.raises(BadVenueAnswer):
        ask(server, "coinglass", "history")
