"""The bundled real days as histories: indices of price and open interest, with what was liquidated each day.

What the raw figures count, and how that is known (Binance USDT perpetuals through Coinalyze, 2022 to 2023):

- Open interest, volume and liquidations count coins. Bitcoin's open interest reads 66 to 167 thousand; times
  its price that is 2 to 4 billion dollars, as the venue reports it; as dollars it would be nothing. On the
  median day 0.2% to 0.9% of an asset's open interest is liquidated, and 0.05% to 0.2% of its volume.
- A day is a UTC day, and a close is at its end. Long liquidations over open interest go with the fall of
  their own day (correlation 0.6 to 0.75 in every asset), not with that of the day before or after (at most
  0.35).
  Open interest is the end of the day's: on the days of most liquidations it falls in most assets, not on the
  days after. The first column of the liquidations' file has no name; it holds the same days, and ends three
  days before the others. No day is missing or twice; no price, volume or open interest is zero.
- Liquidations are what the venue's stream tells: at most one order per second and contract. On wild days far
  more was liquidated. Ranks of days can bear that, sums cannot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, TypeAlias, get_args

import numpy as np
import orjson
import pandas as pd

from defiliq.cex.history import Floats, History, Instrument
from defiliq.errors import InputError

DAY_S = 86_400
FIRST_PRICE = 100.0
FIRST_OPEN_INTEREST = 10_000.0
_BPS = 10_000
_VOLATILITY_DAYS = 20
_FILE = "binance_2022_2023.csv"

Wicks: TypeAlias = Literal["none", "median"]
WICKS: tuple[Wicks, ...] = get_args(Wicks)
"""How far a day's price went beyond its open and close, which daily closes do not tell.

`none`: not at all, which misses every wick, so that levels live longer than they did. `median`: to the median
low and high of a random walk that starts at the open and ends at the close, with the volatility of the 20
days before.
"""

HIGHS_UNKNOWN = "A price is an index of daily closes: highs and lows within a day are not known."
"""What no day tells."""


@dataclass(frozen=True, slots=True)
class Days:
    """A contract's candles, and what of it was liquidated in each, at prices that nobody tells."""

    history: History
    long_liquidated: Floats
    """(t,) in what `history.open_interest` counts; NaN where it is not known."""
    short_liquidated: Floats


def daily_assets() -> tuple[str, ...]:
    """What is bundled, from the most traded on."""
    return tuple(_about()["assets"])


def load_days(asset: str, wicks: Wicks = "median") -> Days:
    """One asset's 700 days from 2022-01-02 on. The price starts at 100 and the open interest at 10,000 coins:
    neither is what it was, all their changes are. InputError for an asset that is not bundled.
    """
    name = asset.strip().upper()
    if name not in daily_assets():
        raise InputError(f"no real days of {asset} are bundled. There are: {', '.join(daily_assets())}.")
    if wicks not in WICKS:
        raise InputError(f"wicks are {' or '.join(WICKS)}, not {wicks}.")
    about = _about()
    with files(__package__).joinpath(_FILE).open("r", encoding="utf-8") as lines:
        table = pd.read_csv(lines, index_col="day")
    change, interest_change, turnover, long, short = (
        np.concatenate([[math.nan], table[f"{name}_{field}"].to_numpy(dtype=np.float64) / _BPS])
        for field in about["columns"]
    )
    change[0] = interest_change[0] = 0.0
    first_at = int(pd.Timestamp(str(table.index[0]), tz="UTC").timestamp()) - DAY_S
    close = FIRST_PRICE * np.exp(np.cumsum(change))
    interest = FIRST_OPEN_INTEREST * np.exp(np.cumsum(interest_change))
    opened = np.concatenate([close[:1], close[:-1]])
    down, up = beyond(change, wicks)
    unknown = np.full(len(close), math.nan)
    history = History(
        instrument=Instrument("binance", f"{name}/USDT:USDT", name, "USDT"),
        step_s=DAY_S,
        at=first_at + DAY_S * np.arange(len(close), dtype=np.int64),
        open_usd=opened,
        high_usd=np.maximum(opened * np.exp(up), np.maximum(opened, close)),
        low_usd=np.minimum(opened * np.exp(-down), np.minimum(opened, close)),
        close_usd=close,
        volume_usd=turnover * interest * close,
        open_interest=interest,
        taker_buy_share=unknown,
        funding_rate=unknown,
        long_short_ratio=unknown,
        executed=None,
        fetched_at=first_at + DAY_S * len(close),
        source=f"bundled days, indices derived from {about['source']} ({about['kept_in']})",
        faults=(HIGHS_UNKNOWN,),
    )
    return Days(history, long * interest, short * interest)


def beyond(change: Floats, wicks: Wicks) -> tuple[Floats, Floats]:
    """How far below and above its open each candle went, in logarithm of price, by its log change alone.

    A Brownian motion from 0 to c with variance v goes below -m with probability exp(-2m(m + c)/v); at one
    half, m = (sqrt(c² + 2v·ln 2) - c)/2. Volatility is of the candles before: none of this looks ahead.
    """
    variance = _variance_before(change) if wicks == "median" else np.zeros(len(change))
    wide = np.sqrt(change**2 + 2 * math.log(2) * variance)
    return (wide - change) / 2, (wide + change) / 2


def _variance_before(change: Floats) -> Floats:
    """The mean square of up to 20 changes before each one; 0 for the first two, which have none before."""
    squares = np.concatenate([[0.0], np.cumsum(change**2)])
    ends = np.arange(len(change))
    starts = np.maximum(ends - _VOLATILITY_DAYS, 1)
    found: Floats = (squares[ends] - squares[np.minimum(starts, ends)]) / np.maximum(ends - starts, 1)
    return found


def _about() -> dict[str, dict[str, str] | list[str] | str]:
    found: dict[str, dict[str, str] | list[str] | str] = orjson.loads(
        files(__package__).joinpath("about.json").read_bytes()
    )
    return found
