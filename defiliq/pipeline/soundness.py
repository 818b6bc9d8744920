"""Whether a market from a file is one that contracts could have made, and that can be reckoned with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from defiliq.pipeline.market_json import NotEncoded
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph, Quantity
from defiliq.types import Market, Reserve
from defiliq.units import HIGHEST_PRICE, MAX_UINT256

MOST_QUANTITIES: Final = 10_000
"""No market has a tenth of it, and the work grows with the square."""
MOST_PARTS: Final = 16
MOST_BITS: Final = 1 << 16
"""Of any number on the way to a price, wherever its inputs go: products of products grow without end, and
the eight deep that are ever resolved stay below."""
INPUT_BITS: Final = 256
TIME_BITS: Final = 64
MAX_DECIMALS: Final = 77
LAST_SECOND: Final = 1 << 48
LONGEST_S: Final = 1 << 31
LAST_BLOCK: Final = (1 << 63) - 1
LAST_OF_16_BITS: Final = (1 << 16) - 1
LAST_MODE: Final = 255
_SOURCE: Final = re.compile("0x[0-9a-fA-F]{40}|market/[0-9]{1,10}")
_SIGNED: Final = ("atomic_resolution", "decimals", "exponent", "funding_index", "quantum_conversion_exponent")
"""Fields of which a protocol has negative ones: how negative, its own `unsound` tells."""
_SECONDS: Final = ("timestamp", "updated_at", "grace_period_until")
_BLOCK: Final = ("number", "chain_id")


def require_whole(market: Market) -> None:
    """NotEncoded where the parts of a market do not fit together, or a number is none of a contract."""
    count, numbers = len(market.feeds), list(_numbers_of(market))
    if len(market.prices) != count or any(not 0 <= k < count for name, k in numbers if name == "feed"):
        raise NotEncoded("prices, feeds and reserves do not fit together")
    if any(feed.unit == 0 for feed in market.feeds):
        raise NotEncoded("a price is counted in units of 0")
    if market.base_unit <= 0 or any(price <= 0 for price in market.prices):
        raise NotEncoded("a price is not positive")
    if any(price > HIGHEST_PRICE for price in market.prices):
        raise NotEncoded("a price is beyond all range")
    for reserve in market.reserves:
        if reserve.id > reserve.highest_id:
            raise NotEncoded(f"a reserve's id is {reserve.id}, which no contract answers")
    for name, number in numbers:
        if not (-_most(name) if name in _SIGNED else 0) <= number <= _most(name):
            raise NotEncoded(f"{name} is {number}, which no contract answers")
    _require_sound(market.graph, market.prices, market.timestamp)


def _numbers_of(part: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """(field, integer) of all that a market holds but its price graph."""
    if is_dataclass(part) and not isinstance(part, PriceGraph):
        for each in fields(part):
            is_reserve = isinstance(part, Reserve) and each.name == "id"
            yield from _numbers_of(getattr(part, each.name), "a reserve's id" if is_reserve else each.name)
    elif isinstance(part, Mapping):
        yield from (("the number of an eMode", key) for key in part)
        yield from (found for item in part.values() for found in _numbers_of(item, name))
    elif isinstance(part, tuple):
        yield from (found for item in part for found in _numbers_of(item, name))
    elif isinstance(part, int) and not isinstance(part, bool):
        yield name, part


def _most(name: str) -> int:
    """The largest integer that a field of this name can hold."""
    if name in _SECONDS:
        return LAST_SECOND
    if name in _BLOCK:
        return LAST_BLOCK
    if name == "decimals":
        return MAX_DECIMALS
    if name == "the number of an eMode":
        return LAST_MODE
    return LAST_OF_16_BITS if name in ("id", "revision") or name.endswith("_bps") else MAX_UINT256


def _require_sound(graph: PriceGraph, prices: Sequence[int], timestamp: int) -> None:
    """NotEncoded where a graph does not give exactly these prices, or holds what no contract answers.

    The empty graph is sound: nothing of that market was resolved.
    """
    if (graph.feeds or graph.quantities) and len(graph.feeds) != len(prices):
        raise NotEncoded("the price graph does not answer for every feed")
    if len(graph.quantities) > MOST_QUANTITIES:
        raise NotEncoded(f"the price graph has more than {MOST_QUANTITIES} quantities")
    if any(not 0 <= k < len(graph.quantities) for k in graph.feeds):
        raise NotEncoded("a feed hangs on a quantity that the price graph does not have")
    bits: list[int] = []
    for position, quantity in enumerate(graph.quantities):
        if any(not 0 <= k < position for k in quantity.uses):
            raise NotEncoded("a quantity uses one that does not stand before it")
        if len(quantity.uses) > MOST_PARTS:
            raise NotEncoded(f"a quantity of the price graph has more than {MOST_PARTS} parts")
        if not _is_plausible(quantity, timestamp):
            raise NotEncoded(f"quantity {position} of the price graph has a number that no contract has")
        bits.append(_bits(quantity, bits))
        if bits[-1] > MOST_BITS:
            raise NotEncoded("the price graph multiplies beyond all bounds")
    if graph.feeds and graph.prices(timestamp) != tuple(prices):
        raise NotEncoded("the price graph does not give the market's prices")


def _is_plausible(quantity: Quantity, timestamp: int) -> bool:
    """Whether each number is one that a contract can have; of divisors, whether they are not 0."""
    if isinstance(quantity, Input):
        return _is_answer(quantity)
    if isinstance(quantity, Fixed):
        return _are_words([quantity.value])
    if isinstance(quantity, Growing):
        is_begun = 0 <= quantity.since <= timestamp
        return (
            is_begun and quantity.scale > 0 and _are_words([quantity.start, quantity.growth, quantity.scale])
        )
    if isinstance(quantity, Discount):
        words = [quantity.whole, quantity.rate, quantity.maturity, quantity.year]
        return quantity.year > 0 and _are_words(words)
    if isinstance(quantity, Fraction):
        return quantity.denominator > 0 and _are_words([quantity.numerator, quantity.denominator])
    return len(quantity.of) > 0


def _is_answer(seen: Input) -> bool:
    """Whether an input is one that a contract can answer."""
    written = 0 if seen.updated_at is None else seen.updated_at
    promised = [number for number in (seen.heartbeat_s, seen.deviation_bps) if number is not None]
    return (
        _are_words([seen.value])
        and 0 <= seen.decimals <= MAX_DECIMALS
        and 0 <= written < LAST_SECOND
        and all(0 <= number < LONGEST_S for number in promised)
        and _SOURCE.fullmatch(seen.source) is not None
    )


def _are_words(numbers: Iterable[int]) -> bool:
    return all(0 <= number <= MAX_UINT256 for number in numbers)


def _bits(quantity: Quantity, bits: Sequence[int]) -> int:
    """A bound of the digits in base 2 of all that a quantity's arithmetic comes to, wherever inputs go."""
    if isinstance(quantity, Growing):
        return 1 + max(quantity.start.bit_length(), quantity.growth.bit_length() + TIME_BITS)
    if isinstance(quantity, Fraction):
        dividend = quantity.numerator.bit_length() + sum(bits[k] for k in quantity.over)
        divisor = quantity.denominator.bit_length() + sum(bits[k] for k in quantity.under)
        return max(dividend, divisor)
    if isinstance(quantity, Least):
        return max(bits[k] for k in quantity.of)
    return INPUT_BITS
