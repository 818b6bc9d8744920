"""The Comets that defiliq knows by name. `scripts/make_comet_markets` writes them."""

from __future__ import annotations

from defiliq.protocols.listed import listings_of
from defiliq.types import Listing


def load_listings() -> tuple[Listing, ...]:
    """Every Comet in production that compound-finance/comet lists as deployed, by name."""
    return listings_of("defiliq.protocols.compound_v3")
