"""Looking at a market again and again, at its own pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from defiliq.cex.estimate import spot_at
from defiliq.cex.history import VenueData
from defiliq.cex.refresh import CALM_S, MINUTE_S, Cadence

Look = Callable[[int], Mapping[str, float]]
"""One round, by its number from 1: the price of every contract that was seen in it."""


def follow(
    look: Look,
    *,
    rounds: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Look until so many rounds are over, for ever where none are named.

    Rounds begin a minute apart; 15 seconds apart while a price that was seen within the last minute moves
    fast. A round that takes longer than that is followed by the next at once.
    """
    cadences: dict[str, Cadence] = {}
    number = 0
    while True:
        number += 1
        began = clock()
        prices = look(number)
        now = clock()
        for name, price_usd in prices.items():
            cadences[name] = cadences.get(name, Cadence()).after(now, price_usd)
        if rounds is not None and number >= rounds:
            return
        recent = [each for each in cadences.values() if each.seen[-1][0] >= now - MINUTE_S]
        wait_s = min((each.wait_s for each in recent), default=CALM_S)
        sleep(max(0.0, began + wait_s - clock()))


def price_now(one: VenueData) -> float:
    """Between the best orders of the book, which is younger than any closed candle; else the last close.

    InputError where no price is known at all.
    """
    book = one.order_book
    if book is not None and len(book.bid_usd) and len(book.ask_usd):
        return float(book.bid_usd[0] + book.ask_usd[0]) / 2
    return spot_at(one.history, len(one.history) - 1)
