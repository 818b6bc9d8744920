"""`defiliq triggers`: rows and tables, what a user says of feeds, pools and exchanges, and bad input."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from defiliq.book import Book
from defiliq.chain.evm import EvmNode, connect
from defiliq.depth.read import Pool
from defiliq.errors import InputError
from defiliq.pipeline.by_time import TIME_COLUMNS
from defiliq.pipeline.offchain import pool_price
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.pipeline.triggers import TRIGGER_COLUMNS
from defiliq.types import Block
from defiliq.view import terminal
from tests.builders import account_in, address, graph_market
from tests.cex.stub import Urls, made_world
from tests.cli.cex_stage import NOW, VENUES, Clock, asked
from tests.cli.conftest import Run
from tests.depth.pools import deep
from tests.lab import Lab
from tests.venue import venue_book

CLOCK = Clock()
WORLDS = [
    made_world(venue, "BTC/USDT:USDT", until_at=NOW + 600, candles=60, step_s=60, seed=number)
    for number, venue in enumerate(VENUES)
]
"""An hour of minutes, and a bit of the future, which nobody may be told of."""


@pytest.fixture
def resolved(tmp_path: Path) -> Path:
    """A long of ether, and a debt whose price a growing cap holds down, in a market of known feeds."""
    at = graph_market()
    accounts = [
        account_in(at, 1, {"WETH": (1, 0), "USDC": (0, 2000)}),
        account_in(at, 2, {"WETH": (1.31891, 0), "weETH": (0, 1)}),
        account_in(at, 3, {"WBTC": (1, 0), "USDC": (0, 40_000)}),
    ]
    return save_snapshot(Book.build(at, accounts), tmp_path / "resolved.parquet")


def rows(out: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)


def row(out: str, driver: str) -> dict[str, str]:
    """The one row of a driver."""
    table = rows(out)
    part = table[table["driver"] == driver]
    assert len(part) == 1
    return {str(k): str(v) for k, v in part.iloc[0].items()}


def test_rows_are_drivers_with_their_feeds_and_levels(run: Run, resolved: Path) -> None:
    code, out, err = run("triggers", "--from", resolved)
    assert (code, "aave-v3 Local" in err) == (0, True)
    assert tuple(rows(out).columns) == TRIGGER_COLUMNS
    seen = row(out, "ETH/USD")
    assert (seen["driver_raw"], seen["age_s"], seen["heartbeat_s"]) == ("300000000000", "37", "3600")
    assert seen["update_expected"] == "heartbeat in 3563 s"
    assert seen["would_cross"] == seen["offchain_raw"] == ""
    assert int(seen["nearest_long_raw"]) - 300000000000 == int(seen["nearest_long_units"])


def test_rows_of_time(run: Run, resolved: Path) -> None:
    code, out, _ = run("triggers", "--from", resolved, "--rows", "time", "-q")
    table = rows(out)
    assert (code, tuple(table.columns)) == (0, TIME_COLUMNS)
    assert table["account"].tolist() == [address(2)]
    assert table["moves"].tolist() == ["growing cap"]
    seconds = int(table["eta_s"].iloc[0])
    assert 0 < seconds < 3600
    assert (
        rows(run("triggers", "--from", resolved, "--rows", "time", "--horizon", f"{seconds}s")[1]).shape[0]
        == 1
    )
    assert rows(
        run("triggers", "--from", resolved, "--rows", "time", "--horizon", f"{seconds - 1}s")[1]
    ).empty


def test_what_a_user_says_decides(run: Run, resolved: Path) -> None:
    given = ("--price", "ETH/USD=2985", "--heartbeat", "ETH/USD=1min", "--deviation", "ETH/USD=0.51%")
    seen = row(run("triggers", "--from", resolved, "--driver", "ETH/USD", *given)[1], "ETH/USD")
    assert (seen["heartbeat_s"], seen["deviation_bps"], seen["deviation_now_bps"]) == ("60", "51", "-50")
    assert (seen["update_expected"], seen["would_cross"]) == ("heartbeat in 23 s", "false")
    later = run("triggers", "--from", resolved, "--driver", "ETH/USD", *given, "--at", "+24s")[1]
    assert row(later, "ETH/USD")["update_expected"] == "heartbeat 1 s overdue"
    assert row(later, "ETH/USD")["age_s"] == "61"
    broken = run("triggers", "--from", resolved, "--price", "eth/usd=2400")[1]
    seen = row(broken, "ETH/USD")
    assert (seen["update_expected"], seen["would_cross"]) == ("deviation", "true")
    assert (seen["accounts_if_updated"], seen["offchain_source"]) == ("1", "given")


def test_tables_for_people_fit_a_hundred_columns(
    run: Run, resolved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "console", lambda: Console(width=100))
    code, out, _ = run("triggers", "--from", resolved, "--format", "table", "--price", "ETH/USD=2400")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "on a wider terminal" not in out
    assert "3 drivers with levels" in out
    assert "1 driver would cross some if updated" in out
    assert "1 account breaks by time alone within 1 day" in out
    for word in ("deviation", "0.5%", "1 h", "37 s", "-20.00%", "1 owing", "growing cap", "weETH", "STALE"):
        assert word in out
    quiet = run("triggers", "--from", resolved, "--format", "table", "--horizon", "1s")[1]
    assert "nobody breaks by time alone within 1 second" in quiet
    assert "off-chain" not in quiet


def test_a_file_and_json(run: Run, resolved: Path, tmp_path: Path) -> None:
    code, out, err = run("triggers", "--from", resolved, "-o", tmp_path / "t.csv")
    assert (code, out) == (0, "")
    assert "Wrote" in err
    assert tuple(rows((tmp_path / "t.csv").read_text()).columns) == TRIGGER_COLUMNS
    told = run("triggers", "--from", resolved, "--format", "json", "-q")[1]
    table = pd.read_json(io.StringIO(told), dtype=False)
    assert set(table["driver"]) == set(rows((tmp_path / "t.csv").read_text())["driver"])


def test_several_markets_are_joined(run: Run, resolved: Path, tmp_path: Path) -> None:
    other = save_snapshot(venue_book(), tmp_path / "venue.parquet")
    code, out, err = run("triggers", "--from", resolved, "--from", other)
    assert code == 0
    assert "funding moves accounts, too" in err
    seen = rows(out)
    assert set(seen["protocol"]) == {"aave-v3", "dydx-v4"}
    assert set(seen["update_expected"][seen["protocol"] == "dydx-v4"]) == {"every block"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--price", "2500"), 2, "names no driver"),
        (("--price", "ETH/USD=cheap"), 2, "is no amount"),
        (("--price", "ETH/USD=0"), 2, "a price of 0 is none"),
        (("--price", "ETH/USD=1", "--price", "eth/usd=2"), 2, "eth/usd is given twice"),
        (("--price", "NOPE=1"), 2, "NOPE"),
        (("--driver", "NOPE"), 2, "NOPE"),
        (("--heartbeat", "ETH/USD=soon"), 2, "is no time"),
        (("--heartbeat", "ETH/USD=0s"), 2, "is no time"),
        (("--deviation", "ETH/USD=0.001%"), 2, "whole hundredths"),
        (("--deviation", "ETH/USD=0"), 2, "whole hundredths"),
        (("--pool", "ETH/USD=impact:1B"), 2, "no price of its own"),
        (("--pool", "ETH/USD=nowhere"), 2, "is no depth"),
        (("--pool", "pair:WETH/USDC"), 2, "names no driver"),
        (("--venue", "binance"), 2, "say --live"),
        (("--live",), 2, "does nothing without --venue"),
        (("--horizon", "soon"), 2, "is no time ahead"),
        (("-o", "t.txt"), 2, "unknown format"),
    ],
)
def test_bad_input_is_refused(run: Run, resolved: Path, words: tuple[str, ...], code: int, told: str) -> None:
    seen, out, err = run("triggers", "--from", resolved, *words)
    assert (seen, out) == (code, "")
    assert told in err
    assert "Traceback" not in err


CURVE = "side,price,amount\nbid,1990,100\nbid,1800,1000\nask,2010,100\nask,2200,900\n"


def test_a_depth_from_a_file_gives_a_price(run: Run, resolved: Path, tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text(CURVE)
    code, out, _ = run("triggers", "--from", resolved, "--pool", f"ETH/USD=file:{path}")
    seen = row(out, "ETH/USD")
    assert (code, seen["offchain_raw"], seen["would_cross"]) == (0, "200000000000", "true")
    assert "taken for USD" in seen["offchain_source"]


def test_a_pool_s_quote_is_brought_to_dollars_by_the_market_s_own_feed() -> None:
    """A pool of USDC at 2,000 is 1,999.6 dollars where the market's feed has USDC at 0.9998."""
    at, pool = graph_market(), deep(500)
    assert pool.quote.symbol == "USDC"
    priced = pool_price(at, "ETH/USD", pool)
    bare = pool.price * 10**pool.base.decimals / 10**pool.quote.decimals
    assert priced.price == bare * 99980000 / 10**8
    assert priced.source.endswith("times USDC/USD")


