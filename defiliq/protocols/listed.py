"""The markets that a protocol's folder lists by name."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from defiliq.types import Listing


@cache
def listings_of(package: str) -> tuple[Listing, ...]:
    """What `markets.json` in a protocol's package holds, in order."""
    text = files(package).joinpath("markets.json").read_text(encoding="utf-8")
    return tuple(
        Listing(
            protocol=market["protocol"],
            name=market["name"],
            chain_id=market["chain_id"],
            from_block=market["from_block"],
            addresses=market["addresses"],
            chain=market["chain"],
        )
        for market in json.loads(text)["markets"]
    )
