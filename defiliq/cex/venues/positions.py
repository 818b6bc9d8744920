"""Positions that anybody may observe: Hyperliquid tells those of every address that is known.

For calibration: a level that the venue itself computed, beside one that is estimated. dYdX v4's positions
are read whole and exactly by the on-chain side. Hyperliquid publishes no history of open interest, so there
is no History of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from defiliq.cex.venues.client import Client
from defiliq.cex.venues.config import Say, VenueConfig, say_nothing
from defiliq.cex.venues.contracts import asset_of
from defiliq.cex.venues.rows import items_of, table
from defiliq.errors import BadVenueAnswer, InputError

Json: TypeAlias = Any

HYPERLIQUID: Final = "hyperliquid"
POSITION_COLUMNS: Final = (
    *("address", "asset", "side", "size_usd", "coins", "entry_usd", "leverage", "is_cross"),
    "liquidation_usd",
)
MAX_ADDRESSES: Final = 1_000
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


def read_positions(
    asset: str,
    addresses: Sequence[str],
    *,
    config: VenueConfig | None = None,
    on_progress: Say = say_nothing,
) -> pd.DataFrame:
    """POSITION_COLUMNS of the addresses' open positions in an asset at Hyperliquid.

    `size_usd` is at the mark price; `liquidation_usd` is what the venue says, NaN where it says that there is
    none. InputError for what is no address; a VenueError where the venue fails.
    """
    wanted = asset_of(asset)
    if len(addresses) > MAX_ADDRESSES:
        raise InputError(f"more than {MAX_ADDRESSES} addresses at once.")
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise InputError(f"{address[:60]!r} is no address. Give one like 0x and 40 hex digits.")
    client = Client(HYPERLIQUID, config if config is not None else VenueConfig())
    try:
        parts = []
        for place, address in enumerate(addresses):
            on_progress(f"{HYPERLIQUID}: positions of address {place + 1} of {len(addresses)}")
            parts += _positions(client, wanted, address)
    finally:
        client.close()
    return pd.DataFrame(parts, columns=list(POSITION_COLUMNS))


def _positions(client: Client, asset: str, address: str) -> list[tuple[Any, ...]]:
    """Of POST /info with type clearinghouseState: one row at most, a venue nets an address' positions."""
    answer = client.ask("publicPostInfo", {"type": "clearinghouseState", "user": address})
    rows = []
    for item in items_of(HYPERLIQUID, "positions", answer, "assetPositions"):
        position = item.get("position") if isinstance(item, dict) else None
        if not isinstance(position, dict):
            raise BadVenueAnswer(HYPERLIQUID, "a position of another shape")
        if position.get("coin") != asset:
            continue
        lent = position.get("leverage")
        coins, entry, size_usd = table(
            HYPERLIQUID, "positions", [position], ("szi", "entryPx", "positionValue")
        )[0]
        leverage = table(HYPERLIQUID, "positions", [lent], ("value",))[0, 0]
        told = position.get("liquidationPx")
        level = np.nan if told is None else table(HYPERLIQUID, "positions", [{"at": told}], ("at",))[0, 0]
        if coins == 0 or entry <= 0 or size_usd <= 0 or leverage <= 0 or level <= 0:
            raise BadVenueAnswer(HYPERLIQUID, "a position with a number that cannot be")
        side = "long" if coins > 0 else "short"
        is_cross = isinstance(lent, dict) and lent.get("type") == "cross"
        rows.append((address, asset, side, size_usd, abs(coins), entry, leverage, is_cross, level))
    return rows
