"""Walking forward: what was known at a moment, and what came in the window after it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from defiliq.cex.history import Floats, History
from defiliq.cex.levels import Estimate
from defiliq.errors import InputError
from defiliq.types import Side

VOLATILITY_CANDLES = 20
CANDLE_COLUMNS = (
    *("at", "open_usd", "high_usd", "low_usd", "close_usd", "volume_usd", "open_interest"),
    *("taker_buy_share", "funding_rate", "long_short_ratio"),
)

Predict: TypeAlias = Callable[[History], Estimate]
"""What is to be tested: it is given a history that ends where it must predict, and nothing else."""


@runtime_checkable
class PredictsAtOnce(Protocol):
    """A `Predict` that can also walk once for many moments."""

    def __call__(self, history: History) -> Estimate:
        """What it says at the end of a history."""

    def at_moments(self, history: History, known: Sequence[int]) -> Iterable[Estimate]:
        """What it says after so many candles each, rising: exactly what it says of those candles alone."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which predictions made at its start are put to the test.

    Distances are logarithms of price, measured from spot away to the side's own losses: down for longs, up
    for shorts.
    """

    known: int
    """How many candles were known at its start."""
    ends: int
    """The first candle that is not in it any more."""
    at: int
    spot_usd: float
    volatility: float
    """The root of the mean square of up to 20 log changes before it, per candle."""
    reach: Mapping[Side, float]
    """How far the price went; 0 where it only went the other way."""


@dataclass(frozen=True, slots=True)
class Executed:
    """One side's liquidations in one window."""

    distance: Floats
    """(n,) rising; below 0 where they lie on the other side of spot."""
    piled_usd: Floats
    """(n + 1,) dollars of the first 0, 1, ... of them."""

    @property
    def total_usd(self) -> float:
        """All of them."""
        return float(self.piled_usd[-1])

    def up_to(self, distance: Floats, *, inclusive: bool) -> Floats:
        """Dollars as far as each distance, of any shape; all of them where it is NaN."""
        places = np.searchsorted(self.distance, distance, side="right" if inclusive else "left")
        found: Floats = self.piled_usd[places]
        return found


def known_at(history: History, candles: int) -> History:
    """The first so many candles, and what was executed within them: all that a prediction may see."""
    if not 0 < candles <= len(history):
        raise InputError(f"a history of {len(history)} candles has no first {candles}.")
    until = int(history.at[candles - 1]) + history.step_s
    columns = {name: getattr(history, name)[:candles].copy() for name in CANDLE_COLUMNS}
    executed = history.executed
    if executed is not None:
        executed = executed[executed["at"] < until].reset_index(drop=True)
    return replace(history, **columns, executed=executed, fetched_at=until)


def windows(history: History, horizon_s: int, every_s: int, warm_up: int) -> list[Window]:
    """Windows of `horizon_s`, one after every `every_s`, the first after `warm_up` candles.

    A window without a known spot, or with a candle in it whose high or low is not known, is left out.
    """
    candles, every = horizon_s // history.step_s, every_s // history.step_s
    fits = candles * history.step_s == horizon_s and every * history.step_s == every_s
    if not fits or candles < 1 or every < 1:
        raise InputError(
            f"a window of {horizon_s} s every {every_s} s does not fit candles of {history.step_s} s."
        )
    changes = np.diff(np.log(history.close_usd))
    found = []
    for known in range(max(warm_up, 1), len(history) - candles + 1, every):
        spot, ends = float(history.close_usd[known - 1]), known + candles
        low, high = history.low_usd[known:ends].min(), history.high_usd[known:ends].max()
        if math.isnan(spot + float(low) + float(high)):
            continue
        recent = changes[max(0, known - 1 - VOLATILITY_CANDLES) : known - 1]
        recent = recent[~np.isnan(recent)]
        found.append(
            Window(
                known=known,
                ends=ends,
                at=int(history.at[known - 1]) + history.step_s,
                spot_usd=spot,
                volatility=float(np.sqrt((recent**2).mean())) if len(recent) else 0.0,
                reach={
                    "long": max(0.0, math.log(spot / float(low))),
                    "short": max(0.0, math.log(float(high) / spot)),
                },
            )
        )
    return found


def executed_in(history: History, found: Sequence[Window]) -> list[Mapping[Side, Executed]]:
    """What was liquidated in each window.

    InputError where a history tells of no executions, or of one that makes no sense.
    """
    if history.executed is None:
        raise InputError(f"{history.instrument.venue} {history.instrument.symbol} tells of no liquidations.")
    table = history.executed
    at, price, size = (table[name].to_numpy(dtype=np.float64) for name in ("at", "price_usd", "size_usd"))
    if not ((price > 0) & (price < math.inf) & (size >= 0) & (size < math.inf)).all():
        raise InputError(f"a liquidation of {history.instrument.symbol} has no price above 0, or no size.")
    is_long = (table["side"] == "long").to_numpy(dtype=np.bool_)
    executed: list[Mapping[Side, Executed]] = []
    for one in found:
        until = one.at + (one.ends - one.known) * history.step_s
        here = (at >= one.at) & (at < until)
        ways = np.log(one.spot_usd / price[here])
        longs, sizes = is_long[here], size[here]
        executed.append(
            {"long": _sorted(ways[longs], sizes[longs]), "short": _sorted(-ways[~longs], sizes[~longs])}
        )
    return executed


def _sorted(away: Floats, sizes: Floats) -> Executed:
    order = np.argsort(away, kind="stable")
    return Executed(away[order], np.concatenate([[0.0], np.cumsum(sizes[order])]))
