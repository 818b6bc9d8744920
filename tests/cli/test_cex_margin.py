"""`cex price` and `cex tiers`: one position's liquidation price by hand, and the tables behind it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Run
from tests.cli.test_cex import refused

OWN = {
    "venue": "okx",
    "as_of": "2026-01-02",
    "source": "made up",
    "deducts": False,
    "unit": "USDT",
    "columns": ["floor", "cap", "maintenance_rate", "max_leverage"],
    "tables": {
        "BTC/USDT:USDT": {"tiers": [["0", "100000", "0.01", "50"], ["100000", None, "1/40", "20"]]},
        "BTC/USDC:USDC": {"tiers": [["0", None, "0.02", "20"]]},
    },
}
LONG = ("cex", "price", "BTC", "--side", "long", "--entry", "60000", "--leverage", "10")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "tiers.json"
    path.write_text(json.dumps(OWN))
    return path


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        # The seed's formula on Binance's first BTC tier (0.4%): 60000 (1 - 1/10 + 0.004).
        ((*LONG, "--margin", "simple"), "54240"),
        (("cex", "price", "btc", "--side", "short", *LONG[5:], "--margin", "simple"), "65760"),
        # q (P - 60000) + 6000 q = 0.004 q P, so P = 54000 / 0.996.
        (LONG, f"{54_000 / 0.996:.10g}"),
        ((*LONG[:-1], "10x"), f"{54_000 / 0.996:.10g}"),
        # A wallet of three times the margin: P = 42000 / 0.996; of all the notional and more, never.
        ((*LONG, "--margin", "cross", "--wallet", "3"), f"{42_000 / 0.996:.10g}"),
        ((*LONG, "--margin", "cross", "--wallet", "11"), "never"),
        # 0.1% of the notional is paid for opening, and three times 0.01% as funding: 0.9987 of it is owed.
        (
            (*LONG, "--open-fee", "0.001", "--funding-rate", "0.0001", "--funding-intervals", "3"),
            f"{60_000 * (0.9 + 0.001 + 0.0003) / 0.996:.10g}",
        ),
        # Above 50,000 dollars Binance keeps 0.5%, less 50.
        ((*LONG, "--size-usd", "400,000"), f"{(54_000 - 50 / (400_000 / 60_000)) / 0.995:.10g}"),
    ],
)
def test_a_price_by_hand(run: Run, words: tuple[str, ...], printed: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (0, f"{printed}\n")
    assert err.startswith("binance BTC/USDT:USDT, ")
    assert "tiers of 2" in err


def test_venues_and_contracts_have_rules_of_their_own(run: Run, own: Path) -> None:
    prices = {venue: run(*LONG, "--venue", venue)[1] for venue in ("binance", "bybit", "okx", "hyperliquid")}
    assert len(set(prices.values())) >= 3
    mine = run(*LONG, "--venue", "okx", "--tiers", own)
    other = run(*LONG, "--venue", "okx", "--tiers", own, "--symbol", "BTC/USDC:USDC")
    assert mine[0] == other[0] == 0
    assert float(mine[1]) < float(other[1]), "the second keeps more"
    assert "tiers of 2026-01-02 from made up" in mine[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--entry", "0"), "Give a number above 0"),
        (("--entry", "many"), "'many' is no number"),
        (("--entry", "1e400"), "'1e400' is no number"),
        (("--entry", "nan"), "'nan' is no number"),
        (("--leverage", "0.5"), "is below 1"),
        (("--leverage", "500"), "allows 125x at most"),
        (("--size-usd", "9" * 15), "no tier of BTC/USDT:USDT on binance reaches"),
        (("--wallet", "2"), "--wallet does nothing without --margin cross."),
        (("--margin", "cross"), "--margin cross needs --wallet"),
        (("--margin", "simple", "--open-fee", "0.1"), "the simple formula knows no charges"),
        (("--venue", "okx", "--symbol", "BTC/EUR:EUR"), "no margin tiers of BTC/EUR:EUR on okx are bundled"),
        (("--tiers", "none.json"), "none.json"),
    ],
)
def test_what_has_no_price_is_refused(run: Run, words: tuple[str, ...], said: str) -> None:
    assert said in refused(run, *LONG, *words)


def test_tiers_with_their_date_and_source(run: Run, own: Path, tmp_path: Path) -> None:
    code, out, err = run("cex", "tiers", "btc", "--venue", "okx", "--tiers", own)
    assert (code, err) == (0, "okx BTC/USDT:USDT, counted in USDT; of 2026-01-02 from made up\n")
    table = pd.read_csv(io.StringIO(out))
    assert table["floor"].tolist() == [0, 100_000]
    assert table["cap"].tolist()[0] == 100_000
    assert table["maintenance_rate"].tolist() == [0.01, 0.025]
    target = tmp_path / "tiers.csv"
    assert run("cex", "tiers", "btc", "--venue", "okx", "--tiers", own, "-o", target)[:2] == (0, "")
    assert target.read_text() == out
    code, shown, _ = run("cex", "tiers", "BTC", "--format", "table")
    assert code == 0
    assert "maintenance_rate" in shown
    assert json.loads(run("cex", "tiers", "BTC", "--format", "json")[1])[0]["maintenance_rate"] == "0.004"
    said = refused(run, "cex", "tiers", "BTC", "--tiers", own, "--symbol", "X")
    assert said.endswith("has no tiers of X. It has BTC/USDT:USDT, BTC/USDC:USDC.")
    assert "no margin tiers of DOGE" in refused(run, "cex", "tiers", "DOGE", "--venue", "okx")
