"""Instants on the command line: --eta, --horizon, and how they are said."""

from __future__ import annotations

import io
import json
from pathlib import Path

import click
import pandas as pd
import pytest

import defiliq
from defiliq.cli.horizon import horizon_in_words, lasting, parse_horizon
from defiliq.cli.sources import moment
from defiliq.engine import eta as engine
from defiliq.ladder import LADDER_COLUMNS
from defiliq.pipeline.snapshot import save_snapshot
from tests.builders import address, book, market
from tests.cli.conftest import Run
from tests.test_eta import RATES


@pytest.fixture
def accruing(tmp_path: Path) -> Path:
    """The test book in a market that charges interest."""
    return save_snapshot(book(at=market(reserves=RATES)), tmp_path / "accruing.parquet")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10y", 315_360_000), ("30d", 2_592_000), ("12 h", 43_200), ("5min", 300), ("1s", 1)],
)
def test_a_horizon_is_read(text: str, seconds: int) -> None:
    assert parse_horizon(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "-1d", "0s", "1w", "1001y", "1.5y"])
def test_what_is_no_horizon_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no time ahead"):
        parse_horizon(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min"),
        (3 * 86_400 + 4 * 3_600 + 5, "3 d 4 h"),
        (2 * 365 * 86_400 + 3, "2 y"),
    ],
)
def test_a_time_is_said_in_two_units(seconds: int, said: str) -> None:
    assert lasting(seconds) == said


def test_a_horizon_is_said_in_one() -> None:
    assert [horizon_in_words(parse_horizon(text)) for text in ("10y", "1y", "36h", "90s")] == [
        *("10 years", "1 year", "36 hours", "90 seconds")
    ]


def test_position_says_what_breaks_first_and_when(run: Run, accruing: Path) -> None:
    code, out, err = run("position", address(1), "--from", accruing)
    row = defiliq.eta(book(at=market(reserves=RATES))).iloc[0]
    assert (code, err.count("INCOMPLETE")) == (0, 0)
    assert "breaks first: WETH/USD -19.19% (long)" in out
    ahead = lasting(int(row["eta_s"]))
    assert (
        f"at constant prices: liquidatable in {ahead} ({moment(int(row['eta_at']))}) by interest alone" in out
    )
    _, out, _ = run("position", address(1), "--from", accruing, "--format", "json")
    assert json.loads(out)["eta"]["eta_at"] == int(row["eta_at"])
    _, out, _ = run("position", address(1), "--from", accruing, "--horizon", "30d")
    assert "at constant prices: never within 30 days" in out


def test_position_of_a_broken_account_says_neither(run: Run, accruing: Path) -> None:
    _, out, _ = run("position", address(3), "--from", accruing)
    assert "LIQUIDATABLE" in out
    assert "breaks first" not in out
    assert "at constant prices" not in out


def test_ladder_adds_the_instants_at_the_end(run: Run, accruing: Path) -> None:
    code, out, _ = run("ladder", "--from", accruing, "--driver", "WETH", "--eta")
    table = pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)
    assert code == 0
    assert list(table.columns) == [*LADDER_COLUMNS, "eta_at", "eta_s"]
    expected = defiliq.eta(book(at=market(reserves=RATES))).set_index("account")["eta_at"]
    said = dict(zip(table["account"], table["eta_at"], strict=True))
    assert said[address(1)] == str(expected[address(1)])
    assert said[address(2)] == ""
    assert run("ladder", "--from", accruing, "--eta", "--format", "table")[0] == 0


@pytest.mark.parametrize("words", [["ladder", "--eta"], ["position", address(1)]])
def test_instants_that_only_rounding_decides_exit_3(
    run: Run, accruing: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(engine, "MOST_LOOKS", 1)
    code, _, err = run(*words, "--from", accruing)
    assert code == 3
    assert "instants are decided by rounding alone and are left out, such as that of 0x" in err
