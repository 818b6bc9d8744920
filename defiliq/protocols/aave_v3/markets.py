"""The pools that defiliq knows by name. `scripts/make_markets` writes them."""

from __future__ import annotations

from defiliq.protocols.listed import listings_of
from defiliq.types import Listing


def load_listings() -> tuple[Listing, ...]:
    """Every live Aave v3 pool of the address book, by name."""
    return listings_of("defiliq.protocols.aave_v3")
