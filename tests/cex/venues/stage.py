"""What the tests of venues share: a clock that stands, worlds that end at it, and a patient reader."""

from __future__ import annotations

from typing import Any

import numpy as np

from defiliq.cex.history import History, VenueData
from defiliq.cex.venues import VenueConfig, read_venue
from tests.cex.stub import Urls

STEP_S = 300
NOW = 1_790_000_100
"""2026-09-21 14:15:00 UTC: the start of a candle of 5 and of 15 minutes."""
DAY_S = 86_400
COLUMNS = (
    *("at", "open_usd", "high_usd", "low_usd", "close_usd", "volume_usd"),
    *("open_interest", "taker_buy_share", "funding_rate", "long_short_ratio"),
)


def now_ms() -> int:
    """Ten seconds into a candle."""
    return (NOW + 10) * 1000


def config_for(stubbed: Urls, **changed: Any) -> VenueConfig:
    """Asks the stub as fast as it answers, at the stub's own time, and never really sleeps."""
    settings: dict[str, Any] = {
        "urls": stubbed,
        "is_rate_limited": False,
        "now_ms": stubbed.now_ms,
        "sleep_s": lambda _seconds: None,
        "timeout_s": 5.0,
    }
    return VenueConfig(**(settings | changed))


def read(urls: Urls, venue: str, *, days: float = 1.0, **options: Any) -> list[VenueData]:
    """The last days of BTC at the stub, in candles of five minutes unless told otherwise."""
    config = config_for(urls, **options.pop("config", {}))
    settings: dict[str, Any] = {
        "asset": "BTC",
        "since_at": NOW - int(days * DAY_S),
        "until_at": NOW + DAY_S,
        "step_s": STEP_S,
        "config": config,
    }
    return read_venue(venue, **(settings | options))


def assert_same(got: History, world: VenueData, *, unpublished: tuple[str, ...] = ()) -> None:
    """Every column equals the world's last rows, to the last digit; what is unpublished is NaN."""
    rows = len(got)
    for name in COLUMNS:
        expected = getattr(world.history, name)[-rows:]
        if name in unpublished:
            expected = np.full(rows, np.nan)
        np.testing.assert_array_equal(getattr(got, name), expected, err_msg=name)
