"""Rounds at the market's pace: when the next one begins, told by a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from defiliq.cex.history import OrderBook
from defiliq.pipeline.following import follow, price_now
from tests.cex.stub import made_world

NONE = np.array([])


class Market:
    """Prices of some rounds, each of which takes so many seconds to ask for."""

    def __init__(self, rounds: Sequence[Mapping[str, float]], takes_s: float = 0.0) -> None:
        self.rounds, self.takes_s, self.now = rounds, takes_s, 1_000.0
        self.waited_s: list[float] = []
        self.seen: list[int] = []

    def look(self, number: int) -> Mapping[str, float]:
        self.seen.append(number)
        self.now += self.takes_s
        return self.rounds[number - 1]

    def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)
        self.now += seconds

    def follow(self) -> list[float]:
        """What is waited between rounds."""
        follow(self.look, rounds=len(self.rounds), sleep=self.sleep, clock=lambda: self.now)
        assert self.seen == list(range(1, len(self.rounds) + 1))
        return self.waited_s


def prices(*each: float) -> list[Mapping[str, float]]:
    return [{"okx": price} for price in each]


@pytest.mark.parametrize(
    ("seen", "waited_s"),
    [
        (prices(100), []),
        (prices(100, 101, 102), [60, 60]),
        (prices(100, 102.5, 100), [60, 60]),
        (prices(100, 103, 103, 103), [60, 15, 15]),
        (prices(100, 97, 97), [60, 15]),
        # The fall ended a minute ago in the sixth round, and longer ago in the seventh.
        (prices(100, 90, 90, 90, 90, 90, 90, 90), [60, 15, 15, 15, 15, 15, 60]),
    ],
)
def test_a_round_begins_a_minute_after_the_last_one_or_sooner(
    seen: list[Mapping[str, float]], waited_s: list[float]
) -> None:
    assert Market(seen).follow() == waited_s


def test_the_time_that_asking_takes_is_part_of_the_minute() -> None:
    assert Market(prices(100, 100, 100), takes_s=20).follow() == [40, 40]
    assert Market(prices(100, 100, 100), takes_s=90).follow() == [0, 0]


def test_one_contract_that_runs_is_enough() -> None:
    calm_and_fast = [{"okx": 100.0, "bybit": 100.0}, {"okx": 100.0, "bybit": 104.0}, {"okx": 100.0}]
    assert Market(calm_and_fast).follow() == [60, 15]


def test_a_round_without_prices_keeps_the_pace_of_the_last_minute() -> None:
    quiet: list[Mapping[str, float]] = [{}, {}, {}]
    assert Market(quiet).follow() == [60, 60]
    assert Market([*prices(100, 104), *[{}] * 7]).follow() == [60, 15, 15, 15, 15, 15, 60, 60]


def test_a_price_is_of_the_book_which_is_younger_than_any_closed_candle() -> None:
    world = made_world("okx", "BTC/USDT:USDT", until_at=1_790_000_100, candles=4)
    book = OrderBook(1, np.array([99.0, 98.0]), np.ones(2), np.array([101.0, 102.0]), np.ones(2))
    assert price_now(replace(world, order_book=book)) == 100.0
    close = float(world.history.close_usd[-1])
    assert price_now(replace(world, order_book=None)) == close
    assert price_now(replace(world, order_book=replace(book, bid_usd=NONE, bid_size_usd=NONE))) == close
