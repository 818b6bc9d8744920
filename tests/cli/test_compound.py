"""The commands on Compound v2 and both Comets of the lab: from a node, from files, and on several at once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest

import defiliq
from defiliq.book import Book
from defiliq.ladder import LADDER_COLUMNS
from defiliq.protocols import PROTOCOLS
from defiliq.types import Liquidation
from tests.builders import book as aave_book
from tests.builders import graph_market
from tests.cli.conftest import Run
from tests.lab import CometLab, CompoundV2Lab

pytestmark = pytest.mark.lab

MARKETS = ("compound-v2", "usdc", "weth")


class Place(NamedTuple):
    """A market of a lab."""

    lab: CompoundV2Lab | CometLab
    file: Path

    @property
    def options(self) -> tuple[str, ...]:
        """What names it on a command line."""
        return "--market-file", str(self.file), "-r", self.lab.url, "--block", "latest"


@pytest.fixture
def place_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    """A market by its name; its lab is started when it is first needed."""

    def find(name: str) -> Place:
        path = tmp_path / f"{name}.json"
        if name == "compound-v2":
            v2 = request.getfixturevalue("lab_compound_v2")
            assert isinstance(v2, CompoundV2Lab)
            return Place(v2, v2.market_file(path))
        v3 = request.getfixturevalue("lab_compound_v3")
        assert isinstance(v3, CometLab)
        return Place(v3, v3.market_file(name, path))

    return find


@pytest.fixture(params=MARKETS)
def place(request: pytest.FixtureRequest, place_of: Callable[[str], Place]) -> Place:
    """Each market in turn."""
    return place_of(str(request.param))


@pytest.fixture
def kept(place: Place, run: Run, tmp_path: Path) -> Path:
    """The market as a snapshot."""
    target = tmp_path / "kept.parquet"
    assert run("snapshot", *place.options, "-o", target)[0] == 0
    return target


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def test_scan_in_words_and_as_data(run: Run, place: Place) -> None:
    code, out, _ = run("scan", *place.options, "--no-index")
    assert code == 0
    assert " 0 failed" in out
    assert "closest to liquidation" in out
    code, out, _ = run("scan", *place.options, "--format", "csv", "-q")
    table = rows(out)
    broken = table[table["liquidatable"] == "true"]
    assert len(broken) > 10
    assert set(broken["callable"]) == {"true"}
    assert set(table["reason"]) == {""}


def test_a_snapshot_is_the_book_and_gives_the_same_ladder(
    run: Run, place: Place, kept: Path, tmp_path: Path
) -> None:
    with defiliq.connect(place.lab.url) as node:
        read = defiliq.read(node, defiliq.market_from_file(place.file), at="latest")
    loaded = defiliq.load_snapshot(kept)
    assert loaded.market == read.market
    assert list(loaded.accounts()) == list(read.accounts())
    assert (loaded.debt_index is None) == (read.debt_index is None) == (place.file.stem != "compound-v2")
    code, from_node, _ = run("ladder", *place.options, "--format", "csv")
    assert code == 0
    assert run("ladder", "--from", kept, "--format", "csv")[1] == from_node
    assert list(rows(from_node).columns) == list(LADDER_COLUMNS)


def test_the_chain_agrees_with_accounts_and_levels(run: Run, place: Place) -> None:
    code, out, _ = run("verify", *place.options, "--levels", "--sample", "25")
    assert code == 0
    assert out.count("(100%)") == 3
    code, out, _ = run("verify", *place.options, "--at", "+1d", "--sample", "50")
    assert (code, out.count("(100%)")) == (0, 1)


def test_stored_and_accrued_differ_and_the_chain_agrees_with_both(run: Run, place: Place, kept: Path) -> None:
    _, accrued, _ = run("scan", "--from", kept, "--format", "csv")
    code, stored, err = run("scan", "--from", kept, "--stored", "--format", "csv")
    assert code == 0
    assert "indices as they were last written" in err
    debts = rows(accrued)["debt_raw"].map(int), rows(stored)["debt_raw"].map(int)
    assert (debts[0] >= debts[1]).all()
    assert (debts[0] > debts[1]).any()
    for options in ((), ("--stored",)):
        code, out, _ = run("verify", "--from", kept, "-r", place.lab.url, *options)
        assert (code, out.count("(100%)")) == (0, 1)


def test_a_snapshot_that_was_tampered_with_is_found(run: Run, place: Place, kept: Path) -> None:
    """The first debt is made a tenth larger; the chain says what it really is."""
    table = pq.read_table(kept)
    low = table.column("debt_low").to_pylist()
    row = next(k for k, debt in enumerate(low) if debt is not None and 10**6 < debt < 2**62)
    low[row] += low[row] // 10
    names = table.schema.names
    changed = table.set_column(
        names.index("debt_low"), table.schema.field("debt_low"), [pd.array(low, dtype="UInt64")]
    )
    pq.write_table(changed, kept)
    code, out, _ = run("verify", "--from", kept, "-r", place.lab.url)
    assert code == 1
    assert table.column("account")[row].as_py() in out
    assert "debt_base" in out or "margin" in out


def test_stress_is_the_law_summed(run: Run, place: Place, kept: Path) -> None:
    driver, share = ("ETH/USD", 120) if place.file.stem == "weth" else ("ETH/USD", 70)
    code, out, _ = run(
        "stress", "--from", kept, "--set", f"{driver}={share - 100:+d}%", "--by", "total", "--format", "json"
    )
    assert code == 0
    (row,) = json.loads(out)
    book: Book[Any] = defiliq.load_snapshot(kept)
    protocol = PROTOCOLS[book.market.protocol]
    position = next(k for k, q in enumerate(book.market.graph.quantities) if getattr(q, "name", "") == driver)
    moved = book.market.at_inputs({position: book.market.graph.quantities[position].value * share // 100})
    broken = [account for account in book.accounts() if protocol.health(account, moved).liquidatable]
    calls = [
        call for call in (protocol.take(each, moved) for each in broken) if isinstance(call, Liquidation)
    ]
    assert row["liquidatable_accounts"] == len(broken) > 20
    assert row["callable_accounts"] == len(calls)
    assert row["base_symbol"] == book.market.base_symbol
    unit = book.market.base_unit
    assert row["repaid_usd"] == sum(call.repaid_base for call in calls) / unit
    assert row["seized_usd"] == sum(call.seized_base for call in calls) / unit


def test_every_account_is_explained(run: Run, place: Place, kept: Path, tmp_path: Path) -> None:
    """One of each verdict, in words and as JSON, from the node as from the file."""
    _, out, _ = run("scan", "--from", kept, "--format", "csv", "-q")
    table = rows(out)
    for verdict in ("true", "false"):
        account = table["account"][table["liquidatable"] == verdict].iloc[0]
        code, out, _ = run("position", account, *place.options)
        assert code == 0
        assert ("LIQUIDATABLE" in out) == (verdict == "true")
        code, out, _ = run("position", account, "--from", kept, "--format", "json")
        about = json.loads(out)
        assert (about["liquidation"] is None) == (verdict == "false")


def test_who_liquidates_compound_v2_is_told_which_ctokens_they_get(
    run: Run, place_of: Callable[[str], Place], tmp_path: Path
) -> None:
    place = place_of("compound-v2")
    lab = place.lab
    assert isinstance(lab, CompoundV2Lab)
    _, out, _ = run("scan", *place.options, "--format", "csv", "-q")
    table = rows(out)
    for account in table["account"][table["liquidatable"] == "true"].iloc[:3]:
        about = json.loads(run("position", account, *place.options, "--format", "json", "-q")[1])
        call = about["liquidation"]
        (seizure,) = call["seizures"]
        symbol = {address: name for name, address in lab.markets.items()}
        debt = next(
            leg["receipt"].removeprefix("v") for leg in about["legs"] if leg["asset"] == call["repay_asset"]
        )
        sent = lab.liquidate(
            account,
            debt=debt,
            collateral=symbol[seizure["received"]["token"]],
            repay=int(call["repaid"]),
            accrue_all=True,
        )
        assert sent.success, sent
        predicted = int(seizure["received"]["amount"])
        assert abs(sent.received_tokens - predicted) <= predicted // 1000  # the call is mined a block later
        words = run("position", account, *place.options)[1]
        assert f"as {seizure['received']['amount']} base units of {seizure['received']['symbol']}" in words


def test_collateral_that_is_not_entered_is_explained(run: Run, place_of: Callable[[str], Place]) -> None:
    place = place_of("compound-v2")
    with defiliq.connect(place.lab.url) as node:
        book = defiliq.read(node, defiliq.market_from_file(place.file), at="latest")
    account, leg = next(
        (account, leg)
        for account in book.accounts()
        for leg in account.legs
        if leg.collateral and not leg.counted
    )
    code, out, _ = run("position", account.owner, *place.options)
    assert code == 0
    token = book.market.reserves[leg.reserve].receipt[1]
    assert f"note: {token} is not entered: it backs nothing, but a liquidator can seize it" in out


def test_a_supplier_of_the_base_asset_owes_nothing_and_backs_nothing(
    run: Run, place_of: Callable[[str], Place]
) -> None:
    place = place_of("usdc")
    assert isinstance(place.lab, CometLab)
    supplier = place.lab.of_shape("usdc", "supplier")[0]
    code, out, _ = run("position", supplier, *place.options)
    assert code == 0
    assert "note: USDC is the base asset: supplying it earns interest and backs nothing" in out


def test_one_ladder_of_three_protocols(run: Run, place_of: Callable[[str], Place], tmp_path: Path) -> None:
    """In words each market has a table of its own, in its own money; as data they are one table."""
    paths = [defiliq.save_snapshot(aave_book(at=graph_market()), tmp_path / "aave.parquet")]
    for name in ("compound-v2", "weth"):
        paths.append(tmp_path / f"{name}.parquet")
        assert run("snapshot", *place_of(name).options, "-o", paths[-1])[0] == 0
    files = [word for path in paths for word in ("--from", str(path))]
    code, out, _ = run("ladder", *files, "--driver", "ETH/USD", "--format", "csv")
    assert code == 0
    table = rows(out)
    assert set(table["protocol"]) == {"aave-v3", "compound-v2", "compound-v3"}
    assert set(table["driver"]) == {"ETH/USD"}
    single = [
        rows(run("ladder", "--from", path, "--driver", "ETH/USD", "--format", "csv")[1]) for path in paths
    ]
    assert len(table) == sum(map(len, single))
    code, out, _ = run("ladder", *files, "--driver", "ETH/USD", "--format", "table")
    assert code == 0
    assert "Local weth: rungs nearest to spot along ETH/USD" in out
    assert "Local weth ETH/USD, sizes in WETH" in out
    assert "debt WETH" in out
    assert "price WETH" not in out


@pytest.mark.parametrize("name", MARKETS)
def test_a_recording_answers_like_the_node(
    run: Run, place_of: Callable[[str], Place], tmp_path: Path, name: str
) -> None:
    place, kept = place_of(name), tmp_path / "kept.json.gz"
    code, told, _ = run("scan", *place.options, "--record", kept)
    assert code == 0
    offline = [word if not word.startswith("http") else "http://127.0.0.1:9" for word in place.options]
    assert run("scan", *offline, "--replay", kept)[:2] == (0, told)
