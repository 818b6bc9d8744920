"""Tier tables that are bundled, and those in a user's own file."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from defiliq.cex.margin import RULES
from defiliq.cex.tiers import bundled_tiers, load_tiers, load_tiers_file
from defiliq.errors import BadFile, UnknownTiers

F = Fraction

MAKER = Path(__file__).resolve().parents[3] / "scripts" / "make_tiers"


def held(**changes: Any) -> dict[str, Any]:
    table = {"unit": "contracts", "contract_size": "0.1", "tiers": [["0", "5000", "0.004", "100"]]}
    return {
        "venue": "okx",
        "as_of": "2025-12-29",
        "source": "my own",
        "deducts": False,
        "columns": ["floor", "cap", "maintenance_rate", "max_leverage"],
        "tables": {"ETH/USDT:USDT": table},
    } | changes


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_binance_btc_row_by_row() -> None:
    """Against Binance's own page of that time: the first rows and the last."""
    tiers = load_tiers("binance", "BTC")
    assert (tiers.symbol, tiers.unit, tiers.as_of) == ("BTC/USDT:USDT", "USDT", "2024-10-24")
    rows = [(t.floor, t.cap, t.maintenance_rate, t.max_leverage, t.cum) for t in tiers.tiers]
    assert rows[0] == (F(0), F(50_000), F("0.004"), F(125), F(0))
    assert rows[2] == (F(600_000), F(3_000_000), F("0.0065"), F(75), F(950))
    assert rows[-1] == (F(1_200_000_000), F(1_800_000_000), F("0.5"), F(1), F(421_481_450))
    assert len(rows) == 12


def test_okx_counts_contracts() -> None:
    tiers = load_tiers("okx", "BTC")
    assert (tiers.unit, tiers.contract_size) == ("contracts", F("0.01"))
    assert [(t.cap, t.maintenance_rate, t.max_leverage) for t in tiers.tiers[:4]] == [
        (F(1000), F("0.004"), F(100)),
        (F(5000), F("0.005"), F("66.66")),
        (F(20000), F("0.0075"), F(50)),
        (F(40000), F("0.0125"), F(40)),
    ]
    last = tiers.tiers[-1]
    assert (last.cap, last.maintenance_rate, last.max_leverage) == (F(860_000), F("0.2175"), F("4.34"))
    assert not any(tier.cum for tier in tiers.tiers)
    assert load_tiers("okx", "ETH").contract_size == F("0.1")


def test_bybit_deducts_what_its_own_page_shows() -> None:
    tiers = load_tiers("bybit", "BTC")
    assert [tier.cum for tier in tiers.tiers[:4]] == [0, 1_200, 3_020, 4_300]
    assert tiers.tiers[-1].cum == 226_382_000
    assert load_tiers("bybit", "ETH").tiers[-1].cum == 138_018_220


def test_hyperliquid_keeps_half_of_the_initial_margin() -> None:
    first, second = load_tiers("hyperliquid", "ETH").tiers
    assert (first.maintenance_rate, second.maintenance_rate) == (F(1, 50), F(1, 30))
    assert second.cap is None
    assert second.cum == 100_000_000 * (F(1, 30) - F(1, 50))


@pytest.mark.parametrize("venue", sorted(RULES))
def test_every_bundled_table_is_sound_and_says_where_it_is_from(venue: str) -> None:
    for symbol, tiers in bundled_tiers(venue).items():
        assert tiers.venue == venue
        assert tiers.symbol == symbol
        assert len(tiers.source) > 40
        assert tiers.as_of.startswith("20")
        for tier in tiers.tiers:
            assert tier.maintenance_rate * tier.max_leverage <= 1
        assert RULES[venue].deducts or not any(tier.cum for tier in tiers.tiers)


def test_which_contract_is_meant() -> None:
    assert load_tiers("binance", "ETH").symbol == "ETH/USDT:USDT"
    assert load_tiers("binance", "ETH", "ETH/USDC:USDC").unit == "USDC"
    assert load_tiers("binance", "BTC", "BTC/USDT:USDT-241227").tiers[0].max_leverage == 50
    assert load_tiers("hyperliquid", "BTC").symbol == "BTC/USDC:USDC"


@pytest.mark.parametrize(
    ("venue", "asset", "symbol", "words"),
    [
        ("okx", "AAVE", None, "no margin tiers of AAVE on okx are bundled. There are: BTC/USDT:USDT, ETH"),
        ("binance", "BTC", "BTC/USD:BTC", "of BTC/USD:BTC on binance"),
        ("binance", "ETH", "BTC/USDT:USDT", "of BTC/USDT:USDT on binance"),
        ("kraken", "BTC", None, "There are: none"),
        ("../binance", "BTC", None, "There are: none"),
        ("binance", "", None, "are bundled"),
    ],
)
def test_what_is_not_bundled_is_no_default(venue: str, asset: str, symbol: str | None, words: str) -> None:
    with pytest.raises(UnknownTiers, match=words):
        load_tiers(venue, asset, symbol)


