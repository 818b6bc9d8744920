"""The columns of one contract: which rows to ask for, through the cache, and where they stand on the grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from defiliq.cex.history import EXECUTED_COLUMNS, Floats
from defiliq.cex.venues.cache import Cache, Key
from defiliq.cex.venues.client import Client
from defiliq.cex.venues.config import MS, Say
from defiliq.cex.venues.contracts import Contract
from defiliq.cex.venues.grid import (
    Candles,
    at_ends,
    candles_of,
    funding_of,
    interest_faults,
    judge_candles,
    summed,
)
from defiliq.cex.venues.rows import Rows, joined, no_rows
from defiliq.cex.venues.series import CutShort, Kind, Question, Series
from defiliq.errors import BadVenueAnswer, VenueError

LATE_S: Final = 3_600
"""What a venue publishes beside candles may come late: what is younger is asked for again."""
LATE_CANDLE_S: Final = 60
OPTIONAL: Final[frozenset[Kind]] = frozenset({"ratio"})
"""What a result is complete without: some contracts have none, and the venue says so by an error."""
POSSIBLE: Final = {
    "ratio": (0.0, 1e6),
    "funding": (-1.0, 1.0),
    "taker": (0.0, 1e18),
    "open_interest": (0.0, 1e18),
}
"""What the numbers of a column lie between."""


@dataclass(frozen=True, slots=True)
class Source:
    """A venue and what is kept of it."""

    client: Client
    cache: Cache | None
    origin: str
    """The venue's name in the cache."""
    say: Say

    @property
    def now_ms(self) -> int:
        """The present."""
        return self.client.config.now_ms()


