"""What the operators of aggregators promise: how old an answer may be, and which move makes a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Promise:
    """One aggregator's update rule; None where it is not known."""

    heartbeat_s: int | None = None
    """The longest time between two answers, in seconds."""
    deviation_bps: int | None = None
    """The move of the market, in basis points, that makes it answer sooner."""


@lru_cache(maxsize=64)
def promises(chain_id: int) -> Mapping[str, Promise]:
    """What is known of a chain's aggregators, by EIP-55 address of the proxy that is asked."""
    text = files("defiliq.oracle").joinpath("feeds.json").read_text(encoding="utf-8")
    rows = json.loads(text)["feeds"].get(str(chain_id), {})
    return {
        address: Promise(row.get("heartbeat_s"), row.get("deviation_bps")) for address, row in rows.items()
    }
