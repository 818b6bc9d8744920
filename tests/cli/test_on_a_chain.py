"""The commands against the real contracts on a local node, and again from what was recorded of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

import defiliq
from defiliq.ladder import LADDER_COLUMNS
from tests.cli.conftest import Run
from tests.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(params=["lab_v36", "lab_v30"])
def lab(request: pytest.FixtureRequest) -> Lab:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Lab)
    return found


@pytest.fixture
def source(lab: Lab, tmp_path: Path) -> list[str]:
    """The options that name the lab's market at its newest block."""
    path = lab.market_file(tmp_path / "lab.json")
    return ["aave-v3", "--market-file", str(path), "-r", lab.url, "--block", "latest"]


def test_scan_finds_every_borrower_and_judges_like_the_contract(
    run: Run, lab: Lab, source: list[str], tmp_path: Path
) -> None:
    target = tmp_path / "health.parquet"
    code, out, _ = run("scan", *source, "-o", target)
    assert code == 0
    assert f"{len(lab.borrowers)} found, {len(lab.borrowers)} read, 0 failed" in out
    rows = {row["account"]: row for row in pd.read_parquet(target).to_dict("records")}
    assert set(rows) == set(lab.borrowers)
    for user, data in zip(lab.users, lab.all_account_data(), strict=True):
        if user.borrowed:
            row = rows[user.owner]
            assert int(row["collateral_raw"]) == data.collateral_base
            assert int(row["debt_raw"]) == data.debt_base
            assert row["liquidatable"] == (data.factor_wad < 10**18)


def test_ladder_has_the_promised_columns_and_a_row_for_every_broken_account(
    run: Run, source: list[str], tmp_path: Path
) -> None:
    code, _, err = run("ladder", *source, "--driver", "WETH", "-o", tmp_path / "ladder.csv")
    assert code == 0
    assert "along ETH/USD" in err
    rungs = pd.read_csv(tmp_path / "ladder.csv")
    assert list(rungs.columns) == list(LADDER_COLUMNS)
    run("scan", *source, "-o", tmp_path / "health.parquet")
    health = pd.read_parquet(tmp_path / "health.parquet")
    already = rungs[rungs["outcome"] == "already"]
    assert set(already["account"]) == set(health["account"][health["liquidatable"]])


def test_the_contract_agrees_with_every_account_and_a_sample_of_levels(run: Run, source: list[str]) -> None:
    code, out, _ = run("verify", *source, "--sample", "25", "--levels")
    assert code == 0
    assert "agreed 25 (100%)" in out
    assert "p* agreed" in out
    assert out.count("(100%)") == 3


def test_verification_holds_at_a_later_instant(run: Run, source: list[str]) -> None:
    code, out, _ = run("verify", *source, "--sample", "25", "--at", "+86400s", "--levels", "--driver", "WETH")
    assert code == 0
    assert out.count("(100%)") == 3


@pytest.mark.parametrize(("driver", "at_source"), [("ETH/USD", True), ("wstETH/ETH", False)])
def test_verification_moves_aggregators_at_their_own_contract(
    run: Run, source: list[str], driver: str, at_source: bool
) -> None:
    """A staking ratio has no contract that could stand still for it: there the reserve's source is pinned."""
    code, out, _ = run("verify", *source, "--sample", "60", "--levels", "--driver", driver)
    assert code == 0
    moved, pinned = map(int, re.findall(r"(\d+) (?:of them )?by", out))
    assert (moved > 0, pinned > 0) == (at_source, not at_source)


def test_one_position_of_many_legs(run: Run, lab: Lab, source: list[str]) -> None:
    owner = lab.borrowers[3]
    code, out, _ = run("position", owner, *source, "--format", "json")
    assert code == 0
    about = json.loads(out)
    data = lab.account_data(owner)
    assert int(about["health"]["collateral_raw"]) == data.collateral_base
    assert int(about["health"]["debt_raw"]) == data.debt_base


def test_a_recording_answers_like_the_node(run: Run, source: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept.json.gz"
    code, told, _ = run("scan", *source, "--record", kept)
    assert code == 0
    offline = [word if not word.startswith("http") else "http://127.0.0.1:9" for word in source]
    code, replayed, _ = run("scan", *offline, "--replay", kept)
    assert code == 0
    assert replayed == told


def test_a_snapshot_is_the_book(run: Run, lab: Lab, source: list[str], tmp_path: Path) -> None:
    target = tmp_path / "book.parquet"
    assert run("snapshot", *source, "-o", target)[0] == 0
    node = defiliq.connect(lab.url)
    with node:
        read = defiliq.read(node, defiliq.market_from_file(source[2]), at="latest")
    loaded = defiliq.load_snapshot(target)
    assert loaded.market == read.market
    assert list(loaded.accounts()) == list(read.accounts())


@pytest.mark.parametrize("block", ["latest", "finalized"])
def test_a_market_that_is_none_is_refused_in_one_line(run: Run, lab: Lab, tmp_path: Path, block: str) -> None:
    fields = json.loads(Path(lab.market_file(tmp_path / "lab.json")).read_text())
    fields["addresses"]["pool_addresses_provider"] = lab.tokens["WETH"]
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(fields))
    code, out, err = run("scan", "--market-file", wrong, "-r", lab.url, "--block", block, "-q")
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: {lab.tokens['WETH']} is not")
    assert err.count("\n") == 1
