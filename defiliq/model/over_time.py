"""Heat over time: what breaks at which price of one driver, block after block, on one grid of prices.

Unlike the buckets of one `Heat`, which start at its own spot, these lie where price alone puts them: bucket k
holds the prices from ratio**k up to ratio**(k + 1), so that times can be laid side by side. Only sums are
kept, so any number of snapshots can be looked at one by one. Sums do not hang on the order of accounts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.engine.float_levels import FloatLevels
from defiliq.engine.sums import steady_sums
from defiliq.errors import InputError
from defiliq.pricing.driver import Driver
from defiliq.types import Market

Floats = NDArray[np.float64]

TIME_COLUMNS = (
    "source",
    "block_number",
    "block_hash",
    "block_timestamp",
    "version",
    "spot_usd",
    "long_usd",
    "short_usd",
    "already_long_usd",
    "already_short_usd",
    "rungs",
    "already",
    "untold",
    "outstanding_usd",
)
CELL_COLUMNS = (
    "block_timestamp",
    "bucket",
    "price_low_usd",
    "price_high_usd",
    "long_usd",
    "short_usd",
    "accounts",
)
Key = tuple[str, str, str, str]
"""(chain id, protocol, market, money): what frames of one picture share."""


class Moment(NamedTuple):
    """Which block a frame shows; of several markets' blocks the newest."""

    block_number: int
    block_hash: str
    block_timestamp: int
    version: str
    """Of the protocol; of several markets joined by '+'."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment: the levels of one driver summed in buckets of price."""

    source: str
    """The file it is from."""
    markets: tuple[Key, ...]
    driver: str
    moment: Moment
    spot_usd: float
    step_pct: float
    bucket: NDArray[np.int64]
    """(b,) rising."""
    long_usd: Floats
    """(b,) what breaks there as the driver falls."""
    short_usd: Floats
    """(b,) what breaks there as it rises."""
    accounts: NDArray[np.int64]
    """(b,) of both sides."""
    already_long_usd: float
    """What is liquidatable at spot, which is in no bucket."""
    already_short_usd: float
    already: int
    untold: int
    """Levels whose size nobody knows, in buckets or at spot."""
    outstanding_usd: float = math.nan
    """All that is owed, or held open along the driver; NaN where the file does not tell."""
    holds_open: bool = False
    """Whether that is open interest of perpetuals; else it is debt."""


@dataclass(frozen=True, slots=True)
class HeatOverTime:
    """Time by price, of one driver on one set of markets."""

    driver: str
    base_symbol: str
    markets: tuple[Key, ...]
    step_pct: float
    times: pd.DataFrame
    """TIME_COLUMNS, from the earliest to the latest."""
    cells: pd.DataFrame
    """CELL_COLUMNS: by time, then price; only cells that hold something."""
    holds_open: bool = False
    """Whether what is outstanding is open interest of perpetuals; else it is debt."""

    def edges(self, low_usd: float = 0.0, high_usd: float = math.inf) -> Floats:
        """The prices between buckets, from the lowest that holds something to the highest, within bounds."""
        buckets = self._within(low_usd, high_usd)["bucket"]
        if not len(buckets):
            return np.zeros(0)
        return price_at(np.arange(buckets.min(), buckets.max() + 2), self.step_pct)

    def grid(self, side: str, low_usd: float = 0.0, high_usd: float = math.inf) -> Floats:
        """(times, prices) dollars of 'long' or 'short' between each two of `edges`; 0 where none are."""
        cells = self._within(low_usd, high_usd)
        if not len(cells):
            return np.zeros((len(self.times), 0))
        first, last = int(cells["bucket"].min()), int(cells["bucket"].max())
        filled = np.zeros((len(self.times), last - first + 1))
        row = np.searchsorted(self.times["block_timestamp"], cells["block_timestamp"])
        filled[row, cells["bucket"] - first] = cells[f"{side}_usd"]
        return filled

    def _within(self, low_usd: float, high_usd: float) -> pd.DataFrame:
        inside = (self.cells["price_high_usd"] > low_usd) & (self.cells["price_low_usd"] < high_usd)
        return self.cells[inside]


def buckets_of(prices: Floats, step_pct: float) -> NDArray[np.int64]:
    """Which bucket each price lies in: floor(log(price) / log(1 + step))."""
    return np.floor(np.log(prices) / math.log1p(step_pct / 100.0)).astype(np.int64)


def price_at(bucket: NDArray[np.int64], step_pct: float) -> Floats:
    """The lower edges of some buckets."""
    edges: Floats = np.exp(bucket * math.log1p(step_pct / 100.0))
    return edges


