"""Ladders and events read back from their files, and what is said of files that are none."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
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
        ("block_number", "many", "it is no ladder"),
        ("callable", "maybe", "it is no ladder"),
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
