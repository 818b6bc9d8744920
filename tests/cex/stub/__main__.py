"""`python -m tests.cex.stub`: three venues on this machine, until it is told to end.

The first line on stdout is a JSON object of venue to address, which is what the configuration's [venues]
takes. Candles end in the future, so that the market goes on while it is watched.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time

from defiliq.cex.history import VenueData
from defiliq.pipeline.cex_files import load_venues
from tests.cex.stub import made_world, moved, stub

VENUES = ("binance", "bybit", "okx")
PRICES_USD = {"BTC": 60_000.0, "ETH": 3_000.0}
DAY_S = 86_400


def worlds_of(options: argparse.Namespace, now_at: int) -> list[VenueData]:
    """Random walks, or a file's contracts, moved so that they end some hours ahead."""
    until_at = now_at + int(options.ahead_hours * 3_600)
    if options.file is not None:
        return [moved(world, until_at) for world in load_venues(options.file)]
    assets = options.assets.split(",")
    return [
        made_world(
            venue,
            symbol.replace("BTC", asset),
            until_at=until_at,
            candles=int(options.days * DAY_S) // options.step,
            step_s=options.step,
            seed=options.seed,
            price_usd=PRICES_USD.get(asset, 100.0),
        )
        for asset in assets
        for venue in VENUES
        for symbol in ("BTC/USDT:USDT", "BTC/USD:BTC")
    ]


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.cex.stub", description=__doc__)
    parser.add_argument("--assets", default="BTC,ETH", help="comma-separated; ignored with --file")
    parser.add_argument("--days", type=float, default=40.0)
    parser.add_argument("--step", type=int, default=300, help="seconds of a candle")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--file", default=None, help="contracts of a saved file instead of random walks")
    parser.add_argument("--ahead-hours", type=float, default=6.0)
    options = parser.parse_args()
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: end.set())
    with stub(worlds_of(options, int(time.time()))) as urls:
        print(json.dumps(urls), flush=True)
        end.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
