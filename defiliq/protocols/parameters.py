"""What governs the liquidations of a market, flat: names that people know to texts, so that changes show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from defiliq.pricing.graph import Discount, Fixed, Growing, Input, Least, PriceGraph, Quantity
from defiliq.types import Market, Reserve

Text = Iterator[tuple[str, str]]


def said(value: object) -> str:
    """A parameter as text: integers in digits, truths as true and false, nothing as `none`."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def fields_of(of: object, names: Iterable[str], path: str = "") -> Text:
    """Some attributes by their own names, below `path`."""
    return ((f"{path}.{name}" if path else name, said(getattr(of, name))) for name in names)


def reserve_names(reserves: Sequence[Reserve]) -> tuple[str, ...]:
    """One name per reserve: its symbol, with both ends of an address where several share it.

    The address is the asset's, or that of the token that suppliers hold instead; where even these look
    alike, the reserve's own number decides.
    """
    names = [reserve.symbol for reserve in reserves]
    for more in (_ends, lambda reserve: f"#{reserve.id}"):
        times = Counter(names)
        names = [
            name if times[name] == 1 else f"{name} {more(reserve)}"
            for name, reserve in zip(names, reserves, strict=True)
        ]
    return tuple(names)


def _ends(reserve: Reserve) -> str:
    address = reserve.asset if reserve.receipt is None else reserve.receipt[0]
    return f"{address[:6]}..{address[-4:]}"


def named_bits(bitmap: int, names: Mapping[int, str]) -> str:
    """A bitmap of reserve ids as their names, in the order of the ids; `none` where it is empty."""
    ids = [k for k in range(bitmap.bit_length()) if bitmap >> k & 1]
    return ", ".join(names.get(k, f"reserve {k}") for k in ids) if ids else "none"


def price_of(market: Market, feed: int, path: str) -> Text:
    """Where a price comes from, and the numbers in its contracts that only governance moves."""
    yield f"{path}.price_source", market.feeds[feed].source
    graph = market.graph
    if not graph.feeds:
        return
    below = graph.below(graph.feeds[feed])
    inputs = [
        quantity for quantity in map(graph.quantities.__getitem__, below) if isinstance(quantity, Input)
    ]
    yield f"{path}.price_inputs", ", ".join(f"{each.name} {each.source}" for each in inputs) or "none"
    caps = _caps(graph, below)
    times = Counter[str]()
    for k in below:
        for name, facts in _fixed_in(graph.quantities[k], is_cap=k in caps):
            times[name] += 1
            numbered = f"{path}.{name}" if times[name] == 1 else f"{path}.{name} {times[name]}"
            yield from ((f"{numbered}.{fact}" if fact else numbered, said(value)) for fact, value in facts)


def _caps(graph: PriceGraph, below: Sequence[int]) -> set[int]:
    """Positions of the fixed and growing numbers that hold something down."""
    held = [graph.quantities[k].uses for k in below if isinstance(graph.quantities[k], Least)]
    return {k for uses in held for k in uses if isinstance(graph.quantities[k], Fixed | Growing)}


def _fixed_in(quantity: Quantity, *, is_cap: bool) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """A quantity's name and its numbers, where nothing but governance moves them."""
    if isinstance(quantity, Fixed):
        yield "price_cap" if is_cap else "fixed_price", [("", quantity.value)]
    elif isinstance(quantity, Growing):
        names = ("start", "since", "growth", "scale")
        yield "price_cap", [(name, getattr(quantity, name)) for name in names]
    elif isinstance(quantity, Discount):
        yield "price_discount", [(name, getattr(quantity, name)) for name in ("rate", "maturity")]
