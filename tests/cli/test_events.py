"""`defiliq events` on every protocol of the labs: what was liquidated is listed, in every format."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

import defiliq
from defiliq.cli.events import parse_blocks
from defiliq.ladder import EVENT_COLUMNS
from defiliq.model.days import DAY_COLUMNS
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Liquidation
from tests.cli.conftest import Fakes, Run
from tests.lab import CometLab, CompoundV2Lab, Lab, SoloLab
from tests.lab.running import RunningNode
from tests.takings import cover, sole

MARKETS = ("lab_v36", "lab_v30", "compound-v2", "usdc", "weth", "dydx-solo")
BLOCKS = ("--blocks", "-3:")


class Place(NamedTuple):
    """A market of a lab, and how one of its accounts is liquidated there."""

    lab: RunningNode
    file: Path
    liquidate: Callable[[Account, Liquidation, Any], Any]

    @property
    def options(self) -> tuple[str, ...]:
        return "--market-file", str(self.file), "-r", self.lab.url


def aave(lab: Lab, path: Path) -> Place:
    def liquidate(account: Account, taken: Liquidation, market: Any) -> Any:
        names = [market.reserves[k].symbol for k in (sole(taken).reserve, taken.repay_reserve)]
        return lab.liquidate(account.owner, collateral=names[0], debt=names[1], debt_to_cover=cover(taken))

    return Place(lab, Path(lab.market_file(path)), liquidate)


def compound_v2(lab: CompoundV2Lab, path: Path) -> Place:
    def liquidate(account: Account, taken: Liquidation, market: Any) -> Any:
        names = {address.lower(): symbol for symbol, address in lab.markets.items()}
        debt, held = (
            names[market.reserves[k].c_token.lower()] for k in (taken.repay_reserve, sole(taken).reserve)
        )
        return lab.liquidate(account.owner, debt=debt, collateral=held, repay=cover(taken))

    return Place(lab, Path(lab.market_file(path)), liquidate)


def compound_v3(lab: CometLab, name: str, path: Path) -> Place:
    def liquidate(account: Account, taken: Liquidation, market: Any) -> Any:
        return lab.absorb(name, account.owner)

    return Place(lab, Path(lab.market_file(name, path)), liquidate)


def dydx_solo(lab: SoloLab, path: Path) -> Place:
    def liquidate(account: Account, taken: Liquidation, market: Any) -> Any:
        owner, _, number = account.owner.partition("/")
        owed, held = (market.reserves[k].symbol for k in (taken.repay_reserve, sole(taken).reserve))
        return lab.liquidate((owner, int(number)), owed=owed, held=held, amount=cover(taken))

    return Place(lab, Path(lab.market_file(path)), liquidate)


@pytest.fixture(params=MARKETS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each market in turn."""
    name, path = str(request.param), tmp_path / "market.json"
    if name.startswith("lab_"):
        return aave(request.getfixturevalue(name), path)
    if name == "compound-v2":
        return compound_v2(request.getfixturevalue("lab_compound_v2"), path)
    if name == "dydx-solo":
        return dydx_solo(request.getfixturevalue("lab_dydx_solo"), path)
    return compound_v3(request.getfixturevalue("lab_compound_v3"), name, path)


@contextmanager
def liquidated(place: Place, count: int = 2) -> Iterator[tuple[int, list[str]]]:
    """The block of the first of some liquidations that stay for the time of a test, and whose they are."""
    listing = defiliq.market_from_file(place.file)
    owners: list[str] = []
    with place.lab.keeping():
        first = place.lab.chain.height() + 1
        with defiliq.connect(place.lab.url) as node:
            book = defiliq.read(node, listing, at="latest")
        for row in range(len(book)):
            account = book.account(row)
            taken = PROTOCOLS[listing.protocol].take(account, book.market)
            if len(owners) == count or not isinstance(taken, Liquidation) or not taken.seizures:
                continue
            if place.liquidate(account, taken, book.market).success:
                owners.append(account.owner)
        yield first, owners


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


