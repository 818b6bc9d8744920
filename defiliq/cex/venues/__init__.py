"""What centralised exchanges publish, read through ccxt without keys.

The only part of this room, beside `providers`, that touches a network.
"""

from defiliq.cex.venues.cache import Cache
from defiliq.cex.venues.config import VenueConfig
from defiliq.cex.venues.positions import POSITION_COLUMNS, read_positions
from defiliq.cex.venues.read import VENUES, read_venue
from defiliq.cex.venues.tiers import read_tiers

__all__ = [
    "POSITION_COLUMNS",
    "VENUES",
    "Cache",
    "VenueConfig",
    "read_positions",
    "read_tiers",
    "read_venue",
]
