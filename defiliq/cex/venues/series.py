"""A column of a venue: what its endpoint gives, how its pages are turned, and how they are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from defiliq.cex.venues.client import Client
from defiliq.cex.venues.config import Say, say_nothing
from defiliq.cex.venues.contracts import Contract
from defiliq.cex.venues.rows import Rows, joined
from defiliq.errors import BadVenueAnswer, VenueError

Kind: TypeAlias = Literal["candles", "open_interest", "taker", "ratio", "funding", "executed"]
Page: TypeAlias = Callable[[Client, Contract, str, int, int], Rows]
"""(client, contract, the venue's word for the period, since_ms, until_ms) to rows of [since, until)."""

TELL_EVERY: Final = 10
EMPTY_ENOUGH: Final = 3
"""So many empty pages in a row, going backward, are the beginning of what a venue keeps."""


@dataclass(frozen=True, slots=True)
class Series:
    """One column, or several of one endpoint."""

    kind: Kind
    periods: Mapping[int, str]
    """Seconds to the venue's word. Empty for what happens at irregular times."""
    page: Page
    page_rows: int
    """The most rows that the endpoint gives at once."""
    columns: int
    keeps_newest: bool
    """Which rows a page holds when more fit the question: the newest, or the oldest."""
    keeps_s: int | None = None
    """How far back it may be asked at all; beyond, the venue answers with an error. None: no such limit."""
    stamps_end: bool = False
    """Whether a row's time is the end of its period; else it is the start."""
    widest_s: int | None = None
    """The longest span of one question, where that is less than a page of rows."""
    coarser_s: tuple[int, ...] = ()
    """Longer periods that reach further back, the nearest first."""

    @property
    def is_regular(self) -> bool:
        """Whether rows come once a period."""
        return bool(self.periods)

    def period_for(self, step_s: int) -> int | None:
        """The longest period that divides a step, so that some of its ends are the step's; else the shortest.

        None where not even those meet: no row says what was at the end of a candle.
        """
        dividing = [period for period in self.periods if step_s % period == 0]
        if dividing:
            return max(dividing)
        shortest = min(self.periods, default=None)
        return shortest if shortest is not None and shortest % step_s == 0 else None


class CutShort(Exception):
    """A read that failed on its way back: rows from `since_ms` on are there, `error` says what failed."""

    def __init__(self, rows: Rows, since_ms: int, error: VenueError) -> None:
        self.rows, self.since_ms, self.error = rows, since_ms, error
        super().__init__()


@dataclass(frozen=True, slots=True)
class Question:
    """One column of one contract over a span, in one period."""

    client: Client
    contract: Contract
    series: Series
    period_s: int
    """0 for what is irregular."""

    @property
    def what(self) -> str:
        """For messages."""
        return f"{self.series.kind.replace('_', ' ')} of {self.contract.instrument.symbol}"

    def read(self, since_ms: int, until_ms: int, say: Say = say_nothing) -> Rows:
        """All rows of [since, until) that the venue has, in order of time; equal times keep their order.

        CutShort, with the newer rows, where a page fails.
        """
        parts: list[Rows] = []
        left, empty = self.client.config.max_pages, 0
        for first_ms, last_ms in self._windows(since_ms, until_ms):
            try:
                found = self._window(first_ms, last_ms, left)
            except VenueError as error:
                raise CutShort(joined(parts[::-1], self.series.columns), last_ms, error) from None
            parts += [rows for rows in found if len(rows)]
            left -= len(found)
            if (self.client.config.max_pages - left) % TELL_EVERY == 0:
                say(f"{self.client.venue}: {self.what}, {self.client.config.max_pages - left} pages")
            empty = 0 if any(len(rows) for rows in found) else empty + 1
            if empty >= EMPTY_ENOUGH:
                break
        return joined(parts[::-1], self.series.columns)

    def _windows(self, since_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """Spans of one page each, the newest first; the whole span for what is irregular."""
        if not self.series.is_regular:
            if since_ms < until_ms:
                yield since_ms, until_ms
            return
        width_s = self.series.page_rows * self.period_s
        widest_s = self.series.widest_s
        width_ms = 1000 * (width_s if widest_s is None else min(width_s, widest_s))
        last_ms = until_ms
        while last_ms > since_ms:
            first_ms = max(since_ms, last_ms - width_ms)
            yield first_ms, last_ms
            last_ms = first_ms

    def _window(self, since_ms: int, until_ms: int, most: int) -> list[Rows]:
        """The pages of one span: what a full page left out is asked for until nothing is left."""
        series, low, high = self.series, since_ms, until_ms
        word = series.periods.get(self.period_s, "")
        found: list[Rows] = []
        while low < high:
            if len(found) >= most:
                raise BadVenueAnswer(
                    self.client.venue, f"{self.what} in more than {self.client.config.max_pages} pages"
                )
            page = series.page(self.client, self.contract, word, low, high)
            # Some endpoints add the candle that the span begins in, or know no beginning.
            rows = page.within(low, high)
            is_past = bool(len(page)) and series.keeps_newest and int(page.at_ms.min()) < low
            if len(page) and not len(rows) and not is_past:
                raise BadVenueAnswer(self.client.venue, f"{self.what} of another time than was asked")
            found.append(rows)
            if is_past or not len(rows) or (series.is_regular and len(rows) >= self._slots(low, high)):
                break
            if series.keeps_newest:
                high = int(rows.at_ms.min())
            else:
                low = int(rows.at_ms.max()) + 1
        return found if series.keeps_newest else found[::-1]

    def _slots(self, since_ms: int, until_ms: int) -> int:
        """How many rows a span has room for."""
        period_ms = self.period_s * 1000
        return -(-until_ms // period_ms) - -(-since_ms // period_ms)