@pytest.mark.lab
def test_every_format_holds_the_rows_of_the_library(run: Run, place: Place, tmp_path: Path) -> None:
    with liquidated(place) as (first, owners):
        blocks = ("--blocks", f"{first}:latest")
        code, out, err = run("events", *place.options, *blocks, "--format", "csv")
        with defiliq.connect(place.lab.url) as node:
            table = defiliq.events(node, defiliq.market_from_file(place.file), first)
        for suffix in ("csv", "parquet", "json", "md"):
            assert run("events", *place.options, *blocks, "-q", "-o", tmp_path / f"x.{suffix}") == (0, "", "")
        code_json, as_json, _ = run("events", *place.options, *blocks, "--format", "json", "-q")
    assert (code, code_json) == (0, 0)
    assert f"liquidations in blocks {first} to " in err
    seen = rows(out)
    assert list(seen.columns) == list(EVENT_COLUMNS)
    assert set(seen["account"]) == set(owners)
    assert list(seen["seized_raw"]) == list(table["seized_raw"])
    assert list(seen["seized_usd"].map(float)) == list(table["seized_usd"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), table)
    assert [row["repaid_raw"] for row in json.loads(as_json)] == list(table["repaid_raw"])
    assert (tmp_path / "x.json").read_text() == as_json
    assert (tmp_path / "x.csv").read_text() == out
    assert (tmp_path / "x.md").read_text().count("\n") == len(table) + 2


@pytest.mark.lab
def test_people_read_sums_the_largest_and_days(run: Run, place: Place) -> None:
    with liquidated(place) as (first, owners):
        code, out, _ = run("events", *place.options, "--blocks", f"{first}:", "--format", "table")
        assert (code, f"liquidations of {len(owners)} account" in out) == (0, True)
        assert "longs " in out
        assert "largest liquidations" in out
        code, out, _ = run(
            "events", *place.options, "--blocks", f"{first}:", "--top", "1", "--format", "table"
        )
        assert (code, "more: --top" in out) == (0, True)
        code, out, _ = run(
            "events", *place.options, "--blocks", f"{first}:", "--by", "day", "--format", "csv"
        )
        days = rows(out)
        where = ("chain_id", "block_number", "block_hash", "protocol", "market", "version")
        assert (code, list(days.columns)) == (0, [*where, *DAY_COLUMNS])
        listing, block = defiliq.market_from_file(place.file), place.lab.chain.height()
        with defiliq.connect(place.lab.url) as node:
            known = (listing.chain_id, block, node.block(block).hash, listing.protocol, listing.name)
            version = defiliq.events(node, listing, first)["version"].iloc[0]
        assert days[list(where)].to_numpy().tolist() == [[str(value) for value in (*known, version)]]
        assert [int(count) for count in days["liquidations"]] == [len(owners)]
        code, out, _ = run(
            "events", *place.options, "--blocks", f"{first}:", "--by", "day", "--format", "table"
        )
        assert (code, "days" in out, "largest liquidations" in out) == (0, True, False)


@pytest.mark.lab
def test_no_liquidations_are_complete(run: Run, place: Place) -> None:
    code, out, err = run("events", *place.options, "--blocks", "-1:", "--format", "csv")
    assert (code, out) == (0, ",".join(EVENT_COLUMNS) + "\n")
    assert ": 0\n" in err
    code, out, _ = run("events", *place.options, "--blocks", "-1:", "--format", "table", "-q")
    assert (code, out.strip()) == (0, "no liquidations")


@pytest.mark.lab
def test_a_node_without_old_states_leaves_money_out_and_says_so(
    run: Run, lab_dydx_solo: SoloLab, tmp_path: Path
) -> None:
    place = dydx_solo(lab_dydx_solo, tmp_path / "solo.json")
    code, out, err = run("events", *place.options, "--blocks", ":latest", "--format", "csv")
    table = rows(out)
    assert (code, len(table) > 10) == (3, True)
    assert set(table["seized_usd"]) == {""}
    assert f"INCOMPLETE: {len(table)} of {len(table)} liquidations are without money" in err
    assert "no longer has the state of block" in err
    code, out, _ = run("events", *place.options, "--blocks", ":latest", "--format", "table", "-q")
    assert (code, f"{len(table)} liquidations of " in out) == (3, True)


@pytest.mark.lab
def test_a_market_that_begins_later_is_said(run: Run, lab_v36: Lab, tmp_path: Path) -> None:
    place = aave(lab_v36, tmp_path / "aave.json")
    fields = json.loads(place.file.read_text())
    place.file.write_text(json.dumps({**fields, "from_block": 50}))
    code, out, err = run("events", *place.options, "--blocks", "5:49", "--format", "csv")
    assert (code, out.count("\n")) == (0, 1)
    assert "the market begins at block 50, after all of these" in err


