"""`heatmap --over-time` and `report --over-time`: a folder of ladders as rows, as a picture, on a page."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from defiliq.model.tables import over_time_table
from defiliq.pipeline.over_time import read_over_time
from defiliq.pipeline.snapshot import save_snapshot
from defiliq.pipeline.table_files import load_ladder
from defiliq.view.files import write_table
from tests.cli.conftest import Run
from tests.cli.model_stage import held, numbers
from tests.view.heat_stage import ladder_of

ETH = "ETH/USD"


def moments(folder: Path, count: int = 3, size: float = 1e6) -> Path:
    """Ladders an hour apart, while a long moves up through a bucket."""
    for hour in range(count):
        table = ladder_of([(2900.0 + 4 * hour, size, "long"), (3100.0, 2e6, "short")], 3000.0)
        later = table[["block_timestamp", "evaluated_at"]] + 3600 * hour
        write_table(table.assign(block_number=table["block_number"] + hour, **later), folder / f"{hour}.csv")
    return folder


def test_rows_on_stdout_and_in_files_are_the_cells(run: Run, tmp_path: Path) -> None:
    folder = moments(tmp_path)
    words = ("heatmap", "--over-time", folder, "--driver", ETH)
    code, out, err = run(*words)
    assert (code, "3 moments along ETH/USD" in err) == (0, True)
    cells = read_over_time(folder, ETH).cells
    found = numbers(out)
    assert found[list(cells.columns)].to_numpy().tolist() == cells.to_numpy().tolist()
    first = load_ladder(folder / "0.csv").iloc[0]
    here = found[found["block_number"] == first["block_number"]]
    assert set(here["chain_id"]) == {int(first["chain_id"])}
    assert over_time_table(read_over_time(folder, ETH))["chain_id"].dtype == np.int64
    names = ("block_hash", "block_timestamp", "protocol", "market", "version", "driver", "base_symbol")
    assert [set(here[name]) for name in names] == [{first[name]} for name in names]
    assert found["block_number"].nunique() == 3
    assert (found["long_usd"].sum(), found["short_usd"].sum()) == (3e6, 6e6)
    target = tmp_path.parent / "cells.csv"
    code, silent, _ = run(*words, "-o", target)
    assert (code, silent, target.read_text(encoding="utf-8")) == (0, "", out)
    code, wide, _ = run(*words, "--bin", "5%")
    assert code == 0
    assert set(numbers(wide)["long_usd"]) == {0.0, 1e6}
    assert len(numbers(wide)) <= len(found)


def test_pictures_and_pages(run: Run, tmp_path: Path) -> None:
    folder = moments(tmp_path)
    words = ("heatmap", "--over-time", folder, "--driver", ETH)
    for more in ((), ("--by-side", "--within", "10")):
        target = tmp_path.parent / f"way{len(more)}.svg"
        code, out, err = run(*words, *more, "-o", target)
        assert (code, out) == (0, "")
        assert f"Wrote {target}" in err
        assert "<svg" in target.read_text(encoding="utf-8")
    page = tmp_path.parent / "page.html"
    assert run("report", "--from", folder / "2.csv", "--over-time", folder, "-o", page)[0] == 0
    assert 'id="figure-over-time"' in page.read_text(encoding="utf-8")


def test_the_change_of_debt_in_a_day_is_in_both_kinds_of_report(run: Run, tmp_path: Path) -> None:
    folder, book = tmp_path / "past", held()
    folder.mkdir()
    block = book.market.block
    later = replace(block, number=block.number + 7200, timestamp=block.timestamp + 86_400)
    half = book.keep(np.arange(len(book)) % 2 == 0)
    save_snapshot(book, folder / "0.parquet")
    newest = save_snapshot(replace(half, market=replace(half.market, block=later)), folder / "1.parquet")
    code, out, err = run("report", "--from", newest, "--over-time", folder, "--driver", ETH)
    assert (code, "2 moments along ETH/USD" in err) == (0, True)
    (line,) = (line for line in out.splitlines() if "change (24h)" in line)
    debts = read_over_time(folder, ETH).times["outstanding_usd"]
    fell = 100 * (debts[1] - debts[0]) / debts[0]
    assert fell < -20
    assert line.startswith(f"- **Debt change (24h)**: {fell:+.1f}%, from $")
    assert line.endswith(": leverage was washed out")
    page = tmp_path / "page.html"
    assert run("report", "--from", newest, "--over-time", folder, "--driver", ETH, "-o", page)[0] == 0
    assert f"Debt change (24h)</strong>: {fell:+.1f}%" in page.read_text(encoding="utf-8")
    lone = folder / "0.parquet"
    lone.unlink()
    _, out, _ = run("report", "--from", newest, "--over-time", folder, "--driver", ETH)
    assert "- **Debt change (24h)**: not known: no snapshot within an hour of " in out


def test_sizes_that_nobody_knows_are_told(run: Run, tmp_path: Path) -> None:
    """As of one moment: counted, in no sum, and exit code 3."""
    folder = moments(tmp_path, 2, math.nan)
    code, _, err = run("heatmap", "--over-time", folder, "--driver", ETH)
    assert (code, "2 rungs do not say how much is liquidated" in err) == (3, True)
    told = write_table(ladder_of([(2900.0, 1.0, "long")], 3000.0), tmp_path.parent / "told.csv")
    page = tmp_path.parent / "untold.html"
    assert run("report", "--from", told, "--over-time", folder, "-o", page)[0] == 3


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (("--driver", ETH, "--side", "long"), "--side does nothing without a heatmap of one moment"),
        (("--driver", ETH, "--mixed-blocks"), "--mixed-blocks does nothing without a heatmap of one moment"),
        (("--driver", ETH, "--min-share", "5"), "--min-share does nothing without a heatmap of one moment"),
        (("--driver", ETH, "--impact", "1M,4%"), "--impact does nothing without a heatmap of one moment"),
        (("--driver", ETH, "--within", "5"), "--within does nothing without a picture"),
        (("--driver", ETH, "--by-side"), "--by-side does nothing without --over-time DIR -o FILE.png"),
        (("--driver", ETH, "--from", "x.csv"), "--over-time reads the files of its folder"),
        ((), "Name the --driver to look along"),
        (("--driver", "BTC/USD"), "it has no rung on BTC/USD"),
    ],
)
def test_what_is_refused(run: Run, tmp_path: Path, words: tuple[str, ...], seen: str) -> None:
    code, out, err = run("heatmap", "--over-time", moments(tmp_path, 1), *words)
    assert (code != 0, out) == (True, "")
    assert seen in err
    assert "Traceback" not in err
