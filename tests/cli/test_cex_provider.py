"""`cex providers` and `cex provider`: other people's data, with keys that are never shown."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pandas as pd
import pytest

from defiliq.cex.providers import providers
from tests.cex.providers.asking import standing_in
from tests.cex.providers.standin import FIRST_AT, KEYS, UNTIL_AT, StandIn
from tests.chain.rpc_server import Raw
from tests.cli.conftest import Run
from tests.cli.test_cex import refused

ASK = ("cex", "provider", "coinglass")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def coinglass(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """One that answers at the end of the hours of its documented answers, to whoever has the key."""
    monkeypatch.setenv("COINGLASS_API_KEY", KEYS["COINGLASS_API_KEY"])
    monkeypatch.setattr(time, "time", lambda: float(UNTIL_AT))
    with standing_in("coinglass") as server:
        yield server


def test_providers_are_listed_and_none_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINALYZE_API_KEY", KEYS["COINALYZE_API_KEY"])
    code, out, err = run("cex", "providers")
    assert (code, err) == (0, "")
    table = pd.read_csv(io.StringIO(out)).set_index("provider")
    assert list(table.index) == [one.name for one in providers()]
    assert table["keys_are_set"].to_dict() | {"coinalyze": True, "coinglass": False} == (
        table["keys_are_set"].to_dict()
    )
    assert KEYS["COINALYZE_API_KEY"] not in out
    assert "coinglass" in run("cex", "providers", "--format", "table")[1]


def test_rows_of_a_provider(run: Run, coinglass: StandIn) -> None:
    where = ("--span", "3h", "--candles", "1h", "--venue", "binance", "--base-url", coinglass.url)
    code, out, err = run(*ASK, "history", "btc", *where)
    assert code in (0, 3), err
    assert pd.read_csv(io.StringIO(out))["at"].tolist() == [FIRST_AT, FIRST_AT + 3_600, FIRST_AT + 7_200]
    assert (code == 3) == ("INCOMPLETE: coinglass: " in err)
    code, out, err = run(*ASK, "liquidations", "BTC", *where)
    assert code == 0
    assert len(pd.read_csv(io.StringIO(out))) > 0
    assert any(seen.headers.get("cg-api-key") == KEYS["COINGLASS_API_KEY"] for seen in coinglass.seen)
    assert KEYS["COINGLASS_API_KEY"] not in out + err


def test_a_key_is_never_shown_even_where_the_provider_repeats_it(run: Run, coinglass: StandIn) -> None:
    key = KEYS["COINGLASS_API_KEY"]
    coinglass.script = [Raw(f'{{"code": "401", "msg": "key {key} has ended"}}'.encode(), 401)] * 9
    code, out, err = run(*ASK, "history", "BTC", "--span", "3h", "--base-url", coinglass.url)
    assert (code, out) == (1, "")
    assert err.startswith("Error: coinglass refuses")
    assert key not in err
    assert "Traceback" not in err


def test_a_missing_key_is_named_and_nobody_is_asked(run: Run) -> None:
    with standing_in("coinglass") as server:
        said = refused(run, *ASK, "history", "BTC", "--base-url", server.url)
        assert server.seen == []
    assert said == "Error: coinglass needs a key of your own. Set COINGLASS_API_KEY."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody", "history", "BTC"), "no provider 'nobody'"),
        (("coinglass", "gossip", "BTC"), "'gossip' is not one of"),
        (("defillama", "heatmap", "BTC"), "defillama gives no heatmap here"),
        (("okx", "history", "BTC", "--span", "x"), "'x' is no time"),
        (("okx", "history", "BTC", "--candles", "0h"), "'0h' is no time"),
        (("okx", "history", "BTC", "--base-url", "nowhere"), "the address given for okx cannot be used"),
        (("okx", "history", "BTC", "-o", "x.png"), "has an unknown format"),
    ],
)
def test_what_cannot_be_asked_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in refused(run, "cex", "provider", *words)
