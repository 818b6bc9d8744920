"""Heat over time from a folder of snapshots or of ladder files, one file in memory at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from defiliq.book import Book
from defiliq.calls import CallTerms
from defiliq.engine.float_levels import float_levels
from defiliq.engine.sums import steady_sum
from defiliq.errors import BadFile, DefiliqError, InputError
from defiliq.ladder import to_usd
from defiliq.model.axis import LEAST, MOST, MOST_APART_S
from defiliq.model.heat import DEFAULT_STEP_PCT
from defiliq.model.over_time import Frame, HeatOverTime, Moment, frame, frame_of_book, over_time
from defiliq.oracle.drivers import find_driver
from defiliq.pipeline.snapshot import load_snapshot
from defiliq.pipeline.table_files import is_ladder_file
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.dydx_v4 import DydxMarket
from defiliq.protocols.dydx_v4.risk import quote_quantums

Counter = Callable[[int, int], None]

SUFFIXES = (".parquet", ".csv")
MOST_WORKERS = 2
LEAST_SHARED = 16
"""So few files are done before other processes are up."""
_KEPT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
_TEXTS = (
    *("chain_id", "block_hash", "protocol", "market", "version", "base_symbol"),
    *("driver", "side", "outcome"),
)
_NUMBERS = ("price_usd", "spot_usd", "seized_usd", "repaid_usd", "notional_usd")
_WHOLE = ("block_number", "block_timestamp")
_HEAD = (*_TEXTS[:-2], "spot_usd", *_WHOLE)
"""What all rungs of one market share."""


def read_over_time(
    folder: str | Path,
    driver: str,
    *,
    step_pct: float = DEFAULT_STEP_PCT,
    workers: int | None = None,
    on_progress: Counter | None = None,
) -> HeatOverTime:
    """What every snapshot or ladder file in a folder says of one driver, as time by price.

    All must be of the same markets: `over_time` refuses others by the file's name. A snapshot's levels are
    those of `float_levels`; a ladder's are its own, exact ones. `workers` is how many processes read; by
    itself two, where there are many files and cores.
    """
    if not step_pct > 0:
        raise InputError(f"a bucket cannot be {step_pct}% wide. Give a width above 0.")
    paths = _files(folder)
    return over_time(_counted(_frames(paths, driver, step_pct, workers), len(paths), on_progress))


def read_frame(path: Path, driver: str, step_pct: float) -> Frame:
    """One file's levels along a driver, summed."""
    return (_frame_of_ladder if is_ladder_file(path) else _frame_of_snapshot)(path, driver, step_pct)


def _files(folder: str | Path) -> list[Path]:
    try:
        found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise BadFile(str(folder), error.strerror or str(error)) from None
    if not found:
        raise BadFile(str(folder), f"it holds no file that ends in {' or '.join(SUFFIXES)}")
    return found


def _frames(paths: Sequence[Path], driver: str, step_pct: float, workers: int | None) -> Iterator[Frame]:
    """Each file's frame, in order; in several processes where that pays."""
    count = _workers(len(paths)) if workers is None else workers
    read = partial(read_frame, driver=driver, step_pct=step_pct)
    if count < 2:
        yield from map(read, paths)
        return
    apart = partial(_read_apart, driver=driver, step_pct=step_pct)
    with _keeping_memory(), ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        for found in pool.map(apart, paths, chunksize=4):
            if isinstance(found, str):
                raise InputError(found)
            yield found


def _read_apart(path: Path, driver: str, step_pct: float) -> Frame | str:
    """A frame, or what is wrong with the file: errors of ours do not travel between processes."""
    try:
        return read_frame(path, driver, step_pct)
    except DefiliqError as error:
        return str(error)


