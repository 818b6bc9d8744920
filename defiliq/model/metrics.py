"""Liquidations that happened: how much, which side, the largest, and what such a day is called."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from defiliq.errors import InputError
from defiliq.ladder import as_table
from defiliq.model.heat import told

DAY_S = 86_400
DOLLARS = "USD"
"""The money in which days and whales are told apart."""
WHALE_USD = 10e6
"""A single liquidation above it is a whale's."""
WASHED_OUT_PCT = -20.0
"""Open interest that has fallen so far, or further, is washed out."""
SQUEEZED_ABOVE, SQUEEZED_BELOW = 2.0, 0.5

StateLabel: TypeAlias = Literal["extreme", "high", "elevated", "normal", "calm"]
Squeezed: TypeAlias = Literal["longs", "shorts"]

VENUE_COLUMNS = (
    "protocol",
    "chain_id",
    "market",
    "liquidations",
    "long_usd",
    "short_usd",
    "total_usd",
    "share_pct",
)

_VENUE = ["protocol", "chain_id", "market"]
_ONE_LIQUIDATION = ["chain_id", "protocol", "market", "transaction", "account", "side"]
_IN_TIME = ["block_timestamp", "chain_id", "block_number", "protocol", "market", "transaction", "log_index"]


@dataclass(frozen=True, slots=True)
class MarketState:
    """What a day with so many dollars of liquidations is called."""

    label: StateLabel
    meaning: str
    implication: str


_STATES: dict[StateLabel, MarketState] = {
    state.label: state
    for state in (
        MarketState("extreme", "Extreme event", "Major leverage wipeout, potential V-reversal"),
        MarketState("high", "High volatility", "Significant positioning reset"),
        MarketState("elevated", "Elevated", "Moderate leverage reduction"),
        MarketState("normal", "Normal", "Background noise"),
        MarketState("calm", "Calm", "Low volatility, leverage building"),
    )
}


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was liquidated in a stretch of time."""

    since_at: int
    """This second itself is not in it."""
    until_at: int
    liquidations: int
    untold: int
    """Those whose size nobody knows: they are in no sum."""
    total_usd: float
    long_usd: float
    """Forced sales."""
    short_usd: float
    """Forced purchases."""
    long_share_pct: float
    """Of the total; NaN without any."""
    short_share_pct: float
    long_short_ratio: float
    """Infinite where only longs were liquidated, NaN where nothing was."""
    squeezed: Squeezed | None
    """Which side was, at a ratio above 2 or below 0.5."""
    largest_usd: float
    """The largest single liquidation: all that one transaction took of one account. NaN without any."""
    largest: pd.Series | None
    """Whose it was, where and when."""
    is_whale: bool
    by_venue: pd.DataFrame
    """VENUE_COLUMNS, the largest first."""
    state: MarketState | None
    """Of a day; None where the stretch is none or was not searched whole, or where money is not dollars."""


@dataclass(frozen=True, slots=True)
class OpenInterestChange:
    """What was owed, or held open, before and after."""

    before_usd: float
    after_usd: float
    change_pct: float
    """NaN where there was nothing."""
    is_washed_out: bool
    """It fell by 20% or more."""


def market_state(volume_usd: float) -> MarketState:
    """What a day of so many liquidated dollars is called.

    Extreme only above a billion; a billion itself is high. Else a boundary belongs to the band above it.
    """
    if not volume_usd >= 0:
        raise InputError(f"no day has liquidations of {volume_usd} dollars.")
    if volume_usd > 1e9:
        return _STATES["extreme"]
    floors: tuple[tuple[float, StateLabel], ...] = ((5e8, "high"), (2e8, "elevated"), (5e7, "normal"))
    return _STATES[next((label for floor, label in floors if volume_usd >= floor), "calm")]


def liquidation_metrics(events: pd.DataFrame, since_at: int, until_at: int) -> Metrics:
    """What was liquidated after `since_at` and up to `until_at`, in seconds of block time.

    `events` are rows of EVENT_COLUMNS, in any order. A liquidation counts with what was seized where it
    closed a long, and with what was repaid where it closed a short.
    """
    return metrics_of(single_liquidations(events), currencies(events), since_at, until_at)


def metrics_of(singles: pd.DataFrame, money: Sequence[str], since_at: int, until_at: int) -> Metrics:
    """The same of `single_liquidations`, whose events count in `money`."""
    if since_at >= until_at:
        raise InputError(f"nothing happens between second {since_at} and second {until_at}.")
    singles = singles[(singles["block_timestamp"] > since_at) & (singles["block_timestamp"] <= until_at)]
    known = singles.loc[singles["size_usd"].notna(), [*_VENUE, "side", "size_usd"]]
    longs, shorts = (told(known["size_usd"][known["side"] == side]) for side in ("long", "short"))
    total = told(known["size_usd"])
    ratio = _ratio(longs, shorts)
    # The largest comes first, and what has no size last.
    largest = None if known.empty else singles.iloc[0]
    in_dollars = set(money) <= {DOLLARS}
    return Metrics(
        since_at=since_at,
        until_at=until_at,
        liquidations=len(singles),
        untold=len(singles) - len(known),
        total_usd=total,
        long_usd=longs,
        short_usd=shorts,
        long_share_pct=100 * _ratio(longs, total),
        short_share_pct=100 * _ratio(shorts, total),
        long_short_ratio=ratio,
        squeezed="longs" if ratio > SQUEEZED_ABOVE else "shorts" if ratio < SQUEEZED_BELOW else None,
        largest_usd=math.nan if largest is None else float(largest["size_usd"]),
        largest=largest,
        is_whale=in_dollars and largest is not None and bool(largest["size_usd"] > WHALE_USD),
        by_venue=_by_venue(known, total),
        state=market_state(total) if in_dollars and until_at - since_at == DAY_S else None,
    )


def open_interest_change(before_usd: float, after_usd: float) -> OpenInterestChange:
    """How open interest, or debt, has changed, and whether that is a washout."""
    change = 100 * (after_usd - before_usd) / before_usd if before_usd > 0 else math.nan
    return OpenInterestChange(before_usd, after_usd, change, change <= WASHED_OUT_PCT)


def single_liquidations(events: pd.DataFrame, *, by_driver: bool = False) -> pd.DataFrame:
    """One row per transaction and account that was liquidated in it, the largest first.

    A contract may tell of one liquidation in several events, one per collateral. `size_usd` sums what they
    seized (long) or repaid (short), NaN where one of them does not tell; `price_usd` is the mean by size.
    Where they are of several drivers, the row names all of them and has no price, unless each is a row
    `by_driver`. Rows without a size come last.
    """
    _refuse_different_money(events)
    taken = events["seized_usd"].where(events["side"] != "short", events["repaid_usd"])
    sized = events.assign(size_usd=taken).astype({"chain_id": "str"})
    sized = sized.sort_values([*_IN_TIME, "driver"], ignore_index=True)
    keys = [*_ONE_LIQUIDATION, "driver"] if by_driver else _ONE_LIQUIDATION
    is_several = sized.duplicated(keys, keep=False)
    singles = pd.concat([sized[~is_several], _joint(sized[is_several], keys)])
    singles = singles.sort_values(_IN_TIME, kind="stable")
    return singles.sort_values("size_usd", ascending=False, kind="stable", ignore_index=True)


def _joint(events: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Events in order of time as one row per liquidation: the first, with the sums of all."""
    drivers: list[str] = []
    prices: list[float] = []
    sizes: list[float] = []
    number = events.groupby(list(keys), sort=False).ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    columns = [events[name].tolist() for name in ("driver", "price_usd", "size_usd")]
    for one in np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(events) else ():
        named, price, size = ([column[k] for k in one] for column in columns)
        told = sorted(set(named))
        drivers.append(" + ".join(told))
        prices.append(mean_price(price, size) if len(told) == 1 else math.nan)
        sizes.append(math.nan if any(map(math.isnan, size)) else math.fsum(size))
    first = events.drop_duplicates(list(keys))
    return first.assign(driver=drivers, price_usd=prices, size_usd=sizes).astype(events.dtypes)


