"""A local server that speaks the public endpoints of Binance, Bybit and OKX, from a known world.

    with stub(worlds) as urls:
        read_venue("binance", "BTC", config=VenueConfig(urls=urls, ...), ...)

A world is a VenueData: what the server says is derived from it, with the venues' units, page limits, page
order and horizons, so that a reader that gets any of these wrong gets other numbers back.
"""

from tests.cex.stub.made import made_world, moved
from tests.cex.stub.server import Fault, Urls, stub

__all__ = ["Fault", "Urls", "made_world", "moved", "stub"]
