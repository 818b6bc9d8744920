"""Support and resistance that large liquidations leave behind."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import pandas as pd

from defiliq.errors import InputError
from defiliq.ladder import as_table
from defiliq.model.metrics import DAY_S, mean_price, single_liquidations, utc_date

LARGE_USD = 100e6
"""What must be liquidated at once to leave a level behind."""

Grouping: TypeAlias = Literal["single", "bucket"]

SR_COLUMNS = (
    *("driver", "price_usd", "type", "strength_usd", "date"),
    *("liquidations", "accounts", "first_at", "last_at"),
)


def support_resistance(
    events: pd.DataFrame,
    threshold_usd: float = LARGE_USD,
    *,
    by: Grouping = "single",
    step_pct: float = 1.0,
    window_s: int = DAY_S,
) -> pd.DataFrame:
    """The levels that events of more than `threshold_usd` leave behind, the newest first: SR_COLUMNS.

    Liquidated longs leave support, shorts resistance. An event is a large liquidation: `single`, all that one
    transaction took of one account on a driver; or `bucket`, all that was liquidated of one side in a price
    bucket `step_pct` wide within a window of time. Buckets are counted from a price of 1, windows from the
    start of 1970, so that neither hangs on what else there is. What has no size, no price or no side leaves
    nothing.
    """
    if not (0 < step_pct < math.inf) or window_s <= 0 or not threshold_usd >= 0:
        raise InputError("levels need a bucket above 0%, a window above 0 s and a threshold of at least 0.")
    singles = single_liquidations(events, by_driver=True)
    told = singles["size_usd"].notna() & singles["price_usd"].gt(0) & singles["side"].isin(["long", "short"])
    singles = singles[told]
    ratio = math.log1p(step_pct / 100)
    singles = singles.assign(
        step=[math.floor(math.log(price) / ratio) for price in singles["price_usd"].tolist()],
        window=singles["block_timestamp"] // window_s,
    )
    if by == "single":
        singles = singles[singles["size_usd"] > threshold_usd]
    together = singles.index if by == "single" else ["driver", "side", "step", "window"]
    rows = [_level(part) for _, part in singles.groupby(together, sort=True)]
    kept = [row for row in rows if float(str(row["strength_usd"])) > threshold_usd]
    table = as_table(kept, SR_COLUMNS)
    order = ["last_at", "strength_usd", "driver", "price_usd", "type", "first_at"]
    newest = [False, False, True, True, True, True]
    return table.sort_values(order, ascending=newest, kind="stable", ignore_index=True)


def _level(part: pd.DataFrame) -> dict[str, object]:
    """Liquidations of one side and driver as the level that they leave."""
    last = int(part["block_timestamp"].max())
    return {
        "driver": part["driver"].iloc[0],
        "price_usd": mean_price(part["price_usd"].tolist(), part["size_usd"].tolist()),
        "type": "support" if part["side"].iloc[0] == "long" else "resistance",
        "strength_usd": math.fsum(part["size_usd"]),
        "date": utc_date(last),
        "liquidations": len(part),
        "accounts": len(part.drop_duplicates(["chain_id", "protocol", "market", "account"])),
        "first_at": int(part["block_timestamp"].min()),
        "last_at": last,
    }
