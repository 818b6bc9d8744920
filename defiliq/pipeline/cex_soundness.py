"""What data of venues must be, before they are written and after they are read from a file of somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.cex.history import EXECUTED_COLUMNS, Floats, History, Instrument, OrderBook, VenueData
from defiliq.cex.venues.grid import LARGEST_AMOUNT, LARGEST_PRICE_USD

MAX_STEP_S = 31 * 86_400
MAX_AT = 1 << 40
_MAX_FAULTS = 1_000
_MAX_TEXT = 1_000
_LONGEST = {"venue": 40, "symbol": 60, "asset": 30, "settle": 30}


class Unsound(ValueError):
    """What is wrong, in a part of a sentence."""


def require_sound(data: Sequence[VenueData]) -> None:
    """Unsound unless every contract comes once and makes sense."""
    seen = set()
    for one in data:
        instrument = one.history.instrument
        _require_instrument(instrument)
        name = f"{instrument.venue} {instrument.symbol}"
        if name in seen:
            raise Unsound(f"{name} is there twice")
        seen.add(name)
        _require_history(name, one.history)
        if one.order_book is not None:
            _require_book(name, one.order_book)


def whole_number(value: Any, what: str, low: int, high: int) -> int:
    """An int within bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise Unsound(f"{what} is {str(value)[:40]}, no whole number from {low} to {high}")
    return int(value)


def _require_text(value: Any, what: str, longest: int) -> None:
    """Printable and short: it is shown on terminals and in pages."""
    if not isinstance(value, str) or not value.isprintable() or not len(value) <= longest:
        raise Unsound(f"{what} is no printable text of at most {longest} letters")


def _require_instrument(instrument: Instrument) -> None:
    for what, longest in _LONGEST.items():
        value = getattr(instrument, what)
        _require_text(value, f"a contract's {what}", longest)
        if not value.strip():
            raise Unsound(f"a contract has no {what}")
    if not isinstance(instrument.is_inverse, bool):
        raise Unsound("a contract does not say whether it is inverse")
    if instrument.expires_at is not None:
        whole_number(instrument.expires_at, "a contract's expiry", 0, MAX_AT)


def _require_history(name: str, history: History) -> None:
    step = whole_number(history.step_s, f"the step of {name}", 1, MAX_STEP_S)
    whole_number(history.fetched_at, f"the time at which {name} was fetched", 0, MAX_AT)
    _require_text(history.source, f"the source of {name}", _MAX_TEXT)
    if len(history.faults) > _MAX_FAULTS:
        raise Unsound(f"{name} has more than {_MAX_FAULTS} faults")
    for fault in history.faults:
        _require_text(fault, f"a fault of {name}", _MAX_TEXT)
    if not len(history):
        raise Unsound(f"{name} has no candle")
    at = history.at
    if at[0] < 0 or at[-1] > MAX_AT or (np.diff(at) != step).any():
        raise Unsound(f"the candles of {name} do not follow each other every {step} s")
    _require_candles(name, history)
    if history.executed is not None:
        _require_executed(name, history)


def _require_candles(name: str, history: History) -> None:
    """What is known of each candle must be possible; NaN is not known."""
    prices = np.stack([history.open_usd, history.high_usd, history.low_usd, history.close_usd])
    _refuse(name, "price", (prices <= 0) | (prices > LARGEST_PRICE_USD), history)
    _refuse(name, "high, which is below another price of its candle,", prices > history.high_usd, history)
    _refuse(name, "low, which is above another price of its candle,", prices < history.low_usd, history)
    for what in ("volume_usd", "open_interest", "long_short_ratio"):
        column = getattr(history, what)
        _refuse(name, what, (column < 0) | (column > LARGEST_AMOUNT), history)
    share, rate = history.taker_buy_share, history.funding_rate
    _refuse(name, "taker_buy_share", (share < 0) | (share > 1), history)
    _refuse(name, "funding_rate", np.abs(rate) > 1, history)


def _refuse(name: str, what: str, wrong: NDArray[np.bool_], history: History) -> None:
    rows = np.array(np.atleast_2d(wrong).any(axis=0))
    if len(rows) != len(history):
        raise Unsound(f"{name} has {len(rows)} values of {what} for {len(history)} candles")
    if rows.any():
        raise Unsound(f"the {what} of {name} at {int(history.at[np.argmax(rows)])} makes no sense")


def _require_executed(name: str, history: History) -> None:
    executed = history.executed
    if executed is None or tuple(executed.columns) != EXECUTED_COLUMNS:
        raise Unsound(f"the executed liquidations of {name} have other columns than {EXECUTED_COLUMNS}")
    at = executed["at"].to_numpy()
    if len(at) and (at.dtype.kind != "i" or at[0] < 0 or at[-1] > MAX_AT or (np.diff(at) < 0).any()):
        raise Unsound(f"the executed liquidations of {name} are not in order of time")
    if not executed["side"].isin(("long", "short")).all():
        raise Unsound(f"an executed liquidation of {name} is neither of a long nor of a short")
    for what in ("price_usd", "size_usd"):
        if not _are_positive(executed[what].to_numpy(dtype=np.float64)):
            raise Unsound(f"the {what} of an executed liquidation of {name} makes no sense")


def _require_book(name: str, book: OrderBook) -> None:
    whole_number(book.at, f"the time of the order book of {name}", 0, MAX_AT)
    for price, size in ((book.bid_usd, book.bid_size_usd), (book.ask_usd, book.ask_size_usd)):
        if len(price) != len(size) or not (_are_positive(price) and _are_positive(size)):
            raise Unsound(f"the order book of {name} holds a price or size that makes no sense")
    if (np.diff(book.bid_usd) > 0).any() or (np.diff(book.ask_usd) < 0).any():
        raise Unsound(f"the order book of {name} is not sorted, best first")
    if len(book.bid_usd) and len(book.ask_usd) and book.bid_usd[0] > book.ask_usd[0]:
        raise Unsound(f"in the order book of {name} somebody bids more than another asks")


def _are_positive(values: Floats) -> bool:
    return bool(((values > 0) & (values <= LARGEST_AMOUNT)).all())
