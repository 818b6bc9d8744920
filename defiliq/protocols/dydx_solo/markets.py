"""The Solo Margin contracts that defiliq knows by name."""

from __future__ import annotations

from defiliq.protocols.listed import listings_of
from defiliq.types import Listing


def load_listings() -> tuple[Listing, ...]:
    """The one of Ethereum, as dydxprotocol/solo lists it (docs/contracts.md)."""
    return listings_of("defiliq.protocols.dydx_solo")
