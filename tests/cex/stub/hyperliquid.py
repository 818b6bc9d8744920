"""Hyperliquid's answers: the positions of an address, as ccxt's `hyperliquid.py` shows clearinghouseState."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.cex.stub.world import Refusal, World

Json = Any
Positions = Mapping[str, Sequence[Mapping[str, Any]]]
"""Address to positions, each with the venue's own fields: coin, szi, entryPx, leverage …"""


def speaker(positions: Positions) -> Callable[[Sequence[World], str, dict[str, str], int], Json]:
    """What answers about these positions."""

    def answer(_worlds: Sequence[World], path: str, query: dict[str, str], now_ms: int) -> Json:
        if path != "/info":
            raise KeyError(path)
        if query.get("type") != "clearinghouseState":
            raise Refusal(422, "Failed to deserialize the JSON body into the target type")
        return {
            "assetPositions": [
                {"type": "oneWay", "position": dict(each)} for each in positions.get(query["user"], [])
            ],
            "marginSummary": {"accountValue": "0.0", "totalNtlPos": "0.0"},
            "time": now_ms,
        }

    return answer
