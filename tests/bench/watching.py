"""`defiliq watch` under load: many accounts on one local v3.6 market, and a block every second.

The watch is a process of its own. Its latency is measured twice: by itself, from hearing of a block until its
events are kept, and from outside, from the block's being mined until the line about it stands in a file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from defiliq.chain.evm import connect
from defiliq.index import Index, discover
from defiliq.pipeline.listings import market_from_file
from defiliq.pipeline.reading import read
from defiliq.protocols import PROTOCOLS
from defiliq.types import Listing
from tests.bench.crowd import Crowd, settle
from tests.bench.report import Missing, Note, Report, Row
from tests.bench.traffic import Traffic
from tests.lab import Lab, LabError, node, start_lab
from tests.lab.lab import AccountData

USERS, SEED = 120, 8
SAMPLE: Final = 500
WAD: Final = 10**18
TARGET_S: Final = 0.5
SETTLED: Final = 0.25
"""The first part of a run, whose memory is not counted: caches fill."""
KEPT_STATES: Final = "48"
"""So many old states the node keeps: with all of them it would take gigabytes."""
LOOK_S: Final = 0.004
START_TIMEOUT_S, END_TIMEOUT_S = 180, 180
MAIN: Final = "import sys; from defiliq.cli import main; sys.exit(main())"


@dataclass
class Followed:
    """What a watch under load did."""

    accounts: int
    traffic: Traffic
    laps: list[dict[str, Any]] = field(default_factory=list)
    """The lines of --timings, but for blocks before the traffic."""
    heard_s: dict[int, float] = field(default_factory=dict)
    """Block to seconds from its being mined until its line stood in the file."""
    events: list[dict[str, Any]] = field(default_factory=list)
    code: int = -1
    said: str = ""
    differ: int = 0
    """Accounts of the sample whose state differs between a book and the contract."""
    broken: frozenset[str] = frozenset()
    """Who can be liquidated after the last block, by the contract; lower case."""

    @property
    def told_broken(self) -> frozenset[str]:
        """Who can be liquidated by what was told last; lower case."""
        last = {event["account"].lower(): event["event"] for event in self.events if "health_factor" in event}
        return frozenset(account for account, kind in last.items() if kind == "liquidatable")

    @property
    def missed(self) -> list[int]:
        """Blocks that were mined and not evaluated."""
        seen = {int(lap["block"]) for lap in self.laps}
        return [number for number in self.traffic.mined_at if number not in seen]


def bench_watching(accounts: int, blocks: int) -> Report:
    """A block every second, evaluated by a watch: how late its events are, and whether its memory grows."""
    try:
        done = follow(accounts, blocks, every_s=1.0)
    except LabError as error:
        raise Missing(str(error)) from error
    return report(done)


def follow(accounts: int, blocks: int, every_s: float) -> Followed:
    """Settle a crowd, follow so many blocks of traffic, and compare what was told with the contract."""
    with _lean_lab() as lab, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        crowd = settle(lab, accounts, SEED)
        listing = market_from_file(lab.market_file(folder / "market.json"))
        known = _index(lab, crowd, listing, folder / "accounts.sqlite")
        done = Followed(known, Traffic(lab, crowd, SEED))
        differ = _differ(lab, crowd, listing)
        last = lab.chain.height() + blocks
        _watch(lab, folder, last, done, lambda: done.traffic.run(blocks, every_s))
        done.differ = differ + _differ(lab, crowd, listing)
        answers = _said_of(lab, [*crowd.owners, *lab.borrowers])
        done.broken = frozenset(
            owner.lower() for owner, said in answers.items() if said.factor_wad < WAD and said.debt_base
        )
        return done


def report(done: Followed) -> Report:
    """The figures as a table and notes."""
    laps = done.laps
    own = np.array([lap["seen_to_journal_s"] for lap in laps])
    heard = np.array(list(done.heard_s.values()))
    parts = {name: np.array([lap[name] for lap in laps]) for name in ("read_s", "judge_s")}
    p99 = float(np.percentile(heard, 99))
    rise, peak_mb = _memory(laps, done)
    same = done.broken == done.told_broken
    spread = "; ".join(
        f"{name} p50 {np.median(each):.3f} p99 {np.percentile(each, 99):.3f}" for name, each in parts.items()
    )
    notes = [
        Note(f"mined to written: {_spread(heard)}; target p99 <= {TARGET_S} s", ok=p99 <= TARGET_S),
        Note(f"seen to journaled, by itself: {_spread(own)}"),
        Note(f"of which {spread}"),
        Note(
            f"blocks not evaluated: {len(done.missed)}; exit code {done.code}",
            ok=not done.missed and done.code == 0,
        ),
        Note(f"memory: {peak_mb:,.0f} MB at most, {rise:+,.1f} MB per hour by least squares"),
        Note(
            f"accounts of {2 * SAMPLE} whose state differs from the contract's: {done.differ}",
            ok=done.differ == 0,
        ),
        Note(
            f"liquidatable at the end: {len(done.broken)} by the contract, {len(done.told_broken)} told",
            ok=same,
        ),
        Note(
            f"{done.traffic.acted:,} transactions, {done.traffic.failed} reverted, {done.traffic.liquidated} "
            f"liquidations tried; {len(done.events):,} events; {done.traffic.late} blocks were mined late"
        ),
    ]
    title = f"watch: {done.accounts:,} accounts of the local v3.6 market, {len(laps):,} blocks, seed {SEED}"
    rows = [Row("blocks evaluated, all accounts judged", len(laps), max(float(own.sum()), 1e-9))]
    is_wrong = bool(done.missed) or done.code != 0 or done.differ > 0 or not same
    return Report(title, rows, notes, is_wrong=is_wrong)


def _spread(seconds: Any) -> str:
    marks = ", ".join(f"p{mark} {np.percentile(seconds, mark):.3f}" for mark in (50, 90, 99))
    return f"{marks}, longest {seconds.max():.3f} s"


def _memory(laps: Sequence[Mapping[str, Any]], done: Followed) -> tuple[float, float]:
    """(MB per hour, most MB) of the resident set, once it has settled."""
    times = np.array([done.traffic.mined_at[lap["block"]] for lap in laps])
    sizes = np.array([lap["rss_bytes"] for lap in laps]) / 2**20
    late = slice(int(len(laps) * SETTLED), None)
    slope = np.polyfit(times[late] - times[0], sizes[late], 1)[0]
    return float(slope) * 3600, float(sizes.max())


@contextmanager
def _lean_lab() -> Iterator[Lab]:
    """A lab whose node forgets old states."""
    whole = node._command

    def lean(*arguments: Any) -> list[str]:
        return [*whole(*arguments), "--prune-history", KEPT_STATES]

    with patch.object(node, "_command", lean):
        lab = start_lab("v3.6", users=USERS, seed=SEED)
    with lab:
        yield lab


def _index(lab: Lab, crowd: Crowd, listing: Listing, path: Path) -> int:
    """Tell the account index of the crowd, which no log names; how many accounts it has then."""
    protocol: Any = PROTOCOLS[listing.protocol]
    with connect(lab.url) as chain, Index(path) as index:
        before = chain.block("latest")
        wanted, owner_of = protocol.discovery(chain, listing, before)
        discover(chain, index, wanted, owner_of, listing.from_block, before)
        lab.chain.mine()
        after = chain.block("latest")
        scan = index.open_scan(chain.chain_id, wanted, listing.from_block)
        keys = np.frombuffer(b"".join(bytes.fromhex(owner[2:]) for owner in crowd.owners), np.uint8)
        blocks = np.full(len(crowd.owners), after.number, dtype=np.int64)
        index.commit(scan, after.number, after, keys.reshape(-1, 20), blocks)
        return index.count(scan)


def _differ(lab: Lab, crowd: Crowd, listing: Listing) -> int:
    """How many of a sample the project's own reading has otherwise than the contract."""
    owners = crowd.owners[:: max(1, len(crowd.owners) // SAMPLE)][:SAMPLE]
    keys = np.frombuffer(b"".join(bytes.fromhex(owner[2:]) for owner in owners), np.uint8).reshape(-1, 20)
    with connect(lab.url) as chain:
        book = read(chain, listing, at="latest", owners=keys)
    said = _said_of(lab, owners)
    health = PROTOCOLS[listing.protocol].health
    wrong = len(owners) - len(book)
    for i in range(len(book)):
        mine, theirs = health(book.account(i), book.market), said[book.owner(i)]
        is_same = (mine.collateral_base, mine.debt_base, mine.factor_wad) == (
            theirs.collateral_base,
            theirs.debt_base,
            theirs.factor_wad,
        )
        wrong += not is_same
    return wrong


def _said_of(lab: Lab, owners: Sequence[str]) -> dict[str, AccountData]:
    answers = lab.chain.call_many(lab.market.pool, "getUserAccountData", [[owner] for owner in owners])
    return {owner: AccountData(*answer) for owner, answer in zip(owners, answers, strict=True)}


def _watch(lab: Lab, folder: Path, last: int, done: Followed, run: Any) -> None:
    """Run a watch beside `run`, from before its first block to after its last."""
    out, timings, errors = folder / "events.jsonl", folder / "laps.jsonl", folder / "stderr.txt"
    line = [sys.executable, "-c", MAIN, "watch", "--market-file", str(folder / "market.json"), "-r", lab.url]
    line += ["--ws", lab.url.replace("http", "ws", 1), "--index", str(folder / "accounts.sqlite")]
    line += ["--state", str(folder / "state"), "--timings", str(timings), "-o", str(out), "--metrics", "0"]
    line += ["--cooldown", "0", "--stop-at", str(last)]
    listening = _Tail(timings)
    with errors.open("wb") as said, subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=said) as process:
        try:
            _until(lambda: out.exists() and out.stat().st_size > 0, process, START_TIMEOUT_S)
            run()
            _until(lambda: last in listening.seen, process, END_TIMEOUT_S)
            done.code = process.wait(END_TIMEOUT_S)
        except TimeoutError:
            pass  # the report says which blocks are missing
        finally:
            process.kill()
            listening.stop()
    done.said = errors.read_text()
    mined = done.traffic.mined_at
    done.laps = [lap for lap in _lines(timings) if lap["block"] in mined]
    done.heard_s = {number: at - mined[number] for number, at in listening.seen.items() if number in mined}
    done.events = _lines(out)


def _until(condition: Any, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not condition() and process.poll() is None:
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


class _Tail:
    """Notes when the line of each block appears in a file."""

    def __init__(self, path: Path) -> None:
        self.seen: dict[int, float] = {}
        self._path, self._stopping = path, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        rest, at = b"", 0
        while not self._stopping.wait(LOOK_S):
            if not self._path.exists() or self._path.stat().st_size == at:
                continue
            with self._path.open("rb") as file:
                file.seek(at)
                new = file.read()
            now, at = time.monotonic(), at + len(new)
            *lines, rest = (rest + new).split(b"\n")
            self.seen.update({int(json.loads(line)["block"]): now for line in lines})


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
