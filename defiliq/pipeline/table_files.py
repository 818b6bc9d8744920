"""Ladders and events from the files that `defiliq ladder -o` and `defiliq events -o` write."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from defiliq.errors import BadFile
from defiliq.ladder import BIN_COLUMNS, EVENT_COLUMNS, LADDER_COLUMNS, typed
from defiliq.model.axis import LEAST, MOST

SUFFIXES = (".csv", ".json", ".parquet")
_WHOLE = ("block_number", "block_timestamp", "evaluated_at", "log_index")
FLOATS = ("_usd", "_pct")
"""How the names of columns end that hold floats."""
_SUMMED = {name for name in BIN_COLUMNS if name.startswith("cumulative_")}
"""What a ladder in buckets has, and none of the model's tables."""
_TRUTHS = {"true": True, "false": False}


def is_ladder_file(path: str | Path) -> bool:
    """Whether a file is a ladder's rather than a snapshot's, whose metadata hold a market."""
    suffix = Path(path).suffix.lower()
    if suffix != ".parquet":
        return suffix in SUFFIXES
    try:
        return b"defiliq" not in (pq.ParquetFile(path).schema_arrow.metadata or {})
    except (OSError, ValueError, pa.ArrowException):
        return False  # whoever loads it as a snapshot says what is wrong with it


def load_ladder(path: str | Path) -> pd.DataFrame:
    """The rungs of a ladder file, in its order; BadFile where it is none, or where a row makes no sense.

    Columns that a reader added are left out. Levels of accounts that never break are kept if they are there.
    """
    shown = str(path)
    ladder = _load(path, LADDER_COLUMNS, "ladder")
    _check(ladder, shown)
    return ladder


def load_events(path: str | Path) -> pd.DataFrame:
    """The liquidations of an events file, in its order; BadFile where it is none."""
    shown = str(path)
    events = _load(path, EVENT_COLUMNS, "table of events")
    wrong = ~events["side"].isin(("long", "short", ""))
    for name in _floats(EVENT_COLUMNS):
        wrong |= events[name].abs() > MOST
    for name in ("seized_usd", "repaid_usd", "price_usd"):
        wrong |= events[name] < 0
    if wrong.any():
        raise BadFile(shown, f"row {int(np.flatnonzero(wrong)[0]) + 1} makes no sense")
    return events


def _load(path: str | Path, columns: Sequence[str], what: str) -> pd.DataFrame:
    """The columns that are asked for, each of its kind."""
    shown = str(path)
    try:
        table = _READERS[Path(path).suffix.lower()](Path(path))
    except KeyError:
        raise BadFile(shown, f"a {what} is {', '.join(SUFFIXES)}") from None
    except OSError as error:
        raise BadFile(shown, error.strerror or str(error).splitlines()[0]) from None
    except (ValueError, pa.ArrowException) as error:
        text = str(error).splitlines() or [type(error).__name__]
        raise BadFile(shown, f"it cannot be read as a table ({text[0]})") from None
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise BadFile(shown, f"it has two columns {twice[0]}")
    missing = [name for name in columns if name not in table]
    if missing:
        summed = ": it holds buckets; write the rungs, without --bin" if _SUMMED & set(table.columns) else ""
        raise BadFile(shown, f"it is no {what}, it has no column {missing[0]}{summed}")
    try:
        return typed(_columns(table, columns))
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise BadFile(shown, f"it is no {what} ({str(error).splitlines()[0]})") from None


def _read_csv(path: Path) -> pd.DataFrame:
    """All cells as texts, and the names of columns as they stand there, even where one comes twice."""
    cells = pd.read_csv(path, dtype=str, keep_default_na=False, header=None)
    return cells.iloc[1:].reset_index(drop=True).set_axis(cells.iloc[0].tolist(), axis="columns")


def _read_json(path: Path) -> pd.DataFrame:
    rows = orjson.loads(path.read_bytes())
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is not a list of rows")
    empty = dict.fromkeys((*LADDER_COLUMNS, *EVENT_COLUMNS), ())
    return pd.DataFrame(rows if rows else empty)


def _read_parquet(path: Path) -> pd.DataFrame:
    found = pq.ParquetFile(path).read()
    found.validate(full=True)  # texts that are no UTF-8 fail only where somebody looks at them
    table: pd.DataFrame = found.replace_schema_metadata().to_pandas()
    return table


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".parquet": _read_parquet,
}


def _columns(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The columns with values of the kinds that they have."""
    return pd.DataFrame({name: pd.Series(_values(name, table[name].tolist())) for name in names})


def _values(name: str, cells: Sequence[Any]) -> list[object]:
    """What the cells of a column hold; ValueError that names the first row in which one cannot be read."""
    kind, row = _kind_of(name), 0
    values = np.empty(len(cells), dtype=object)
    try:
        for row, cell in enumerate(cells):
            values[row] = kind(cell)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise ValueError(f"row {row + 1} has {name} {str(cells[row])[:40]!r}") from None
    found: list[object] = values.tolist()
    return found


def _kind_of(name: str) -> Callable[[Any], object]:
    """What makes a value of a column of what its file holds."""
    if name == "chain_id":
        return _chain
    if name in _WHOLE:
        return _whole
    if name == "callable":
        return _truth
    return _number if name.endswith(FLOATS) else _text


def _chain(value: object) -> int | str:
    text = _text(value)
    if not text:
        raise ValueError("a row is of no chain")
    if isinstance(value, float):
        return _whole(value)
    return int(text) if text.isdecimal() else text


def _whole(value: Any) -> int:
    """An integer, which a float without a fraction is, too."""
    whole = int(value)
    if (isinstance(value, float) and whole != value) or not -(2**63) <= whole < 2**63:
        raise ValueError(f"{value} is no integer, or none of 64 bits")
    return whole


def _truth(value: object) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return _TRUTHS[str(value).casefold()]


def _number(value: object) -> float:
    """A float; nothing is NaN."""
    return math.nan if value is None or value == "" else float(str(value))


def _text(value: object) -> str:
    """A text; nothing, which pandas may show as NaN, is an empty one."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _floats(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name.endswith(FLOATS)]


def _check(ladder: pd.DataFrame, shown: str) -> None:
    """What later code relies on, row by row."""
    wrong: dict[str, pd.Series[bool]] = {
        "side": ~ladder["side"].isin(("long", "short")),
        "outcome": ~ladder["outcome"].isin(("price", "already", "never")),
        "spot_usd": ~ladder["spot_usd"].between(LEAST, MOST),
        "spot_raw": ~ladder["spot_raw"].str.fullmatch(r"[1-9][0-9]{0,77}"),
    }
    priced = ladder["outcome"] != "never"
    wrong["price_raw"] = priced & ~ladder["price_raw"].str.fullmatch(r"[1-9][0-9]{0,77}")
    wrong["price_usd"] = priced & ~ladder["price_usd"].between(LEAST, MOST)
    for name in ("protocol", "market", "account", "driver", "base_symbol"):
        wrong[name] = ladder[name] == ""
    for name in ("seized_usd", "repaid_usd", "notional_usd"):
        wrong[name] = ladder[name] < 0
    for name in _floats(LADDER_COLUMNS):
        endless = ladder[name].abs() > MOST
        wrong[name] = wrong[name] | endless if name in wrong else endless
    for name, rows in wrong.items():
        if rows.any():
            row = int(np.flatnonzero(rows)[0])
            raise BadFile(shown, f"row {row + 1} has {name} {ladder[name].tolist()[row]!r}")