@pytest.mark.lab
def test_a_recording_answers_like_the_node(run: Run, lab_v36: Lab, tmp_path: Path) -> None:
    place = aave(lab_v36, tmp_path / "aave.json")
    kept = tmp_path / "kept.json.gz"
    with liquidated(place) as (first, _):
        words = ("events", *place.options, "--blocks", f"{first}:", "--format", "csv", "-q")
        code, told, _ = run(*words, "--record", kept)
    assert code == 0
    offline = [word if not word.startswith("http") else "http://127.0.0.1:9" for word in words]
    assert run(*offline, "--replay", kept) == (0, told, "")


@pytest.mark.lab
@pytest.mark.parametrize(
    ("blocks", "seen"),
    [
        ("999999:", "no blocks from 999999 to "),
        ("1:999999", "the node has no block 999999 yet: its newest is "),
    ],
)
def test_blocks_that_are_not_there_are_one_line(
    run: Run, lab_v36: Lab, tmp_path: Path, blocks: str, seen: str
) -> None:
    place = aave(lab_v36, tmp_path / "aave.json")
    code, out, err = run("events", *place.options, "--blocks", blocks, "-q")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"Error: {seen}")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("21000000:21010000", (21_000_000, 21_010_000)),
        ("21000000:", (21_000_000, "latest")),
        ("-50000:", (-50_000, "latest")),
        ("-50000:latest", (-50_000, "latest")),
        (":5", (0, 5)),
        (":", (0, "latest")),
        (" 7:finalized ", (7, "finalized")),
    ],
)
def test_blocks_as_they_are_written(text: str, ends: tuple[int, int | str]) -> None:
    assert parse_blocks(text) == ends


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ((), "Missing option '--blocks'"),
        (("--blocks", "9:5"), "'9:5' ends before it begins"),
        (("--blocks", "5"), "'5' is no range of blocks. Write A:B"),
        (("--blocks", "1:-5"), "'1:-5' is no range of blocks"),
        (("--blocks", "a:b"), "is no range of blocks"),
        (("--blocks", "1:2", "-o", "x.xyz"), "unknown format"),
        (("--blocks", "1:2", "--block", "5"), "No such option"),
        (("--blocks", "1:2", "--from", "x.parquet"), "No such option"),
        (("--blocks", "1:2", "--by", "year"), "Invalid value for '--by'"),
        (("--blocks", "1:2", "--top", "-1"), "Invalid value for '--top'"),
    ],
)
def test_usage(run: Run, words: tuple[str, ...], seen: str) -> None:
    code, out, err = run("events", "aave-v3", "--chain", "ethereum", *words)
    assert (code, out, seen in err) == (2, "", True), err


def test_a_dead_node_is_one_line(run: Run, market_file: Path) -> None:
    code, out, err = run(
        "events", "--market-file", market_file, "-r", "http://127.0.0.1:9/k3y", "--blocks", "-5:", "-q"
    )
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Error: cannot reach the node")
    assert "k3y" not in err


def test_a_search_that_stops_writes_what_it_found(
    run: Run, fakes: Fakes, market_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = pd.DataFrame({column: [] for column in EVENT_COLUMNS}).astype({"block_timestamp": "int64"})
    stopped.attrs = {
        "first": 5,
        "last": 120,
        "first_at": 100,
        "covered": 60,
        "covered_at": 100,
        "covered_hash": "",
        "stopped": "it went away.",
        "unpriced": 0,
        "unpriced_because": "",
    }
    monkeypatch.setattr("defiliq.pipeline.events.events", lambda *_, **__: stopped)
    target = tmp_path / "kept.csv"
    code, _, err = run(
        "events", "--market-file", market_file, "-r", "http://x", "--blocks", "5:", "-o", target
    )
    assert code == 3
    assert target.read_text() == ",".join(EVENT_COLUMNS) + "\n"
    assert (
        "INCOMPLETE: the search stopped after block 60 of 120: it went away. What was found is kept." in err
    )
    words = ("--market-file", market_file, "-r", "http://x", "--blocks", "5:", "--by", "day", "-q")
    code, out, _ = run("events", *words)
    (day,) = rows(out).to_dict("records")
    market = defiliq.market_from_file(market_file)
    assert (code, day["market"], day["protocol"]) == (3, market.name, market.protocol)
    assert (day["block_number"], day["block_hash"]) == ("60", ""), "nobody asked for that block"
