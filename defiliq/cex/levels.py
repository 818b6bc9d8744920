"""What is estimated of one contract: dollars that would be liquidated, by price bucket, side and prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from defiliq.cex.history import Floats, Instrument, Int64s
from defiliq.errors import InputError
from defiliq.ladder import as_table
from defiliq.model.axis import SOURCE_COLUMNS
from defiliq.model.heat import DEFAULT_STEP_PCT, SIDES, Heat, sum_buckets
from defiliq.model.over_time import price_at
from defiliq.types import Side

Which: TypeAlias = Literal["low", "mid", "high"]
"""One end of the band that priors span, or its middle."""

CHAIN = "cex"
"""What stands for a chain in the sources of an estimate's heat: it is of no chain and no block."""
VERSION = "estimate"

ESTIMATE_COLUMNS = (
    *("venue", "symbol", "asset", "at", "side", "price_low_usd", "price_high_usd", "price_usd"),
    *(
        "spot_usd",
        "distance_pct",
        "score",
        "low_usd",
        "mid_usd",
        "high_usd",
        "cumulative_mid_usd",
        "coverage",
        "source",
    ),
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated liquidation levels of one contract at one moment, under several leverage priors.

    Bucket k holds the prices from ratio**k up to ratio**(k + 1), ratio = 1 + step_pct / 100, as in
    `model.over_time`. Nothing here is known: priors are assumptions, and their spread is a band.
    """

    instrument: Instrument
    at: int
    """The end of the last candle."""
    spot_usd: float
    step_pct: float
    priors: tuple[str, ...]
    """Names, in the order of the rows below, from little leverage to much."""
    mid: int
    """Which of them is the middle of the band."""
    bucket: Int64s
    """(b,) rising, without holes."""
    long_usd: Floats
    """(p, b) dollars of longs that would be sold there, were the price to come: contracts at the bucket's
    middle, as a ladder's notional is at its level. So longs come to less than `open_interest_usd`, which is
    at spot, and shorts to more; of inverse contracts both are the same dollars at any price."""
    short_usd: Floats
    long_score: Floats
    """(p, b) the same with what is old weighing less: for ranking, no dollars."""
    short_score: Floats
    open_interest_usd: float
    coverage_long: Floats
    """(p,) what the estimate explains of the open interest, in contracts: 0 to 1."""
    coverage_short: Floats
    source: str
    faults: tuple[str, ...] = ()

    def dollars(self, side: Side) -> Floats:
        """(p, b) of one side."""
        return self.long_usd if side == "long" else self.short_usd

    def band(self, side: Side) -> tuple[Floats, Floats, Floats]:
        """(low, mid, high), each (b,): the least, the middle prior's and the most dollars of a bucket."""
        dollars = self.dollars(side)
        return dollars.min(axis=0), dollars[self.mid], dollars.max(axis=0)

    @property
    def edges_usd(self) -> Floats:
        """(b + 1,) prices between the buckets."""
        return price_at(np.arange(self.bucket[0], self.bucket[-1] + 2), self.step_pct)

    @property
    def middles_usd(self) -> Floats:
        """(b,) each bucket's middle in logarithm: where its levels are taken to be."""
        middles: Floats = np.sqrt(self.edges_usd[:-1] * self.edges_usd[1:])
        return middles

    @property
    def driver(self) -> str:
        """What stands for the asset's price on an axis that is shared with ladders."""
        return f"{self.instrument.asset}/USD"

    def heat(self, which: Which = "mid", *, step_pct: float = DEFAULT_STEP_PCT) -> Heat:
        """The estimate as the model takes it, in buckets around spot like those of a ladder's heat.

        Its dollars are estimates, and how many accounts stand behind them nobody knows: `accounts` is 0
        everywhere. `low` and `high` are the least and most of each bucket by itself, so neither sums to the
        open interest.
        """
        if not (0 < step_pct < math.inf):
            raise InputError(f"a bucket cannot be {step_pct}% wide. Give a width above 0.")
        place = ("low", "mid", "high").index(which)
        dollars = np.concatenate([self.band(side)[place] for side in SIDES])
        prices = np.tile(self.middles_usd, 2)
        is_long = np.arange(len(dollars)) < len(self.bucket)
        held = np.flatnonzero(dollars > 0)
        buckets = sum_buckets(prices[held], dollars[held], is_long[held], self.spot_usd, step_pct)
        return Heat(
            driver=self.driver,
            spot_usd=self.spot_usd,
            base_symbol="USD",
            step_pct=step_pct,
            buckets=buckets.assign(accounts=0),
            already_long_usd=0.0,
            already_short_usd=0.0,
            already_accounts=0,
            untold=0,
            sources=self._sources(len(held)),
        )

    def _sources(self, levels: int) -> pd.DataFrame:
        row: dict[str, object] = {
            "chain_id": CHAIN,
            "block_number": 0,
            "block_hash": "",
            "block_timestamp": self.at,
            "protocol": self.instrument.venue,
            "market": self.instrument.symbol,
            "version": VERSION,
            "evaluated_at": self.at,
            "base_symbol": "USD",
            "driver": self.driver,
            "spot_usd": self.spot_usd,
            "rungs": levels,
            "already": 0,
            "never": 0,
            "untold": 0,
            "failed": 0,
        }
        return as_table([row], SOURCE_COLUMNS).astype({"chain_id": "str"})

    def table(self) -> pd.DataFrame:
        """ESTIMATE_COLUMNS: a row per side and bucket that holds something, from the lowest price up.

        `price_usd` is the bucket's middle in logarithm. `score` is the middle prior's, over the largest of
        both sides: 0 to 1. `cumulative_mid_usd` counts from spot outwards.
        """
        edges = self.edges_usd
        best = max(self.long_score[self.mid].max(initial=0.0), self.short_score[self.mid].max(initial=0.0))
        parts = []
        for side in SIDES:
            is_long = side == "long"
            low, mid, high = self.band(side)
            score = (self.long_score if is_long else self.short_score)[self.mid]
            piled = np.cumsum(mid[::-1])[::-1] if is_long else np.cumsum(mid)
            middles = self.middles_usd
            part = pd.DataFrame(
                {
                    "venue": self.instrument.venue,
                    "symbol": self.instrument.symbol,
                    "asset": self.instrument.asset,
                    "at": self.at,
                    "side": side,
                    "price_low_usd": edges[:-1],
                    "price_high_usd": edges[1:],
                    "price_usd": middles,
                    "spot_usd": self.spot_usd,
                    "distance_pct": 100 * (middles - self.spot_usd) / self.spot_usd,
                    "score": score / best if best > 0 else score,
                    "low_usd": low,
                    "mid_usd": mid,
                    "high_usd": high,
                    "cumulative_mid_usd": piled,
                    "coverage": (self.coverage_long if is_long else self.coverage_short)[self.mid],
                    "source": self.source,
                }
            )
            parts.append(part[high > 0])
        return pd.concat(parts).sort_values(["price_low_usd", "side"], ignore_index=True)[
            list(ESTIMATE_COLUMNS)
        ]


@dataclass(frozen=True, slots=True)
class EstimateOverTime:
    """An estimate's middle prior at some moments, on one grid of prices."""

    instrument: Instrument
    step_pct: float
    at: Int64s
    """(n,) rising."""
    spot_usd: Floats
    """(n,)"""
    bucket: Int64s
    """(b,) rising, without holes."""
    long_usd: Floats
    """(n, b)"""
    short_usd: Floats
    """(n, b)"""
