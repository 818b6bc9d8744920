"""A book as one Parquet file: a row per leg, and the market as JSON in the file's own metadata.

`collateral` and `debt` are in the protocol's own units, as decimal strings for people and as two columns
of 64 bits each, which are what a load reads. An account without legs has one row without a reserve.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from defiliq.amounts import Amounts, Signed
from defiliq.book import Book
from defiliq.errors import BadFile, InputError
from defiliq.ladder import identity
from defiliq.pipeline.market_json import NotEncoded, decode, decode_int, encode
from defiliq.pipeline.soundness import require_whole
from defiliq.protocols import PROTOCOLS
from defiliq.types import Market, StableDebt
from defiliq.view.files import replace_file

Bytes = NDArray[np.uint8]
FORMAT = "4"
_METADATA = b"defiliq"

_LEG_COLUMNS = {
    "account": pa.string(),
    "mode": pa.uint8(),
    "reserve": pa.int16(),
    "symbol": pa.string(),
    "collateral": pa.string(),
    "collateral_high": pa.uint64(),
    "collateral_low": pa.uint64(),
    "debt": pa.string(),
    "debt_high": pa.uint64(),
    "debt_low": pa.uint64(),
    "debt_index": pa.string(),
    "debt_index_high": pa.uint64(),
    "debt_index_low": pa.uint64(),
    "funding_index": pa.string(),
    "counted": pa.bool_(),
    "stable_principal": pa.string(),
    "stable_rate_ray": pa.string(),
    "stable_updated_at": pa.int64(),
}
"""Column to type. All that describe a leg are null in the row of an account without legs, and the two indices
are where the protocol keeps none."""

_FOR_PEOPLE = {"symbol", "collateral", "debt", "debt_index"}
_NEEDED = [name for name in _LEG_COLUMNS if name not in _FOR_PEOPLE]
_ADDRESS_LETTERS = 42
_ODD = np.uint64(0x9E3779B97F4A7C15)
_NO_DIGIT = 255
_DIGIT_OF = np.full(256, _NO_DIGIT, dtype=np.uint8)
"""What each letter means as a hex digit."""
for _digit, _letter in enumerate("0123456789abcdef"):
    _DIGIT_OF[[ord(_letter), ord(_letter.upper())]] = _digit


def save_snapshot(book: Book[Any], path: str | Path) -> Path:
    """Write a book, whole or not at all; a loaded one is equal to it."""
    target = Path(path)
    if target.suffix.lower() != ".parquet":
        raise InputError(f"cannot write {target}: a snapshot is a .parquet file. Name it so.")
    columns = _identity_columns(book) | _leg_columns(book)
    about = {"format": FORMAT, "market": encode(book.market), "failed": dict(book.failed)}
    table = pa.table(columns).replace_schema_metadata({_METADATA: orjson.dumps(about)})
    replace_file(target, lambda beside: pq.write_table(table, beside, compression="zstd"))
    return target


def load_snapshot(path: str | Path, *, nameless: bool = False) -> Book[Any]:
    """The book that `save_snapshot` wrote; BadFile for any other file.

    `nameless` leaves `owners` empty, which takes two thirds of the time: sums over a book ask for no name.
    Then nobody looks whether a name is one, or comes twice.
    """
    shown = str(path)
    try:
        file = pq.ParquetFile(path)
        about = _about(file.schema_arrow)
        _require_types(file.schema_arrow)
        market, failed = _decode_market(about), _decode_failed(about)
        # Books without names are read by several processes at once, which keep every processor busy.
        table = file.read(columns=_NEEDED, use_threads=not nameless)
        return _book(table, market, failed, nameless=nameless)
    except FileNotFoundError:
        raise BadFile(shown, "there is no such file") from None
    except OSError as error:
        raise BadFile(shown, error.strerror or str(error).splitlines()[0]) from None
    except (NotEncoded, pa.ArrowException, ValueError, KeyError, TypeError, OverflowError) as error:
        text = str(error).splitlines() or [type(error).__name__]
        raise BadFile(shown, f"it is not a whole snapshot ({text[0]})") from None


def _about(schema: pa.Schema) -> dict[str, Any]:
    """What the file says of itself."""
    about = orjson.loads((schema.metadata or {}).get(_METADATA, b"null"))
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise NotEncoded(f"it carries no defiliq snapshot of format {FORMAT}")
    return about


def _identity_columns(book: Book[Any]) -> dict[str, Any]:
    rows = len(_row_accounts(book))
    return {name: pa.repeat(pa.scalar(value), rows) for name, value in identity(book.market).items()}


def _row_accounts(book: Book[Any]) -> list[int]:
    """The account of each row; accounts without legs come once."""
    counts = np.maximum(np.diff(book.first_leg), 1)
    return [int(i) for i in np.repeat(np.arange(len(book)), counts)]


def _row_legs(book: Book[Any]) -> list[int | None]:
    """The leg of each row, None for an account that has none."""
    rows: list[int | None] = []
    for first, end in pairwise(int(edge) for edge in book.first_leg):
        rows.extend(range(first, end) if end > first else (None,))
    return rows


def _leg_columns(book: Book[Any]) -> dict[str, pa.Array]:
    accounts, legs = _row_accounts(book), _row_legs(book)
    owners = [book.owner(i) for i in range(len(book))]
    symbols = [reserve.symbol for reserve in book.market.reserves]
    stable = [None if leg is None else book.stable.get(leg) for leg in legs]
    columns: dict[str, Sequence[Any]] = {
        "account": [owners[i] for i in accounts],
        "mode": [int(book.modes[i]) for i in accounts],
        "reserve": [None if leg is None else int(book.reserves[leg]) for leg in legs],
        "symbol": [None if leg is None else symbols[book.reserves[leg]] for leg in legs],
        "counted": [None if leg is None else bool(book.counted[leg]) for leg in legs],
        "stable_principal": [None if debt is None else str(debt.principal) for debt in stable],
        "stable_rate_ray": [None if debt is None else str(debt.rate_ray) for debt in stable],
        "stable_updated_at": [None if debt is None else debt.updated_at for debt in stable],
    }
    funding = book.funding_index
    columns["funding_index"] = [None if leg is None or funding is None else str(funding[leg]) for leg in legs]
    columns |= _amount_columns("collateral", book.collateral, legs)
    columns |= _amount_columns("debt", book.debt, legs)
    columns |= _amount_columns("debt_index", book.debt_index, legs)
    return {name: pa.array(columns[name], type=kind) for name, kind in _LEG_COLUMNS.items()}


def _amount_columns(
    name: str, amounts: Amounts | None, legs: Sequence[int | None]
) -> dict[str, Sequence[Any]]:
    """Amounts of the rows' legs: for people, and in two halves."""
    if amounts is None:
        return {f"{name}{half}": [None] * len(legs) for half in ("", "_high", "_low")}
    return {
        name: [None if leg is None else str(amounts[leg]) for leg in legs],
        f"{name}_high": [None if leg is None else int(amounts.high[leg]) for leg in legs],
        f"{name}_low": [None if leg is None else int(amounts.low[leg]) for leg in legs],
    }


