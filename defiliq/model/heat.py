"""Heat: how much breaks at which price of one driver, over any mix of markets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.errors import InputError
from defiliq.ladder import as_table, bucket_edges, steps_from_spot
from defiliq.model.axis import MarketKey, rungs_on, sources_of, spot_of
from defiliq.types import Side

DEFAULT_STEP_PCT = 0.25

HEAT_COLUMNS = (
    "price_low_usd",
    "price_high_usd",
    "price_usd",
    "distance_pct",
    "side",
    "accounts",
    "size_usd",
    "density_usd",
    "cumulative_usd",
    "untold",
)
SIDES: tuple[Side, Side] = ("long", "short")


@dataclass(frozen=True, slots=True)
class Heat:
    """What breaks along one driver, in price buckets. Nothing is smoothed, nothing is estimated."""

    driver: str
    spot_usd: float
    """The driver's price in the newest block of `sources`; NaN where there are none."""
    base_symbol: str
    """What the columns in `_usd` count: most often USD."""
    step_pct: float
    """The width of a bucket."""
    buckets: pd.DataFrame
    """HEAT_COLUMNS, from the lowest price to the highest; of one price, longs first. Only buckets that hold
    something.

    `price_usd` is the mean of the levels in it, by size; `density_usd` the size per 1% of price in logarithm;
    `cumulative_usd` what has broken of the side once the price has come from spot through the bucket;
    `untold` counts rungs whose size nobody knows, which `accounts` counts too. A size is NaN where it is told
    of no rung in the bucket.
    """
    already_long_usd: float
    """What is liquidatable at spot: it is in no bucket."""
    already_short_usd: float
    already_accounts: int
    untold: int
    """Rungs whose size nobody knows, in buckets or already liquidatable."""
    sources: pd.DataFrame
    """One row per market and block: SOURCE_COLUMNS."""

    @property
    def ratio(self) -> float:
        """What lies between the two edges of a bucket."""
        return 1.0 + self.step_pct / 100.0

    def side(self, side: Side) -> pd.DataFrame:
        """The buckets of one side."""
        return self.buckets[self.buckets["side"] == side]

    def size_usd(self, side: Side) -> float:
        """All that is told of one side's sizes, without what is liquidatable already."""
        return told(self.side(side)["size_usd"])


def build_heat(
    ladders: Sequence[pd.DataFrame],
    driver: str,
    *,
    step_pct: float = DEFAULT_STEP_PCT,
    mixed_blocks: bool = False,
    failed: Mapping[MarketKey, int] = MappingProxyType({}),
) -> Heat:
    """The rungs of some ladders on one driver, summed in price buckets that are `step_pct` percent wide.

    Ladders may be of any protocols, markets and chains, and hold both sides; those that cannot share an axis
    are refused by an `InputError` (see `rungs_on`). Buckets are spaced in the logarithm of price from spot
    outwards, and a rung lies where its own price is, whatever its market's spot. Rungs of `never` only tell
    where spot is. `failed` counts accounts that could not be read, per market. Sums are correctly rounded,
    so no order of rows or ladders matters.
    """
    if not (0 < step_pct < math.inf):
        raise InputError(f"a bucket cannot be {step_pct}% wide. Give a width above 0.")
    rungs = rungs_on(ladders, driver, mixed_blocks=mixed_blocks)
    sources = sources_of(rungs, failed)
    spot = spot_of(sources)
    if sources.empty:
        nothing = as_buckets([])
        return Heat(driver.strip(), spot, "", step_pct, nothing, 0.0, 0.0, 0, 0, sources)
    already = rungs[rungs["outcome"] == "already"]
    priced = rungs[rungs["outcome"] == "price"]
    return Heat(
        driver=str(sources["driver"].min()),
        spot_usd=spot,
        base_symbol=str(sources["base_symbol"].iloc[0]),
        step_pct=step_pct,
        buckets=sum_buckets(
            priced["price_usd"].to_numpy(dtype=np.float64),
            priced["size_usd"].to_numpy(dtype=np.float64),
            (priced["side"] == "long").to_numpy(dtype=np.bool_),
            spot,
            step_pct,
        ),
        already_long_usd=told(already["size_usd"][already["side"] == "long"]),
        already_short_usd=told(already["size_usd"][already["side"] == "short"]),
        already_accounts=len(already.drop_duplicates(["chain_id", "protocol", "market", "account"])),
        untold=int(sources["untold"].sum()),
        sources=sources,
    )


