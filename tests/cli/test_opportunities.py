"""`defiliq opportunities`: ranked rows from a node and from snapshots, as data and for people."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from defiliq.cli import main
from defiliq.pipeline.opportunities import OPPORTUNITY_COLUMNS, SEARCHED
from defiliq.pipeline.snapshot import save_snapshot
from tests.builders import account, book
from tests.cli.conftest import Fakes, Run
from tests.cli.dydx_chain import placed, standin
from tests.mev.deals import pools_file


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Two borrowers near their level, one far away, one whose collateral nobody buys."""
    accounts = [
        account(1, WETH=(1, 0), USDC=(0, 2_400)),
        account(2, WETH=(100, 0), USDC=(0, 235_000)),
        account(3, WETH=(1, 0), USDC=(0, 1_000)),
        account(4, WBTC=(1, 0), USDC=(0, 46_000)),
    ]
    return save_snapshot(book(accounts), tmp_path / "near.parquet")


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def options(folder: Path) -> tuple[str, ...]:
    """What a snapshot needs besides itself."""
    exits = f"WETH/USDC=file:{pools_file(folder)}"
    return "--exit", exits, "--gas-gwei", "5", "--flash", "5"


def test_a_snapshot_as_data(run: Run, kept: Path, tmp_path: Path) -> None:
    code, out, err = run("opportunities", "--from", kept, *options(tmp_path), "--format", "csv")
    table = rows(out)
    assert code == 0
    assert list(table.columns) == list(OPPORTUNITY_COLUMNS)
    known = table[table["lacks"] == ""]
    assert [float(net) for net in known["net_usd"]] == sorted(map(float, known["net_usd"]), reverse=True)
    assert table["lacks"].iloc[-1] == "no exit is given for WBTC/USDC: give --exit WBTC/USDC=file:PATH"
    assert table["net_usd"].iloc[-1] == table["net_raw"].iloc[-1] == ""
    assert (known["peak_raw"] != "").all()
    assert "6 levels within 10% of spot" in err
    assert "The net of 2 is not known, such as: no exit is given for WBTC/USDC" in err


def test_formats(run: Run, kept: Path, tmp_path: Path) -> None:
    code, out, _ = run("opportunities", "--from", kept, *options(tmp_path), "--format", "json", "-q")
    assert code == 0
    objects = json.loads(out)
    assert objects[0]["pays"] == "liquidator"
    assert objects[-1]["net_usd"] is None
    for suffix in ("csv", "parquet", "json", "md"):
        target = tmp_path / f"out.{suffix}"
        assert run("opportunities", "--from", kept, *options(tmp_path), "-o", target, "-q")[0] == 0
        assert target.stat().st_size > 0
    again = pd.read_parquet(tmp_path / "out.parquet")
    assert list(again.columns) == list(OPPORTUNITY_COLUMNS)
    assert str(again["gas_units"].dtype) == "Int64"


def test_for_people(run: Run, kept: Path, tmp_path: Path) -> None:
    code, out, _ = run("opportunities", "--from", kept, *options(tmp_path), "--format", "table")
    assert code == 0
    assert out.startswith("opportunities by net profit")
    assert "net $" in out
    assert "no exit is given for WBTC/USDC" in out


def test_within_and_profit(run: Run, kept: Path, tmp_path: Path) -> None:
    def shown(*more: str) -> pd.DataFrame:
        code, out, _ = run(
            "opportunities", "--from", kept, *options(tmp_path), *more, "--format", "csv", "-q"
        )
        assert code == 0
        return rows(out)

    wide, narrow = shown("--within", "90%"), shown("--within", "3.5%")
    assert len(wide) > len(shown()) > len(narrow) > 0
    assert (narrow["distance_pct"].astype(float).abs() <= 3.5).all()
    rich = shown("--min-profit-usd", "1000")
    assert set(rich["account"]) == {account(2).owner}
    err = run("opportunities", "--from", kept, *options(tmp_path), "--min-profit-usd", "1000")[2]
    assert "6 levels within 10% of spot" in err
    assert f"{6 - len(rich)} of them are left out" in err
    code, _, err = run("opportunities", "--from", kept, *options(tmp_path), "--min-profit-usd", "nan")
    assert (code, "no number" in err) == (2, True)
    assert set(shown("--driver", "WETH/USD")["driver"]) == {"WETH/USD"}
    assert set(shown("--side", "short")["side"]) == {"short"}


def test_all_prices(run: Run, tmp_path: Path) -> None:
    many = [account(k, WETH=(1, 0), USDC=(0, 2_300 + k)) for k in range(1, 9)]
    kept = save_snapshot(book(many), tmp_path / "many.parquet")
    for more, count in (((), SEARCHED), (("--all-prices",), 16)):
        code, out, _ = run(
            "opportunities", "--from", kept, *options(tmp_path), *more, "--format", "csv", "-q"
        )
        assert code == 0
        assert (rows(out)["peak_raw"] != "").sum() == count


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--exit", "WETH/USDC"), "is no exit"),
        (("--flash", "morpho"), "no flash loan"),
        (("--gas-gwei", "cheap"), "an amount of gwei"),
        (("--gas-units", "-1"), "gas-units"),
        (("--within", "near"), "is no width"),
        (("--native-usd", "0"), "above 0"),
        (("-o", "x.xlsx"), "unknown format"),
        (("--exit", f"WETH/USDC=pool:0x{'11' * 20}"), "read from a node"),
        (("--driver", "DOGE/USD"), "no driver"),
    ],
)
def test_what_cannot_be_used(run: Run, kept: Path, given: tuple[str, ...], said: str) -> None:
    code, out, err = run("opportunities", "--from", kept, *given)
    assert (code, out) == (2, "")
    assert said in err


def test_accounts_that_could_not_be_read_are_incomplete(run: Run, tmp_path: Path) -> None:
    torn = replace(book(), failed={account(9).owner: "it reverted"})
    kept = save_snapshot(torn, tmp_path / "torn.parquet")
    code, _, err = run("opportunities", "--from", kept, *options(tmp_path), "-o", tmp_path / "out.csv")
    assert code == 3
    assert "INCOMPLETE: 1 accounts" in err


def test_from_a_node(run: Run, fakes: Fakes, market_file: Path, tmp_path: Path) -> None:
    where = ("--market-file", market_file, "-r", "http://fake")
    code, out, err = run("opportunities", *where, *options(tmp_path), "--format", "csv")
    assert code == 0
    assert fakes.urls == ["http://fake"]
    assert len(rows(out))
    assert "Reading aave-v3 Local from http://fake" in err


def test_a_chain_that_liquidates_by_itself(run: Run, tmp_path: Path) -> None:
    """dYdX v4: the insurance fund's view. Nobody pays gas, and nothing is lacking."""
    with placed(standin(), tmp_path) as place:
        code, out, err = run("opportunities", *place.options, "--within", "30%", "--format", "csv")
    table = rows(out)
    assert code == 0, err
    told = table[table["pays"] != ""]
    assert len(told) > 10
    assert set(told["pays"]) == {"insurance fund"}
    assert set(told["lacks"]) == {""}
    assert set(told["gas_usd"]) == {"0.0"}
    nets = told["net_usd"].astype(float)
    assert (nets > 0).any()
    assert (told["net_raw"].map(int) == (nets * 10**6).round().astype(int)).all()


def test_help_says_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["opportunities", "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--exit", "--flash", "--priority-gwei", "--gas-gwei", "--gas-units", "--native-usd"):
        assert option in said
