"""What was got of exchanges as one Parquet file, so that everything works offline and can be shown again.

A row per candle, executed liquidation and order of a book, told apart by `kind`; what a kind does not have is
null. The contracts themselves are JSON in the file's own metadata, with how many rows of each kind they have,
in the order of the rows. What a venue did not publish is NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from defiliq.cex.history import EXECUTED_COLUMNS, Floats, History, Instrument, OrderBook, VenueData
from defiliq.cex.population import TrueLevels
from defiliq.cex.tiers import TierTable
from defiliq.errors import BadFile, InputError
from defiliq.pipeline.cex_soundness import MAX_AT, Unsound, require_sound, whole_number
from defiliq.pipeline.cex_tiers import Tables, tiers_as_json, tiers_from_json
from defiliq.view.files import replace_file

FORMAT = 1
MAX_BYTES = 256 << 20
MAX_ROWS = 20_000_000
MAX_CONTRACTS = 500
SAMPLED = ("BTC", "ETH")
"""The assets of the bundled sample."""
_METADATA = b"defiliq"
_KINDS = ("candle", "executed", "bid", "ask")
CANDLE_COLUMNS = (
    *("open_usd", "high_usd", "low_usd", "close_usd", "volume_usd", "open_interest"),
    *("taker_buy_share", "funding_rate", "long_short_ratio"),
)
_TEXT = pa.dictionary(pa.int32(), pa.string())
_COLUMNS = {
    "venue": _TEXT,
    "symbol": _TEXT,
    "kind": _TEXT,
    "at": pa.int64(),
    **dict.fromkeys(CANDLE_COLUMNS, pa.float64()),
    "side": _TEXT,
    "price_usd": pa.float64(),
    "size_usd": pa.float64(),
}
_TEXTS = [name for name, kind in _COLUMNS.items() if kind == _TEXT]


def save_venues(
    data: Sequence[VenueData],
    path: str | Path,
    *,
    source: str,
    made_at: int,
    tiers: Iterable[TierTable] = (),
) -> Path:
    """Write contracts, whole or not at all; loaded ones are equal to them, NaN and None included.

    `source` says in words where all of it is from, `tiers` are those that venues published with it.
    InputError where the data could not be loaded again.
    """
    target = Path(path)
    if target.suffix.lower() != ".parquet":
        raise InputError(f"cannot write {target}: data of venues are a .parquet file. Name it so.")
    try:
        require_sound(data)
    except Unsound as error:
        raise InputError(f"cannot write {target}: {error}.") from None
    contracts = [_about(one) for one in data]
    about: dict[str, Any] = {"cex_format": FORMAT, "source": source, "made_at": made_at}
    about["contracts"] = contracts
    kept = tiers_as_json(tiers)
    if kept:
        about["tiers"] = kept
    schema = pa.schema(_COLUMNS)
    parts = [pa.Table.from_pydict(part, schema=schema) for one in data for part in _parts(one)]
    table = pa.concat_tables([schema.empty_table(), *parts]).unify_dictionaries().combine_chunks()
    table = table.replace_schema_metadata({_METADATA: orjson.dumps(about)})
    replace_file(target, lambda beside: pq.write_table(table, beside, **_ENCODING))
    return target


_ENCODING: dict[str, Any] = {"compression": "zstd", "compression_level": 19, "use_dictionary": _TEXTS}
_ENCODING["write_page_checksum"] = True
_ENCODING["column_encoding"] = {
    name: "DELTA_BINARY_PACKED" if kind == pa.int64() else "BYTE_STREAM_SPLIT"
    for name, kind in _COLUMNS.items()
    if name not in _TEXTS
}
"""Floats that are rounded to what venues publish take a third of the room so."""


def load_venues(path: str | Path) -> list[VenueData]:
    """The contracts that `save_venues` wrote, in their order; BadFile, in one line, for any other file."""
    shown = str(path)
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise BadFile(shown, f"it is larger than {MAX_BYTES >> 20} MB")
        file = pq.ParquetFile(path, page_checksum_verification=True)
        contracts = _contracts(file)
        table = file.read(columns=list(_COLUMNS))
        found = list(_loaded(table, contracts))
        require_sound(found)
    except FileNotFoundError:
        raise BadFile(shown, "there is no such file") from None
    except OSError as error:
        raise BadFile(shown, error.strerror or str(error).splitlines()[0]) from None
    except Unsound as error:
        raise BadFile(shown, str(error)) from None
    except (pa.ArrowException, ValueError, KeyError, TypeError, OverflowError, IndexError) as error:
        text = str(error).splitlines() or [type(error).__name__]
        raise BadFile(shown, f"it is no whole file of venues ({text[0][:200]})") from None
    return found


def load_venue_tiers(path: str | Path) -> Tables:
    """The margin tiers that are kept with them, none in a file that was written without; else BadFile."""
    try:
        about = _metadata(pq.ParquetFile(path)) or {}
    except (OSError, ValueError, pa.ArrowException):
        raise BadFile(str(path), "its margin tiers cannot be read") from None
    return tiers_from_json(about.get("tiers", []), str(path))


def origin_of(path: str | Path) -> tuple[str, int]:
    """What such a file says of where all of it is from, and when it was made; BadFile for any other file."""
    try:
        about = _metadata(pq.ParquetFile(path)) or {}
        source, made_at = about["source"], whole_number(about["made_at"], "its time", 0, MAX_AT)
    except (OSError, ValueError, KeyError, pa.ArrowException):
        raise BadFile(str(path), "it does not say where its data are from") from None
    if not isinstance(source, str) or not source.isprintable():
        raise BadFile(str(path), "where it says its data are from is no printable text")
    return source, made_at


def load_sample(asset: str) -> list[VenueData]:
    """The bundled sample of an asset: what three venues show of a simulated market, and nothing real.

    InputError, naming those that there are, for any other asset.
    """
    with as_file(_sample(f"{_sampled(asset)}.parquet")) as path:
        return load_venues(path)


def load_sample_truth(asset: str) -> dict[tuple[str, str], TrueLevels]:
    """Where the positions of the sample's contracts really are at its end, by venue and symbol: sums by
    steps of 0.1% in price.
    """
    with as_file(_sample(f"{_sampled(asset)}_truth.parquet")) as path:
        table = pd.read_parquet(path)
    return {
        (str(venue), str(symbol)): TrueLevels(
            at=int(part["at"].iloc[0]),
            spot_usd=float(part["spot_usd"].iloc[0]),
            is_long=(part["side"] == "long").to_numpy(),
            price_usd=part["price_usd"].to_numpy(),
            size_usd=part["size_usd"].to_numpy(),
        )
        for (venue, symbol), part in table.groupby(["venue", "symbol"], observed=True)
    }


def _sample(name: str) -> Traversable:
    return files("defiliq.cex").joinpath("sample", name)


def _sampled(asset: str) -> str:
    """The name of an asset's files."""
    if asset.upper() not in SAMPLED:
        raise InputError(f"the bundled sample holds {' and '.join(SAMPLED)}, no {asset}.")
    return asset.lower()