def _decode_market(about: dict[str, Any]) -> Market:
    """The market, checked for what later code relies on."""
    seen = about.get("market")
    protocol = seen.get("protocol") if isinstance(seen, dict) else None
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise NotEncoded(f"protocol {protocol!r} is not one of {', '.join(sorted(PROTOCOLS))}")
    market: Market = decode(PROTOCOLS[protocol].market_type, seen)
    require_whole(market)
    return market


def _decode_failed(about: dict[str, Any]) -> dict[str, str]:
    failed = about.get("failed")
    if not isinstance(failed, dict) or not all(isinstance(reason, str) for reason in failed.values()):
        raise NotEncoded("failed must map accounts to reasons")
    return failed


def _require_types(schema: pa.Schema) -> None:
    """Every column must be of its type."""
    for name, kind in _LEG_COLUMNS.items():
        if schema.field(name).type != kind:
            raise NotEncoded(f"column {name} is {schema.field(name).type}, not {kind}")


def _book(table: pa.Table, market: Market, failed: dict[str, str], *, nameless: bool) -> Book[Any]:
    """Columns back to a book. Rows of one account must be neighbours."""
    names = table.column("account").combine_chunks()
    if names.null_count:
        raise NotEncoded("a row names no account")
    starts = _starts(names)
    owners = np.zeros((len(starts), 0), dtype=np.uint8)
    if not nameless:
        owners = _owners(market, names.take(pa.array(starts)))
    if not nameless and _has_twice(owners):
        raise NotEncoded("an account's rows are not together")
    has_leg = np.asarray(table.column("reserve").is_valid(), dtype=np.bool_)
    legs = table if has_leg.all() else table.filter(table.column("reserve").is_valid())
    before = np.concatenate(([0], np.cumsum(has_leg)))
    book = Book(
        market=market,
        owners=owners,
        modes=_numbers(table.select(["mode"]), "mode", np.uint8)[starts],
        first_leg=before[np.append(starts, len(names))].astype(np.int64),
        reserves=_numbers(legs, "reserve", np.int16),
        collateral=_amounts(legs, "collateral"),
        debt=_amounts(legs, "debt"),
        debt_index=_debt_index(legs),
        funding_index=_funding_index(legs),
        counted=_numbers(legs, "counted", np.bool_),
        stable=_stable(legs),
        failed=failed,
    )
    _require_known(book)
    return book


