"""Series of a provider as the columns that the rest of the room knows, on a grid without gaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from defiliq.cex.history import Floats, History, Int64s
from defiliq.cex.providers.client import Client
from defiliq.cex.providers.provider import (
    FUNDING_COLUMNS,
    HEATMAP_COLUMNS,
    LEVELS_COLUMNS,
    LIQUIDATIONS_COLUMNS,
    Query,
)

PRICES: Final = ("open_usd", "high_usd", "low_usd", "close_usd")
COLUMNS: Final = (
    *PRICES,
    *("volume_usd", "open_interest", "taker_buy_share", "funding_rate", "long_short_ratio"),
)
NAMES: Final = {"close_usd": "candles", "taker_buy_share": "taker shares"}


@dataclass
class Series:
    """Values by moment, one column of a history, as a provider's pages bring them."""

    column: str
    values: dict[int, float] = field(default_factory=dict)
    contradictions: int = 0
    """Moments that were given twice, with different values. The later one is kept."""

    def put(self, at: int, value: float) -> None:
        """One value. Pages may overlap."""
        self.contradictions += self.values.get(at, value) != value
        self.values[at] = value


def grid(query: Query) -> Int64s:
    """When each candle of the stretch opens, on whole multiples of its length."""
    first = -(-query.since_at // query.step_s) * query.step_s
    return np.arange(first, query.until_at, query.step_s, dtype=np.int64)


def history(client: Client, query: Query, series: Sequence[Series], source: str) -> History:
    """The history of the query's contract. A column that no series brings is NaN, and so is what one lacks.

    Raises BadVenueAnswer where a moment is off the grid, where no candle is within the stretch, or where a
    candle's prices contradict each other.
    """
    at = grid(query)
    columns = {name: np.full(len(at), np.nan) for name in COLUMNS}
    faults = []
    for each in series:
        columns[each.column] = _on(at, each, client, query.step_s)
        faults += _faults(each, columns[each.column])
    if np.isnan(columns["close_usd"]).all():
        raise client.bad(f"no candle between {query.since_at} and {query.until_at}")
    _check(client, at, columns)
    return History(
        instrument=query.instrument,
        step_s=query.step_s,
        at=at,
        executed=None,
        fetched_at=query.fetched_at,
        source=source,
        faults=tuple(dict.fromkeys(faults)),
        **columns,
    )


def _on(at: Int64s, series: Series, client: Client, step_s: int) -> Floats:
    values = np.full(len(at), np.nan)
    for moment, value in series.values.items():
        place, rest = divmod(moment - int(at[0]), step_s) if len(at) else (-1, 0)
        if rest:
            raise client.bad(f"a value at {moment}, where no candle of {step_s} s opens")
        if 0 <= place < len(at):
            values[place] = value
    return values


def _faults(series: Series, values: Floats) -> list[str]:
    if series.column in PRICES and series.column != "close_usd":
        return []
    name = NAMES.get(series.column, series.column.replace("_", " "))
    missing = int(np.isnan(values).sum())
    found = [f"{missing} of {len(values)} {name} are missing"] if missing else []
    if series.contradictions:
        found.append(
            f"{series.contradictions} {name} were given twice, with different values; the later are kept"
        )
    return found


def _check(client: Client, at: Int64s, columns: Mapping[str, Floats]) -> None:
    opened, high, low, close = (columns[name] for name in PRICES)
    with np.errstate(invalid="ignore"):
        broken = (high < np.fmax(opened, close)) | (low > np.fmin(opened, close)) | (high < low)
    if broken.any():
        raise client.bad(f"the prices of the candle at {at[int(broken.argmax())]} contradict each other")


def add_ratio(column: str, part: Series, rest: Series) -> Series:
    """part / (part + rest), where both are known and not both 0."""
    found = Series(column, contradictions=part.contradictions + rest.contradictions)
    for at, value in part.values.items():
        whole = value + rest.values.get(at, np.nan)
        if whole > 0:
            found.put(at, value / whole)
    return found


def liquidations(client: Client, query: Query, rows: Iterable[tuple[int, float, float]]) -> pd.DataFrame:
    """LIQUIDATIONS_COLUMNS, of (at, dollars of longs, dollars of shorts) in any order, within the stretch.

    The same interval may be given more than once with the same values, never with others.
    """
    found: dict[int, tuple[float, float]] = {}
    for at, long_usd, short_usd in rows:
        if query.covers(at) and found.setdefault(at, (long_usd, short_usd)) != (long_usd, short_usd):
            raise client.bad(f"two different amounts of liquidations at {at}")
    records = [(at, *found[at]) for at in sorted(found)]
    return _table(records, LIQUIDATIONS_COLUMNS, whole=("at",))


def levels(provider: str, sizes: Mapping[tuple[float, str], float], *, in_usd: bool) -> pd.DataFrame:
    """LEVELS_COLUMNS of sizes by (price, side)."""
    largest = max(sizes.values(), default=0.0)
    records = [
        (price, side, size if in_usd else np.nan, size / largest if largest > 0 else 0.0, provider)
        for (price, side), size in sorted(sizes.items())
    ]
    return _table(records, LEVELS_COLUMNS, texts=("side", "provider"))


def heatmap(provider: str, sizes: Mapping[tuple[int, float], float]) -> pd.DataFrame:
    """HEATMAP_COLUMNS of dollars by (at, price)."""
    records = [(at, price, size, provider) for (at, price), size in sorted(sizes.items())]
    return _table(records, HEATMAP_COLUMNS, whole=("at",), texts=("provider",))


def funding(query: Query, series: Series) -> pd.DataFrame:
    """FUNDING_COLUMNS of rates by moment, within the stretch."""
    records = [(at, rate) for at, rate in sorted(series.values.items()) if query.covers(at)]
    return _table(records, FUNDING_COLUMNS, whole=("at",))


def summed(sizes: Iterable[tuple[tuple[float, str], float]]) -> dict[tuple[float, str], float]:
    """Sizes that stand at one price and on one side, added up; what adds up to nothing is left out."""
    found: dict[tuple[float, str], float] = defaultdict(float)
    for key, size in sizes:
        found[key] += size
    return {key: size for key, size in found.items() if size > 0}


def _table(
    records: Sequence[tuple[object, ...]],
    columns: Sequence[str],
    *,
    whole: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> pd.DataFrame:
    kinds = {name: "int64" if name in whole else "object" if name in texts else "float64" for name in columns}
    return pd.DataFrame(list(records), columns=list(columns)).astype(kinds)
