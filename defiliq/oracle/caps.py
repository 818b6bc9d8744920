"""Caps in price sources: what each holds down, whether it binds, and the same market with a cap elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from defiliq.errors import InputError
from defiliq.oracle.dag import is_cap
from defiliq.oracle.scale import decimals_of, price_decimals
from defiliq.pricing.graph import Fixed, Fraction, Growing, Input, Least, PriceGraph, Quantity
from defiliq.types import Market

M = TypeVar("M", bound=Market)


@dataclass(frozen=True, slots=True)
class Cap:
    """One cap at work: the least of what it limits and itself. Fields are positions in a price graph."""

    least: int
    position: int
    """The cap's own; the lowest one where there are several."""
    limited: int
    value: int
    limited_value: int
    decimals: int | None
    """Digits behind the point of both values."""

    @property
    def binds(self) -> bool:
        """Strictly, as the adapters' `isCapped` has it."""
        return self.limited_value > self.value


def caps_of(market: Market, feed: int) -> tuple[Cap, ...]:
    """The caps that a feed's price passes under, in order; none where its source was not resolved."""
    graph = market.graph
    if not graph.feeds:
        return ()
    values = graph.values(market.timestamp)
    decimals = decimals_of(graph, price_decimals(market))
    return tuple(_caps_below(graph, graph.feeds[feed], values, decimals))


def is_capped(market: Market, feed: int) -> bool | None:
    """Whether a cap holds a feed's price down; None where it has no cap."""
    caps = caps_of(market, feed)
    return any(cap.binds for cap in caps) if caps else None


def find_cap(market: Market, name: str) -> Cap:
    """The cap that a person means: by the symbol or address of a reserve, by what it limits, or its contract.

    Where a reserve's price passes under several, it is the one in the reserve's own source.
    """
    wanted = name.strip().casefold()
    known: dict[int, Cap] = {}
    meant: dict[int, Cap] = {}
    capped: dict[str, None] = {}
    for reserve in market.reserves:
        source, caps = market.feeds[reserve.feed].source, caps_of(market, reserve.feed)
        own = [cap for cap in caps if _contract(market, cap) == source]
        known |= {cap.least: cap for cap in caps}
        if caps:
            capped[reserve.symbol] = None
        if wanted in (reserve.symbol.casefold(), reserve.asset.casefold()):
            meant |= {cap.least: cap for cap in (own or caps)}
    if not meant:
        meant = {k: cap for k, cap in known.items() if wanted in _limited_names(market, cap)}
    if len(meant) == 1:
        return next(iter(meant.values()))
    if meant:
        contracts = ", ".join(_contract(market, cap) for cap in meant.values())
        raise InputError(f"{name} is under {len(meant)} caps. Name one by its contract: {contracts}.")
    raise InputError(f"no cap on {name!r} in this market. Capped are: {', '.join(capped) or 'none'}.")


def with_cap(market: M, cap: Cap, value: int) -> M:
    """The same market with one cap elsewhere, and every price that follows. It grows on where it grew.

    The graph gets one more quantity where the cap is used, because another contract may share the old one.
    """
    graph = market.graph
    old = graph.quantities[cap.position]
    moved: Quantity = (
        replace(old, start=value, since=market.timestamp)
        if isinstance(old, Growing)
        else Fixed(value, getattr(old, "label", ""), getattr(old, "source", ""))
    )

    def shifted(k: int) -> int:
        return k if k < cap.least else k + 1

    quantities = [_renumbered(quantity, [shifted(k) for k in quantity.uses]) for quantity in graph.quantities]
    quantities.insert(cap.least, moved)
    held = [cap.least if k == cap.position else k for k in graph.quantities[cap.least].uses]
    quantities[cap.least + 1] = _renumbered(graph.quantities[cap.least], held)
    changed = replace(graph, quantities=tuple(quantities), feeds=tuple(shifted(k) for k in graph.feeds))
    return replace(market, graph=changed, prices=changed.prices(market.timestamp))


def _renumbered(quantity: Quantity, uses: Sequence[int]) -> Quantity:
    """The same quantity over other positions, in the order of `uses`."""
    if isinstance(quantity, Least):
        return replace(quantity, of=tuple(uses))
    if isinstance(quantity, Fraction):
        over = len(quantity.over)
        return replace(quantity, over=tuple(uses[:over]), under=tuple(uses[over:]))
    return quantity


def _caps_below(
    graph: PriceGraph, position: int, values: Sequence[int], decimals: Sequence[int | None]
) -> Iterator[Cap]:
    for k in graph.below(position):
        quantity = graph.quantities[k]
        if not isinstance(quantity, Least):
            continue
        caps = [part for part in quantity.of if is_cap(graph.quantities[part])]
        limited = [part for part in quantity.of if part not in caps]
        if caps and limited:
            cap = min(caps, key=lambda part: values[part])
            held = min(limited, key=lambda part: values[part])
            yield Cap(k, cap, held, values[cap], values[held], decimals[held])


def _contract(market: Market, cap: Cap) -> str:
    held = market.graph.quantities[cap.least]
    return held.source if isinstance(held, Least) else ""


def _limited_names(market: Market, cap: Cap) -> set[str]:
    limited = market.graph.quantities[cap.limited]
    name = limited.name if isinstance(limited, Input) else limited.label
    return {name.casefold(), _contract(market, cap).casefold()}
