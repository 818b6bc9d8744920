"""Moves of drivers and caps: how people write them, which integers they mean, and the market they lead to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, TypeAlias

from defiliq.errors import InputError, UnknownDriver
from defiliq.oracle.caps import Cap, find_cap, with_cap
from defiliq.oracle.drivers import find_driver, group_driver, input_drivers, joint_name
from defiliq.oracle.scale import power_of_ten
from defiliq.pricing.driver import Driver
from defiliq.types import Market
from defiliq.units import HIGHEST_PRICE

CAP_PREFIX = "cap:"
"""What the name of a cap starts with: cap:wstETH."""
_NUMBER = r"[0-9]{1,60}(?:\.[0-9]{1,60})?"
_PERCENT = re.compile(rf"([+-])({_NUMBER})\s*%")
_PLAIN = re.compile(_NUMBER)


@dataclass(frozen=True, slots=True)
class Shock:
    """One move as a person writes it, before any market is asked what it means."""

    name: str
    """A driver, a pattern of drivers such as '*/ETH ratio', or a cap such as 'cap:wstETH'."""
    amount: Fraction
    """Exact: what the driver is multiplied with where it `is_relative`, else where it goes, in its unit."""
    is_relative: bool
    text: str
    is_optional: bool = False
    """Whether a market without that driver is left as it is there; else that is an error."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One driver or cap of one market, and the integer that it goes to."""

    name: str
    what: Driver | Cap
    before: int
    after: int
    decimals: int | None
    """Digits behind the point of both; None where they are not known."""

    @property
    def start(self) -> int:
        """Where the way begins: at spot; a cap that comes to bind begins where it touches what it limits."""
        if isinstance(self.what, Cap) and self.after < self.what.limited_value:
            return min(self.before, self.what.limited_value)
        return self.before

    def part_way(self, step: int, steps: int) -> Moved:
        """The same on its way: `step` of `steps` equal parts of the move, rounded down."""
        return replace(self, after=(self.start * (steps - step) + self.after * step) // steps)


Shocks: TypeAlias = str | Shock | Sequence["str | Shock"]


def parse_shock(text: str) -> Shock:
    """A move from 'ETH/USD=-20%' (signed, of where it stands) or 'ETH/USD=2400' (where it goes).

    A cap is moved by 'cap:wstETH=-2.85%', which is of what it limits, or 'cap:wstETH=1.19'. The number is
    taken exactly, and the driver's integer is rounded down.
    """
    name, equals, amount = (part.strip() for part in text.rpartition("="))
    percent, plain = _PERCENT.fullmatch(amount), _PLAIN.fullmatch(amount)
    if not equals or not name or name == CAP_PREFIX or (percent is None and plain is None):
        unsigned = " Write + or - before a percentage." if re.fullmatch(rf"{_NUMBER}\s*%", amount) else ""
        raise InputError(
            f"cannot read the move {text!r}.{unsigned} Write DRIVER=-20%, DRIVER=+5% or DRIVER=2400."
        )
    if percent is None:
        return Shock(name, Fraction(amount), is_relative=False, text=text)
    share = Fraction(percent[2]) / 100
    if percent[1] == "-" and share >= 1:
        raise InputError(f"{text!r} leaves no price. A driver falls by less than 100%.")
    return Shock(name, 1 - share if percent[1] == "-" else 1 + share, is_relative=True, text=text)


def read_shocks(shocks: Shocks) -> tuple[Shock, ...]:
    """Moves from texts or shocks, one or several."""
    several = [shocks] if isinstance(shocks, str | Shock) else list(shocks)
    return tuple(parse_shock(shock) if isinstance(shock, str) else shock for shock in several)


def resolve_shocks(
    market: Market, shocks: Sequence[Shock], groups: Sequence[str] = ()
) -> tuple[tuple[Moved, ...], tuple[Shock, ...]]:
    """The moves that shocks mean in a market, and the optional ones that mean nothing there."""
    grouped = tuple(group_driver(market, spec) for spec in groups)
    found: dict[str, Moved] = {}
    missing = []
    for shock in shocks:
        moves = _moves(market, shock, grouped)
        if not moves:
            missing.append(shock)
        for moved in moves:
            if moved.name in found:
                raise InputError(f"{moved.name} is moved twice, again by {shock.text!r}. Move it once.")
            found[moved.name] = moved
    _check_overlap(market, list(found.values()))
    return tuple(found.values()), tuple(missing)


def moved_market(market: Any, moves: Sequence[Moved]) -> Any:
    """The same market with all moves made at once, and every price that follows.

    Inputs and caps move through the market's price graph, drivers made by hand move their feeds. A price of 0
    is refused by name: a contract takes it for none.
    """
    inputs: dict[int, int] = {}
    prices: dict[int, int] = {}
    caps: list[tuple[Cap, int]] = []
    for moved in moves:
        if isinstance(moved.what, Cap):
            caps.append((moved.what, moved.after))
        elif moved.what.inputs:
            inputs |= moved.what.moved_inputs(moved.after)
        else:
            prices |= moved.what.prices(moved.after)
    there = market.at_inputs(inputs) if inputs else market
    for cap, value in sorted(caps, key=lambda pair: -pair[0].least):  # from behind: each shifts what follows
        there = with_cap(there, cap, value)
    there = there.at_prices(prices) if prices else there
    for feed, price in zip(there.feeds, there.prices, strict=True):
        if not 1 <= price <= HIGHEST_PRICE:
            raise InputError(
                f"these moves put the price of {feed.name} at {price}, which is no price. Use smaller ones."
            )
    return there


def _moves(market: Market, shock: Shock, groups: Sequence[Driver]) -> list[Moved]:
    """What one shock moves."""
    if shock.name.casefold().startswith(CAP_PREFIX):
        return _cap_moves(market, shock)
    return [_driver_move(driver, shock) for driver in _chosen(market, shock, groups)]


def _chosen(market: Market, shock: Shock, groups: Sequence[Driver]) -> list[Driver]:
    """The drivers that a shock names; none where it is optional and names none."""
    try:
        if "*" not in shock.name:
            return [find_driver(market, shock.name, groups)]
        known, pattern = [*groups, *input_drivers(market)], shock.name.casefold()
        fitting = [driver for driver in known if fnmatchcase(driver.name.casefold(), pattern)]
        if not fitting:
            raise UnknownDriver(shock.name, [driver.name for driver in known])
    except InputError:
        if shock.is_optional:
            return []
        raise
    return fitting


def _driver_move(driver: Driver, shock: Shock) -> Moved:
    whole = driver.spot if shock.is_relative else driver.unit
    after = int(shock.amount * whole)
    if after < 1:
        raise InputError(f"{shock.text!r} puts {driver.name} below 1 of its integers. Use a smaller move.")
    return Moved(driver.name, driver, driver.spot, after, power_of_ten(driver.unit))


def _cap_moves(market: Market, shock: Shock) -> list[Moved]:
    try:
        cap = find_cap(market, shock.name[len(CAP_PREFIX) :])
    except InputError:
        if shock.is_optional:
            return []
        raise
    name = f"{CAP_PREFIX}{_limited_name(market, cap)}"
    if shock.is_relative:
        after = int(shock.amount * cap.limited_value)
    elif cap.decimals is None:
        raise InputError(f"the decimals of {name} are not known. Move it by a percentage.")
    else:
        after = int(shock.amount * 10**cap.decimals)
    if after < 1:
        raise InputError(f"{shock.text!r} puts the cap below 1 of its integers. Use a smaller move.")
    return [Moved(name, cap, cap.value, after, cap.decimals)]


def _limited_name(market: Market, cap: Cap) -> str:
    limited = market.graph.quantities[cap.limited]
    return str(getattr(limited, "name", "") or getattr(limited, "label", ""))


def _check_overlap(market: Market, moves: Sequence[Moved]) -> None:
    """Refuse feeds that two moves change where nothing joins them: one is made by hand, or moves them all."""
    joined = [
        moved
        for moved in moves
        if isinstance(moved.what, Driver) and (not moved.what.inputs or moved.name == joint_name(market))
    ]
    for one in joined:
        for other in moves:
            shared = _feeds(market, one) & _feeds(market, other)
            if other is not one and shared:
                name = market.feeds[min(shared)].name
                raise InputError(
                    f"{one.name} and {other.name} both move {name}. Leave it out of one of them."
                )


def _feeds(market: Market, moved: Moved) -> frozenset[int]:
    """The feeds whose price a move can change."""
    if isinstance(moved.what, Driver):
        return moved.what.feeds
    graph, least = market.graph, moved.what.least
    return frozenset(feed for feed, k in enumerate(graph.feeds) if least in graph.below(k))
