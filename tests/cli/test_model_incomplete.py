"""What could not be read is counted, by every command of the model, and the exit code is 3."""

from __future__ import annotations

from pathlib import Path

import pytest

from defiliq.book import Book
from defiliq.pipeline.judge import ladder
from tests.builders import address, graph_market
from tests.cli.conftest import Run
from tests.cli.model_stage import ETH, LAW, held, snapshot_of
from tests.test_stress import random_book

COMMANDS: dict[str, tuple[str, ...]] = {
    "clusters": (),
    "magnet": (),
    "heatmap": (),
    "report": (),
    "cascade": ("--shock", "-10%", *LAW),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_accounts_that_could_not_be_read(run: Run, tmp_path: Path, command: str) -> None:
    part = Book.build(held().market, list(held().accounts()), {address(999): "absurd"})
    words = (command, "--from", snapshot_of(part, tmp_path), "--driver", ETH, *COMMANDS[command])
    code, out, err = run(*words, "-q")
    assert code == 3
    assert "INCOMPLETE: 1 accounts could not be read" in err
    (tmp_path / "whole").mkdir()
    whole = run(command, "--from", snapshot_of(held(), tmp_path / "whole"), *words[3:], "-q")
    assert whole[0] == 0
    if command == "report":
        assert "| 31 | 42 | 0 | 0 | 1 |" in out
        assert "| 31 | 42 | 0 | 0 | 0 |" in whole[1]
    else:
        assert out == whole[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_levels_that_rounding_alone_decides(run: Run, tmp_path: Path, command: str) -> None:
    book = random_book(graph_market(), 100, seed=5)
    assert len(ladder(book, ETH).attrs["unresolved"]) == 1
    words = (command, "--from", snapshot_of(book, tmp_path), "--driver", ETH, *COMMANDS[command])
    code, out, err = run(*words, "-q")
    assert code == 3
    told = "- Incomplete: 1 level decided by rounding alone, in no table above."
    assert (told in out) == (command == "report")
    assert "INCOMPLETE: 1 levels are decided by rounding alone and are left out" in err
