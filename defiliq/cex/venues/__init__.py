"""What centralised exchanges publish, read through ccxt without keys.

The only part of this room, beside `providers`, that touches a network.
"""

from defiliq.cex.venues.cache import Cache
from defiliq.cex.venues.config import VenueConfig
from defiliq.cex.venues.read import VENUES, read_venue

__all__ = ["VENUES", "Cache", "VenueConfig", "read_venue"]
