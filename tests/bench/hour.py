"""The scripted hour at length: what a watch beside it announced, how exactly, and how soon."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from defiliq.pipeline.scoring import score
from tests.bench.report import Missing, Note, Report, Row
from tests.lab import LabError, start_lab
from tests.watch.beside import Beside, hour_beside

USERS, LAB_SEED, SEED = 120, 8, 1


def bench_hour(blocks: int) -> Report:
    """So many blocks of 12 seconds on the v3.6 lab, followed by websocket by a process of its own."""
    try:
        lab = start_lab("v3.6", users=USERS, seed=LAB_SEED)
    except LabError as error:
        raise Missing(str(error)) from None
    with lab, tempfile.TemporaryDirectory(prefix="defiliq-hour-") as folder:
        started = time.perf_counter()
        with hour_beside(lab, Path(folder), blocks, SEED) as beside:
            return _report(beside, blocks, time.perf_counter() - started)


def _report(beside: Beside, blocks: int, seconds: float) -> Report:
    kept = beside.folder / "live"
    card = dict(score([kept / "events.jsonl"]).table.iloc[0])
    laps = [json.loads(line) for line in (kept / "laps.jsonl").read_text().splitlines()]
    differing = [number for number in beside.numbers if _differs(beside, number)]
    notes = [
        _announced(beside, card),
        Note(
            "levels announced against those that broke, in integers of the oracle: "
            f"median {card['error_median']}, 90% within {card['error_p90']}, at most {card['error_max']} "
            f"({card['errors']} compared)"
        ),
        Note(_latency([float(lap["seen_to_journal_s"]) for lap in laps])),
        Note(
            f"who is liquidatable, against the contract: {len(differing)} of {blocks + 1} blocks differ",
            not differing,
        ),
    ]
    return Report(
        f"A scripted hour: {blocks} blocks, {len(beside.truth.accounts)} borrowers, "
        f"{len(beside.truth.taken)} liquidations, {len(beside.events)} events",
        [Row("mined and followed, one after the other", blocks, seconds)],
        notes,
        is_wrong=bool(differing) or card["liquidations"] != len(beside.truth.taken),
    )


def _announced(beside: Beside, card: Mapping[Any, Any]) -> Note:
    total, missed = len(beside.truth.taken), int(card["missed"])
    why = Counter(event["miss_reason"] for event in beside.of("liquidated") if event["miss_reason"])
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(why.items()))
    return Note(
        f"announced before: {total - missed} of {total} liquidations, "
        f"{card['announced_liquidatable']} as liquidatable; missed: {told or 'none'}",
        missed == sum(why.values()),
    )


def _latency(seconds: Sequence[float]) -> str:
    middle, late = (1_000 * float(np.percentile(seconds, share)) for share in (50, 99))
    return f"from hearing of a block to its events being kept: p50 {middle:.0f} ms, p99 {late:.0f} ms"


def _differs(beside: Beside, number: int) -> bool:
    readable = {owner for owner, data in beside.data[number].items() if data is not None}
    told = {owner for owner, status in beside.statuses[number].items() if status == "liquidatable"}
    return told & readable != beside.broken(number)
