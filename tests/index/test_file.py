"""The file itself: sharing it, killing its writer, and finding garbage in its place."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.chain.node import LogFilter
from defiliq.errors import BadFile
from defiliq.index import KEPT_RECENT, Index, discover, kept_checkpoints
from defiliq.types import Block
from tests.index.chain import CHAIN_ID, WANTED, FakeChain, numbers, owner_of

ROOT = Path(__file__).parents[2]
EVERY_BLOCK = {block: [block] for block in range(1, 40_000)}

SCAN_UNTIL_KILLED = """
import sys
from defiliq.index import Index, discover
from tests.index.chain import WANTED, FakeChain, owner_of
chain = FakeChain(39_999, {block: [block] for block in range(1, 40_000)})
def told(done, first, last, accounts):
    print(done, flush=True)
discover(chain, Index(sys.argv[1]), WANTED, owner_of, 0, chain.block(39_999), told)
"""


def test_kill_9_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    command = [sys.executable, "-c", SCAN_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        committed = [int(writer.stdout.readline()) for _ in range(2)]
        os.kill(writer.pid, signal.SIGKILL)
        committed += [int(line) for line in writer.stdout]
    assert writer.returncode == -signal.SIGKILL, "it finished before it could be killed"
    with Index(path) as index:
        known = index.known(CHAIN_ID, WANTED, 39_999)
        assert known.covered is not None
        assert known.covered >= max(committed)
        assert numbers(known.owners) == list(range(1, known.covered + 1))
        chain = FakeChain(39_999, EVERY_BLOCK)
        assert len(discover(chain, index, WANTED, owner_of, 0, chain.block(39_999))) == 39_999
        assert not chain.asked or chain.asked[0][0] == known.covered + 1


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    command = [sys.executable, "-c", SCAN_UNTIL_KILLED, str(path)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    with Index(path) as index:
        known = index.known(CHAIN_ID, WANTED, 39_999)
        assert known.covered == 39_999
        assert numbers(known.owners) == list(range(1, 40_000))


def test_a_gap_is_refused(tmp_path: Path) -> None:
    """Another process stepped back while this one went on."""
    chain = FakeChain(30_000, {5: [1], 9_000: [2]})
    with Index(tmp_path / "accounts.sqlite") as index:
        discover(chain, index, WANTED, owner_of, 0, chain.block(20_000))
        scan = index.open_scan(CHAIN_ID, WANTED, 0)
        index.forget(scan, after=1_999)
        with pytest.raises(BadFile, match="run again"):
            index.commit(
                scan, 20_001, chain.block(21_000), np.zeros((0, 20), np.uint8), np.zeros(0, np.int64)
            )
        assert numbers(discover(chain, index, WANTED, owner_of, 0, chain.block(30_000))) == [1, 2]


def test_scans_do_not_mix(tmp_path: Path) -> None:
    other = LogFilter(("0x" + "33" * 20,), WANTED.topics)
    chain = FakeChain(100, {5: [1]})
    with Index(tmp_path / "accounts.sqlite") as index:
        discover(chain, index, WANTED, owner_of, 0, chain.block(100))
        assert index.known(CHAIN_ID, other, 100).covered is None
        assert index.known(CHAIN_ID + 1, WANTED, 100).covered is None
        upper = LogFilter((WANTED.addresses[0].upper().replace("0X", "0x"),), WANTED.topics)
        assert len(index.known(CHAIN_ID, upper, 100).owners) == 1


def test_a_scan_of_several_contracts_is_one_whatever_their_order(tmp_path: Path) -> None:
    first, second = ("0x" + "11" * 20, "0x" + "33" * 20), (b"\x22" * 32, b"\x44" * 32)
    with Index(tmp_path / "accounts.sqlite") as index:
        scan = index.open_scan(CHAIN_ID, LogFilter(first, second), 0)
        assert index.open_scan(CHAIN_ID, LogFilter(first[::-1], second[::-1]), 0) == scan
        assert index.open_scan(CHAIN_ID, LogFilter(first[:1], second), 0) != scan
        assert index.open_scan(CHAIN_ID, LogFilter(first, second[:1]), 0) != scan


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(BadFile, match="not a database"):
        Index(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="unable to open"):
        Index(tmp_path / "nowhere" / "accounts.sqlite")


def test_a_file_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    with Index(path) as index:
        index._db.execute("PRAGMA user_version = 99")
    with pytest.raises(BadFile, match="format 99"):
        Index(path)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=400))
def test_the_checkpoint_history_stays_bounded_and_reaches_back(steps: list[int]) -> None:
    blocks: list[int] = []
    head = 0
    for step in steps:
        head += step
        blocks = sorted(kept_checkpoints([head, *blocks]), reverse=True)
        assert len(blocks) <= KEPT_RECENT + 2 * 64
        assert blocks[0] == head
    assert blocks[-1] == steps[0], "the oldest checkpoint never goes"


def test_a_range_with_many_accounts(tmp_path: Path) -> None:
    owners = np.zeros((200_000, 20), np.uint8)
    owners[:, :4] = np.arange(200_000, dtype=">u4").view(np.uint8).reshape(-1, 4)
    blocks = np.sort(np.arange(200_000, dtype=np.int64) % 1_000)
    with Index(tmp_path / "accounts.sqlite") as index:
        scan = index.open_scan(CHAIN_ID, WANTED, 0)
        last = Block(CHAIN_ID, 999, "0x00", 0)
        assert index.commit(scan, 0, last, owners, blocks) == 200_000
        assert index.commit(scan, 0, last, owners[::-1].copy(), blocks) == 0
        assert (index.known(CHAIN_ID, WANTED, 999).owners == owners).all()
        assert len(index.known(CHAIN_ID, WANTED, 499).owners) == 100_000


def test_accounts_of_several_lengths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    chain = FakeChain(10, {5: [1]})
    with Index(path) as index:
        discover(chain, index, WANTED, owner_of, 0, chain.block(10))
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO accounts (scan, address, first_block) VALUES (1, ?, 7)", (b"\x01" * 52,))
    db.close()
    with Index(path) as index, pytest.raises(BadFile, match="several lengths"):
        index.known(CHAIN_ID, WANTED, 10)
