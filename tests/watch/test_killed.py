"""Whatever line kills a run, its events are in the file once, in order, and the journal says the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from defiliq.watch.journal import Journal
from tests.watch.keeping import MARKET
from tests.watch.killing import told

KILLS = 100


@pytest.mark.parametrize("seed", [1, 2])
def test_no_event_is_lost_or_doubled_wherever_a_run_is_killed(tmp_path: Path, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.watch.killing", str(tmp_path), str(seed), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= KILLS // 2
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == told()
    with Journal(tmp_path / "m.sqlite", MARKET) as journal:
        (sink,) = journal.sinks()
        assert (journal.notices, journal.backlog(sink)) == ([], 0)


def test_the_script_tells_the_same_event_twice_where_a_fork_comes_back() -> None:
    ids = told()
    assert len(ids) > len(set(ids)) > 300