def sum_buckets(
    prices: NDArray[np.float64],
    sizes: NDArray[np.float64],
    is_long: NDArray[np.bool_],
    spot: float,
    step_pct: float,
) -> pd.DataFrame:
    """Levels with their sizes and sides as the table of buckets that `Heat` holds."""
    ratio = 1.0 + step_pct / 100.0
    keys = 2 * bucket_places(prices, is_long, spot, ratio) + ~is_long
    order = np.argsort(keys, kind="stable")
    is_told = ~np.isnan(sizes)
    known = np.where(is_told, sizes, 0.0)
    # Weights are sizes over a power of two, so that no product with a price is infinite.
    exponent = math.frexp(known.max(initial=0.0))[1]
    weighted = (prices * np.ldexp(known, -exponent))[order].tolist()
    p, s, told_of = prices[order].tolist(), known[order].tolist(), is_told[order].tolist()
    rows: list[dict[str, object]] = []
    for start, end in pairwise([*np.flatnonzero(np.diff(keys[order], prepend=-(2**62))).tolist(), len(p)]):
        place, is_short = divmod(int(keys[order[start]]), 2)
        low, high = bucket_edges(spot, ratio, -1 - place if place < 0 else place, place < 0)
        levels, size = p[start:end], math.fsum(s[start:end])
        count = sum(told_of[start:end])
        # Where nothing is told of sizes, or all are nothing, the mean of the levels alone.
        weight = math.ldexp(size, -exponent)
        mean = math.fsum(weighted[start:end]) / weight if weight else math.fsum(levels) / len(levels)
        rows.append(
            {
                "price_low_usd": low,
                "price_high_usd": high,
                "price_usd": min(max(mean, min(levels)), max(levels)),
                "side": SIDES[is_short],
                "accounts": len(levels),
                "size_usd": size if count else math.nan,
                "untold": len(levels) - count,
            }
        )
    table = as_buckets(rows)
    table["distance_pct"] = 100 * (table["price_usd"] - spot) / spot
    table["density_usd"] = table["size_usd"] / (100 * math.log(ratio))
    return table.assign(cumulative_usd=_cumulative(table))


def bucket_places(
    prices: NDArray[np.float64], is_long: NDArray[np.bool_], spot: float, ratio: float
) -> NDArray[np.int64]:
    """Which bucket each level lies in, counted upwards: 0 is the first above spot, -1 the first below.

    A level at spot itself, which only a market with another spot can have, lies where its side breaks.
    """
    steps = steps_from_spot(prices, spot, ratio)
    is_below = (prices < spot) | ((prices == spot) & is_long)
    return np.where(is_below, -1 - steps, steps)


def as_buckets(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Rows as a table of HEAT_COLUMNS."""
    return as_table(rows, HEAT_COLUMNS)


def told(sizes: pd.Series) -> float:
    """The sum of the sizes that are known, correctly rounded."""
    return math.fsum(sizes.dropna())


def _cumulative(table: pd.DataFrame) -> pd.Series:
    """Per bucket, what its side holds from spot out to it; longs are met falling, shorts rising."""
    parts = [_running(table[table["side"] == "long"].iloc[::-1]), _running(table[table["side"] == "short"])]
    whole: pd.Series = pd.concat(parts).sort_index()
    return whole


def _running(met: pd.DataFrame) -> pd.Series:
    """Sums of sizes so far, correctly rounded; NaN as long as none is told."""
    exact, is_told, sums = Fraction(0), False, []
    for size in met["size_usd"].tolist():
        if not math.isnan(size):
            exact, is_told = exact + Fraction(size), True
        sums.append(float(exact) if is_told else math.nan)
    return pd.Series(sums, index=met.index, dtype="float64")
