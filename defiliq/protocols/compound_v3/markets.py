"""The Comets that defiliq knows by name. `scripts/make_comet_markets` writes them."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from defiliq.types import Listing


@cache
def load_listings() -> tuple[Listing, ...]:
    """Every Comet in production that compound-finance/comet lists as deployed, by name."""
    text = files("defiliq.protocols.compound_v3").joinpath("markets.json").read_text(encoding="utf-8")
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
