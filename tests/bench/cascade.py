"""Cascades: rounds and sweeps over a synthetic Aave book, in columns and by the law; heat over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction as Ratio
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import orjson
import pandas as pd
import pyarrow.parquet as pq

from defiliq.book import Book
from defiliq.depth.impact import DEFAULT_VOLATILITY_PPM, SquareRootImpact
from defiliq.depth.venue import Token
from defiliq.engine.liquidate import ColumnBook
from defiliq.engine.taken import Taken
from defiliq.model.cascade import LawBook
from defiliq.model.heat import DEFAULT_STEP_PCT
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.cascade import cascade, law_of, sweep
from defiliq.pipeline.market_json import encode
from defiliq.pipeline.over_time import read_frame, read_over_time
from defiliq.pipeline.snapshot import load_snapshot, save_snapshot
from defiliq.pipeline.solving import solve_book
from defiliq.pricing.graph import Fraction, Input, PriceGraph, Quantity
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.aave_v3.market import AaveMarket
from tests.bench.levels import MOVED
from tests.bench.report import Note, Report, Row, best_of
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import NOW, address

SEED = 17
DRIVER = "ETH/USD"
FALLS_PCT = (3, 10, 20, 40)
ROUND_TARGET_S, SWEEP_TARGET_S = 0.005, 10.0
SHOCKS = 200
OVER_TIME_SNAPSHOTS, OVER_TIME_TARGET_S = 500, 30.0
WORKERS = 2
REPEATS = 5
RUNS = 20
"""Of what takes milliseconds: the least disturbed of so many."""
MOST_APART = 1e-3
"""Seized dollars of columns and law: of two collaterals that pay alike each takes another now and then."""
DAILY_QUOTE = 2 * 10**9 * 10**6
ALL = 10**9
"""The ratios to ETH are given in billionths."""


def graphed_market() -> AaveMarket:
    """The synthetic market with ETH/USD as an input that seven of its twenty prices hang on."""
    market = synthetic_market()
    lead = next(k for k, reserve in enumerate(market.reserves) if reserve.symbol == "WETH")
    quantities: list[Quantity] = [
        Input(DRIVER, "aggregator", address(0xF000), market.prices[lead], 8, NOW - 37, 3600, 50)
    ]
    feeds = []
    for k, reserve in enumerate(market.reserves):
        if k == lead:
            feeds.append(0)
            continue
        if reserve.symbol in MOVED:
            ratio = market.prices[k] * ALL // market.prices[lead]
            quantities.append(Fraction((0,), (), ratio, ALL, f"{reserve.symbol} / ETH / USD"))
        else:
            name = f"{reserve.symbol}/USD"
            quantities.append(
                Input(name, "aggregator", address(0xF001 + k), market.prices[k], 8, NOW - 60, 86_400, 50)
            )
        feeds.append(len(quantities) - 1)
    graph = PriceGraph(tuple(quantities), tuple(feeds))
    return replace(market, graph=graph, prices=graph.prices(NOW))


def ether_depth(market: AaveMarket) -> SquareRootImpact:
    """Two billion dollars a day at a daily volatility of 4%."""
    spot = market.prices[0]
    return SquareRootImpact(
        Token("WETH", 18),
        Token("USDC", 6),
        Ratio(spot, 10**20),
        DAILY_QUOTE,
        DAILY_QUOTE * 10**20 // spot,
        DEFAULT_VOLATILITY_PPM,
    )


def bench_cascade(
    accounts: int, snapshots: int, shocks: int = SHOCKS, workers: int = WORKERS
) -> list[Report]:
    """Rounds, a sweep, and heat over time."""
    market = graphed_market()
    book = synthetic_book(market, accounts, SEED)
    return [_rounds(book), _sweep(book, shocks), _over_time(book, snapshots, workers)]


def _rounds(book: Book[Any]) -> Report:
    """One round after another while ETH falls, in columns and by the law; both must say the same.

    A round is what hangs on the number of accounts: finding those that break at new prices, every call until
    nothing more goes through, the proof that nothing is lost, and the sums. Copying the book for the four
    counts, too; trades and oracles do not, which the sweep has.
    """
    market = book.market
    driver = find_driver(market, DRIVER)
    paths = [driver.lead(market.prices, driver.spot * (100 - fall) // 100) for fall in FALLS_PCT]
    start = ColumnBook.of(book, PROTOCOLS[market.protocol].call_terms)
    start.settle(market.prices)
    found: list[Taken] = []

    def columns() -> None:
        ledger = start.copy()
        found[:] = [ledger.settle(prices) for prices in paths]

    seconds = best_of(RUNS, columns)
    law = LawBook(book, law_of(book))
    law.settle(market.prices)
    wanted: list[Taken] = []
    law_seconds = best_of(1, lambda: wanted.extend(law.settle(prices) for prices in paths))
    quiet = start.copy()
    quiet.settle(paths[0])
    quiet_seconds = best_of(RUNS, lambda: quiet.settle(paths[0]))
    apart = max(
        abs(ours.seized_base - theirs.seized_base) / max(1.0, float(theirs.seized_base))
        for ours, theirs in zip(found, wanted, strict=True)
    )
    calls = [one.calls for one in found], [one.calls for one in wanted]
    off = sum(abs(ours - theirs) for ours, theirs in zip(*calls, strict=True)) / max(1, sum(calls[1]))
    falls = ", ".join(f"-{fall}%" for fall in FALLS_PCT)
    each = seconds / len(paths)
    return Report(
        f"rounds of a cascade: {len(book):,} accounts with {book.legs:,} legs, {DRIVER} at {falls}",
        [Row("columns", len(paths), seconds), Row("the law", len(paths), law_seconds)],
        [
            Note(f"{1e3 * each:.1f} ms per round, {sum(calls[0]):,} calls in all", ok=each <= ROUND_TARGET_S),
            Note(f"of that on the processor, by fall: {_by_round(start, paths)}"),
            Note(f"straight from spot to -{FALLS_PCT[-1]}%: {_by_round(start, paths[-1:])}"),
            Note(f"{1e3 * quiet_seconds:.1f} ms for a round in which nothing breaks"),
            Note(f"seized dollars differ by {apart:.0e} at most, calls by {off:.0e}", ok=apart < MOST_APART),
        ],
        is_wrong=not apart < MOST_APART,
    )


def _sweep(book: Book[Any], count: int) -> Report:
    """A whole cascade per shock, down to half and up by half; the law does a few of the same.

    Rounds in which nothing breaks take their time, but are not counted.
    """
    depth = {DRIVER: ether_depth(book.market)}
    half = count // 2
    shocks = [Ratio(sign * 50 * k, half) for sign in (-1, 1) for k in range(1, half + 1)]
    few = [shocks[half // 5], shocks[half + half // 5]]
    tables: list[pd.DataFrame] = []
    begun = process_time()
    seconds = best_of(1, lambda: tables.append(sweep([book], DRIVER, shocks, depth)))
    busy = process_time() - begun
    begun = perf_counter()
    by_law = [cascade([book], [f"{DRIVER}={float(shock):+}%"], depth) for shock in few]
    law_seconds = perf_counter() - begun
    table = tables[-1]
    totals = dict(zip(table["shock_pct"].tolist(), table["total_usd"].tolist(), strict=True))
    apart = max(
        abs(float(totals[float(shock)]) - one.total_usd) / max(1.0, one.total_usd)
        for shock, one in zip(few, by_law, strict=True)
    )
    rounds = int(table["rounds"].sum())
    each_ms = 1e3 * busy / max(1, rounds)
    return Report(
        f"a sweep of shocks to {DRIVER}: {len(book):,} accounts, {depth[DRIVER].name}",
        [Row("columns", len(shocks), seconds), Row("the law (a few shocks)", len(few), law_seconds)],
        [
            Note(
                f"{seconds:.1f} s for {len(shocks)} shocks, {rounds:,} rounds", ok=seconds <= SWEEP_TARGET_S
            ),
            Note(f"{busy:.1f} s of that on the processor, {each_ms:.1f} ms per round, trades included"),
            Note(f"seized dollars differ by {apart:.0e} at most", ok=apart < MOST_APART),
        ],
        is_wrong=not apart < MOST_APART,
    )


def _by_round(start: ColumnBook, paths: Sequence[Sequence[int]]) -> str:
    """Milliseconds of processor time and accounts of each round, the least disturbed of some runs."""
    said = []
    for k, prices in enumerate(paths):
        best, accounts = math.inf, 0
        for _ in range(REPEATS):
            ledger = start.copy()
            for earlier in paths[:k]:
                ledger.settle(earlier)
            begun = process_time()
            accounts = ledger.settle(prices).accounts
            best = min(best, process_time() - begun)
        said.append(f"{1e3 * best:.1f} ms for {accounts:,} accounts")
    return ", ".join(said)


def _over_time(book: Book[Any], snapshots: int, workers: int) -> Report:
    """Snapshots of the same accounts at other blocks and prices; the law's levels are what they replace."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _write_snapshots(book, folder, snapshots)
        seconds = best_of(1, lambda: read_over_time(folder, DRIVER, workers=workers))
        alone = math.inf
        for _ in range(REPEATS):
            begun = process_time()
            read_frame(folder / "0000.parquet", DRIVER, DEFAULT_STEP_PCT)
            alone = min(alone, process_time() - begun)
        begun = perf_counter()
        one = load_snapshot(folder / "0000.parquet")
        solve_book(one, [find_driver(one.market, DRIVER)])
        exact_seconds = perf_counter() - begun
    whole = seconds / snapshots * OVER_TIME_SNAPSHOTS
    return Report(
        f"heat over time: snapshots of {len(book):,} accounts, {workers} processes",
        [
            Row("float levels and first calls", snapshots, seconds),
            Row("exact levels alone", 1, exact_seconds),
        ],
        [
            Note(
                f"{whole:.0f} s for {OVER_TIME_SNAPSHOTS} such snapshots, at the pace of these {snapshots}",
                ok=whole <= OVER_TIME_TARGET_S,
            ),
            Note(f"{1e3 * alone:.0f} ms on the processor for one"),
        ],
    )


def _write_snapshots(book: Book[Any], folder: Path, count: int) -> None:
    """The first in full, the others with its legs and another market: texts for people take long."""
    first = save_snapshot(book, folder / "0000.parquet")
    table = pq.ParquetFile(first).read()
    about = orjson.loads(table.schema.metadata[b"defiliq"])
    market = book.market
    for k in range(1, count):
        block = replace(
            market.block, number=market.block.number + k, timestamp=market.block.timestamp + 12 * k
        )
        moved = replace(market.at_inputs({0: market.prices[0] * (1000 + k) // 1000}), block=block)
        written = orjson.dumps(about | {"market": encode(moved)})
        part = table.replace_schema_metadata({b"defiliq": written})
        pq.write_table(part, folder / f"{k:04}.parquet", compression="zstd")