def is_cex_file(path: str | Path) -> bool:
    """Whether a file says that it holds data of venues; False for one that cannot be read."""
    try:
        return isinstance(_metadata(pq.ParquetFile(path)), dict)
    except (OSError, ValueError, pa.ArrowException):
        return False


def _metadata(file: pq.ParquetFile) -> dict[str, Any] | None:
    about = orjson.loads((file.schema_arrow.metadata or {}).get(_METADATA, b"null"))
    return about if isinstance(about, dict) and "cex_format" in about else None


def _contracts(file: pq.ParquetFile) -> list[dict[str, Any]]:
    """What the file says of its contracts, after its size and columns are known to be what they should."""
    about = _metadata(file)
    if about is None:
        raise Unsound("it holds no data of venues")
    given = about["cex_format"]
    if given != FORMAT:
        newer = isinstance(given, int) and given > FORMAT
        wrong = "newer than this version of defiliq reads" if newer else "unknown"
        raise Unsound(f"it is of format {str(given)[:20]}, which is {wrong} (it reads {FORMAT})")
    held = file.metadata
    unpacked = sum(held.row_group(k).total_byte_size for k in range(held.num_row_groups))
    if held.num_rows > MAX_ROWS or unpacked > 8 * MAX_BYTES:
        raise Unsound(f"it holds more than {MAX_ROWS:,} rows or {MAX_BYTES >> 17} MB unpacked")
    for name, kind in _COLUMNS.items():
        seen = file.schema_arrow.field(name).type
        if seen != kind:
            raise Unsound(f"its column {name} is {seen}, not {kind}")
    contracts = about["contracts"]
    if not isinstance(contracts, list) or len(contracts) > MAX_CONTRACTS:
        raise Unsound(f"it does not list its contracts, or more than {MAX_CONTRACTS}")
    return contracts