def test_a_pool_of_something_else_has_no_price_of_a_driver() -> None:
    """WETH/USDC says nothing of BTC/USD, nor, in WETH, of USDC/USD; who means it says so."""
    at, pool = graph_market(), deep(500)
    with pytest.raises(InputError, match="sells WETH, and BTC/USD is of BTC"):
        pool_price(at, "BTC/USD", pool)
    with pytest.raises(InputError, match="pays in WETH, and USDC/USD is in USD"):
        pool_price(at, "USDC/USD", pool.turned())
    meant = pool_price(at, "LDO/USD", pool, is_meant=True)
    assert meant == pool_price(at, "eth/usd", pool)
    strange = replace(pool, quote=pool.quote._replace(symbol="FRAX"))
    assert pool_price(at, "ETH/USD", strange).source.endswith("FRAX taken for USD")


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Urls]:
    with asked(monkeypatch, WORLDS, CLOCK) as found:
        yield found


@pytest.mark.parametrize("venue", VENUES)
def test_an_exchange_is_asked_for_all_drivers_in_dollars(
    run: Run, resolved: Path, urls: Urls, venue: str
) -> None:
    code, out, err = run("triggers", "--from", resolved, "--venue", venue, "--live")
    assert code == 0
    seen = row(out, "BTC/USD")
    assert seen["offchain_source"].startswith(f"{venue} BTC/USDT:USDT at ")
    assert seen["offchain_source"].endswith("times USDT/USD")
    assert seen["would_cross"] in ("true", "false")
    assert row(out, "ETH/USD")["offchain_raw"] == ""
    assert f"ETH/USD goes without {venue}" in err
    assert "USDC/USD" not in err
    history = WORLDS[VENUES.index(venue)].history
    close = Fraction(repr(float(history.close_usd[history.at == NOW - 60][0])))
    assert seen["offchain_raw"] == str(int(close * 100050000 / 10**8 * 10**8))
    assert seen["offchain_source"].split(" at ")[1].startswith("14:15 UTC")


