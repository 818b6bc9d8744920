"""`defiliq score` on the command line: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from defiliq.cli import main
from tests.watch.test_score import history, written


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return written(tmp_path / "events.jsonl", history())


def test_rows_for_programs_and_sentences_for_people(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(events), "-q"]) == 0
    assert capsys.readouterr().out.startswith("chain_id,protocol,market,liquidations")
    assert main(["score", str(events), "-q", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["liquidations"], row["missed"]) == (3, 1)
    assert main(["score", str(events), "--format", "table"]) == 0
    said = capsys.readouterr()
    assert "3 liquidations happened" in said.out
    assert "events, 0 taken back" in said.err


def test_a_file_is_written_as_its_suffix_says(events: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "json", "md"):
        target = tmp_path / f"score.{suffix}"
        assert main(["score", str(events), "-q", "-o", str(target)]) == 0
        assert "Local" in target.read_text()
    assert main(["score", str(events), "-o", str(tmp_path / "score.png")]) == 2


def test_a_torn_line_leaves_it_incomplete(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with events.open("a") as stream:
        stream.write('{"id": "to')
    assert main(["score", str(events)]) == 3
    said = capsys.readouterr()
    assert f"INCOMPLETE: {events} line {len(history()) + 1}: " in said.err
    assert ",3," in said.out


def test_stdin(events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(events.read_bytes())))
    assert main(["score", "-", "-q", "--format", "table"]) == 0
    assert "3 liquidations happened" in capsys.readouterr().out


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "none" in said
    assert main(["score"]) == 2