@contextmanager
def _keeping_memory() -> Iterator[None]:
    """Let processes that start meanwhile keep what they have freed, where their C library is glibc.

    It hands large arrays back to the system at once, and to get them anew takes a third of the time.
    """
    before = {name: os.environ.get(name) for name in _KEPT}
    os.environ.update(_KEPT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _workers(files: int) -> int:
    return min(MOST_WORKERS, os.cpu_count() or 1) if files >= LEAST_SHARED else 1


def _counted(frames: Iterator[Frame], total: int, on_progress: Counter | None) -> Iterator[Frame]:
    for done, one in enumerate(frames, start=1):
        if on_progress is not None:
            on_progress(done, total)
        yield one


def _frame_of_snapshot(path: Path, driver: str, step_pct: float) -> Frame:
    book = load_snapshot(path, nameless=True)
    market = book.market
    try:
        chosen = find_driver(market, driver)
    except DefiliqError as error:
        raise BadFile(str(path), str(error).removesuffix(".")) from None
    terms = PROTOCOLS[market.protocol].call_terms(book)
    levels = float_levels(terms, market.prices, chosen)
    if levels is None:
        raise BadFile(str(path), f"prices do not follow {chosen.name} along straight lines; use ladder files")
    return replace(
        frame_of_book(str(path), market, chosen, levels, step_pct),
        outstanding_usd=_outstanding_usd(book, terms, chosen),
        holds_open=isinstance(market, DydxMarket),
    )


def _outstanding_usd(book: Book[Any], terms: CallTerms, driver: Driver) -> float:
    """All debt, or the open interest of the perpetuals that the driver moves, as the chain counts it.

    NaN where some accounts could not be read: what they owe is not known.
    """
    market = book.market
    if isinstance(market, DydxMarket):
        moved = {feed for feed, _ in driver.outputs}
        held = [(one, market.prices[one.feed]) for one in market.reserves[1:] if one.feed in moved]
        return to_usd(sum(quote_quantums(one.open_interest, price, one) for one, price in held), market)
    if book.failed:
        return math.nan
    worth = np.array(market.prices, dtype=np.float64).take(terms.feeds) / terms.unit
    owing = np.flatnonzero(terms.owed)
    owed_base = terms.owed.take(owing) * worth.take(terms.kind.take(owing))
    return steady_sum(owed_base) / float(market.base_unit)


def _frame_of_ladder(path: Path, driver: str, step_pct: float) -> Frame:
    try:
        table = _columns(path)
        wanted = pc.equal(pc.utf8_lower(table["driver"]), driver.strip().casefold())
        return _summed(path, table.filter(wanted), driver, step_pct)
    except OSError as error:
        raise BadFile(str(path), error.strerror or str(error).splitlines()[0]) from None
    except (pa.ArrowException, KeyError, ValueError) as error:
        text = str(error).splitlines() or [type(error).__name__]
        raise BadFile(str(path), f"it is no ladder ({text[0]})") from None


def _columns(path: Path) -> pa.Table:
    """The columns of a ladder that are needed here, each of its kind."""
    kinds = (
        dict.fromkeys(_TEXTS, pa.string())
        | dict.fromkeys(_NUMBERS, pa.float64())
        | dict.fromkeys(_WHOLE, pa.int64())
    )
    if path.suffix.lower() == ".csv":
        options = pa_csv.ConvertOptions(include_columns=list(kinds), column_types=kinds)
        return pa_csv.read_csv(path, convert_options=options)
    table = pq.ParquetFile(path).read(columns=list(kinds))
    return table.select(list(kinds)).cast(pa.schema(kinds.items()))


def _summed(path: Path, rungs: pa.Table, driver: str, step_pct: float) -> Frame:
    """The rungs of one driver as a frame; BadFile where they are not of one moment, or make no sense."""
    shown = str(path)
    if not len(rungs):
        raise BadFile(shown, f"it has no rung on {driver}")
    if any(rungs[column].null_count for column in (*_TEXTS, *_WHOLE)):
        raise BadFile(shown, "a rung makes no sense: it lacks what every rung has")
    heads = sorted(rungs.group_by(list(_HEAD)).aggregate([]).to_pylist(), key=lambda head: repr(head))
    keys = [(head["chain_id"], head["protocol"], head["market"], head["base_symbol"]) for head in heads]
    newest = max(heads, key=lambda head: int(head["block_timestamp"]))
    apart_s = newest["block_timestamp"] - min(head["block_timestamp"] for head in heads)
    if len(set(keys)) < len(keys) or apart_s > MOST_APART_S:
        raise BadFile(shown, "its rungs are of different blocks. A file holds one moment")
    if len({head["base_symbol"] for head in heads}) > 1:
        raise BadFile(shown, "its rungs are in several currencies")
    rungs = rungs.filter(pc.not_equal(rungs["outcome"], "never"))
    is_long = _flags(rungs["side"], "long")
    is_already = _flags(rungs["outcome"], "already")
    price, spot, seized, repaid, notional = (rungs[column].to_numpy() for column in _NUMBERS)
    size = np.where(np.isnan(notional), np.where(is_long, seized, repaid), notional)
    is_odd = ~(is_long | _flags(rungs["side"], "short")) | ~(is_already | _flags(rungs["outcome"], "price"))
    for usd in (price, spot):
        is_odd |= ~((usd >= LEAST) & (usd <= MOST))
    if (is_odd | (size < 0) | (size > MOST)).any():
        raise BadFile(shown, "a rung makes no sense")
    version = "+".join(dict.fromkeys(head["version"] for head in heads))
    moment = Moment(newest["block_number"], newest["block_hash"], newest["block_timestamp"], version)
    levels = price, size, is_long, is_already
    found = frame(shown, keys, newest["driver"], moment, newest["spot_usd"], levels, step_pct)
    return replace(found, holds_open=not np.isnan(notional).all())


def _flags(column: pa.ChunkedArray, value: str) -> Any:
    return np.asarray(pc.equal(column, value).to_numpy(), dtype=np.bool_)
