"""`defiliq feeds`: from a snapshot and from a node, as data and for people, and when it is incomplete."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from defiliq.book import Book
from defiliq.cli import defiliq
from defiliq.errors import MissingPrice
from defiliq.pipeline.feeds import DRIVER_COLUMNS, FEED_COLUMNS, feeds, feeds_by_driver
from defiliq.pipeline.snapshot import save_snapshot
from tests.builders import account_in, address, graph_market
from tests.cli.conftest import Fakes, Run
from tests.fakes import FakeNode

URL = "http://127.0.0.1:1/"
WARNING = "Warning: WBTC/BTC is stale: answered 172800 s ago, heartbeat 86400 s"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A market whose prices are resolved, with one account, as a file."""
    at = graph_market()
    one = account_in(at, 1, {"wstETH": (1, 0), "USDC": (0, 2000)})
    return save_snapshot(Book.build(at, [one]), tmp_path / "graph.parquet")


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def test_rows_on_stdout_and_talk_on_stderr(run: Run, kept: Path) -> None:
    code, out, err = run("feeds", "aave-v3", "--from", kept)
    assert code == 0
    table, expected = rows(out), feeds(graph_market())
    assert tuple(table.columns) == FEED_COLUMNS
    for name in ("driver", "driver_raw", "cap_raw", "price_raw", "source", "source_label"):
        assert table[name].tolist() == expected[name].tolist()
    assert table["capped"].tolist().count("true") == 1
    assert set(table["stale"]) == {"true", "false", ""}
    assert table["cap_binds_until"].tolist().count("") == 13
    assert "aave-v3 Local 3.6" in err
    assert WARNING in err


@pytest.mark.parametrize("by", ["reserve", "driver"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "md"])
def test_every_format_holds_the_same(run: Run, kept: Path, tmp_path: Path, suffix: str, by: str) -> None:
    target = tmp_path / f"feeds.{suffix}"
    code, out, err = run("feeds", "--from", kept, "--by", by, "-o", target)
    assert (code, out) == (0, "")
    expected = (feeds if by == "reserve" else feeds_by_driver)(graph_market())
    assert f"Wrote {len(expected)} rows" in err
    if suffix == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(target), expected, check_dtype=False)
    elif suffix == "csv":
        seen = pd.read_csv(target, dtype={name: str for name in expected if expected[name].dtype == "str"})
        for name in ("driver_value", "age_s", "heartbeat_s", "deviation_bps"):
            assert seen[name].tolist() == pytest.approx(
                expected[name].astype("float64").tolist(), nan_ok=True
            )
    elif suffix == "json":
        seen_rows = json.loads(target.read_text())
        assert [row["driver_raw"] for row in seen_rows] == expected["driver_raw"].tolist()
        assert [row["age_s"] for row in seen_rows] == [
            None if pd.isna(age) else int(age) for age in expected["age_s"]
        ]
        assert {row["stale"] for row in seen_rows} == {True, False, None}
    else:
        assert target.read_text().count("\n") == len(expected) + 2


def test_by_driver(run: Run, kept: Path) -> None:
    _, out, _ = run("feeds", "--from", kept, "--by", "driver", "-q")
    table = rows(out)
    assert tuple(table.columns) == DRIVER_COLUMNS
    assert table.set_index("driver").loc["ETH/USD", "reserves"] == "WETH, wstETH, weETH"


def test_only_what_hangs_on_a_driver(run: Run, kept: Path) -> None:
    _, out, _ = run("feeds", "--from", kept, "--driver", "USDT/USD", "-q")
    assert list(dict.fromkeys(rows(out)["reserve"])) == ["USDT", "PT-sUSDe"]
    _, out, _ = run("feeds", "--from", kept, "--driver", "USDT/USD", "--driver", "LDO", "--tree")
    heads = [line.split()[0] for line in out.splitlines()[2:] if line[:1] not in "├└│ "]
    assert heads == ["USDT", "PT-sUSDe", "LDO"]


def test_trees_and_tables_for_people(run: Run, kept: Path, tmp_path: Path) -> None:
    target = tmp_path / "feeds.csv"
    code, out, _ = run("feeds", "--from", kept, "--tree", "-o", target)
    assert code == 0
    assert "wstETH  3,600  = product / 10^18" in out
    assert "\x1b" not in out
    assert len(rows(target.read_text())) == 14
    _, out, _ = run("feeds", "--from", kept, "--format", "table")
    assert "8 drivers, 1 stale, 1 unresolved" in out
    assert "9 prices, 1 capped now, 1 fixed" in out


def test_later_instants_move_caps(run: Run, kept: Path) -> None:
    _, out, _ = run("feeds", "--from", kept, "--at", "+4000000s", "-q")
    assert "true" not in rows(out)["capped"].tolist()
    assert set(rows(out)["evaluated_at"]) == {"1768000000"}


def test_several_markets(run: Run, kept: Path) -> None:
    code, out, _ = run("feeds", "all", "--from", kept, "--from", kept, "-q")
    assert code == 0
    assert len(rows(out)) == 28


def test_a_node_is_asked_for_the_market_alone(run: Run, fakes: Fakes, market_file: Path) -> None:
    fakes.node = FakeNode(breaks_after=0)  # no search: logs can't be had
    code, out, err = run("feeds", "aave-v3", "--market-file", market_file, "-r", URL)
    assert code == 0
    assert rows(out)["driver"].tolist() == ["WETH/USD", "wstETH/USD", "WBTC/USD", "USDC/USD", "DAI/USD"]
    assert "Reading aave-v3 Local from http://fake" in err


def test_a_reserve_without_a_price_makes_it_incomplete(run: Run, fakes: Fakes, market_file: Path) -> None:
    fakes.protocol(missing=[MissingPrice("OLD\n", address(9), "getAssetPrice answers 0")])
    code, out, err = run("feeds", "--market-file", market_file, "-r", URL, "-q")
    assert code == 3
    assert len(rows(out)) == 5
    assert err == (
        f"Warning: INCOMPLETE: OLD? ({address(9)}) is left out, it has no price: getAssetPrice answers 0\n"
    )


@pytest.mark.parametrize(
    "command", [["scan"], ["ladder"], ["position", address(1)], ["feeds"], ["feeds", "--tree"]]
)
def test_odd_prices_are_said_once_even_when_quiet(run: Run, kept: Path, command: list[str]) -> None:
    code, _, err = run(*command, "--from", kept, "-q")
    assert code == 0
    assert err.count(WARNING) == 1


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["--tree", "--format", "csv"], "A tree is for reading"),
        (["--by", "account"], "Invalid value for '--by'"),
        (["--driver", "wstETH"], "'wstETH' hangs on several drivers: ETH/USD, wstETH/ETH ratio. Name one"),
        (["--driver", "GHO"], "nothing moves GHO: its price is fixed in its source"),
        (["-o", "feeds.png"], "unknown format"),
        (["--min-debt-usd", "5"], "No such option"),
    ],
)
def test_usage_errors(run: Run, kept: Path, words: list[str], seen: str) -> None:
    code, out, err = run("feeds", "--from", kept, *words)
    assert (code, out) == (2, "")
    assert seen in err


def test_help_offers_nothing_that_concerns_accounts() -> None:
    said = CliRunner().invoke(defiliq, ["feeds", "--help"])
    assert said.exit_code == 0
    assert "--tree" in said.output
    assert "--index" not in said.output
