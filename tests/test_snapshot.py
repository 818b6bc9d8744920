"""A loaded book is equal to the saved one, and any other file is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.errors import BadFile, InputError
from defiliq.pipeline.market_json import NotEncoded, decode, encode
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.protocols.aave_v3.market import AaveMarket, EMode
from defiliq.types import Account, Leg, StableDebt
from tests.builders import address, book, market

STABLES = EMode(
    id=2,
    label='Stable \u00e9 "coins"',
    ltv_bps=9000,
    liquidation_threshold_bps=9300,
    liquidation_bonus_bps=10200,
    collateral_bitmap=0b11000,
    borrowable_bitmap=0b11000,
    feed=3,
)


def saved(folder: Path, accounts: Book[AaveMarket] | None = None) -> Path:
    return save_snapshot(book() if accounts is None else accounts, folder / "book.parquet")


def same(one: Book[Any], other: Book[Any]) -> None:
    """Equal in everything, dtypes included."""
    assert one.market == other.market
    assert type(one.market) is type(other.market)
    assert list(one.accounts()) == list(other.accounts())
    assert dict(one.failed) == dict(other.failed)
    assert dict(one.stable) == dict(other.stable)
    for name in ("owners", "modes", "first_leg", "reserves", "counted"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


def test_a_loaded_book_is_the_saved_one(tmp_path: Path) -> None:
    failed = {address(77): "its balance is absurd"}
    plain = replace(book(at=market(emodes=[STABLES])), failed=failed)
    same(load_snapshot(saved(tmp_path, plain)), plain)


def test_a_book_without_accounts(tmp_path: Path) -> None:
    same(load_snapshot(saved(tmp_path, book([]))), book([]))


AMOUNTS = st.one_of(st.integers(0, 2**128 - 1), st.sampled_from([0, 1, 2**64 - 1, 2**64, 2**128 - 1]))
LEGS = st.builds(
    Leg,
    reserve=st.integers(0, 4),
    collateral=AMOUNTS,
    debt=AMOUNTS,
    counted=st.booleans(),
    stable=st.none() | st.builds(StableDebt, AMOUNTS, AMOUNTS, st.integers(0, 2**40)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 2]), st.lists(LEGS, max_size=4)), max_size=6))
def test_any_book_survives(tmp_path: Path, drawn: list[tuple[int, list[Leg]]]) -> None:
    accounts = [Account(address(k + 1), mode, tuple(legs)) for k, (mode, legs) in enumerate(drawn)]
    plain = book(accounts, market(emodes=[STABLES]))
    same(load_snapshot(saved(tmp_path, plain)), plain)


def test_exact_amounts_can_be_read_by_people_and_programs(tmp_path: Path) -> None:
    table = pq.read_table(saved(tmp_path)).to_pylist()
    first = table[0]
    assert (first["account"], first["symbol"], first["collateral"]) == (address(1), "WETH", str(10**18))
    assert (first["chain_id"], first["block_number"], first["market"]) == (31337, 120, "Local")
    (empty,) = [row for row in table if row["account"] == address(7)]
    assert empty["reserve"] is None


def test_saving_replaces_a_file_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    saved(tmp_path, book([]))
    saved(tmp_path)
    assert len(load_snapshot(tmp_path / "book.parquet")) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["book.parquet"]


def test_a_snapshot_is_a_parquet_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a snapshot is a \.parquet file"):
        save_snapshot(book(), tmp_path / "book.csv")


def test_every_market_survives_as_json() -> None:
    plain = market(emodes=[STABLES])
    again = decode(AaveMarket, json.loads(json.dumps(encode(plain))))
    assert again == plain
    assert isinstance(again.emodes[2].feed, int)


@pytest.mark.parametrize("text", ["1.5", "0x10", "", " 1", "9" * 100, 5, None, True, "\u0661"])
def test_what_is_no_integer_is_no_integer(text: object) -> None:
    about = encode(STABLES) | {"ltv_bps": text}
    with pytest.raises(NotEncoded, match="ltv_bps"):
        decode(EMode, about)


def rewritten(path: Path, change: Callable[[pa.Table, dict[str, Any]], pa.Table]) -> Path:
    """The snapshot with something changed in its table or in what it says of itself."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"defiliq"])
    table = change(table, about)
    pq.write_table(table.replace_schema_metadata({b"defiliq": json.dumps(about).encode()}), path)
    return path


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def shuffled(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return table.take([2, 0, 1, *range(3, len(table))])


def other_format(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    about["format"] = "99"
    return table


def no_price(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    about["market"]["prices"][0] = "0"
    return table


def odd_field(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    about["market"]["surprise"] = "1"
    return table


def missing_field(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    del about["market"]["emodes"]
    return table


def other_protocol(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    about["market"]["protocol"] = ["aave-v3"]
    return table


def far_feed(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    about["market"]["reserves"][0]["feed"] = "17"
    return table


def no_failed(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    about["failed"] = [1]
    return table


def far_reserve(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return with_column(table, "reserve", pa.array([9] * len(table), pa.int16()))


def unknown_mode(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return with_column(table, "mode", pa.array([3] * len(table), pa.uint8()))


def short_address(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return with_column(table, "account", pc.utf8_slice_codeunits(table["account"], 0, 20))


def no_address(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return with_column(table, "account", pa.array([None] * len(table), pa.string()))


def gap(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return with_column(table, "debt_low", pa.array([None] * len(table), pa.uint64()))


def floats(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return with_column(table, "debt_low", pa.array([1.5] * len(table), pa.float64()))


def no_column(table: pa.Table, about: dict[str, Any]) -> pa.Table:
    return table.drop_columns(["counted"])


@pytest.mark.parametrize(
    "change",
    [
        shuffled,
        other_format,
        no_price,
        odd_field,
        missing_field,
        other_protocol,
        far_feed,
        no_failed,
        far_reserve,
        unknown_mode,
        short_address,
        no_address,
        gap,
        floats,
        no_column,
    ],
    ids=lambda change: str(change.__name__),
)
def test_a_damaged_snapshot_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[pa.Table, dict[str, Any]], pa.Table]
) -> None:
    path = rewritten(saved(tmp_path), change)
    with pytest.raises(BadFile) as caught:
        load_snapshot(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metadata_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    deep = b'{"format":"1","market":' + b"[" * 200_000
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"defiliq": deep}), path)
    with pytest.raises(BadFile, match="not a whole snapshot"):
        load_snapshot(path)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"x": [1, 2]}), foreign)
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(saved(tmp_path).read_bytes()[:-200])
    text = tmp_path / "text.parquet"
    text.write_text("not parquet")
    empty = tmp_path / "empty.parquet"
    empty.write_bytes(b"")
    for path in (foreign, torn, text, empty, tmp_path / "absent.parquet", tmp_path):
        with pytest.raises(BadFile, match=path.name):
            load_snapshot(path)
