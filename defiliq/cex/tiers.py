"""Margin tiers of a venue: what a position of some size must keep, as data with date and source.

Binance calls them leverage brackets, Bybit risk limits, OKX position tiers, Hyperliquid margin tiers.
They are bundled by venue in tables/*.json; a user's own file has the same form.

The format, one JSON object per venue (numbers are strings like 0.004 or 1/30, so that they are exact):

    {"venue": "okx", "as_of": "2023-05-19", "source": "where they are from", "deducts": false,
     "columns": ["floor", "cap", "maintenance_rate", "max_leverage"],
     "tables": {"BTC/USDT:USDT": {"unit": "contracts", "contract_size": "0.01", "is_inverse": false,
                                  "tiers": [["0", "1000", "0.004", "100"], ["1000", null, "0.005", "50"]]}}}

`deducts` says whether the venue lowers the maintenance margin of upper tiers by a maintenance amount, so that
it has no step; a fifth column, `cum`, is held against what floors and rates make. A table may have its own
`as_of`, `source` and `deducts`. `contract_size` is needed where the unit is contracts; `is_inverse` is false
where absent. A null cap, in the last row, is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from defiliq.errors import BadFile, InputError, UnknownTiers

CONTRACTS = "contracts"
"""The unit of tables that count contracts."""

MAX_BYTES = 8 << 20
MAX_DIGITS = 40
NUMBER = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DIGITS}}}|/[0-9]{{1,{MAX_DIGITS}}})?")
COLUMNS = ("floor", "cap", "maintenance_rate", "max_leverage", "cum")
DOLLARS = ("USDT", "USDC", "USD")
"""What counts as dollars; and which contract of an asset comes first where no symbol is named."""

TierRow: TypeAlias = tuple[Fraction, Fraction | None, Fraction, Fraction, Fraction | None]
"""(floor, cap, maintenance rate, highest leverage, cum), as `build_table` takes them."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One row of a venue's table, exact."""

    floor: Fraction
    """Above this notional (exclusive; 0 for the first), in the table's unit."""
    cap: Fraction | None
    """Up to it, inclusive. None in a last row that the venue leaves open."""
    maintenance_rate: Fraction
    max_leverage: Fraction
    cum: Fraction
    """What is deducted so that margin has no step between tiers: floor * (mmr - mmr before) + cum before.
    0 throughout where a venue deducts nothing and its margin does step."""


@dataclass(frozen=True, slots=True)
class TierTable:
    """The tiers of one contract at one venue."""

    venue: str
    symbol: str
    """ccxt's unified symbol."""
    unit: str
    """What floors and caps count: USDT, USDC, USD, contracts, or the asset's coins."""
    as_of: str
    """ISO date on which they were so; only the year where their source has no date."""
    source: str
    tiers: tuple[Tier, ...]
    contract_size: Fraction | None = None
    """What one contract is worth: coins of the asset for linear contracts, dollars for inverse ones. None
    where nothing is counted in contracts."""
    is_inverse: bool = False
    """Settled in the asset itself: its values are counted in coins."""

    def tier_at(self, notional: Fraction) -> Tier:
        """The row that a position of this notional, in the table's unit, falls into.

        A notional at a cap belongs to the row that the cap closes. Beyond the last cap the venue lets nobody
        open: InputError.
        """
        if notional < 0:
            raise InputError(
                f"a notional of {float(notional):g} {self.unit} is below nothing. Give its size."
            )
        for tier in self.tiers:
            if tier.cap is None or notional <= tier.cap:
                return tier
        most = self.tiers[-1].cap
        raise InputError(
            f"no tier of {self.symbol} on {self.venue} reaches {float(notional):,.0f} {self.unit}: "
            f"the last one known ends at {float(most or 0):,.0f} (as of {self.as_of}). Give a smaller size."
        )


def build_table(
    head: TierTable, rows: Sequence[TierRow], *, deducts: bool, where: str = "the tier table"
) -> TierTable:
    """`head` with tiers from `rows`, checked: a row that contradicts its neighbours is named in a BadFile.

    With `deducts` each row's cum is computed from floors and rates, and held against the row's own one where
    it has one. Without, all are 0. Tables that count whole contracts write 1001 after 1000: such a floor is
    moved down to the cap before it. What `head` holds as tiers is replaced.
    """
    if not rows:
        raise BadFile(where, f"{head.symbol} has no tiers")
    if head.unit not in (*DOLLARS, CONTRACTS, head.symbol.partition("/")[0]):
        raise BadFile(
            where, f"{head.symbol} counts {head.unit}: neither dollars, contracts nor its own coins"
        )
    if head.unit == CONTRACTS and (head.contract_size is None or head.contract_size <= 0):
        raise BadFile(where, f"{head.symbol} counts contracts and does not say what one is worth")
    tiers: list[Tier] = []
    for number, row in enumerate(rows, start=1):
        before = tiers[-1] if tiers else None
        try:
            tiers.append(_tier(row, before, is_whole=head.unit == CONTRACTS, deducts=deducts))
        except ValueError as error:
            raise BadFile(where, f"row {number} of {head.symbol}: {error}") from None
    return TierTable(
        head.venue,
        head.symbol,
        head.unit,
        head.as_of,
        head.source,
        tuple(tiers),
        head.contract_size,
        head.is_inverse,
    )


