"""The commands on Solo Margin in the lab: from a node, from a snapshot, against the contract's own word."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

import defiliq
from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call
from defiliq.errors import CallReverted
from defiliq.ladder import LADDER_COLUMNS
from defiliq.protocols import dydx_solo
from defiliq.protocols.dydx_solo import abi
from defiliq.types import Question
from tests.cli.conftest import Run
from tests.lab import SoloLab

pytestmark = pytest.mark.lab


class Place(NamedTuple):
    """The lab, and how it is named on a command line."""

    lab: SoloLab
    file: Path

    @property
    def options(self) -> tuple[str, ...]:
        return "--market-file", str(self.file), "-r", self.lab.url, "--no-index"


@pytest.fixture
def place(lab_dydx_solo: SoloLab, tmp_path: Path) -> Place:
    return Place(lab_dydx_solo, Path(lab_dydx_solo.market_file(tmp_path / "solo.json")))


@pytest.fixture
def kept(place: Place, run: Run, tmp_path: Path) -> Path:
    """The market as a snapshot."""
    target = tmp_path / "kept.parquet"
    assert run("snapshot", *place.options, "-o", target)[0] == 0
    return target


def rows(text: str) -> pd.DataFrame:
    """CSV as it was printed, every cell as text."""
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


def test_scan_finds_every_debtor_in_the_logs(run: Run, place: Place) -> None:
    code, out, _ = run("scan", *place.options, "--format", "csv", "-q")
    table = rows(out)
    assert code == 0
    owing = set(table["account"][table["debt_raw"] != "0"])
    asked = {user.name for user in place.lab.users if place.lab.values(user.info, accrued=True)[1]}
    assert asked <= owing
    assert set(table["mode"]) >= {"0", "1"}
    assert (table["liquidatable"] == "true").sum() > 10


def test_a_snapshot_is_the_book_and_gives_the_same_ladder(run: Run, place: Place, kept: Path) -> None:
    market = defiliq.market_from_file(place.file)
    with defiliq.connect(place.lab.url, market) as node:
        read = defiliq.read(node, market)
    loaded = defiliq.load_snapshot(kept)
    assert loaded.market == read.market
    assert list(loaded.accounts()) == list(read.accounts())
    code, from_node, _ = run("ladder", *place.options, "--format", "csv", "-q")
    assert code == 0
    assert run("ladder", "--from", kept, "--format", "csv", "-q")[1] == from_node
    assert list(rows(from_node).columns) == list(LADDER_COLUMNS)
    assert {"long", "short"} == set(rows(from_node)["side"])


def test_the_chain_agrees_with_accounts_and_levels(run: Run, place: Place, kept: Path) -> None:
    code, out, err = run("verify", *place.options, "--levels", "--sample", "40")
    assert (code, out.count("(100%)")) == (0, 3)
    assert "Compared with the contract's own answers" in err
    for options in (("--at", "+30d"), ("--stored",)):
        code, out, _ = run("verify", "--from", kept, "-r", place.lab.url, *options)
        assert (code, out.count("(100%)")) == (0, 1), options


def test_the_chain_disagrees_with_what_it_never_held(place: Place, kept: Path) -> None:
    book = defiliq.load_snapshot(kept)
    wrong = replace(book, collateral=type(book.collateral)(book.collateral.high, book.collateral.low + 1))
    with defiliq.connect(place.lab.url) as node:
        found = defiliq.verify(node, wrong, sample=20)
    assert found.agreed < found.asked == 20


def test_position_and_its_status(run: Run, place: Place, kept: Path) -> None:
    table = rows(run("scan", "--from", kept, "--format", "csv", "-q")[1])
    liquid = table["account"][table["mode"] == "1"].iloc[0]
    for source in (place.options, ("--from", str(kept))):
        code, out, _ = run("position", liquid, *source)
        assert (code, f"account {liquid}   status Liquid" in out) == (0, True)
    code, out, _ = run("position", liquid, "--from", kept, "--format", "json")
    assert json.loads(out)["account"] == liquid
    owner, _, number = liquid.partition("/")
    code, _, err = run("position", f"{owner}/{int(number) + 123_456}", "--from", kept)
    assert (code, "Its owner has" in err, err.count("Error:")) == (2, True, 1)


def test_stress_moves_ether(run: Run, kept: Path) -> None:
    code, out, _ = run("stress", "--from", kept, "--set", "ETH/USD=-25%", "--format", "table")
    assert code == 0
    assert "newly" in out
    assert "WETH" in out


def test_a_contract_that_does_not_accrue_is_no_witness(
    place: Place, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its values would be those of old indices, and taken for today's."""
    book = defiliq.load_snapshot(kept)
    market = book.market.at_time(book.market.timestamp + 86_400)
    asked = [Question(market, book.owner(k)) for k in range(3)]
    with defiliq.connect(place.lab.url) as node:
        answers = dydx_solo.ask_many(node, asked, book.market)  # type: ignore[arg-type]
        assert not any(isinstance(answer, CallReverted) for answer in answers)
        nothing = Call(market.solo_margin, calldata(abi.RISK_PARAMS))
        monkeypatch.setattr("defiliq.protocols.dydx_solo.ask.accrual", lambda market: nothing)
        refused = dydx_solo.ask_many(node, asked, book.market)  # type: ignore[arg-type]
    assert all(isinstance(one, CallReverted) and "does not accrue" in str(one) for one in refused)