def currencies(events: pd.DataFrame) -> list[str]:
    """What events count money in; those of no known value count none."""
    return sorted(set(events["base_symbol"].unique()) - {""})


def _refuse_different_money(events: pd.DataFrame) -> None:
    found = currencies(events)
    if len(found) > 1:
        raise InputError(f"these events count different money: {', '.join(found)}. Give those of one.")


def mean_price(prices: Sequence[float], sizes: Sequence[float]) -> float:
    """The mean of the prices that are known, by size; of the prices alone where no size is above nothing."""
    known = [(p, w if w > 0 else 0.0) for p, w in zip(prices, sizes, strict=True) if not math.isnan(p)]
    if not known:
        return math.nan
    heaviest = max(weight for _, weight in known)
    shares = [weight / heaviest if heaviest else 1.0 for _, weight in known]
    return math.fsum(w * p for w, (p, _) in zip(shares, known, strict=True)) / math.fsum(shares)


def utc_date(at: int) -> str:
    """The day of a second, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _ratio(part: float, other: float) -> float:
    if other > 0:
        return part / other
    return math.inf if part > 0 else math.nan


def _by_venue(known: pd.DataFrame, total: float) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for (protocol, chain_id, market), part in known.groupby(_VENUE, sort=True):
        whole = told(part["size_usd"])
        rows.append(
            {
                "protocol": protocol,
                "chain_id": chain_id,
                "market": market,
                "liquidations": len(part),
                "long_usd": told(part["size_usd"][part["side"] == "long"]),
                "short_usd": told(part["size_usd"][part["side"] == "short"]),
                "total_usd": whole,
                "share_pct": 100 * _ratio(whole, total),
            }
        )
    table = as_table(_by_size(rows), VENUE_COLUMNS)
    return table.astype({"chain_id": "str"})


def _by_size(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(rows, key=lambda row: float(str(row["total_usd"])), reverse=True)