def frame(
    source: str,
    markets: Sequence[Key],
    driver: str,
    moment: Moment,
    spot_usd: float,
    levels: tuple[Floats, Floats, NDArray[np.bool_], NDArray[np.bool_]],
    step_pct: float,
) -> Frame:
    """Levels summed in buckets.

    `levels` are prices and sizes in dollars (NaN where nobody knows), whether each is a long's, and whether
    it is liquidatable at spot.
    """
    price, size, is_long, is_already = levels
    known = np.where(np.isnan(size), 0.0, size)
    # A level at 0 has no logarithm: it lies in no bucket of any picture.
    listed = np.flatnonzero(~is_already & (price > 0))
    buckets, place = np.unique(buckets_of(price[listed], step_pct), return_inverse=True)
    kinds = 2 * place + ~is_long[listed]
    sums = steady_sums(known[listed], kinds.astype(np.intp), 2 * len(buckets))
    here = np.flatnonzero(is_already)
    at_spot = steady_sums(known[here], (~is_long[here]).astype(np.intp), 2)
    return Frame(
        source=source,
        markets=tuple(sorted(set(markets))),
        driver=driver,
        moment=moment,
        spot_usd=spot_usd,
        step_pct=step_pct,
        bucket=buckets,
        long_usd=sums[::2],
        short_usd=sums[1::2],
        accounts=np.bincount(place, minlength=len(buckets)),
        already_long_usd=float(at_spot[0]),
        already_short_usd=float(at_spot[1]),
        already=len(here),
        untold=int(np.count_nonzero(np.isnan(size))),
    )


def frame_of_book(source: str, market: Market, driver: Driver, levels: FloatLevels, step_pct: float) -> Frame:
    """A snapshot's frame, from the float lines' levels; what is outstanding is for others to add."""
    key = (str(market.block.chain_id), market.protocol, market.name, market.base_symbol)
    columns = (
        levels.price / driver.unit,
        levels.size_base / market.base_unit,
        levels.is_long,
        levels.is_already,
    )
    block = market.block
    moment = Moment(block.number, block.hash, block.timestamp, market.version)
    return frame(source, [key], driver.name, moment, driver.spot / driver.unit, columns, step_pct)


def over_time(frames: Iterable[Frame]) -> HeatOverTime:
    """Frames as one picture, in order of time whatever theirs is.

    InputError where one is of another driver, other markets, other money or another step than the first in
    time, or of a time that another frame has.
    """
    ordered = sorted(
        frames, key=lambda one: (one.moment.block_timestamp, one.moment.block_number, one.source)
    )
    if not ordered:
        raise InputError("there is no snapshot and no ladder to look at. Name a folder that holds some.")
    first = ordered[0]
    for one in ordered:
        _refuse_other(first, one)
    for before, one in pairwise(ordered):
        if one.moment.block_timestamp == before.moment.block_timestamp:
            raise InputError(f"{one.source} is of the same time as {before.source}. Keep one of them.")
    rows = [
        (
            one.source,
            *one.moment,
            one.spot_usd,
            math.fsum(one.long_usd),
            math.fsum(one.short_usd),
            one.already_long_usd,
            one.already_short_usd,
            int(one.accounts.sum()),
            one.already,
            one.untold,
            one.outstanding_usd,
        )
        for one in ordered
    ]
    return HeatOverTime(
        driver=first.driver,
        base_symbol=first.markets[0][3],
        markets=first.markets,
        step_pct=first.step_pct,
        times=pd.DataFrame(rows, columns=list(TIME_COLUMNS)),
        cells=pd.concat([_cells(one) for one in ordered], ignore_index=True),
        holds_open=any(one.holds_open for one in ordered),
    )


def _cells(one: Frame) -> pd.DataFrame:
    columns = (
        np.full(len(one.bucket), one.moment.block_timestamp, dtype=np.int64),
        one.bucket,
        price_at(one.bucket, one.step_pct),
        price_at(one.bucket + 1, one.step_pct),
        one.long_usd,
        one.short_usd,
        one.accounts,
    )
    return pd.DataFrame(dict(zip(CELL_COLUMNS, columns, strict=True)))


def _refuse_other(first: Frame, one: Frame) -> None:
    """InputError unless a frame may stand beside the first."""
    if one.driver.casefold() != first.driver.casefold():
        raise InputError(f"{one.source} is of {one.driver}, and {first.source} of {first.driver}.")
    if one.markets != first.markets:
        raise InputError(f"{one.source} is of {_named(one)}, and {first.source} of {_named(first)}.")
    if one.step_pct != first.step_pct:
        raise InputError(
            f"{one.source} has buckets of {one.step_pct}%, and {first.source} of {first.step_pct}%."
        )


def _named(one: Frame) -> str:
    """Its markets, for people."""
    return ", ".join(
        f"{protocol} {market} on {chain} in {money}" for chain, protocol, market, money in one.markets
    )
