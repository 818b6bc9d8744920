"""The labs' command as people run it, held against what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.lab.cache import PROJECT_ROOT


def assert_command_serves(version: str, users: int, root: str, market_file: Path) -> None:
    """It says where the market is, writes the same into a file, and ends when told to."""
    options = ["--version", version, "--users", str(users), "--seed", "3", "--market-file", str(market_file)]
    command = [sys.executable, "-m", "tests.lab", *options]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(30) == 0
    assert json.loads(market_file.read_text())["addresses"] == {root: said[root]}
