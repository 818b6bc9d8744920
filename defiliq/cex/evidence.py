"""What venues publish beside prices that speaks for a signal or against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from defiliq.cex.history import Floats, History, OrderBook, VenueData
from defiliq.cex.tracks import DECIMALS, Track, name_of, settled, track
from defiliq.model.axis import MOST_APART_S
from defiliq.model.metrics import DAY_S
from defiliq.types import Side

WEEK_S = 7 * DAY_S
DEPTHS_PCT = (0.5, 1.0, 2.0)
FEWEST_DAYS = 7
"""A percentile among fewer days says nothing."""

Sign: TypeAlias = Literal["longs_pay", "shorts_pay", "nobody_pays"]


@dataclass(frozen=True, slots=True)
class OpenInterestTrend:
    """How open interest has changed up to the last candle, at one price all along."""

    name: str
    now_usd: float
    day_pct: float
    """Over 24 hours; NaN where an end of it is not known."""
    week_pct: float


@dataclass(frozen=True, slots=True)
class FundingSkew:
    """Which side pays to stay in, and how unusual that is."""

    name: str
    mean_day_rate: float
    """What settled per day, over the days of the last week that are known; NaN without one."""
    last_day_rate: float
    """What settled in the last 24 hours."""
    percentile: float
    """Where the last day stands among the days before it, 0 to 100, ties in the middle; NaN where fewer than
    seven of them are known.
    """

    @property
    def sign(self) -> Sign | None:
        """Who paid in the last day; None where that is not known."""
        if math.isnan(self.last_day_rate):
            return None
        if self.last_day_rate == 0:
            return "nobody_pays"
        return "longs_pay" if self.last_day_rate > 0 else "shorts_pay"


@dataclass(frozen=True, slots=True)
class BookDepth:
    """What rests against a forced trade, of several order books by their distance from their own middles."""

    names: tuple[str, ...]
    """Whose books were merged; none where none could be used."""
    side: Side
    """long: forced sales meet bids. short: forced purchases meet asks."""
    within_usd: tuple[float, float, float]
    """Resting within 0.5, 1 and 2% of the middle, as far as it is published; NaN without a book."""
    published_pct: float
    """So far out all of the books are published. What lies beyond is not whole."""
    traded_usd: float
    """What was traded against them."""
    least_moved_pct: float
    """How far the price goes through the books, were everything beyond what is published there at once."""
    most_moved_pct: float
    """How far, were nothing there but what is published; infinite where that runs dry."""

    @property
    def runs_dry(self) -> bool:
        """Whether less rests in the published books than is traded."""
        return math.isinf(self.most_moved_pct)


def open_interest_trend(one: Track) -> OpenInterestTrend:
    """A contract's."""
    held = one.open_interest
    return OpenInterestTrend(
        one.name,
        one.last_known(held, one.until_at) * one.unit_usd,
        one.change_pct(held, DAY_S),
        one.change_pct(held, WEEK_S),
    )


def trend_together(tracks: Sequence[Track]) -> OpenInterestTrend:
    """That of several contracts: each number is of those of which it is known."""
    now = [held for held in _held(tracks, 0) if not math.isnan(held)]
    return OpenInterestTrend(
        "together",
        math.fsum(now) if now else math.nan,
        _change_together(tracks, DAY_S),
        _change_together(tracks, WEEK_S),
    )


def funding_skew(history: History) -> FundingSkew:
    """A contract's. A day of which a candle is not known is not known."""
    days = _daily(track(history))
    earlier = days[1:][~np.isnan(days[1:])]
    last = float(days[0]) if len(days) else math.nan
    percentile = math.nan
    if len(earlier) >= FEWEST_DAYS and not math.isnan(last):
        below, equal = int((earlier < last).sum()), int((earlier == last).sum())
        percentile = 100 * (below + equal / 2) / len(earlier)
    week = days[:7][~np.isnan(days[:7])]
    mean = math.fsum(week) / len(week) if len(week) else math.nan
    return FundingSkew(name_of(history), mean, last, percentile)