def test_a_users_own_file(tmp_path: Path) -> None:
    found = load_tiers_file(write(tmp_path / "mine.json", held()))["ETH/USDT:USDT"]
    assert (found.venue, found.source, found.contract_size, found.is_inverse) == (
        "okx",
        "my own",
        F("0.1"),
        False,
    )
    assert found.tiers[0].maintenance_rate == F("0.004")


def test_a_table_may_have_its_own_date_and_a_fraction(tmp_path: Path) -> None:
    table = {"unit": "USDT", "as_of": "2026-01-01", "deducts": True, "tiers": [["0", None, "1/30", 15]]}
    found = load_tiers_file(write(tmp_path / "mine.json", held(tables={"A/USDT:USDT": table})))
    assert found["A/USDT:USDT"].as_of == "2026-01-01"
    assert found["A/USDT:USDT"].tiers[0].maintenance_rate == F(1, 30)


def one(*values: Any, **more: Any) -> dict[str, Any]:
    return held(tables={"A/USDT:USDT": {"unit": "USDT", "tiers": [list(values)]} | more})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "no object with `tables`"),
        (held(tables=[]), "no object with `tables`"),
        (held(columns=["cap", "floor"]), "columns are not"),
        (held(venue=None), "ETH/USDT:USDT does not say its venue"),
        (held(deducts="no"), "does not say its deducts"),
        (held(tables={"A": 5}), "A is no object"),
        (held(tables={"A": {"unit": "USDT"}}), "does not say its tiers"),
        (one("0", "50", "0.004"), "row 1 of A/USDT:USDT has not 4 values"),
        (one("0", "50", 0.004, "100"), "row 1 of A/USDT:USDT holds '0.004', which is no decimal string"),
        (one("0", "50", "-0.004", "100"), "no decimal string"),
        (one("0", "50", "1e9999999", "100"), "no decimal string"),
        (one("0", "50", "1/0", "100"), "no decimal string"),
        (one("0", "50", "nan", "100"), "no decimal string"),
        (one("0", "50", True, "100"), "no decimal string"),
        (one("0", "9" * 41, "0.1", "5"), "no decimal string"),
        (one("0", "50", "1.5", "100"), "not within 0 and 1"),
        (one("0", "50", "0.1", "5", is_inverse="yes"), "does not say its is_inverse"),
        (one("0", "50", "0.1", "5", contract_size="big"), "A/USDT:USDT, contract_size holds 'big'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(BadFile, match=words) as caught:
        load_tiers_file(write(tmp_path / "mine.json", content))
    assert "mine.json" in str(caught.value)


def test_files_that_are_no_json(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        load_tiers_file(tmp_path / "none.json")
    for number, raw in enumerate((b"{", b"\xff\xfe", b"[" * 100_000)):
        path = tmp_path / f"{number}.json"
        path.write_bytes(raw)
        with pytest.raises(BadFile, match="not JSON"):
            load_tiers_file(path)
    (tmp_path / "large.json").write_bytes(b" " * ((8 << 20) + 1))
    with pytest.raises(BadFile, match="larger than 8 MB"):
        load_tiers_file(tmp_path / "large.json")


def bracket(cum: str) -> dict[str, Any]:
    first = {"notionalFloor": "0", "notionalCap": "50000", "maintMarginRatio": "0.004", "cum": "0.0"}
    second = {"notionalFloor": "50000", "notionalCap": "600000", "maintMarginRatio": "0.005", "cum": cum}
    rows = [first | {"initialLeverage": "125"}, second | {"initialLeverage": "100"}]
    return {"ZZZ/USDT:USDT": [{"info": info} for info in rows]}


@pytest.mark.parametrize(("cum", "code"), [("50.0", 1), ("50.1", 2)])
def test_the_maker_proves_every_row(tmp_path: Path, cum: str, code: int) -> None:
    """1: sound, and not what is bundled. 2: the deduction is not what floors and rates make."""
    path = write(tmp_path / "brackets.json", bracket(cum))
    ran = subprocess.run(
        [sys.executable, MAKER, path, "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, ran.stderr
    said = "1 contracts, 2 rows: cum agrees on all" if code == 1 else "row 2 of ZZZ/USDT:USDT: it deducts"
    assert said in ran.stdout + ran.stderr
