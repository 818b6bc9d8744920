"""The Comptrollers that defiliq knows by name."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from defiliq.types import Listing


@cache
def load_listings() -> tuple[Listing, ...]:
    """Compound's own Comptroller and large live forks of the same arithmetic, by name."""
    text = files("defiliq.protocols.compound_v2").joinpath("markets.json").read_text(encoding="utf-8")
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
