"""A world in a venue's words: names, contract sizes, periods and numbers as texts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from defiliq.cex.history import Floats, History, VenueData

MS = 1_000
SIZES = {
    ("binance", True): {"BTC": "100", "": "10"},
    ("okx", True): {"BTC": "100", "": "10"},
    ("okx", False): {"BTC": "0.01", "": "0.1"},
}
"""(venue, inverse): what a contract is of, by asset; else one coin, or one dollar. As of 2026."""


class Refusal(Exception):
    """The venue's own error: a status and a body."""

    def __init__(self, status: int, body: object) -> None:
        self.status, self.body = status, body
        super().__init__()


def text(number: float) -> str:
    """A float as the shortest decimal that is read back as the same float."""
    return f"{Decimal(repr(float(number))):f}"


def over(number: float, size: Decimal) -> str:
    """So many contracts of a size."""
    return f"{Decimal(repr(float(number))) / size:f}"


@dataclass(frozen=True)
class Bar:
    """One candle of some period, and what is known at its end."""

    at: int
    until_at: int
    open_usd: float
    high_usd: float
    low_usd: float
    close_usd: float
    volume_usd: float
    bought_usd: float
    open_interest: float
    long_short_ratio: float


class World:
    """One contract."""

    def __init__(self, data: VenueData) -> None:
        self.data, self.history = data, data.history
        self.instrument = data.history.instrument
        self.is_inverse = self.instrument.is_inverse
        sizes = SIZES.get((self.instrument.venue, self.is_inverse), {"": "1"})
        self.size = Decimal(sizes.get(self.instrument.asset, sizes[""]))
        self._bars: dict[int, list[Bar]] = {}
        self.quote = self.instrument.symbol.split("/")[1].split(":")[0]

    @property
    def day(self) -> str:
        """YYMMDD of the expiry; empty of a perpetual."""
        expires_at = self.instrument.expires_at
        return "" if expires_at is None else datetime.fromtimestamp(expires_at, UTC).strftime("%y%m%d")

    def bars(self, period_s: int, now_s: int, since_s: float = 0, until_s: float = 1e12) -> list[Bar]:
        """Candles of a period that open in [since, until); the one that runs now is there, and not done."""
        known = self._all(period_s)
        first = bisect_left(known, since_s, key=lambda bar: bar.at)
        last = bisect_left(known, min(until_s, now_s), key=lambda bar: bar.at)
        found = known[first:last]
        end = known[-1].until_at
        if since_s <= end < until_s and end <= now_s < end + period_s:
            last_bar = known[-1]
            price = last_bar.close_usd
            running = (end, end + period_s, price, price * 2, price / 2, price)
            found.append(Bar(*running, 1.0, 0.5, last_bar.open_interest * 3, 1.0))
        return found

    def _all(self, period_s: int) -> list[Bar]:
        """Every candle of a period, made once."""
        history = self.history
        if period_s % history.step_s:
            raise ValueError(f"a world of {history.step_s} s has no candles of {period_s} s")
        if period_s not in self._bars:
            self._bars[period_s] = [
                self._bar(history, where, period_s) for where in _groups(history, period_s)
            ]
        return self._bars[period_s]

    def _bar(self, history: History, where: np.ndarray, period_s: int) -> Bar:
        first, last = where[0], where[-1]
        at = int(history.at[first]) // period_s * period_s
        volume = history.volume_usd[where]
        share = history.taker_buy_share[where]
        return Bar(
            at=at,
            until_at=at + period_s,
            open_usd=float(history.open_usd[first]),
            high_usd=float(history.high_usd[where].max()),
            low_usd=float(history.low_usd[where].min()),
            close_usd=float(history.close_usd[last]),
            volume_usd=float(volume.sum()),
            bought_usd=float((volume * np.where(np.isfinite(share), share, 0.5)).sum()),
            open_interest=float(history.open_interest[last]),
            long_short_ratio=float(history.long_short_ratio[last]),
        )

    def orders(self, price_usd: Floats, size_usd: Floats) -> list[list[str]]:
        """[price, amount] in coins or in contracts, as the venue counts them."""
        if self.is_inverse:
            amounts = [over(size, self.size) for size in size_usd]
        else:
            coins = size_usd / price_usd
            amounts = [over(round(float(coin), 9), self.size) for coin in coins]
        return [[text(price), amount] for price, amount in zip(price_usd, amounts, strict=True)]

    def fundings(self, now_s: int) -> Iterator[tuple[int, float]]:
        """(at, rate) of every settlement."""
        for at, rate in zip(self.history.at, self.history.funding_rate, strict=True):
            if rate != 0 and np.isfinite(rate) and at <= now_s:
                yield int(at), float(rate)


def _groups(history: History, period_s: int) -> list[np.ndarray]:
    """Rows of each period, those of gaps left out."""
    known = np.flatnonzero(np.isfinite(history.close_usd))
    place = history.at[known] // period_s
    edges = np.flatnonzero(np.diff(place)) + 1
    return [group for group in np.split(known, edges) if len(group)]