def _tier(row: TierRow, before: Tier | None, *, is_whole: bool, deducts: bool) -> Tier:
    """One row after another; ValueError says what is wrong with it."""
    floor, cap, rate, leverage, own_cum = row
    ended = Fraction(0) if before is None else before.cap
    if ended is None:
        raise ValueError("it follows a row without a cap")
    if is_whole and before is not None and ended < floor <= ended + 1:
        floor = ended
    if floor != ended:
        raise ValueError(f"it begins at {_said(floor)}, the one before ends at {_said(ended)}")
    if cap is not None and cap <= floor:
        raise ValueError(f"its cap {_said(cap)} is not above its floor {_said(floor)}")
    if not 0 <= rate < 1:
        raise ValueError(f"a maintenance rate of {_said(rate)} is not within 0 and 1")
    if before is not None and rate < before.maintenance_rate:
        raise ValueError(f"its maintenance rate {_said(rate)} is below that of the row before")
    if leverage < 1:
        raise ValueError(f"a highest leverage of {_said(leverage)} is below 1")
    cum = Fraction(0)
    if deducts and before is not None:
        cum = before.cum + floor * (rate - before.maintenance_rate)
    if own_cum is not None and own_cum != cum:
        raise ValueError(f"it deducts {_said(own_cum)}, floors and rates make {_said(cum)}")
    return Tier(floor, cap, rate, leverage, cum)


def _said(number: Fraction) -> str:
    """As a person would write it."""
    return str(number.numerator if number.denominator == 1 else float(number))


def load_tiers(venue: str, asset: str, symbol: str | None = None) -> TierTable:
    """The bundled tiers of `venue` for one contract of `asset`.

    Without `symbol`, those of the perpetual in USDT, else in USDC, else the inverse one. An expiring contract
    that has no table of its own is UnknownTiers too: venues do give them other tiers.
    """
    tables = bundled_tiers(venue)
    wanted = symbol or next(iter(symbols_of(asset, tables)), None)
    if wanted is None or wanted not in tables or wanted.partition("/")[0] != asset:
        raise UnknownTiers(venue, symbol or asset, tuple(tables))
    return tables[wanted]


def symbols_of(asset: str, tables: Mapping[str, TierTable]) -> list[str]:
    """The perpetuals of an asset among `tables`, the one that is asked for most first."""
    found = [s for s in tables if s.partition("/")[0] == asset and "-" not in s]
    return sorted(found, key=lambda s: (_settled_rank(s), s))


@lru_cache(maxsize=8)
def bundled_tiers(venue: str) -> Mapping[str, TierTable]:
    """All tables that are bundled of `venue`, by symbol."""
    folder = files("defiliq.cex").joinpath("tables")
    known = {entry.name.removesuffix(".json"): entry for entry in folder.iterdir() if entry.is_file()}
    if venue not in known:
        raise UnknownTiers(venue, "anything", ())
    return decode_tables(known[venue].read_bytes(), f"the bundled tiers of {venue}")


def load_tiers_file(path: str | Path) -> Mapping[str, TierTable]:
    """The tables of a user's own file, by symbol. BadFile names the row that is wrong."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadFile(str(path), error.strerror or "it cannot be read") from None
    if len(raw) > MAX_BYTES:
        raise BadFile(str(path), f"it is larger than {MAX_BYTES >> 20} MB")
    return decode_tables(raw, str(path))


def decode_tables(raw: bytes, where: str) -> Mapping[str, TierTable]:
    """The tables of such JSON, by symbol, checked; `where` is how a BadFile names it."""
    try:
        held = orjson.loads(raw)  # it bounds the depth, where json overflows the stack on 100,000 brackets
    except orjson.JSONDecodeError:
        raise BadFile(where, "it is not JSON") from None
    if not isinstance(held, dict) or not isinstance(held.get("tables"), dict):
        raise BadFile(where, "it is no object with `tables`")
    columns = held.get("columns")
    if not isinstance(columns, list) or tuple(columns) not in (COLUMNS, COLUMNS[:-1]):
        raise BadFile(where, f"its columns are not {', '.join(COLUMNS[:-1])}, and cum or not")
    return {symbol: _table(symbol, own, held, where) for symbol, own in held["tables"].items()}


def _table(symbol: str, own: Any, held: Mapping[str, Any], where: str) -> TierTable:
    if not isinstance(own, dict):
        raise BadFile(where, f"{symbol} is no object")

    def said(key: str, kind: type, default: Any = None) -> Any:
        value = own.get(key, held.get(key, default))
        if not isinstance(value, kind):
            raise BadFile(where, f"{symbol} does not say its {key}")
        return value

    size = own.get("contract_size")
    head = TierTable(
        said("venue", str),
        symbol,
        said("unit", str),
        said("as_of", str),
        said("source", str),
        (),
        None if size is None else _number(size, f"{symbol}, contract_size", where),
        said("is_inverse", bool, default=False),
    )
    rows = [
        _row(row, len(held["columns"]), f"row {number} of {symbol}", where)
        for number, row in enumerate(said("tiers", list), start=1)
    ]
    return build_table(head, rows, deducts=said("deducts", bool), where=where)


def _row(row: Any, width: int, what: str, where: str) -> TierRow:
    if not isinstance(row, list) or len(row) != width:
        raise BadFile(where, f"{what} has not {width} values")
    floor, cap, rate, leverage, *cum = row
    return (
        _number(floor, what, where),
        None if cap is None else _number(cap, what, where),
        _number(rate, what, where),
        _number(leverage, what, where),
        _number(cum[0], what, where) if cum else None,
    )


def _number(value: Any, what: str, where: str) -> Fraction:
    """A decimal or fraction string, or a whole number; JSON's other numbers have been rounded already."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        try:
            return Fraction(value)
        except ZeroDivisionError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**MAX_DIGITS:
        return Fraction(value)
    raise BadFile(where, f"{what} holds {str(value)[:40]!r}, which is no decimal string")


def _settled_rank(symbol: str) -> float:
    settle = symbol.partition(":")[2]
    return DOLLARS.index(settle) if settle in DOLLARS else math.inf
