"""--stored where a protocol keeps no other indices."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_aave_has_no_stored_verdict(run: Run, snapshot: Path) -> None:
    code, out, err = run("scan", "--from", snapshot, "--stored", "-q")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "aave-v3" in err