def _about(one: VenueData) -> dict[str, Any]:
    """A contract without its columns."""
    history, book = one.history, one.order_book
    executed = history.executed
    return {
        "instrument": dataclasses.asdict(history.instrument),
        "step_s": history.step_s,
        "fetched_at": history.fetched_at,
        "source": history.source,
        "faults": list(history.faults),
        "has_executed": executed is not None,
        "book_at": None if book is None else book.at,
        "rows": [
            len(history),
            0 if executed is None else len(executed),
            0 if book is None else len(book.bid_usd),
            0 if book is None else len(book.ask_usd),
        ],
    }


def _parts(one: VenueData) -> Iterator[dict[str, Any]]:
    """The columns of each kind of row, in the order of _KINDS."""
    history, book, executed = one.history, one.order_book, one.history.executed
    candles = {name: getattr(history, name) for name in CANDLE_COLUMNS}
    yield _filled(history.instrument, "candle", {"at": history.at, **candles})
    if executed is not None:
        columns = {name: executed[name].to_list() for name in EXECUTED_COLUMNS}
        yield _filled(history.instrument, "executed", columns)
    if book is not None:
        for kind, price, size in (
            ("bid", book.bid_usd, book.bid_size_usd),
            ("ask", book.ask_usd, book.ask_size_usd),
        ):
            at = np.full(len(price), book.at)
            yield _filled(history.instrument, kind, {"at": at, "price_usd": price, "size_usd": size})


def _filled(instrument: Instrument, kind: str, columns: dict[str, Any]) -> dict[str, Any]:
    count = len(columns["at"])
    named = {"venue": instrument.venue, "symbol": instrument.symbol, "kind": kind}
    return {
        name: [named[name]] * count if name in named else columns.get(name, [None] * count)
        for name in _COLUMNS
    }


def _loaded(table: pa.Table, contracts: list[dict[str, Any]]) -> Iterator[VenueData]:
    """Contracts from their rows, which must be where and what the metadata say, and all there are."""
    first = 0
    for about in contracts:
        instrument = Instrument(**about["instrument"])
        parts = []
        for kind, count in zip(_KINDS, about["rows"], strict=True):
            part = table.slice(first, whole_number(count, "rows", 0, MAX_ROWS))
            if len(part) < count:
                raise Unsound("it holds fewer rows than it says")
            _require_same(part, {"venue": instrument.venue, "symbol": instrument.symbol, "kind": kind})
            parts.append(part)
            first += count
        yield _venue_data(instrument, about, *parts)
    if first != len(table):
        raise Unsound(f"it holds {len(table):,} rows and says {first:,}")


def _require_same(part: pa.Table, named: dict[str, str]) -> None:
    """Every row must be of that contract and kind."""
    for name, value in named.items():
        if len(part) and pc.unique(part.column(name).cast(pa.string())).to_pylist() != [value]:
            raise Unsound(f"a row's {name} is not {value!r}, which the file says it is")


def _venue_data(
    instrument: Instrument,
    about: dict[str, Any],
    candles: pa.Table,
    executed: pa.Table,
    bids: pa.Table,
    asks: pa.Table,
) -> VenueData:
    history = History(
        instrument=instrument,
        step_s=about["step_s"],
        at=_at(candles),
        **{name: _floats(candles, name) for name in CANDLE_COLUMNS},
        executed=_executed(executed) if about["has_executed"] is True else None,
        fetched_at=about["fetched_at"],
        source=about["source"],
        faults=tuple(about["faults"]),
    )
    if about["book_at"] is None:
        return VenueData(history, None)
    sides = [_floats(part, name) for part in (bids, asks) for name in ("price_usd", "size_usd")]
    return VenueData(history, OrderBook(about["book_at"], *sides))


def _executed(part: pa.Table) -> pd.DataFrame:
    side = part.column("side").cast(pa.string()).to_pylist()
    columns = {
        "at": _at(part),
        "price_usd": _floats(part, "price_usd"),
        "side": side,
        "size_usd": _floats(part, "size_usd"),
    }
    return pd.DataFrame(columns).astype({"side": "str"})


def _at(part: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    column = part.column("at")
    if column.null_count:
        raise Unsound("a row has no time")
    return np.array(column.to_numpy(), dtype=np.int64)


def _floats(part: pa.Table, name: str) -> Floats:
    """A column as floats; what is null is NaN."""
    return np.array(part.column(name).to_numpy(), dtype=np.float64)
