"""A watch under load evaluates every block and ends with what the contract says. No time is asserted."""

from __future__ import annotations

import pytest

from tests.bench.watching import follow, report
from tests.lab import LabError

pytestmark = pytest.mark.lab

ACCOUNTS, BLOCKS = 5_000, 60


def test_every_block_of_a_busy_market_is_evaluated() -> None:
    try:
        done = follow(ACCOUNTS, BLOCKS, every_s=0.2)
    except LabError as error:
        pytest.fail(f"{error} (or set DEFILIQ_NO_LAB=1 to skip)", pytrace=False)
    assert done.code == 0, done.said
    assert done.missed == []
    assert [lap["block"] for lap in done.laps] == sorted({lap["block"] for lap in done.laps})
    assert all(lap["accounts"] >= ACCOUNTS for lap in done.laps)
    assert done.differ == 0
    assert done.traffic.acted > 5 * BLOCKS - done.traffic.failed
    assert done.traffic.liquidated
    assert {"liquidatable", "liquidated", "approaching", "recovered"} <= {
        event["event"] for event in done.events
    }
    assert done.told_broken == done.broken
    assert not report(done).is_wrong
