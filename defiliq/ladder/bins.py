"""Rungs summed in price buckets."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defiliq.ladder.columns import BIN_COLUMNS, IDENTITY, as_table

_SUMS = ("collateral_usd", "debt_usd", "seized_usd", "repaid_usd", "bad_debt_usd")


def bin_ladder(ladder: pd.DataFrame, step_pct: float) -> pd.DataFrame:
    """The rungs of each driver and side summed in price buckets that are `step_pct` percent wide.

    Buckets are spaced in the logarithm of price and start at spot; a level lies in the bucket whose near
    edge it has reached. Accounts that are liquidatable already make a bucket of no width at spot. Sums are
    correctly rounded, so the order of the rows does not matter, and nothing is smoothed.
    """
    ratio = 1.0 + step_pct / 100.0
    rows: list[dict[str, object]] = []
    keys = [*IDENTITY, "base_symbol", "driver", "side", "spot_usd"]
    listed = ladder[ladder["outcome"] != "never"]
    for group, rungs in listed.groupby(keys, sort=True):
        head = dict(zip(keys, group, strict=True))
        spot = float(str(head.pop("spot_usd")))
        steps = _steps(rungs, spot, ratio)
        reached = pd.Series(False, index=rungs.index)
        for step in sorted(set(steps)):
            bucket = rungs[steps == step]
            reached |= steps == step
            edges = (spot, spot) if step < 0 else bucket_edges(spot, ratio, int(step), head["side"] == "long")
            rows.append(head | _bucket(bucket, edges) | _cumulative(rungs[reached]))
    return as_table(rows, BIN_COLUMNS)


def steps_from_spot(prices: NDArray[np.float64], spot: float, ratio: float) -> NDArray[np.int64]:
    """How many whole bucket widths each price lies from spot, either way; `ratio` is one bucket's."""
    with np.errstate(divide="ignore"):
        widths = np.abs(np.log(prices / spot)) / math.log(ratio)
    return np.floor(np.minimum(widths, 1e9)).astype(np.int64)


def bucket_edges(spot: float, ratio: float, step: int, is_below: bool) -> tuple[float, float]:
    """The low and the high price of the bucket that lies `step` widths off; neighbours share an edge."""
    sign = -1 if is_below else 1
    near, far = (spot * math.exp(sign * k * math.log(ratio)) for k in (step, step + 1))
    return min(near, far), max(near, far)


def _steps(rungs: pd.DataFrame, spot: float, ratio: float) -> pd.Series[int]:
    """How many whole bucket widths each level lies from spot; -1 for accounts that are liquidatable there."""
    steps = steps_from_spot(rungs["price_usd"].to_numpy(dtype=np.float64), spot, ratio)
    steps[(rungs["outcome"] == "already").to_numpy()] = -1
    return pd.Series(steps, index=rungs.index)


def _bucket(rungs: pd.DataFrame, edges: tuple[float, float]) -> dict[str, object]:
    sums = {column: math.fsum(rungs[column]) for column in _SUMS}
    sums["notional_usd"] = _sum_of_some(rungs["notional_usd"])
    named: dict[str, object] = {
        "outcome": rungs["outcome"].iloc[0],
        "price_low_usd": edges[0],
        "price_high_usd": edges[1],
    }
    return named | {"accounts": len(rungs)} | sums


def _cumulative(rungs: pd.DataFrame) -> dict[str, object]:
    return {
        "cumulative_accounts": len(rungs),
        "cumulative_seized_usd": math.fsum(rungs["seized_usd"]),
        "cumulative_repaid_usd": math.fsum(rungs["repaid_usd"]),
        "cumulative_notional_usd": _sum_of_some(rungs["notional_usd"]),
    }


def _sum_of_some(column: pd.Series[float]) -> float:
    """The sum of what there is; nothing where there is nothing."""
    known = column.dropna()
    return math.fsum(known) if len(known) else math.nan
