"""Ladders and events read back from their files, and what is said of files that are none."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from defiliq.errors import BadFile
from defiliq.ladder import EVENT_COLUMNS, as_table
from defiliq.pipeline.judge import ladder
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.pipeline.table_files import is_ladder_file, load_events, load_ladder
from defiliq.view.files import write_table
from tests.builders import book

KINDS = ("csv", "json", "parquet")


@pytest.fixture
def rungs() -> pd.DataFrame:
    return ladder(book(), include_never=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ladder_comes_back_as_it_was(rungs: pd.DataFrame, kind: str, tmp_path: Path) -> None:
    path = write_table(rungs, tmp_path / f"ladder.{kind}")
    assert is_ladder_file(path)
    assert {"price", "already", "never"} == set(rungs["outcome"])
    pd.testing.assert_frame_equal(load_ladder(path), rungs)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_ladder_is_one_too(rungs: pd.DataFrame, kind: str, tmp_path: Path) -> None:
    """An empty array in JSON does not say what it is a list of, and may be either."""
    path = write_table(rungs.iloc[:0], tmp_path / f"ladder.{kind}")
    assert load_ladder(path).empty
    assert load_events(write_table(as_table([], EVENT_COLUMNS), tmp_path / f"events.{kind}")).empty


def test_a_snapshot_is_no_ladder(tmp_path: Path) -> None:
    path = save_snapshot(book(), tmp_path / "market.parquet")
    assert not is_ladder_file(path)
    with pytest.raises(BadFile, match="it is no ladder, it has no column driver"):
        load_ladder(path)


@pytest.mark.parametrize("kind", KINDS)
def test_events_come_back_as_they_were(kind: str, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        dict.fromkeys(EVENT_COLUMNS, "")
        | {"chain_id": 1, "block_number": 5, "block_timestamp": 9, "log_index": 3, "side": side}
        | {name: value for name in EVENT_COLUMNS if name.endswith("_usd")}
        for side, value in (("long", 1.5), ("short", math.nan))
    ]
    table = as_table(rows, EVENT_COLUMNS)
    pd.testing.assert_frame_equal(load_events(write_table(table, tmp_path / f"events.{kind}")), table)
    for name, value in (("repaid_usd", -1.0), ("seized_usd", 1e308), ("bonus_usd", math.inf)):
        odd = write_table(table.assign(**{name: [math.nan, value]}), tmp_path / f"odd.{kind}")
        if kind == "json" and math.isinf(value):
            continue  # which knows no infinity: it says null
        with pytest.raises(BadFile, match="row 2 makes no sense"):
            load_events(odd)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("side", "sideways", "row 2 has side 'sideways'"),
        ("outcome", "perhaps", "row 2 has outcome 'perhaps'"),
        ("price_raw", "0", "row 2 has price_raw '0'"),
        ("price_raw", "12.5", "row 2 has price_raw '12.5'"),
        ("price_usd", "-1", "row 2 has price_usd -1.0"),
        ("spot_usd", "", "row 2 has spot_usd nan"),
        ("spot_raw", "-5", "row 2 has spot_raw '-5'"),
        ("seized_usd", "inf", "row 2 has seized_usd inf"),
        ("repaid_usd", "-1", "row 2 has repaid_usd -1.0"),
        ("seized_usd", "1e308", "row 2 has seized_usd 1e+308"),
        ("price_usd", "1e-308", "row 2 has price_usd 1e-308"),
        ("bad_debt_usd", "1e400", "row 2 has bad_debt_usd inf"),
        ("distance_pct", "-inf", "row 2 has distance_pct -inf"),
        ("block_number", "many", "row 2 has block_number 'many'"),
        ("block_number", "9" * 30, "row 2 has block_number '9999"),
        ("callable", "maybe", "row 2 has callable 'maybe'"),
        ("callable", "", "row 2 has callable ''"),
        ("chain_id", "", "row 2 has chain_id ''"),
        ("seized_usd", "1,5", "row 2 has seized_usd '1,5'"),
        ("driver", "", "row 2 has driver ''"),
        ("account", "", "row 2 has account ''"),
    ],
)
def test_a_row_that_makes_no_sense_is_named(
    rungs: pd.DataFrame, column: str, value: str, said: str, tmp_path: Path
) -> None:
    path = write_table(rungs[rungs["outcome"] == "price"], tmp_path / "ladder.csv")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[1, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(BadFile) as refused:
        load_ladder(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("ladder.txt", b"", "a ladder is .csv, .json, .parquet"),
        ("ladder.csv", b"", "it cannot be read as a table"),
        ("ladder.csv", b"\xff\xfe\x00", "it cannot be read as a table"),
        ("ladder.csv", b"a,b\n1,2\n", "it is no ladder, it has no column chain_id"),
        ("ladder.csv", b"accounts,cumulative_accounts\n1,2\n", "it holds buckets; write the rungs"),
        ("clusters.csv", b"chain_id,accounts\n1,2\n", "it is no ladder, it has no column block_number."),
        ("ladder.json", b"{", "it cannot be read as a table"),
        ("ladder.json", b"[1]", "it is not a list of rows"),
        ("ladder.parquet", b"PAR1", "it cannot be read as a table"),
    ],
)
def test_a_file_that_is_no_ladder_is_refused_in_one_line(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadFile) as refused:
        load_ladder(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for load in (load_ladder, load_events):
        with pytest.raises(BadFile, match="No such file"):
            load(tmp_path / "nothing.csv")


def kept(rungs: pd.DataFrame, folder: Path) -> tuple[pa.Table, Path]:
    return pa.Table.from_pandas(rungs, preserve_index=False), folder / "ladder.parquet"


def test_what_other_programs_make_of_columns_is_read(rungs: pd.DataFrame, tmp_path: Path) -> None:
    """Integers that became floats, and texts that are not there."""
    table, path = kept(rungs, tmp_path)
    for name in ("chain_id", "block_number"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.float64()))
    reasons = pa.array([None, *("why" for _ in rungs.index[1:])])
    table = table.set_column(table.schema.get_field_index("reason"), "reason", reasons)
    pq.write_table(table, path)
    loaded = load_ladder(path)
    assert loaded["reason"].tolist() == ["", *("why" for _ in rungs.index[1:])]
    pd.testing.assert_frame_equal(loaded.drop(columns="reason"), rungs.drop(columns="reason"))


def test_a_part_of_a_block_is_none(rungs: pd.DataFrame, tmp_path: Path) -> None:
    path = write_table(rungs.assign(block_number=1.5), tmp_path / "ladder.parquet")
    with pytest.raises(BadFile, match=r"row 1 has block_number '1\.5'"):
        load_ladder(path)


def test_two_columns_of_one_name_are_refused(rungs: pd.DataFrame, tmp_path: Path) -> None:
    table, path = kept(rungs, tmp_path)
    pq.write_table(table.append_column("side", table.column("side")), path)
    with pytest.raises(BadFile, match="two columns side"):
        load_ladder(path)
    path = write_table(rungs, tmp_path / "ladder.csv")
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},side", *(f"{line},short" for line in lines)]))
    with pytest.raises(BadFile, match="two columns side"):
        load_ladder(path)


def test_a_row_that_is_longer_than_the_header_moves_no_column(rungs: pd.DataFrame, tmp_path: Path) -> None:
    path = write_table(rungs, tmp_path / "ladder.csv")
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *(f"{line},0" for line in lines)]))
    with pytest.raises(BadFile, match="it cannot be read as a table"):
        load_ladder(path)


@pytest.mark.parametrize("metadata", [b"[]", b"null", b'{"index_columns": 5}'])
def test_what_pandas_wrote_beside_a_table_is_not_needed(
    rungs: pd.DataFrame, metadata: bytes, tmp_path: Path
) -> None:
    table, path = kept(rungs, tmp_path)
    pq.write_table(table.replace_schema_metadata({b"pandas": metadata}), path)
    pd.testing.assert_frame_equal(load_ladder(path), rungs)


def test_bytes_that_are_no_text_are_refused(rungs: pd.DataFrame, tmp_path: Path) -> None:
    """Also in the names of columns, where a library may fail to decode them."""
    table, path = kept(rungs, tmp_path)
    raws = pa.array([b"\x98" for _ in rungs.index], pa.binary())
    for name in ("price_raw", "account"):
        place = table.schema.get_field_index(name)
        text = pa.Array.from_buffers(pa.string(), len(raws), raws.buffers())
        pq.write_table(table.set_column(place, name, text), path)
        with pytest.raises(BadFile, match="cannot be read as a table"):
            load_ladder(path)
    pq.write_table(table, path)
    path.write_bytes(path.read_bytes().replace(b"seized_usd", b"seized_\x98sd"))
    assert not is_ladder_file(path)
    with pytest.raises(BadFile, match="cannot be read as a table"):
        load_ladder(path)
