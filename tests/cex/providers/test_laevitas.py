"""Laevitas: prices and liquidations, page by page; what it does not define is not read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from defiliq.errors import BadVenueAnswer, InputError
from tests.cex.providers.asking import ask, ask_history, ask_table, standing_in
from tests.cex.providers.standin import FIRST_AT, LAST_AT, UNTIL_AT, documented, serving

PERPETUALS = "/historical/derivs/perpetuals/BINANCE/BTCUSDT"
LIQUIDATIONS = "/historical/derivs/liquidation/BINANCE/BTCUSDT"


def test_history() -> None:
    with standing_in("laevitas") as server:
        history = ask_history(server, "laevitas")
        (asked,) = server.asked(PERPETUALS)
    assert history.close_usd.tolist() == [110200.4, 110750.2, 110000.0]
    assert history.long_short_ratio[0] == 2.03
    assert np.isnan(history.long_short_ratio[1]), "null is not published, and not 0"
    for unknown in (history.open_usd, history.open_interest, history.volume_usd, history.funding_rate):
        assert np.isnan(unknown).all()
    assert history.faults == ("1 of 3 long short ratio are missing",)
    assert asked.params["start"] == str(FIRST_AT * 1000)
    assert asked.params["end"] == str(UNTIL_AT * 1000 - 1)
    assert asked.params["granularity"] == "1h"


def test_liquidations_are_added_up_by_interval_and_side() -> None:
    with standing_in("laevitas") as server:
        table = ask_table(server, "laevitas", "liquidations")
    assert table.to_numpy().tolist() == [[FIRST_AT, 1100.0, 20.0], [LAST_AT, 0.0, 7.0]]


def _paged(pages: int) -> Any:
    items = documented("laevitas")[LIQUIDATIONS]["items"]

    def respond(path: str, params: Any) -> Any:
        page = int(params["page"])
        return {
            "meta": {"total": 4, "page": page, "items": 1, "total_pages": pages},
            "items": [items[page - 1]],
        }

    return respond


def test_all_pages_are_read() -> None:
    with serving(_paged(4)) as server:
        table = ask_table(server, "laevitas", "liquidations")
        assert [each.params["page"] for each in server.seen] == ["1", "2", "3", "4"]
    assert table["long_usd"].sum() == 1100
    assert table["short_usd"].sum() == 27


def test_pages_without_end() -> None:
    with serving(_paged(10**9)) as server, pytest.raises(BadVenueAnswer, match="1000000000 pages"):
        ask(server, "laevitas", "liquidations")


def test_nothing_was_liquidated() -> None:
    empty = {LIQUIDATIONS: {"meta": {"total": 0, "page": 1, "items": 0, "total_pages": 0}, "items": []}}
    with standing_in("laevitas", empty) as server:
        assert len(ask_table(server, "laevitas", "liquidations")) == 0


def test_a_venue_whose_symbols_are_not_documented() -> None:
    with standing_in("laevitas") as server, pytest.raises(InputError, match="'okx'"):
        ask(server, "laevitas", "liquidations", venue="okx")
