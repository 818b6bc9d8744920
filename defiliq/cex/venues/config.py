"""How venues are reached: addresses, patience and bounds. No keys: all that is read here is public."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from defiliq.errors import InputError

HOST: Final = "{host}"
"""In an address of the configuration: the host that the venue itself would be asked at."""
MS: Final = 1_000

Say = Callable[[str], None]
"""Takes one sentence about what goes on."""


def say_nothing(_sentence: str) -> None:
    """For callers that do not listen."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """What a user may set, with bounds that hold against any server."""

    urls: Mapping[str, str] = field(default_factory=dict)
    """Venue to a base address that stands in for all of its hosts: `http://127.0.0.1:9000`. The paths behind
    it stay the venue's own. Where several hosts must be told apart: `http://127.0.0.1:9000/{host}`."""
    timeout_s: float = 20.0
    """For a connection, and for every read; a whole answer may take four of them."""
    retries: int = 3
    """How often the same question is asked again."""
    max_response_bytes: int = 64 << 20
    max_pages: int = 4_000
    """Of one column of one contract: a year of 1-minute candles has 526."""
    is_rate_limited: bool = True
    """Keeps the venue's published pace. Off is for a server on this machine."""
    now_ms: Callable[[], int] = _now_ms
    sleep_s: Callable[[float], None] = time.sleep

    def address(self, venue: str) -> str | None:
        """The configured base address without a trailing slash; InputError where it is none."""
        url = self.urls.get(venue)
        if url is None:
            return None
        scheme, mark, rest = url.strip().partition("://")
        host = rest.split("/")[0].split("@")[-1]
        if not mark or scheme.lower() not in ("http", "https") or not host or any(c.isspace() for c in rest):
            raise InputError(
                f"the address configured for {venue} cannot be used. Give one like http://127.0.0.1:9000."
            )
        return url.strip().rstrip("/")