def test_an_exchange_that_cannot_be_asked_is_one_line(
    run: Run, resolved: Path, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENUE_URL_OKX", "http://127.0.0.1:1")
    code, out, err = run("triggers", "--from", resolved, "--venue", "okx", "--live", "-q")
    assert (code, out) == (1, "")
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1


@pytest.mark.lab
def test_on_a_chain_the_feeds_are_asked_who_they_are(run: Run, lab_v36: Lab, tmp_path: Path) -> None:
    path = lab_v36.market_file(tmp_path / "lab.json")
    with connect(lab_v36.url) as node:
        number = node.block("latest").number
    words = ("--market-file", path, "-r", lab_v36.url, "--block", str(number), "--no-index", "-q")
    code, out, _ = run("triggers", *words)
    assert code == 0
    table = rows(out)
    assert set(table["driver"]) <= set(lab_v36.drivers)
    assert dict(zip(table["driver"], table["driver_source"], strict=True)) == {
        driver: lab_v36.drivers[driver] for driver in table["driver"]
    }
    assert set(table["oev"]) == {"none known"}


@pytest.mark.lab
def test_pools_are_read_from_the_market_s_node_at_its_block(
    run: Run, lab_v36: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lab_v36.market_file(tmp_path / "lab.json")
    asked_at: list[tuple[str, int]] = []

    def pools(node: EvmNode, pair: str, at: Block) -> tuple[Pool, ...]:
        asked_at.append((pair, at.number))
        return (deep(500),)

    monkeypatch.setattr("defiliq.pipeline.depths.pools_of_pair", pools)
    number = lab_v36.chain.height()
    words = ("--market-file", path, "-r", lab_v36.url, "--block", str(number), "--no-index", "-q")
    code, out, _ = run("triggers", *words, "--pool", "ETH/USD=pair:WETH/USDC")
    assert (code, asked_at) == (0, [("WETH/USDC", number)])
    assert row(out, "ETH/USD")["offchain_source"].endswith("times USDC/USD")


def test_pools_need_a_node(run: Run, resolved: Path) -> None:
    code, out, err = run("triggers", "--from", resolved, "--pool", "ETH/USD=pair:WETH/USDC")
    assert (code != 0, out) == (True, "")
    assert "node" in err
