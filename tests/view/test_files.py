"""Tables as files: every format, whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pandas as pd
import pytest

from defiliq.errors import InputError
from defiliq.view.files import render_csv, render_json, render_markdown, replace_file, write_table

TABLE = pd.DataFrame(
    {
        "account": ["0xA", "0xB|\n"],
        "raw": [str(2**200), ""],
        "usd": [0.1 + 0.2, float("nan")],
        "n": [1, 2],
        "callable": [True, False],
    }
)


def test_csv_is_exact_and_says_true_and_false() -> None:
    assert render_csv(TABLE) == (
        f'account,raw,usd,n,callable\n0xA,{2**200},0.30000000000000004,1,true\n"0xB|\n",,,2,false\n'
    )


def test_json_is_one_row_per_line_and_absence_is_null() -> None:
    text = render_json(TABLE)
    assert json.loads(text) == [
        {"account": "0xA", "raw": str(2**200), "usd": 0.1 + 0.2, "n": 1, "callable": True},
        {"account": "0xB|\n", "raw": "", "usd": None, "n": 2, "callable": False},
    ]
    assert text.count("\n") == 4
    assert render_json(TABLE.head(0)) == "[]\n"


def test_markdown_keeps_cells_apart() -> None:
    assert render_markdown(TABLE).splitlines() == [
        "| account | raw | usd | n | callable |",
        "| --- | --- | --- | --- | --- |",
        f"| 0xA | {2**200} | 0.30000000000000004 | 1 | true |",
        "| 0xB\\| |  |  | 2 | false |",
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".md", ".CSV"])
def test_the_suffix_chooses(tmp_path: Path, suffix: str) -> None:
    path = write_table(TABLE, tmp_path / f"table{suffix}")
    assert path.stat().st_size > 0
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    if suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(path), TABLE, check_dtype=False)


def test_an_unknown_suffix_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Use \.csv, \.parquet, \.json, \.md"):
        write_table(TABLE, tmp_path / "table.xlsx")


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("old")

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left on device"):
        replace_file(target, fail)
    assert target.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["kept.txt"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        write_table(TABLE, tmp_path / "nowhere" / "table.csv")


def test_written_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    written = write_table(TABLE, tmp_path / "table.csv")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
