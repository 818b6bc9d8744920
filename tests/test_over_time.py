"""Heat over time from folders: snapshots and ladder files give one picture, and what is wrong is named."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from defiliq.book import Book
from defiliq.errors import BadFile, InputError
from defiliq.ladder import build_ladder, to_usd
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.over_time import _outstanding_usd, read_frame, read_over_time
from defiliq.pipeline.positions import open_interest, positions
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.pipeline.solving import solve_book
from defiliq.protocols import PROTOCOLS, aave_v3
from tests.bench.cascade import graphed_market
from tests.bench.compound import synthetic_comet, synthetic_comptroller
from tests.bench.synthetic import synthetic_book
from tests.solo_book import solo_book
from tests.venue import venue_book

DRIVER = "ETH/USD"


def at_block(number: int) -> Book[Any]:
    """The same accounts while ETH rises."""
    market = graphed_market()
    moved = market.at_inputs({0: market.prices[0] * (100 + number) // 100})
    block = replace(market.block, number=number, timestamp=market.block.timestamp + 12 * number)
    return replace(synthetic_book(market, 300, 31), market=replace(moved, block=block))


def ladder_of(book: Book[Any]) -> pd.DataFrame:
    levels = solve_book(book, [find_driver(book.market, DRIVER)]).levels
    return build_ladder(book, levels, aave_v3.take, aave_v3.health, aave_v3.explain)


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots")
    for number in (3, 1, 2):
        save_snapshot(at_block(number), folder / f"{9 - number}.parquet")
    return folder


@pytest.fixture(scope="module")
def ladders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladders")
    for number in (1, 2):
        ladder_of(at_block(number)).to_parquet(folder / f"{number}.parquet")
    ladder_of(at_block(3)).to_csv(folder / "3.csv", index=False)
    return folder


def test_snapshots_and_ladders_show_the_same(snapshots: Path, ladders: Path) -> None:
    one, other = read_over_time(snapshots, DRIVER), read_over_time(ladders, DRIVER)
    assert one.times["block_number"].tolist() == other.times["block_number"].tolist() == [1, 2, 3]
    assert one.times["spot_usd"].tolist() == other.times["spot_usd"].tolist()
    assert one.times["spot_usd"].is_monotonic_increasing
    for column in ("long_usd", "short_usd", "already_long_usd", "already_short_usd"):
        assert one.times[column].to_numpy() == pytest.approx(other.times[column].to_numpy(), rel=1e-6)
    for side in ("long", "short"):
        here, there = (heat.grid(side, 100.0, 30_000.0) for heat in (one, other))
        assert here.sum() > 1e6
        # A level at an edge of a bucket may lie on the other side of it.
        assert np.abs(here - there).sum() < 1e-3 * there.sum()


def test_several_processes_show_the_same(snapshots: Path) -> None:
    one, other = (read_over_time(snapshots, DRIVER, workers=count) for count in (1, 2))
    pd.testing.assert_frame_equal(one.times, other.times)
    pd.testing.assert_frame_equal(one.cells, other.cells)


@pytest.mark.parametrize(
    ("make", "driver"),
    [
        (lambda: at_block(1), DRIVER),
        (lambda: synthetic_comet(100)[1], DRIVER),
        (lambda: synthetic_comptroller(100)[1], DRIVER),
        (lambda: solo_book(100, 3), "T0"),
    ],
)
def test_what_is_owed_is_all_debt_of_the_book(make: Callable[[], Book[Any]], driver: str) -> None:
    """Whatever prices it hangs on; and accounts that could not be read leave it unknown."""
    book = make()
    protocol, market = PROTOCOLS[book.market.protocol], book.market
    legs = (leg for account in book.accounts() for leg in protocol.explain(account, market))
    owed_usd = to_usd(sum(leg.owed_base for leg in legs), market)
    terms, along = protocol.call_terms(book), find_driver(market, driver)
    assert owed_usd > 0
    assert _outstanding_usd(book, terms, along) == pytest.approx(owed_usd, rel=1e-9)
    partial = replace(book, failed={market.account_name(bytes(20)): "no answer"})
    assert math.isnan(_outstanding_usd(partial, terms, along))


def test_what_is_held_open_is_the_drivers_open_interest(tmp_path: Path) -> None:
    book = venue_book()
    path = save_snapshot(book, tmp_path / "1.parquet")
    counted = open_interest(book, positions(book)).set_index("perpetual")["open_interest_usd"]
    frames = {perpetual: read_frame(path, perpetual, 1.0) for perpetual in counted.index}
    assert {perpetual: one.outstanding_usd for perpetual, one in frames.items()} == counted.to_dict()
    assert all(one.holds_open for one in frames.values())


def test_ladders_do_not_tell_what_is_owed(ladders: Path) -> None:
    assert read_over_time(ladders, DRIVER).times["outstanding_usd"].isna().all()


def test_progress_is_told(snapshots: Path) -> None:
    told: list[tuple[int, int]] = []
    read_over_time(snapshots, DRIVER, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_nameless_book_has_the_same_columns(snapshots: Path) -> None:
    named, nameless = (load_snapshot(snapshots / "8.parquet", nameless=flag) for flag in (False, True))
    assert nameless.owners.shape == (len(named), 0)
    for i in range(len(named)):
        assert nameless.nameless(i) == named.nameless(i)


def test_an_unknown_driver_names_the_file(snapshots: Path) -> None:
    with pytest.raises(BadFile, match=r"7\.parquet|8\.parquet|6\.parquet"):
        read_over_time(snapshots, "DOGE/USD")


def test_another_market_names_the_file(snapshots: Path, tmp_path: Path) -> None:
    for path in snapshots.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    book = at_block(4)
    save_snapshot(replace(book, market=replace(book.market, name="Prime")), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet is of aave-v3 Prime"):
        read_over_time(tmp_path, DRIVER)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"block_number": [1, 2], "block_timestamp": [10, 22]}, "different blocks"),
        ({"side": ["long", "up"]}, "makes no sense"),
        ({"price_usd": [-1.0, 2.0]}, "makes no sense"),
        ({"price_usd": [1e200, 2.0]}, "makes no sense"),
        ({"seized_usd": [1e200, 2.0]}, "makes no sense"),
        ({"seized_usd": [-1.0, 2.0]}, "makes no sense"),
        ({"driver": ["BTC/USD", "BTC/USD"]}, "no rung on"),
        ({"spot_usd": [0.0, 0.0]}, "makes no sense"),
        ({"spot_usd": [None, None]}, "makes no sense"),
        ({"block_timestamp": [None, None]}, "lacks what every rung has"),
        ({"market": ["Core", "Prime"], "base_symbol": ["USD", "ETH"]}, "several currencies"),
    ],
)
def test_a_ladder_that_makes_no_sense(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    rungs = ladder_of(at_block(1))
    rungs = rungs[(rungs["outcome"] == "price") & (rungs["side"] == "long")].head(2)
    rungs.assign(**changes).to_csv(tmp_path / "1.csv", index=False)
    with pytest.raises(BadFile, match=said) as raised:
        read_over_time(tmp_path, DRIVER)
    assert "1.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_rung_without_an_outcome_is_not_passed_over(tmp_path: Path) -> None:
    rungs = ladder_of(at_block(1))
    outcomes = [None, *rungs["outcome"].tolist()[1:]]
    rungs.assign(outcome=outcomes).to_parquet(tmp_path / "1.parquet")
    with pytest.raises(BadFile, match="lacks what every rung has"):
        read_over_time(tmp_path, DRIVER)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"(?i)no such file"):
        read_over_time(tmp_path / "nowhere", DRIVER)
    with pytest.raises(BadFile, match="no file that ends in"):
        read_over_time(tmp_path, DRIVER)
    (tmp_path / "1.csv").write_text("price,size\n1,2\n")
    with pytest.raises(BadFile, match=r"1\.csv"):
        read_over_time(tmp_path, DRIVER)
    (tmp_path / "0.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(BadFile, match=r"0\.parquet"):
        read_over_time(tmp_path, DRIVER)
    path = tmp_path / "0.parquet"
    ladder_of(at_block(1)).to_parquet(path)
    path.write_bytes(path.read_bytes().replace(b"seized_usd", b"seized_\x98sd"))
    with pytest.raises(BadFile, match=r"0\.parquet"):
        read_over_time(tmp_path, DRIVER)


def test_a_step_must_have_a_width(snapshots: Path) -> None:
    with pytest.raises(InputError, match=r"0\.0% wide"):
        read_over_time(snapshots, DRIVER, step_pct=0.0)


def test_a_file_that_another_process_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the environment is as it was before."""
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    before = dict(os.environ)
    (tmp_path / "no.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot use .*no\.parquet"):
        read_over_time(tmp_path, DRIVER, workers=2)
    assert dict(os.environ) == before