def _require_known(book: Book[Any]) -> None:
    """Every leg's reserve must be one that the market has, and a contract must be able to make the whole."""
    reserves = len(book.market.reserves)
    if len(book.reserves) and not (book.reserves.min() >= 0 and book.reserves.max() < reserves):
        raise NotEncoded("a leg names a reserve that the market does not have")
    odd = PROTOCOLS[book.market.protocol].unsound(book)
    if odd:
        raise NotEncoded(odd)


def _starts(names: pa.Array) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The rows where another account begins."""
    if not len(names):
        return np.zeros(0, dtype=np.intp)
    differs = np.asarray(pc.not_equal(names[1:], names[:-1]), dtype=np.bool_)
    return np.flatnonzero(np.concatenate(([True], differs)))


def _owners(market: Market, names: pa.Array) -> Bytes:
    if type(market).account_key is Market.account_key:
        keys = _addresses(names)
        if keys is not None:
            return keys
    return _spelled(market, names.to_pylist())


def _addresses(names: pa.Array) -> Bytes | None:
    """(N, 20) bytes of names that all are 0x and 40 hex digits; None where one is not."""
    if not len(names) or not (np.asarray(pc.binary_length(names)) == _ADDRESS_LETTERS).all():
        return None
    _, offsets, letters = names.buffers()
    first = np.frombuffer(offsets, dtype=np.int32)[names.offset]
    span = slice(first, first + len(names) * _ADDRESS_LETTERS)
    table = np.frombuffer(letters, dtype=np.uint8)[span].reshape(len(names), _ADDRESS_LETTERS)
    digits = _DIGIT_OF[table[:, 2:]]
    if (table[:, :2] != np.frombuffer(b"0x", dtype=np.uint8)).any() or (digits == _NO_DIGIT).any():
        return None
    keys: Bytes = (digits[:, ::2] << np.uint8(4)) | digits[:, 1::2]
    return keys


def _has_twice(keys: Bytes) -> bool:
    """Whether an account comes twice: by a sum of its words that hardly two share, and then by itself."""
    words = np.zeros((len(keys), -(-keys.shape[1] // 8) * 8), dtype=np.uint8)
    words[:, : keys.shape[1]] = keys
    factors = _ODD ** np.arange(1, words.shape[1] // 8 + 1, dtype=np.uint64)
    sums = np.sort((words.view(np.uint64) * factors).sum(axis=1, dtype=np.uint64))
    if not (sums[1:] == sums[:-1]).any():
        return False
    return len({key.tobytes() for key in keys}) < len(keys)


def _spelled(market: Market, names: Sequence[str]) -> Bytes:
    try:
        keys = [market.account_key(name) for name in names]
    except InputError as error:
        raise NotEncoded(str(error)) from None
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), market.account_bytes)


def _numbers(legs: pa.Table, name: str, kind: Any) -> Any:
    """A column without gaps as numpy."""
    column = legs.column(name)
    if column.null_count:
        raise NotEncoded(f"column {name} has gaps")
    return np.asarray(column.to_numpy(), dtype=kind)


def _amounts(legs: pa.Table, name: str) -> Amounts:
    return Amounts(_numbers(legs, f"{name}_high", np.uint64), _numbers(legs, f"{name}_low", np.uint64))


def _debt_index(legs: pa.Table) -> Amounts | None:
    """The debts' indices; None where no leg has one."""
    gaps = legs.column("debt_index_high").null_count
    return None if gaps == len(legs) > 0 else _amounts(legs, "debt_index")


def _funding_index(legs: pa.Table) -> Signed | None:
    """The positions' funding indices; None where no leg has one."""
    column = legs.column("funding_index")
    if column.null_count == len(legs):
        return None
    if column.null_count:
        raise NotEncoded("column funding_index has gaps")
    return Signed.of([decode_int(text, "funding_index") for text in column.to_pylist()])


def _stable(legs: pa.Table) -> dict[int, StableDebt]:
    if legs.column("stable_principal").null_count == len(legs):
        return {}
    columns = (legs.column(f"stable_{name}").to_pylist() for name in ("principal", "rate_ray", "updated_at"))
    return {
        k: StableDebt(int(principal), int(rate_ray), int(updated_at))
        for k, (principal, rate_ray, updated_at) in enumerate(zip(*columns, strict=True))
        if principal is not None
    }
