"""`defiliq feeds` beside the real oracle: its integers, who moves whom, when a cap lets go, a lost price."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Run
from tests.lab import Lab

pytestmark = pytest.mark.lab

STAKED = "wstETH"
RATIO = "wstETH/ETH ratio"


@pytest.fixture
def source(lab_v36: Lab, tmp_path: Path) -> list[str]:
    """The options that name the lab's market at its newest block."""
    path = lab_v36.market_file(tmp_path / "lab.json")
    return ["--market-file", str(path), "-r", lab_v36.url, "--block", "latest"]


def asked(run: Run, source: list[str], *words: str, code: int = 0) -> pd.DataFrame:
    """The rows that the command prints, every cell as text."""
    seen, out, _ = run("feeds", *source, "-q", *words)
    assert seen == code
    return pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)


def ratio_row(run: Run, source: list[str], *words: str) -> dict[str, str]:
    """The row of the staking ratio."""
    table = asked(run, source, "--driver", RATIO, *words)
    return next(
        {str(k): str(v) for k, v in row.items()} for row in table.to_dict("records") if row["driver"] == RATIO
    )


def prices(lab: Lab) -> dict[str, int]:
    return {symbol: lab.price(symbol) for symbol in lab.tokens}


def test_prices_and_drivers_are_the_chain_s_own(run: Run, lab_v36: Lab, source: list[str]) -> None:
    table = asked(run, source)
    assert dict(zip(table["reserve"], map(int, table["price_raw"]), strict=True)) == prices(lab_v36)
    assert dict(zip(table["reserve"], table["source"], strict=True)) == lab_v36.feeds
    assert dict(zip(table["driver"], table["driver_source"], strict=True)) == lab_v36.drivers
    assert set(table["driver_kind"]) == {"aggregator", "ratio"}
    assert set(table["reserve"][table["capped"] == "false"]) == {STAKED, "USDC", "USDT"}


def test_a_driver_moves_the_reserves_it_is_said_to_and_no_other(
    run: Run, lab_v36: Lab, source: list[str]
) -> None:
    table = asked(run, source, "--by", "driver")
    before = prices(lab_v36)
    for row in table.itertuples():
        with lab_v36.rewinding():
            lab_v36.set_driver(str(row.driver), int(str(row.driver_raw)) * 9 // 10)
            after = prices(lab_v36)
        moved = [symbol for symbol in before if before[symbol] != after[symbol]]
        assert sorted(moved) == sorted(str(row.reserves).split(", "))


def test_a_cap_lets_go_at_the_second_that_is_said(run: Run, lab_v36: Lab, source: list[str]) -> None:
    ratio = int(ratio_row(run, source)["driver_raw"])
    base = lab_v36.price("WETH")
    with lab_v36.rewinding():
        lab_v36.set_cap(STAKED, ratio * 99 // 100, yearly_growth_bps=968)
        row = ratio_row(run, source)
        assert row["capped"] == "true"
        assert int(row["price_raw"]) == base * int(row["cap_raw"]) // 10**18 == lab_v36.price(STAKED)
        until, oracle, token = int(row["cap_binds_until"]), lab_v36.market.oracle, lab_v36.tokens[STAKED]
        uncapped, seen = base * ratio // 10**18, []
        for at, capped in ((until - 60, "true"), (until - 1, "true"), (until, "false")):
            later = ratio_row(run, source, "--at", str(at))
            answer = lab_v36.chain.call(oracle, "getAssetPrice", token, timestamp=at)
            assert int(later["price_raw"]) == answer
            assert later["capped"] == capped
            seen.append(answer)
        assert seen[0] < seen[2] == uncapped


def test_a_lost_price_is_said_and_the_rest_is_shown(run: Run, lab_v36: Lab, source: list[str]) -> None:
    whole = asked(run, source)
    with lab_v36.rewinding():
        lab_v36.set_driver("CRV/USD", 0)
        code, out, err = run("feeds", *source, "-q")
    assert code == 3
    assert "INCOMPLETE: CRV" in err
    left = pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)
    assert left["reserve"].tolist() == whole["reserve"][whole["reserve"] != "CRV"].tolist()


def test_a_snapshot_gives_the_same_rows_and_trees(
    run: Run, lab_v36: Lab, source: list[str], tmp_path: Path
) -> None:
    kept = str(tmp_path / "lab.parquet")
    assert run("snapshot", *source, "--no-index", "-q", "-o", kept)[0] == 0
    for words in ([], ["--tree"], ["--by", "driver"]):
        assert run("feeds", "--from", kept, "-q", *words) == run("feeds", *source, "-q", *words)
