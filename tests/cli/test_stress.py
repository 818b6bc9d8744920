"""`defiliq stress`: moves, presets, curves and pictures, as data and for people, and its refusals."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from defiliq.book import Book
from defiliq.cli.options import Source
from defiliq.cli.sources import listings
from defiliq.cli.stress import STEPS
from defiliq.pipeline.listings import markets
from defiliq.pipeline.presets import presets
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.pipeline.stress import DEFAULT_STEPS, stress, stress_curve
from defiliq.pipeline.stressed import (
    ACCOUNT_COLUMNS,
    CURVE_COLUMNS,
    CURVE_RESERVE_COLUMNS,
    MOVE_COLUMNS,
    RESERVE_COLUMNS,
    TOTAL_COLUMNS,
)
from defiliq.view.files import render_csv
from tests.builders import address, graph_market
from tests.cli.conftest import Run
from tests.test_stress import random_book

MOVES = ("--set", "ETH/USD=-20%", "--set", "wstETH/ETH=-5%")
JOINT = ("ETH/USD=-20%", "wstETH/ETH=-5%")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A market whose prices are resolved, as a file."""
    return save_snapshot(random_book(graph_market(), 100), tmp_path / "graph.parquet")


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


@pytest.mark.parametrize(
    ("by", "columns"),
    [
        (None, RESERVE_COLUMNS),
        ("reserve", RESERVE_COLUMNS),
        ("total", TOTAL_COLUMNS),
        ("driver", MOVE_COLUMNS),
        ("account", ACCOUNT_COLUMNS),
    ],
)
def test_rows_on_stdout_are_the_librarys(
    run: Run, kept: Path, by: str | None, columns: tuple[str, ...]
) -> None:
    code, out, err = run("stress", "aave-v3", "--from", kept, *MOVES, *(() if by is None else ("--by", by)))
    assert code == 0
    result = stress(random_book(graph_market(), 100), JOINT)
    tables = {"total": result.totals, "driver": result.moved, "account": result.accounts}
    assert out == render_csv(tables.get(str(by), result.reserves))
    assert tuple(rows(out).columns) == columns
    assert "accounts: 100 found, 100 read, 0 failed" in err


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "md"])
def test_every_format_can_be_written(run: Run, kept: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"stress.{suffix}"
    code, out, err = run("stress", "--from", kept, *MOVES, "-o", target)
    assert (code, out) == (0, "")
    assert f"Wrote 9 rows to {target}" in err
    if suffix == "parquet":
        expected = stress(random_book(graph_market(), 100), JOINT).reserves
        pd.testing.assert_frame_equal(pd.read_parquet(target), expected, check_dtype=False)


def test_people_get_moves_totals_and_reserves(run: Run, kept: Path) -> None:
    code, out, _ = run("stress", "--from", kept, *MOVES, "--format", "table")
    assert code == 0
    assert "ETH/USD: 3,000 -> 2,400 (-20%)" in out
    assert "first calls: " in out
    assert "bad debt: " in out
    assert "does not bind" in out
    assert "block 120" in out
    assert "sum of" not in out


def test_a_preset_leaves_out_what_the_market_does_not_have(run: Run, kept: Path) -> None:
    code, out, err = run("stress", "--from", kept, "--preset", "usdc-2023", "--by", "driver")
    assert code == 0
    assert rows(out)["after_raw"].tolist() == ["87700000"]
    assert "aave-v3 Local has nothing that DAI/USD=0.88 moves: left out" in err


def test_a_preset_that_fits_nothing_is_an_error(run: Run, snapshot: Path) -> None:
    code, out, err = run("stress", "--from", snapshot, "--preset", "capo-2026", "-q")
    assert (code, out) == (2, "")
    assert err.startswith("Error: nothing to move in aave-v3 Local: it has none of the drivers of cap:wstETH")


def test_a_preset_and_a_move_together(run: Run, kept: Path) -> None:
    _, out, _ = run(
        "stress", "--from", kept, "--preset", "capo-2026", "--set", "ETH/USD=-5%", "--by", "driver"
    )
    assert rows(out)["driver"].tolist() == ["ETH/USD", "cap:wstETH/ETH ratio"]


def test_presets_are_listed_without_reading_anything(run: Run) -> None:
    code, out, err = run("stress", "--list-presets")
    assert (code, err) == (0, "")
    assert all(each.name in out and each.sources[0] in out for each in presets())


def test_groups_of_a_market_that_is_not_resolved(run: Run, snapshot: Path) -> None:
    options = ("--group", "ETHER=WETH,wstETH", "--set", "ETHER=-10%")
    code, out, _ = run("stress", "--from", snapshot, *options)
    assert code == 0
    assert rows(out)["change_pct"].tolist() == ["-10.0", "-10.0", "0.0", "0.0", "0.0"]


def test_a_later_instant(run: Run, kept: Path) -> None:
    code, out, err = run("stress", "--from", kept, *MOVES, "--at", "+3600s", "--by", "total")
    assert code == 0
    assert rows(out)["evaluated_at"].tolist() == [str(graph_market().timestamp + 3600)]
    assert "Interest is accrued to" in err


def test_two_markets_and_their_sum(run: Run, kept: Path, tmp_path: Path) -> None:
    other = replace(graph_market(), name="Other")
    both = ("--from", kept, "--from", save_snapshot(random_book(other, 100), tmp_path / "other.parquet"))
    code, out, _ = run("stress", *both, *MOVES, "--by", "total")
    assert code == 0
    assert len(rows(out)) == 2
    _, out, _ = run("stress", *both, *MOVES, "--format", "table")
    assert "sum of 2 markets" in out
    assert "of 200 accounts" in out


def test_one_market_twice_has_no_sum(run: Run, kept: Path) -> None:
    code, out, _ = run("stress", "--from", kept, "--from", kept, *MOVES, "--format", "table")
    assert code == 0
    assert out.count("liquidatable: ") == 2
    assert "sum of" not in out


def test_a_move_of_no_market_at_all_is_refused(run: Run, kept: Path, snapshot: Path) -> None:
    wrong = ("--set", "ETH/USD=-20%", "--set", "EHT/USD=-20%")
    code, out, err = run("stress", "--from", snapshot, "--from", kept, *wrong, "-q")
    assert (code, out) == (2, "")
    assert "none of these markets has what 'EHT/USD=-20%' moves" in err


def test_of_several_markets_only_those_with_the_driver_are_stressed(
    run: Run, kept: Path, snapshot: Path
) -> None:
    code, out, err = run(
        "stress", "--from", snapshot, "--from", kept, "--set", "ETH/USD=-20%", "--by", "total"
    )
    assert code == 0
    assert rows(out)["accounts"].tolist() == ["100"]
    assert "aave-v3 Local is left out: it has none of these drivers" in err
    code, _, err = run("stress", "--from", snapshot, "--from", kept, "--set", "SOL/USD=-20%", "-q")
    assert code == 2
    assert "nothing to move" in err


def test_markets_of_different_base_currencies_have_no_sum(run: Run, kept: Path, tmp_path: Path) -> None:
    at = replace(graph_market(), base_symbol="ETH")
    other = save_snapshot(random_book(at, 10), tmp_path / "other.parquet")
    code, out, _ = run("stress", "--from", kept, "--from", other, *MOVES, "--format", "table")
    assert code == 0
    assert "sum of" not in out


def test_all_markets_of_a_chain_by_one_word() -> None:
    source = Source(
        protocol="aave-v3",
        chain="ethereum",
        market="all",
        market_file=(),
        rpc_url=None,
        block=None,
        snapshot=(),
        record=None,
        replay=None,
        concurrency=1,
        at=None,
        quiet=True,
    )
    names = [listing.name for listing in listings(source)]
    assert {"Ethereum", "EthereumLido", "EthereumEtherFi"} <= set(names)
    assert {listing.chain_id for listing in listings(source)} == {1}
    assert len(names) == len(set(names)) == len(markets("aave-v3", "ethereum"))


def test_an_incomplete_book_exits_3_with_its_data(run: Run, tmp_path: Path) -> None:
    part = Book.build(graph_market(), list(random_book(graph_market(), 5).accounts()), {address(9): "absurd"})
    target = save_snapshot(part, tmp_path / "part.parquet")
    for way in ((), ("--curve", "--steps", "2")):
        code, out, err = run("stress", "--from", target, *MOVES, *way)
        assert code == 3
        assert len(rows(out)) > 1
        assert "INCOMPLETE: 1 accounts could not be read" in err


def test_a_curve_as_rows(run: Run, kept: Path) -> None:
    held = random_book(graph_market(), 100)
    code, out, _ = run("stress", "--from", kept, *MOVES, "--curve")
    assert code == 0
    assert out == render_csv(stress_curve(held, JOINT).totals)
    assert tuple(rows(out).columns) == CURVE_COLUMNS
    assert len(rows(out)) == STEPS + 1 == DEFAULT_STEPS + 1
    code, out, _ = run("stress", "--from", kept, *MOVES, "--curve", "--steps", "3", "--by", "reserve")
    assert out == render_csv(stress_curve(held, JOINT, steps=3).reserves)
    assert tuple(rows(out).columns) == CURVE_RESERVE_COLUMNS


def test_a_curve_for_people_and_as_json(run: Run, kept: Path) -> None:
    code, out, _ = run("stress", "--from", kept, *MOVES, "--curve", "--steps", "4", "--format", "table")
    assert code == 0
    assert "wstETH/ETH ratio: 1.2 -> 1.14 (-5%)" in out
    assert "100%" in out
    _, out, _ = run("stress", "--from", kept, *MOVES, "--curve", "--steps", "4", "--format", "json")
    assert [row["share_pct"] for row in json.loads(out)] == [0, 25, 50, 75, 100]


@pytest.mark.parametrize(
    ("name", "begins"), [("curve.png", b"\x89PNG"), ("curve.svg", b"<?xml"), ("C.PNG", b"\x89PNG")]
)
def test_a_picture_of_the_curve(run: Run, kept: Path, tmp_path: Path, name: str, begins: bytes) -> None:
    code, out, err = run("stress", "--from", kept, *MOVES, "-o", tmp_path / name, "--steps", "3")
    assert (code, out) == (0, "")
    assert f"Wrote {tmp_path / name}" in err
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_picture_and_the_rows_behind_it(run: Run, kept: Path, tmp_path: Path) -> None:
    target = tmp_path / "curve.png"
    code, out, _ = run(
        "stress", "--from", kept, *MOVES, "-o", target, "--log", "--format", "csv", "--steps", "2"
    )
    assert code == 0
    assert len(rows(out)) == 3
    assert target.is_file()


def test_a_picture_without_matplotlib_is_refused_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("defiliq.cli.printing.find_spec", lambda name: None)
    code, out, err = run("stress", "--from", tmp_path / "none.parquet", *MOVES, "-o", tmp_path / "a.png")
    assert (code, out) == (1, "")
    assert err == (
        "Error: a picture needs matplotlib, which is not installed. "
        "Install it: pip install 'defiliq[plots]'.\n"
    )


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ((), "Name a move with --set DRIVER=-20%, or a --preset"),
        (("--set", "ETH/USD"), "cannot read the move 'ETH/USD'"),
        (("--set", "ETH/USD=-100%"), "leaves no price"),
        (("--set", "SOL/USD=-1%"), "no driver 'SOL/USD' in this market. Drivers: "),
        (("--set", "wstETH=-1%"), "'wstETH' hangs on several drivers: ETH/USD, wstETH/ETH ratio. Name one"),
        ((*MOVES, "--set", "WETH=-1%"), "ETH/USD is moved twice"),
        (("--set", "ETH/USD=0"), "puts ETH/USD below 1"),
        (("--preset", "luna"), "no preset 'luna'. Known: steth-2022"),
        ((*MOVES, "-o", "curve.pdf"), "End it in .csv .parquet .json .md .png .svg"),
        ((*MOVES, "--steps", "5"), "--steps does nothing without --curve or a picture."),
        ((*MOVES, "--curve", "--log"), "--log does nothing without a picture: -o FILE.png."),
        ((*MOVES, "--steps", "0"), "0 is not in the range"),
        ((*MOVES, "--curve", "--by", "account"), "A curve has rows by reserve or in total"),
        ((*MOVES, "--by", "feed"), "'feed' is not one of"),
    ],
)
def test_what_cannot_be_used_is_usage(run: Run, kept: Path, options: tuple[str, ...], seen: str) -> None:
    code, out, err = run("stress", "--from", kept, *options)
    assert (code, out) == (2, "")
    assert seen in err
    assert "Traceback" not in err


def test_a_picture_shows_one_market(run: Run, kept: Path, tmp_path: Path) -> None:
    code, _, err = run("stress", "--from", kept, "--from", kept, *MOVES, "-o", tmp_path / "a.png")
    assert code == 2
    assert "A picture shows one market, and 2 were named" in err


def test_quiet_says_nothing_but_data_and_warnings(run: Run, kept: Path) -> None:
    _, _, err = run("stress", "--from", kept, "--preset", "usdc-2023", "-q")
    assert err == "Warning: WBTC/BTC is stale: answered 172800 s ago, heartbeat 86400 s\n"
