"""Data of venues as files: what is written comes back, and what others wrote is not trusted."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from defiliq.cex.estimate import estimate
from defiliq.cex.history import History, OrderBook, VenueData
from defiliq.cex.population import SIMULATED, World, factors_of, recovery, simulate, venue_rule
from defiliq.cex.priors import MID, PRIORS
from defiliq.cex.tiers import load_tiers
from defiliq.errors import BadFile, InputError
from defiliq.model.heat import SIDES
from defiliq.pipeline import cex_files
from defiliq.pipeline.cex_files import (
    CANDLE_COLUMNS,
    SAMPLED,
    is_cex_file,
    load_sample,
    load_sample_truth,
    load_venues,
    origin_of,
    save_venues,
)
from defiliq.pipeline.snapshot import load_snapshot
from defiliq.pipeline.table_files import is_ladder_file

ROOT = Path(__file__).resolve().parent.parent
BOOK = OrderBook(
    1_000,
    np.array([99.0, 98.5]),
    np.array([10.0, 20.0]),
    np.array([99.0, 101.0, 102.0]),
    np.array([1.0, 2.0, 3.0]),
)


@lru_cache(maxsize=1)
def shown() -> VenueData:
    """A perpetual with all columns, and a book."""
    found = simulate(1, World(candles=48, warm_up=24, traders=300), prior=MID)
    return VenueData(found.history, BOOK)


@lru_cache(maxsize=1)
def sparse() -> VenueData:
    """An inverse contract that expires, of which little is published."""
    history = shown().history
    holed = history.close_usd.copy()
    holed[3] = np.nan
    none = np.full(len(history), np.nan)
    quarterly = dataclasses.replace(
        SIMULATED, symbol="BTC/USD:BTC-261225", settle="BTC", is_inverse=True, expires_at=1_798_185_600
    )
    return VenueData(
        dataclasses.replace(
            history,
            instrument=quarterly,
            close_usd=holed,
            taker_buy_share=none,
            long_short_ratio=none,
            executed=None,
            faults=("one candle has no close", "é ß 中"),
        ),
        None,
    )


def save(folder: Path, *data: VenueData) -> Path:
    return save_venues(data or (shown(), sparse()), folder / "venues.parquet", source="by hand", made_at=7)


def assert_same(one: VenueData, other: VenueData) -> None:
    for field in dataclasses.fields(History):
        left, right = getattr(one.history, field.name), getattr(other.history, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            assert np.array_equal(left, right, equal_nan=True), field.name
        elif isinstance(left, pd.DataFrame):
            pd.testing.assert_frame_equal(left, right)
        else:
            assert left == right, field.name
    if one.order_book is None or other.order_book is None:
        assert one.order_book is other.order_book
        return
    for field in dataclasses.fields(OrderBook):
        assert np.array_equal(getattr(one.order_book, field.name), getattr(other.order_book, field.name))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    loaded = load_venues(save(tmp_path))
    assert len(loaded) == 2
    assert_same(shown(), loaded[0])
    assert_same(sparse(), loaded[1])
    assert loaded[1].history.executed is None
    assert origin_of(tmp_path / "venues.parquet") == ("by hand", 7)


def test_nothing_executed_is_not_nothing_known(tmp_path: Path) -> None:
    executed = shown().history.executed
    assert executed is not None
    empty = dataclasses.replace(shown().history, executed=executed.iloc[:0].reset_index(drop=True))
    found = load_venues(save(tmp_path, VenueData(empty, None)))[0].history.executed
    assert found is not None
    assert len(found) == 0
    assert tuple(found.columns) == ("at", "price_usd", "side", "size_usd")


def test_no_contract_at_all_is_a_file_too(tmp_path: Path) -> None:
    save_venues([], tmp_path / "none.parquet", source="", made_at=0)
    assert load_venues(tmp_path / "none.parquet") == []


def test_the_same_data_are_the_same_bytes(tmp_path: Path) -> None:
    first = save(tmp_path).read_bytes()
    assert save(tmp_path).read_bytes() == first


def test_files_are_told_apart(tmp_path: Path) -> None:
    path = save(tmp_path)
    assert is_cex_file(path)
    assert not is_ladder_file(path)
    table = tmp_path / "table.parquet"
    pd.DataFrame({"price_usd": [1.0]}).to_parquet(table)
    assert not is_cex_file(table)
    assert not is_cex_file(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no")
    assert not is_cex_file(tmp_path / "text.parquet")
    with pytest.raises(BadFile, match="snapshot"):
        load_snapshot(path)


def test_a_row_is_readable_by_others(tmp_path: Path) -> None:
    table = pd.read_parquet(save(tmp_path))
    candles = table[(table["kind"] == "candle") & (table["symbol"] == SIMULATED.symbol)]
    assert candles["close_usd"].to_numpy() == pytest.approx(shown().history.close_usd)
    assert (table[table["kind"] == "bid"]["price_usd"] == BOOK.bid_usd).all()


Change = Callable[[pd.DataFrame, dict[str, Any]], None]


def tampered(folder: Path, change: Change) -> Path:
    """A saved file whose rows or words somebody changed."""
    path = save(folder)
    table = pq.read_table(path)
    about = orjson.loads(table.schema.metadata[b"defiliq"])
    rows = table.to_pandas()
    change(rows, about)
    schema = table.schema.with_metadata({b"defiliq": orjson.dumps(about)})
    pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), path)
    return path


def test_rewriting_alone_changes_nothing(tmp_path: Path) -> None:
    assert_same(load_venues(tampered(tmp_path, lambda rows, about: None))[0], shown())


def cell(name: str, value: float, row: int = 5) -> Change:
    def change(rows: pd.DataFrame, about: dict[str, Any]) -> None:
        rows.loc[row, name] = value

    return change


def word(name: str, value: object) -> Change:
    def change(rows: pd.DataFrame, about: dict[str, Any]) -> None:
        about["contracts"][0][name] = value

    return change


def named(name: str, value: object) -> Change:
    def change(rows: pd.DataFrame, about: dict[str, Any]) -> None:
        about["contracts"][0]["instrument"][name] = value

    return change


def whole(name: str, value: object) -> Change:
    def change(rows: pd.DataFrame, about: dict[str, Any]) -> None:
        about[name] = value

    return change


def executed(name: str, value: object) -> Change:
    def change(rows: pd.DataFrame, about: dict[str, Any]) -> None:
        rows["side"] = rows["side"].cat.add_categories("executed")
        column = rows[name].to_list()
        column[rows.index[rows["kind"] == "executed"][2]] = value
        rows[name] = pd.Series(column, dtype=rows[name].dtype)

    return change


def shifted(rows: pd.DataFrame, about: dict[str, Any]) -> None:
    counts = about["contracts"][0]["rows"]
    counts[0], counts[1] = counts[0] - 1, counts[1] + 1


def book(kind: str, name: str, value: float) -> Change:
    def change(rows: pd.DataFrame, about: dict[str, Any]) -> None:
        rows.loc[rows.index[rows["kind"] == kind][0], name] = value

    return change


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (cell("close_usd", np.inf), "price"),
        (cell("low_usd", -1.0), "price"),
        (cell("open_usd", 0.0), "price"),
        (cell("high_usd", 1e308), "price"),
        (cell("open_interest", 1e308), "open_interest"),
        (cell("volume_usd", 1e300), "volume_usd"),
        (cell("high_usd", 1.0), "high"),
        (cell("low_usd", 1e9), "another price of its candle"),
        (cell("open_interest", -1.0), "open_interest"),
        (cell("open_interest", np.inf), "open_interest"),
        (cell("volume_usd", -0.5), "volume_usd"),
        (cell("taker_buy_share", 1.5), "taker_buy_share"),
        (cell("funding_rate", -np.inf), "funding_rate"),
        (cell("long_short_ratio", -2.0), "long_short_ratio"),
        (cell("at", 12), "follow each other"),
        (cell("at", 2**60, row=47), "follow each other"),
        (executed("price_usd", np.nan), "executed"),
        (executed("size_usd", 0.0), "executed"),
        (executed("side", "executed"), "neither"),
        (executed("at", 0), "order of time"),
        (book("bid", "price_usd", 99.5), "bids more"),
        (book("bid", "price_usd", 1.0), "not sorted"),
        (book("ask", "size_usd", np.inf), "makes no sense"),
        (book("ask", "size_usd", 1e308), "makes no sense"),
        (executed("size_usd", 1e308), "makes no sense"),
        (word("step_s", 0), "step"),
        (word("step_s", True), "step"),
        (word("step_s", 1800), "every 1800 s"),
        (shifted, "kind"),
        (word("rows", [48, 0, 0, 0]), "symbol"),
        (word("rows", [10**9, 0, 0, 0]), "rows"),
        (word("rows", [-1, 0, 0, 0]), "rows"),
        (word("rows", [48]), "whole file"),
        (word("source", "a\x1b[2Jb"), "printable"),
        (word("source", "x" * 2000), "printable"),
        (word("faults", ["bell\x07"]), "printable"),
        (word("faults", None), "whole file"),
        (word("fetched_at", "now"), "fetched"),
        (word("book_at", -3), "order book"),
        (named("venue", ""), "venue"),
        (named("venue", 5), "venue"),
        (named("symbol", "ETH/USDT:USDT"), "symbol"),
        (named("is_inverse", "no"), "inverse"),
        (named("expires_at", 1.5), "expiry"),
        (named("colour", "blue"), "whole file"),
        (whole("contracts", {}), "contracts"),
        (whole("contracts", []), "says 0"),
        (whole("cex_format", 2), "newer"),
        (whole("cex_format", "one"), "unknown"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path, change: Change, seen: str) -> None:
    path = tampered(tmp_path, change)
    with pytest.raises(BadFile, match=seen) as error:
        load_venues(path)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_contract_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="twice"):
        save(tmp_path, shown(), shown())


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    wrong = dataclasses.replace(shown().history, open_interest=-shown().history.open_interest)
    with pytest.raises(InputError, match="open_interest"):
        save(tmp_path, VenueData(wrong, None))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"\.parquet"):
        save_venues([shown()], tmp_path / "venues.csv", source="", made_at=0)


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_a_file_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    path = save(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFile):
        load_venues(path)


def test_flipped_bytes_change_nothing_or_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, shown())
    raw = path.read_bytes()
    footer = int.from_bytes(raw[-8:-4], "little") + 8
    rng = np.random.default_rng(1)
    # In the footer a flip may change words, which are nobody's secret; in the columns it has to be seen.
    for at in rng.integers(4, len(raw) - footer, 80).tolist():
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x41]) + raw[at + 1 :])
        try:
            found = load_venues(path)
        except BadFile:
            continue
        assert_same(found[0], shown())


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadFile, match="no such file"):
        load_venues(tmp_path / "absent.parquet")
    with pytest.raises(BadFile):
        load_venues(tmp_path)
    table = tmp_path / "table.parquet"
    pd.DataFrame({"price_usd": [1.0]}).to_parquet(table)
    for load in (load_venues, origin_of):
        with pytest.raises(BadFile):
            load(table)
    path = save(tmp_path)
    columns = pq.read_table(path)
    pq.write_table(columns.set_column(4, "open_usd", columns["at"]), path)
    with pytest.raises(BadFile, match="open_usd is int64"):
        load_venues(path)
    monkeypatch.setattr(cex_files, "MAX_ROWS", 10)
    with pytest.raises(BadFile, match="more than 10 rows"):
        load_venues(save(tmp_path))
    monkeypatch.setattr(cex_files, "MAX_BYTES", 10)
    with pytest.raises(BadFile, match="larger"):
        load_venues(save(tmp_path))


@pytest.mark.parametrize("asset", SAMPLED)
def test_the_sample_is_three_venues_and_says_that_it_is_simulated(asset: str) -> None:
    found = load_sample(asset)
    names = [(one.history.instrument.venue, one.history.instrument.symbol) for one in found]
    assert [venue for venue, symbol in names if "-" not in symbol] == ["binance", "bybit", "okx"]
    assert sum("-" in symbol for _, symbol in names) == 1
    for one in found:
        history = one.history
        assert "simulated" in history.source
        assert history.until_at == 1_765_238_400
        assert len(history) == 90 * 24
        assert one.order_book is not None
        assert one.order_book.bid_usd[0] < history.close_usd[-1] < one.order_book.ask_usd[0]
        assert 1e8 < history.open_interest_usd[-1] < 2e10
    assert set(load_sample_truth(asset)) == set(names)
    assert "simulated" in origin_of(ROOT / "defiliq" / "cex" / "sample" / f"{asset.lower()}.parquet")[0]
    assert load_sample(asset.lower())[0].history.instrument == found[0].history.instrument


def test_no_other_asset_is_in_the_sample() -> None:
    with pytest.raises(InputError, match="BTC and ETH, no DOGE"):
        load_sample("DOGE")


def test_the_samples_truth_holds_its_open_interest() -> None:
    for (venue, symbol), truth in load_sample_truth("BTC").items():
        history = next(
            one.history
            for one in load_sample("BTC")
            if (one.history.instrument.venue, one.history.instrument.symbol) == (venue, symbol)
        )
        assert truth.at == history.until_at
        for side in SIDES:
            price, dollars = truth.side(side)
            assert (dollars / price).sum() == pytest.approx(history.open_interest[-1], rel=0.03)
            assert (price < truth.spot_usd).all() == (side == "long")


def test_an_estimate_of_the_sample_is_in_the_neighbourhood_of_its_truth() -> None:
    history = load_sample("ETH")[0].history
    rule = venue_rule("binance", load_tiers("binance", "ETH"), float(history.close_usd[-1]))
    factors = [factors_of(rule, prior, float(history.close_usd[-1])) for prior in PRIORS]
    found = recovery(load_sample_truth("ETH")["binance", "ETH/USDT:USDT"], estimate(history, factors))
    assert found.mid_error < 0.5
    assert found.outside < 0.1


def test_a_contract_of_the_sample_is_what_its_script_draws() -> None:
    """The smallest of four; `scripts/make_sample --check` does the same with all, byte for byte."""
    script = runpy.run_path(str(ROOT / "scripts" / "make_sample"))
    kept = load_sample("ETH")[1]
    assert kept.history.instrument.expires_at is not None
    data, truth = script["simulated"]("ETH", script["CONTRACTS"][1], script["seed_of"]("ETH", 1))
    assert_same(data, kept)
    known = load_sample_truth("ETH")["binance", "ETH/USDT:USDT-251226"]
    again = script["binned"](data.history.instrument, truth)
    assert again["size_usd"].tolist() == known.size_usd.tolist()
    assert again["price_usd"].tolist() == known.price_usd.tolist()


@pytest.mark.parametrize("asset", SAMPLED)
def test_the_samples_bytes_are_those_of_its_data(asset: str, tmp_path: Path) -> None:
    kept = ROOT / "defiliq" / "cex" / "sample" / f"{asset.lower()}.parquet"
    source, made_at = origin_of(kept)
    again = save_venues(load_sample(asset), tmp_path / "again.parquet", source=source, made_at=made_at)
    if pq.ParquetFile(again).metadata.created_by == pq.ParquetFile(kept).metadata.created_by:
        assert again.read_bytes() == kept.read_bytes()


def test_the_sample_is_small() -> None:
    sizes = [path.stat().st_size for path in (ROOT / "defiliq" / "cex" / "sample").iterdir()]
    assert sum(sizes) < 1_500_000


def test_columns_of_candles_are_those_of_a_history() -> None:
    names = {field.name for field in dataclasses.fields(History)}
    assert set(CANDLE_COLUMNS) < names
    assert {name for name in names if isinstance(getattr(shown().history, name), np.ndarray)} == {
        "at",
        *CANDLE_COLUMNS,
    }
