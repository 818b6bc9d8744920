"""Whole command lines over a fake chain and over snapshots: data on stdout, talk on stderr, exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import defiliq
from defiliq.engine import bulk, solve
from defiliq.engine.sweep import UNRESOLVED
from defiliq.errors import UnresolvedLevel
from defiliq.ladder import LADDER_COLUMNS
from defiliq.pricing.driver import Driver
from defiliq.types import Side
from tests.builders import HASH, address, book
from tests.cli.conftest import Fakes, Run
from tests.fakes import FakeNode

URL = "http://127.0.0.1:1/"


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def test_scan_reads_and_judges(run: Run, fakes: Fakes, market_file: Path) -> None:
    code, out, err = run("scan", "aave-v3", "--market-file", market_file, "-r", URL, "--no-index")
    assert code == 0
    assert f"block 120 {HASH}" in out
    assert "accounts: 8 found, 8 read, 0 failed" in out
    assert "liquidatable: 1, of which callable 1" in out
    assert address(3) in out
    assert fakes.urls == [URL]
    assert "Reading aave-v3 Local from http://fake" in err


def test_scan_writes_the_health_of_every_account(
    run: Run, fakes: Fakes, market_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "health.csv"
    code, _, err = run("scan", "aave-v3", "--market-file", market_file, "-r", URL, "-o", target)
    assert code == 0
    assert f"Wrote 8 rows to {target}" in err
    table = rows(target.read_text())
    assert table.set_index("account").loc[address(3), "liquidatable"] == "true"
    assert (tmp_path / "data" / "defiliq" / "accounts.sqlite").is_file()


def test_scan_as_json_puts_only_data_on_stdout(run: Run, snapshot: Path) -> None:
    code, out, err = run("scan", "--from", snapshot, "--format", "json")
    assert code == 0
    assert [row["account"] for row in json.loads(out)] == [address(k) for k in range(1, 9)]
    assert "block 120" in err


def test_quiet_says_nothing_but_data(run: Run, snapshot: Path) -> None:
    _, out, err = run("scan", "--from", snapshot, "--format", "csv", "-q")
    assert err == ""
    assert len(rows(out)) == 8


def test_accounts_that_could_not_be_read_make_it_incomplete(
    run: Run, fakes: Fakes, market_file: Path
) -> None:
    fakes.protocol(failed={address(70): "its balance is absurd"})
    code, out, err = run("scan", "--market-file", market_file, "-r", URL, "-q")
    assert code == 3
    assert "9 found, 8 read, 1 failed" in out
    assert f"INCOMPLETE: 1 accounts could not be read, such as {address(70)}: its balance is absurd" in err


def test_a_search_that_breaks_exits_3_and_resumes(run: Run, fakes: Fakes, market_file: Path) -> None:
    command = ("scan", "--market-file", market_file, "-r", URL, "--block", "50000")
    fakes.node = FakeNode(head=60_000, finalized=60_000, breaks_after=20_000)
    code, out, err = run(*command)
    assert (code, out) == (3, "")
    assert "INCOMPLETE: the search for accounts stopped after block" in err
    fakes.node = FakeNode(head=60_000, finalized=60_000)
    code, out, _ = run(*command)
    assert code == 0
    assert "8 found, 8 read" in out


def test_min_debt_leaves_accounts_out_and_says_so(run: Run, snapshot: Path) -> None:
    code, out, err = run("scan", "--from", snapshot, "--min-debt-usd", "2500", "--format", "csv")
    assert code == 0
    assert len(rows(out)) == 4
    assert "Left out 4 of 8 accounts that owe less than 2500" in err


def test_later_instants(run: Run, snapshot: Path) -> None:
    _, out, err = run("scan", "--from", snapshot, "--at", "+12s", "--format", "csv")
    assert set(rows(out)["evaluated_at"]) == {"1764000012"}
    assert "2025-11-24 16:00:12 UTC" in err
    assert run("scan", "--from", snapshot, "--at", "1763999999")[0] == 2
    assert run("scan", "--from", snapshot, "--at", "soon")[0] == 2


def test_snapshot_then_everything_from_it(run: Run, fakes: Fakes, market_file: Path, tmp_path: Path) -> None:
    target = tmp_path / "kept.parquet"
    code, out, err = run("snapshot", "aave-v3", "--market-file", market_file, "-r", URL, "-o", target)
    assert (code, out) == (0, "")
    assert "Wrote 8 accounts with" in err
    loaded = defiliq.load_snapshot(target)
    assert sorted(account.owner for account in loaded.accounts()) == [address(k) for k in range(1, 9)]
    for command in (["scan"], ["ladder"], ["position", address(1)]):
        assert run(*command, "--from", target)[0] == 0


def test_snapshot_needs_a_parquet_file(run: Run, snapshot: Path) -> None:
    assert run("snapshot", "--from", snapshot)[0] == 2
    assert run("snapshot", "--from", snapshot, "-o", "x.csv")[0] == 2


def test_ladder_pipes_csv_with_the_promised_columns(run: Run, snapshot: Path) -> None:
    code, out, err = run("ladder", "aave-v3", "--from", snapshot, "--driver", "WETH/USD")
    assert code == 0
    table = rows(out)
    assert list(table.columns) == list(LADDER_COLUMNS)
    assert table["callable"].tolist() == ["true"] * 5
    assert table["price_raw"].tolist()[:2] == ["300000000000", "242424242424"]
    assert "4 rungs, 1 already liquidatable, 3 never, along WETH/USD" in err


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "md"])
def test_ladder_in_every_format(run: Run, snapshot: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"ladder.{suffix}"
    code, out, err = run("ladder", "--from", snapshot, "-o", target)
    assert (code, out) == (0, "")
    expected = defiliq.ladder(book())
    assert f"Wrote {len(expected)} rows" in err
    if suffix == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(target), expected, check_dtype=False)
    elif suffix == "csv":
        assert rows(target.read_text())["account"].tolist() == expected["account"].tolist()
    elif suffix == "json":
        assert [row["price_raw"] for row in json.loads(target.read_text())] == expected["price_raw"].tolist()
    else:
        assert target.read_text().count("\n") == len(expected) + 2


def test_ladder_with_groups_bins_sides_and_all(run: Run, snapshot: Path) -> None:
    group = ("--group", "ETH/USD=WETH,wstETH", "--driver", "ETH/USD")
    _, out, _ = run("ladder", "--from", snapshot, *group, "--side", "short")
    assert set(rows(out)["side"]) == {"short"}
    assert set(rows(out)["driver"]) == {"ETH/USD"}
    _, out, _ = run("ladder", "--from", snapshot, "--bin", "1%")
    assert "price_low_usd" in rows(out).columns
    _, out, _ = run("ladder", "--from", snapshot, "--all")
    assert "never" in set(rows(out)["outcome"])


def test_ladder_of_several_markets(run: Run, snapshot: Path, tmp_path: Path) -> None:
    code, out, _ = run("ladder", "all", "--from", snapshot, "--from", snapshot, "--driver", "WETH")
    assert code == 0
    assert len(rows(out)) == 10


def test_ladder_as_a_table(run: Run, snapshot: Path) -> None:
    code, out, _ = run("ladder", "--from", snapshot, "--driver", "WETH", "--format", "table")
    assert code == 0
    assert "3,000 ── spot, 1 liquidatable already" in out
    assert "2,424.2424" in out
    assert "\x1b" not in out


def test_position_in_words_and_json(run: Run, snapshot: Path, tmp_path: Path) -> None:
    code, out, _ = run("position", address(3).lower(), "--from", snapshot)
    assert code == 0
    assert "0.951923 (LIQUIDATABLE)" in out
    assert "best call now: repay 1300 USDC, receive 0.45283" in out
    target = tmp_path / "position.json"
    assert run("position", address(3), "--from", snapshot, "-o", target)[0] == 0
    _, out, _ = run("position", address(3), "--from", snapshot, "--format", "json")
    assert json.loads(out) == json.loads(target.read_text())
    assert json.loads(out)["account"] == address(3)


def test_position_reads_one_account_from_a_node(run: Run, fakes: Fakes, market_file: Path) -> None:
    fakes.node = FakeNode(breaks_after=0)  # no search: logs can't be had
    code, out, _ = run("position", address(1), "aave-v3", "--market-file", market_file, "-r", URL)
    assert code == 0
    assert "1.237500 (healthy)" in out


def test_verify_reports_agreement(run: Run, fakes: Fakes, snapshot: Path) -> None:
    code, out, _ = run("verify", "--from", snapshot, "-r", URL, "--levels")
    assert code == 0
    assert "accounts asked 8 of 8 (seed 0), agreed 8 (100%)" in out
    assert "p* agreed 12 (100%), neighbour agreed 12 (100%)" in out


def test_verify_exits_1_and_prints_what_differs(
    run: Run, fakes: Fakes, snapshot: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    fakes.protocol(
        lies=lambda answer: replace(answer, debt_base=answer.debt_base + (answer.debt_base == 2000 * 10**8))
    )
    code, out, _ = run("verify", "--from", snapshot, "-r", URL)
    assert code == 1
    assert "agreed 7 (87.50%)" in out
    assert address(1) in out
    assert "200000000001" in out
    target = tmp_path / "wrong.csv"
    assert run("verify", "--from", snapshot, "-r", URL, "-o", target)[0] == 1
    assert rows(target.read_text())["what"].tolist() == ["debt_base"]


def test_markets(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("markets", "--chain", "ethereum", "--protocol", "aave-v3")
    assert code == 0
    assert list(rows(out).columns[:5]) == ["protocol", "chain_id", "chain", "name", "version"]
    assert set(rows(out)["chain"]) == {"ethereum"}
    assert run("markets", "-o", tmp_path / "markets.json")[0] == 0
    assert len(json.loads((tmp_path / "markets.json").read_text())) > 20


@pytest.mark.parametrize("command", ["ladder", "position", "verify"])
def test_levels_that_only_rounding_decides_are_counted_and_exit_3(
    run: Run,
    fakes: Fakes,
    market_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    find = bulk.crossings

    def give_up_on_ether(prepared: bulk.Prepared, side: Side) -> bulk.Crossings:
        found = find(prepared, side)
        if prepared.driver.name == "WETH/USD":
            found.state[:] = UNRESOLVED
        return found

    find_by_law = solve.find_levels

    def give_up_too(law: Any, account: int, prices: Any, driver: Driver, *rest: Any, **looks: Any) -> Any:
        if driver.name == "WETH/USD":
            raise UnresolvedLevel(driver.name, 1)
        return find_by_law(law, account, prices, driver, *rest, **looks)

    monkeypatch.setattr(bulk, "crossings", give_up_on_ether)
    monkeypatch.setattr(solve, "find_levels", give_up_too)
    words = {"ladder": [], "position": [address(1)], "verify": ["--levels"]}[command]
    code, out, err = run(command, *words, "--market-file", market_file, "-r", URL, "--no-index")
    assert code == 3
    assert "levels are decided by rounding alone and are left out, such as 0x" in err
    assert "on WETH/USD" in err
    assert "WETH/USD,long,price" not in out
