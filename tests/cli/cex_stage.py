"""Exchanges on this machine for the commands that ask them, and what they must come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from defiliq.cex.history import History, VenueData
from defiliq.cex.tiers import TierTable
from defiliq.cex.venues import VenueConfig, read_tiers
from defiliq.cex.venues.tiers import READERS
from defiliq.pipeline.exchanges import Assumptions, estimate_of
from tests.cex.stub import Urls, made_world, stub

VENUES = ("binance", "bybit", "okx")
STEP_S = 300
NOW = 1_790_000_100
"""2026-09-21 14:15:00 UTC: the start of a candle of five minutes."""
INTO_S = 10
"""So far into that candle it is when exchanges are asked; spans are cut to whole candles."""
SPAN_S = 6 * 3_600
LIVE = ("--live", "--span", "6h", "--candles", "5min")
COLUMNS = (
    *("at", "open_usd", "high_usd", "low_usd", "close_usd", "volume_usd"),
    *("open_interest", "taker_buy_share", "funding_rate", "long_short_ratio"),
)


def world(venue: str, symbol: str = "BTC/USDT:USDT", *, until_at: int = NOW, seed: int = 7) -> VenueData:
    """Half a day of one contract, and a bit of the future, which nobody may be told of."""
    return made_world(venue, symbol, until_at=until_at + 3_600, candles=160, step_s=STEP_S, seed=seed)


WORLDS = [world(venue, seed=number) for number, venue in enumerate(VENUES)]


@dataclass
class Clock:
    """The time at the exchanges and here, with what was waited; nothing really waits."""

    at: float = NOW + INTO_S

    def __post_init__(self) -> None:
        self.waited_s: list[float] = []

    def now_ms(self) -> int:
        return int(self.at * 1_000)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)
        self.at += seconds


@contextmanager
def asked(
    monkeypatch: pytest.MonkeyPatch, worlds: list[VenueData] = WORLDS, clock: Clock | None = None
) -> Iterator[Urls]:
    """Exchanges that the environment names, asked as fast as they answer, at a time that stands."""
    clock = Clock() if clock is None else clock
    with stub(worlds, clock.now_ms) as urls:
        for venue, url in urls.items():
            monkeypatch.setenv(f"VENUE_URL_{venue.upper()}", url)
        monkeypatch.setattr("defiliq.cli.exchange_options.venue_config", lambda urls: config_for(urls, clock))
        yield urls


def config_for(urls: Mapping[str, str], clock: Clock) -> VenueConfig:
    """The patience and the clock of a test."""
    return VenueConfig(
        urls=urls, is_rate_limited=False, now_ms=clock.now_ms, sleep_s=lambda _seconds: None, timeout_s=5.0
    )


def tiers_at(urls: Urls, asset: str = "BTC") -> dict[tuple[str, str], TierTable]:
    """What the exchanges of a stub say of their margin tiers."""
    config = config_for(urls, Clock())
    tables = [table for venue in READERS for table in read_tiers(venue, asset, config=config)]
    return {(table.venue, table.symbol): table for table in tables}


def served(one: VenueData, since_at: int, until_at: int) -> History:
    """What a venue publishes of a world over a span: Bybit does not tell who took."""
    history = one.history
    where = (history.at >= since_at) & (history.at < until_at)
    columns: dict[str, Any] = {name: getattr(history, name)[where] for name in COLUMNS}
    if history.instrument.venue == "bybit":
        columns["taker_buy_share"] = np.full(where.sum(), np.nan)
    executed = history.executed
    if executed is not None:
        kept = (executed["at"] >= since_at) & (executed["at"] < until_at)
        columns["executed"] = executed[kept].reset_index(drop=True)
    return replace(history, **columns)


def computed(
    worlds: list[VenueData],
    tiers: Mapping[tuple[str, str], TierTable],
    *,
    since_at: int = NOW + INTO_S - SPAN_S,
    until_at: int = NOW,
    **assumed: Any,
) -> pd.DataFrame:
    """The rows that the worlds themselves come to, without a command, an exchange or a file between."""
    assumptions = Assumptions(tiers=tiers, **assumed)
    made = [estimate_of(served(one, since_at, until_at), assumptions) for one in worlds]
    return pd.concat([one.table() for one in made], ignore_index=True).drop(columns="source")


def assert_rows(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    """To the last digit, but for where they are from."""
    pd.testing.assert_frame_equal(
        got.drop(columns="source").reset_index(drop=True), expected, check_dtype=False
    )
