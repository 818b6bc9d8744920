"""The table of providers, and questions that are refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest

from defiliq.cex.history import History
from defiliq.cex.providers import fetch, providers
from defiliq.cex.providers.catalog import ADAPTERS
from defiliq.cex.providers.provider import KINDS
from defiliq.cex.providers.series import COLUMNS
from defiliq.errors import BadVenueAnswer, InputError, VenueError
from tests.cex.providers.asking import ask, standing_in
from tests.cex.providers.standin import FIRST_AT, KEYS, UNTIL_AT, documented, serving


def test_the_table() -> None:
    listed = {each.name: each for each in providers()}
    assert list(listed) == ["coinglass", "coinalyze", "hyblock", "laevitas", "defillama", "okx"]
    assert listed["hyblock"].variables == (
        "HYBLOCK_API_KEY",
        "HYBLOCK_CLIENT_ID",
        "HYBLOCK_CLIENT_SECRET",
    )
    assert not listed["okx"].variables
    assert not listed["defillama"].variables
    for each in listed.values():
        assert each.url.startswith("https://")
        assert each.docs_url.startswith("https://")
        assert each.documented
        assert each.offers == tuple(ADAPTERS[each.name].fetchers)
        assert set(each.offers) <= set(KINDS)
        assert list(each.intervals) == sorted(each.intervals)
        assert len(set(each.intervals.values())) == len(each.intervals)


@pytest.mark.parametrize(
    ("provider", "kind", "options", "said"),
    [
        ("nobody", "history", {}, "no provider 'nobody'. There are: coinglass"),
        ("okx", "heatmap", {}, "okx gives no heatmap"),
        ("okx", "tea", {}, "not known at all"),
        ("coinglass", "history", {"asset": "btc"}, "'btc' is no asset"),
        ("coinglass", "history", {"asset": "BTC&x=1"}, "is no asset"),
        ("coinglass", "history", {"asset": "../BTC"}, "is no asset"),
        ("coinglass", "history", {"asset": ""}, "is no asset"),
        ("coinglass", "history", {"until_at": FIRST_AT}, "is empty"),
        ("coinglass", "history", {"step_s": 61}, "no candles of 61 s. It has: 60, 180"),
        ("coinglass", "history", {"step_s": 0}, "no candles of 0 s"),
        ("defillama", "levels", {"step_s": 0}, "500000 candles at most"),
        ("coinglass", "history", {"since_at": 0}, ""),
        ("coinglass", "history", {"since_at": -(10**12)}, "500000 candles at most"),
        ("coinglass", "history", {"venue": "kraken"}, "'kraken'. Venues here: binance, bybit, okx"),
        ("okx", "history", {"venue": "binance"}, "Venues here: okx"),
    ],
)
def test_questions_that_are_not_asked(
    provider: str, kind: Any, options: Mapping[str, Any], said: str
) -> None:
    name = provider if provider in ADAPTERS else "okx"
    with standing_in(name) as server:
        if not said:
            with pytest.raises(VenueError):
                ask(server, provider, kind, **{**options, "asset": "NONE"})
            return
        with pytest.raises(InputError) as raised:
            ask(server, provider, kind, **options)
        assert server.seen == []
    assert said in str(raised.value)
    assert raised.value.exit_code == 2


def test_keys_are_read_from_the_process_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINALYZE_API_KEY", KEYS["COINALYZE_API_KEY"])
    with standing_in("coinalyze") as server:
        fetch("coinalyze", "liquidations", "BTC", FIRST_AT, UNTIL_AT, 3600, base_url=server.url)
        assert server.seen[0].headers["api_key"] == KEYS["COINALYZE_API_KEY"]


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value within a decoded body."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [way, *(place for key, each in inner for place in _places(each, (*way, key)))]


def _has_infinities(found: History | pd.DataFrame) -> bool:
    if isinstance(found, History):
        return any(np.isinf(getattr(found, name)).any() for name in COLUMNS)
    return bool(np.isinf(found.select_dtypes("number").to_numpy(dtype=np.float64)).any())


def _put(body: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    for key in way[:-1]:
        body = body[key]
    body[way[-1]] = value
    return None


@pytest.mark.parametrize("provider", [each.name for each in providers()])
@pytest.mark.parametrize("junk", [None, "junk", -1, [], {}, "NaN", True, [[]], 1e308])
def test_junk_anywhere_is_read_or_refused(provider: str, junk: object) -> None:
    """Whatever stands at any one place of an answer: finite numbers come out, or an error of the tree."""
    with standing_in(provider) as server:
        for path in documented(provider):
            for way in _places(documented(provider)[path])[:: 17 if provider == "coinglass" else 9]:
                body = documented(provider)[path]
                whole = _put(body, way, junk)
                answers = {**documented(provider), path: body if way else whole}
                server.respond = _only(answers)
                for kind in ADAPTERS[provider].fetchers:
                    with suppress(VenueError):
                        assert not _has_infinities(ask(server, provider, kind))


def _only(answers: Mapping[str, Any]) -> Any:
    def respond(path: str, params: Mapping[str, str]) -> Any:
        body = answers[path]
        newest_first = path.startswith("/api/v5/") and isinstance(body, dict)
        if newest_first and int(params.get("after", params.get("end", "0"))) <= FIRST_AT:
            return {"code": "0", "data": []}
        return body

    return respond


def test_a_missing_field_is_named() -> None:
    bodies = documented("coinglass")
    del bodies["/api/futures/price/history"]["data"][1]["high"]
    with (
        serving(_only(bodies)) as server,
        pytest.raises(BadVenueAnswer, match=r"history\.data\[1\] has no high"),
    ):
        ask(server, "coinglass", "history")