def skew_together(histories: Sequence[History]) -> FundingSkew:
    """The mean of several contracts' numbers by their open interest; what is not known of one is left out."""
    weights = _held([track(one) for one in histories], 0)
    skews = [funding_skew(one) for one in histories]
    return FundingSkew(
        "together",
        _weighted([one.mean_day_rate for one in skews], weights),
        _weighted([one.last_day_rate for one in skews], weights),
        _weighted([one.percentile for one in skews], weights),
    )


def book_depth(venues: Sequence[VenueData], side: Side, traded_usd: float) -> BookDepth:
    """What trading so many dollars at once does to the venues' books of now, each first come to its middle.

    Books without bids or asks, and those of another time than their candles, are left out.
    """
    usable = [(name_of(one.history), one.order_book) for one in venues if _is_usable(one)]
    sides = [_by_distance(book, side) for _, book in usable if book is not None]
    if not sides:
        nothing = (math.nan,) * 3
        return BookDepth((), side, nothing, math.nan, traded_usd, math.nan, math.nan)
    far = np.concatenate([distance for distance, _ in sides])
    sizes = np.concatenate([size for _, size in sides])
    order = np.argsort(far, kind="stable")
    far, piled = far[order], np.cumsum(sizes[order])
    published = min(float(distance.max()) for distance, _ in sides)
    place = int(np.searchsorted(piled, traded_usd))
    most = 0.0 if traded_usd == 0 else math.inf if place == len(piled) else float(far[place])
    half, one, two = (math.fsum(sizes[order][far <= depth]) for depth in DEPTHS_PCT)
    return BookDepth(
        names=tuple(name for name, _ in usable),
        side=side,
        within_usd=(half, one, two),
        published_pct=published,
        traded_usd=traded_usd,
        least_moved_pct=min(most, published),
        most_moved_pct=most,
    )


def _is_usable(one: VenueData) -> bool:
    book, history = one.order_book, one.history
    if book is None or not len(book.bid_usd) or not len(book.ask_usd):
        return False
    return abs(book.at - history.until_at) <= max(MOST_APART_S, history.step_s)


def _by_distance(book: OrderBook, side: Side) -> tuple[Floats, Floats]:
    """(distances from the middle in percent, dollars) of the side that a forced trade meets."""
    middle = float(book.bid_usd[0] + book.ask_usd[0]) / 2
    away = middle - book.bid_usd if side == "long" else book.ask_usd - middle
    # Decimal prices are no floats: what rests at 0.1% is to count there, and not a hair beside it.
    distance_pct: Floats = np.round(100 * away / middle, 9)
    return distance_pct, book.bid_size_usd if side == "long" else book.ask_size_usd


def _daily(one: Track) -> Floats:
    """What settled in each 24 hours before the end, the last ones first; NaN where a candle is not known."""
    days = (one.until_at - int(one.at[0]) + one.step_s) // DAY_S
    return settled(one, one.until_at - DAY_S * np.arange(days, dtype=np.int64), DAY_S)


def _held(tracks: Sequence[Track], before_s: int) -> list[float]:
    """Each one's open interest so many seconds before its end, in dollars of now; NaN where unknown."""
    return [one.last_known(one.open_interest, one.until_at - before_s) * one.unit_usd for one in tracks]


def _change_together(tracks: Sequence[Track], since_s: int) -> float:
    """By how many percent the sum has changed, of those of which both ends are known."""
    ends = zip(_held(tracks, since_s), _held(tracks, 0), strict=True)
    known = [(before, now) for before, now in ends if not (math.isnan(before) or math.isnan(now))]
    whole = math.fsum(before for before, _ in known)
    return 100 * (math.fsum(now for _, now in known) - whole) / whole if whole > 0 else math.nan


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    known = [
        (value, weight)
        for value, weight in zip(values, weights, strict=True)
        if not math.isnan(value) and weight > 0
    ]
    total = math.fsum(weight for _, weight in known)
    mean = math.fsum(value * weight for value, weight in known) / total if total > 0 else math.nan
    return round(mean, DECIMALS)
