"""What `position` says of traders whose numbers are known by heart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

import defiliq
from tests.builders import book as lending_book
from tests.cli.conftest import Run
from tests.venue import BOB, BROKE, CAROL, DAVE, IDLE, name, venue_book


def test_a_trader_is_explained_in_longs_and_shorts(run: Run, tmp_path: Path) -> None:
    path = defiliq.save_snapshot(venue_book(), tmp_path / "venue.parquet")
    _, out, _ = run("position", name(BOB), "--from", path)
    assert out.startswith("dydx-v4 Local v4 on dydx-local-1, block 120 0x"), "the name is the id"
    assert "long or owned 102,500   short or owed 90,000   net collateral 12,500   free 7,975" in out
    assert re.search(r"BTC-USD +60,000\.0000 +1\.5 +90,000 +300\n", out)
    assert re.search(r"PEPE-USD +1e-05 +50000000 +500\.00 +300\n", out)
    assert re.search(r"USDC +1\.0000 +102000 +102,000 *\n", out)
    assert "threshold" not in out
    assert "notional $" in out
    assert "it receives 7.500000 USDC of funding" in out
    _, out, _ = run("position", name(CAROL), "--from", path)
    assert "health factor -6.666666 (LIQUIDATABLE)" in out
    assert "the order now: buy 5000000 PEPE-USD for 50.15 USDC, 0.15 in favour of who fills it (10% of" in out
    assert "the insurance fund pays 10.150000 USDC" in out
    _, out, _ = run("position", name(BROKE), "--from", path)
    assert "no margin is asked of it, so no health factor" in out
    assert "note: net collateral is negative with no margin required" in out
    _, out, _ = run("position", name(IDLE), "--from", path)
    assert "no debt, so no health factor" in out
    _, out, _ = run("position", name(DAVE), "--from", path)
    assert "never" in out


def test_json_holds_all_of_it(run: Run, tmp_path: Path) -> None:
    path = defiliq.save_snapshot(venue_book(), tmp_path / "venue.parquet")
    about = json.loads(run("position", name(BOB), "--from", path, "--format", "json", "-q")[1])
    assert [leg["is_position"] for leg in about["legs"]] == [False, True, True]
    assert about["health"]["health_factor"] == "4.604051565377532228"
    assert {level["driver"]: level["side"] for level in about["levels"] if level["outcome"] == "price"} == {
        "ALL": "short",
        "BTC/USD": "short",
    }
    assert about["eta"]["outcome"] == "never"
    assert about["liquidation"] is None
    carol = json.loads(run("position", name(CAROL), "--from", path, "--format", "json", "-q")[1])
    assert carol["liquidation"]["repaid"] == "500000"
    assert carol["nearest"]["outcome"] == "already"


def test_nobodys_funding_is_known_ahead(run: Run, tmp_path: Path) -> None:
    path = defiliq.save_snapshot(venue_book(), tmp_path / "venue.parquet")
    _, out, _ = run("position", name(BOB), "--from", path)
    assert "at constant prices: never within 10 years, but for funding, which is not known ahead" in out


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "md"])
@pytest.mark.parametrize(
    "command", [("ladder",), ("ladder", "--bin", "5%"), ("feeds",), ("stress", "--set", "*=-5%")]
)
def test_it_stands_beside_a_lending_market_in_every_format(
    run: Run, tmp_path: Path, suffix: str, command: tuple[str, ...]
) -> None:
    """Ids of chains are numbers there and names here."""
    venue = defiliq.save_snapshot(venue_book(), tmp_path / "venue.parquet")
    lending = defiliq.save_snapshot(lending_book(), tmp_path / "lending.parquet")
    target = tmp_path / f"both.{suffix}"
    for files in ((venue, lending), (lending, venue)):
        words = [word for file in files for word in ("--from", file)]
        code, out, err = run(*command, *words, "-o", target, "-q")
        assert (code, out, err) == (0, "", "")
        assert "dydx-local-1" in target.read_bytes().decode("utf-8", "replace")
    if suffix == "parquet":
        assert set(pd.read_parquet(target)["chain_id"]) == {"31337", "dydx-local-1"}
