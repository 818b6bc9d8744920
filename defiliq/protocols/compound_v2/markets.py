"""The Comptrollers that defiliq knows by name."""

from __future__ import annotations

from defiliq.protocols.listed import listings_of
from defiliq.types import Listing


def load_listings() -> tuple[Listing, ...]:
    """Compound's own Comptroller and large live forks of the same arithmetic, by name."""
    return listings_of("defiliq.protocols.compound_v2")
