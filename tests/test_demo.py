"""The demo as a machine without npm runs it: the whole path on the bundled recording."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_demo_runs_on_the_recording(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py", "--replay", "--output", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "accounts: 290 found, 290 read, 0 failed" in done.stdout + done.stderr
    assert "agreed 290 (100%)" in done.stdout
    assert "p* agreed" in done.stdout
    assert "wstETH/ETH ratio  1.193371824550718263" in done.stdout
    assert (tmp_path / "stress.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "ladder.csv").open(newline="") as lines:
        outcomes = [row["outcome"] for row in csv.DictReader(lines)]
    assert outcomes.count("price") > 500
    assert set(outcomes) == {"price", "already"}


def test_recordings_hold_no_contract_code() -> None:
    """A recording may be committed; the bytecode of other people's contracts may not."""
    recordings = sorted((ROOT / "fixtures" / "recordings").glob("*.json.gz"))
    assert recordings
    for path in recordings:
        text = gzip.decompress(path.read_bytes()).decode()
        assert "eth_getCode" not in text, path.name
        assert "0x6080604052" not in text, path.name