@dataclass(frozen=True, slots=True)
class Reading:
    """One contract over one span, with what turned out to be missing."""

    source: Source
    series: Mapping[Kind, Series]
    contract: Contract
    step_s: int
    since_at: int
    until_at: int
    faults: list[str] = field(default_factory=list)

    def candles(self) -> Candles:
        """Prices and volumes on the grid; a VenueError where there are none."""
        listed = self.contract.listed_ms
        try:
            rows = self._rows(self.series["candles"], self.step_s, self.since_at * MS, self.until_at * MS)
        except CutShort as cut:
            raise cut.error from None
        candles = candles_of(
            self.source.client.venue,
            rows,
            self.step_s,
            self.since_at,
            self.until_at,
            None if listed is None else listed // MS,
        )
        self.faults.extend(candles.faults)
        return candles

    def open_interest(self, candles: Candles) -> Floats:
        """(t,) at the end of each candle at which it is published; NaN at others."""
        series = self.series["open_interest"]
        period_s = series.period_for(self.step_s)
        unknown = np.full(len(candles.at), np.nan)
        if period_s is None:
            self.faults.append(f"no open interest is published at the ends of candles of {self.step_s} s.")
            return unknown
        interest, spans = unknown, []
        until_at = candles.until_at
        for each_s in (period_s, *(s for s in series.coarser_s if s > period_s and s % self.step_s == 0)):
            column = self._at_ends(candles, series, each_s, until_at)
            if column is None:
                break
            interest = np.where(np.isfinite(interest), interest, column)
            known = np.flatnonzero(np.isfinite(interest))
            first_at = int(candles.at[known[0]]) + self.step_s if len(known) else until_at
            spans.append((each_s, min(first_at, until_at), until_at))
            until_at = min(first_at, until_at)
            if until_at <= candles.at[0] + max(self.step_s, each_s):
                break
        if spans:
            interest, found = interest_faults(candles, interest, spans)
            self.faults.extend(found)
        return interest

    def taker_buy_share(self, candles: Candles) -> Floats:
        """(t,) of the volume, what takers bought; NaN where it is not published, or nothing was traded."""
        bought, traded = candles.values[:, 5], candles.values[:, 6]
        series = self.series.get("taker")
        if series is not None:
            dividing = [period for period in series.periods if self.step_s % period == 0]
            rows = None
            if dividing:
                rows = self._tried(series, max(dividing), candles.at[0] * MS, candles.until_at * MS)
            if rows is None:
                return np.full(len(candles.at), np.nan)
            bought, traded = summed(candles, rows).T
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(traded > 0, bought / traded, np.nan)

    def long_short_ratio(self, candles: Candles) -> Floats:
        """(t,) at the end of each candle at which it is published."""
        series = self.series["ratio"]
        period_s = series.period_for(self.step_s)
        column = None if period_s is None else self._at_ends(candles, series, period_s, candles.until_at)
        return np.full(len(candles.at), np.nan) if column is None else column

    def funding(self, candles: Candles) -> Floats:
        """(t,) what was settled within each candle. Dated contracts have no funding: 0."""
        if self.contract.instrument.expires_at is not None:
            return np.zeros(len(candles.at))
        rows = self._tried(self.series["funding"], 0, candles.at[0] * MS, candles.until_at * MS)
        return funding_of(candles, no_rows(1) if rows is None else rows)

    def executed(self, candles: Candles) -> pd.DataFrame | None:
        """EXECUTED_COLUMNS, by time; None where the venue publishes none."""
        series = self.series.get("executed")
        if series is None:
            return None
        rows = self._tried(series, 0, candles.at[0] * MS, candles.until_at * MS)
        if rows is None:
            return None
        price, side, size = rows.values.T
        columns = (rows.at_ms // MS, price, np.where(side > 0, "long", "short"), size)
        return pd.DataFrame(dict(zip(EXECUTED_COLUMNS, columns, strict=True)))

    def _at_ends(self, candles: Candles, series: Series, period_s: int, until_at: int) -> Floats | None:
        """A column at the ends of candles up to a moment; None where it could not be read."""
        # What stands at an end is stamped later than the first candle opens, and maybe milliseconds late.
        ahead_s = period_s if series.stamps_end else 0
        first_ms = (int(candles.at[0]) // period_s * period_s + ahead_s) * MS
        last_ms = until_at * MS + (MS if series.stamps_end else 0)
        rows = self._tried(series, period_s, first_ms, last_ms)
        return None if rows is None else at_ends(candles, rows, period_s, stamps_end=series.stamps_end)

    def _tried(self, series: Series, period_s: int, since_ms: int, until_ms: int) -> Rows | None:
        """Rows of a column that candles can do without: what fails is a fault. None where nothing came."""
        what = series.kind.replace("_", " ")
        try:
            return self._rows(series, period_s, int(since_ms), int(until_ms))
        except CutShort as cut:
            told = f"{what} is incomplete" if len(cut.rows) else f"no {what}"
            if series.kind in OPTIONAL and isinstance(cut.error, BadVenueAnswer):
                self.source.say(f"{self.source.client.venue}: {told}: {cut.error}")
            else:
                self.faults.append(f"{told}: {cut.error}")
            return cut.rows if len(cut.rows) else None
        except VenueError as error:
            self.faults.append(f"no {what}: {error}")
            return None

    def _rows(self, series: Series, period_s: int, since_ms: int, until_ms: int) -> Rows:
        """What is kept of a span, and what the venue says of the rest; CutShort where it fails on the way."""
        source, contract = self.source, self.contract
        source.say(f"{source.client.venue}: {series.kind.replace('_', ' ')} of {contract.instrument.symbol}")
        if source.cache is None:
            return self._asked(series, period_s, since_ms, until_ms)
        key = Key(source.origin, contract.market_id, series.kind, period_s, series.columns)
        kept, missing = source.cache.read(key, since_ms, until_ms)
        late_s = self.step_s + LATE_CANDLE_S if series.kind == "candles" else period_s + LATE_S
        settled_ms = source.now_ms - late_s * MS
        parts = [kept]
        for first_ms, last_ms in missing[::-1]:
            try:
                got = self._asked(series, period_s, first_ms, last_ms)
            except CutShort as cut:
                self._keep(key, cut.rows, cut.since_ms, min(last_ms, settled_ms))
                parts.append(cut.rows)
                raise CutShort(joined(parts, series.columns), cut.since_ms, cut.error) from None
            parts.append(got)
            self._keep(key, got, first_ms, min(last_ms, settled_ms))
        return joined(parts, series.columns)

    def _keep(self, key: Key, rows: Rows, since_ms: int, until_ms: int) -> None:
        """Put a span into the cache.

        One of which nothing came is not known to be empty: the venue may have failed politely. Nor is what
        follows the latest regular row known, nor that row to be final: the clock here may be ahead.
        """
        if self.source.cache is None or not len(rows):
            return
        latest_ms = int(rows.at_ms.max())
        if key.period_s and latest_ms + key.period_s * MS < until_ms:
            until_ms = latest_ms
        if since_ms < until_ms:
            span = (since_ms, until_ms)
            self.source.cache.write(key, span, rows.within(*span), self.source.now_ms // MS)

    def _asked(self, series: Series, period_s: int, since_ms: int, until_ms: int) -> Rows:
        """What the venue says of a span, as far as it goes back; CutShort where it fails on the way."""
        question = Question(self.source.client, self.contract, series, period_s)
        oldest_ms = self.contract.listed_ms or 0
        if series.keeps_s is not None:
            oldest_ms = max(oldest_ms, self.source.now_ms - series.keeps_s * MS)
        try:
            rows = question.read(max(since_ms, oldest_ms), until_ms, self.source.say)
        except CutShort as cut:
            _judged(self, series, cut.rows)
            raise
        return _judged(self, series, rows)


def _judged(reading: Reading, series: Series, rows: Rows) -> Rows:
    """Rows whose numbers can be: what is kept has passed here, so that nothing absurd stays."""
    venue = reading.source.client.venue
    if series.kind == "candles":
        judge_candles(venue, rows, reading.step_s)
        return rows
    low, high = POSSIBLE.get(series.kind, (-np.inf, np.inf))
    with np.errstate(invalid="ignore"):
        is_absurd = (rows.values < low) | (rows.values > high)
    if is_absurd.any():
        what = series.kind.replace("_", " ")
        raise BadVenueAnswer(venue, f"{what} of {rows.values[is_absurd].flat[0]:g}")
    return rows
