"""Drivers: the inputs of a market's price graph by name, and groups of feeds made by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from defiliq.errors import InputError, SeveralDrivers, UnknownDriver
from defiliq.pricing.driver import Driver, Move, driver_of_feeds, driver_of_inputs
from defiliq.pricing.graph import Input
from defiliq.types import Market

RATIO_SUFFIX = " ratio"
"""What the name of an exchange rate ends in; people may leave it out."""
JOINT_UNIT = 10**9
"""Integers in 1.0 of a joint driver: a step of it is finer than any price that has nine digits."""
_RATIO = re.compile(r"(\d+)/(\d+)")


def drivers(market: Market) -> tuple[Driver, ...]:
    """What moves the market's prices: every input, and all of them at once where people think in that."""
    found, name = input_drivers(market), joint_name(market)
    return (*found, _joint_driver(market, name)) if name else found


def joint_name(market: Market) -> str:
    """What the driver of all inputs at once is called; '' where people do not think in that."""
    name = market.joint_driver if market.graph.inputs else ""
    taken = {quantity.name.casefold() for _, quantity in market.graph.inputs} if name else set()
    while name.casefold() in taken:
        name += "*"  # an oracle may call a price whatever it likes
    return name


def input_drivers(market: Market) -> tuple[Driver, ...]:
    """What each moves some of the market's prices, in the order of the first feed that each moves.

    Inputs that quote the same pair are one driver: the one behind most feeds leads and the others keep their
    present proportion to it. Feeds of a market whose sources were not resolved are drivers of their own.
    """
    if not market.graph.feeds:
        return _feed_drivers(market)
    named: dict[str, list[int]] = {}
    for position, quantity in market.graph.inputs:
        named.setdefault(quantity.name.casefold(), []).append(position)
    found = [_pair_driver(market, positions) for positions in named.values()]
    moving = [driver for driver in found if driver.outputs]
    return tuple(sorted(moving, key=lambda driver: min(driver.feeds)))


def _joint_driver(market: Market, name: str) -> Driver:
    """All inputs in their present proportions (a beta of 1): 1.0 is where they stand."""
    moves = [Move(k, quantity.value, JOINT_UNIT) for k, quantity in market.graph.inputs if quantity.value > 0]
    return driver_of_inputs(market.graph, name, JOINT_UNIT, JOINT_UNIT, moves, market.timestamp)


def find_driver(market: Market, name: str, groups: Sequence[Driver] = ()) -> Driver:
    """The driver that a person means: its name, a reserve's symbol, or the address of an asset or a source.

    Spelling is compared without case. A symbol whose price hangs on several drivers is as unknown as one that
    fits none; the error lists what it could mean, or what comes close, first.
    """
    wanted = name.strip().casefold()
    if not groups:
        found = _input_driver(market, wanted)
        if found is not None:
            return found
    known = (*groups, *drivers(market))
    for driver in known:
        if wanted in (driver.name.casefold(), driver.name.casefold().removesuffix(RATIO_SUFFIX)):
            return driver
    meant = {k for k in range(len(market.feeds)) if wanted in _spellings(market, k)}
    asked = {k for k, quantity in market.graph.inputs if quantity.source.casefold() == wanted}
    fitting = [
        driver
        for driver in input_drivers(market)  # what moves all prices is not what one of them hangs on
        if driver.feeds & meant or asked & {position for position, _ in driver.inputs}
    ]
    if len(fitting) == 1:
        return fitting[0]
    if meant and not fitting:
        raise InputError(f"nothing moves {name}: its price is fixed in its source. See `defiliq feeds`.")
    close = [driver.name for driver in fitting]
    if close:
        raise SeveralDrivers(name, close)
    raise UnknownDriver(name, _closest_first(name, [driver.name for driver in known]))


def _input_driver(market: Market, wanted: str) -> Driver | None:
    """The driver of the inputs of one name; None where there are none, or where the name could mean another.

    Making every driver only to choose one by its name takes longer than all else about a market.
    """
    names = [(k, quantity.name.casefold()) for k, quantity in market.graph.inputs]
    positions = [k for k, name in names if name == wanted]
    is_short = any(name == wanted + RATIO_SUFFIX for _, name in names)
    if not positions or is_short or not market.graph.feeds:
        return None
    driver = _pair_driver(market, positions)
    return driver if driver.outputs else None


def group_driver(market: Market, spec: str) -> Driver:
    """A driver that moves several feeds, from 'NAME=LEAD,FOLLOWER[:NUM/DEN],...'.

    The driver is the lead's price, and a follower stands at lead * NUM / DEN rounded down; without a ratio
    it keeps its present one. A ratio that does not give the follower's present price is refused, because
    its ladder would start from a market that is not there.
    """
    name, equals, members = spec.partition("=")
    name = name.strip()
    parts = [part.strip() for part in members.split(",") if part.strip()]
    if not equals or not name or len(parts) < 2:
        raise InputError(f"cannot read the group {spec!r}. Write NAME=LEAD,FOLLOWER[:NUM/DEN],...")
    if any(driver.name.casefold() == name.casefold() for driver in drivers(market)):
        raise InputError(f"{name} is a driver already. Give the group {spec!r} another name.")
    lead = _find_feed(market, parts[0])
    moves = [Move(lead), *(_follow(market, lead, part) for part in parts[1:])]
    twice = [market.feeds[feed].name for feed, count in Counter(m.target for m in moves).items() if count > 1]
    if twice:
        raise InputError(f"the group {spec!r} moves {', '.join(twice)} twice. Name each feed once.")
    return driver_of_feeds(name, market.prices[lead], market.price_unit(lead), moves)


def _feed_drivers(market: Market) -> tuple[Driver, ...]:
    """One driver per feed, where nothing is known of what the sources are made of.

    Two sources whose reserves carry the same symbols are told apart by the start of the source's address.
    """
    names = Counter(feed.name.casefold() for feed in market.feeds)
    found = []
    for position, (feed, price) in enumerate(zip(market.feeds, market.prices, strict=True)):
        apart = "" if names[feed.name.casefold()] == 1 else f"[{feed.source[:8]}]"
        name = f"{feed.name}{apart}/{market.base_symbol}"
        found.append(driver_of_feeds(name, price, market.price_unit(position), [Move(position)]))
    return tuple(found)


def _pair_driver(market: Market, positions: Sequence[int]) -> Driver:
    """The driver of all inputs that quote one pair."""
    graph = market.graph
    quoted: dict[int, Input] = {k: q for k, q in graph.inputs if k in positions}
    reach = Counter(root for k in graph.feeds for root in graph.roots(k) if root in quoted)
    lead = max(positions, key=lambda k: (quoted[k].value > 0, reach[k], -k))
    moves = [
        Move(k, *_proportion(quoted[k].value, quoted[lead].value)) for k in positions if quoted[k].value > 0
    ]
    name, unit = quoted[lead].name, int(10 ** quoted[lead].decimals)
    return driver_of_inputs(graph, name, quoted[lead].value, unit, moves, market.timestamp)


def _proportion(value: int, lead: int) -> tuple[int, int]:
    return (1, 1) if value == lead else (value, lead)


def _follow(market: Market, lead: int, part: str) -> Move:
    """How a follower's feed hangs on the lead."""
    follower, colon, ratio = part.rpartition(":") if ":" in part else (part, "", "")
    feed = _find_feed(market, follower)
    if not colon:
        return Move(feed, market.prices[feed], market.prices[lead])
    match = _RATIO.fullmatch(ratio.replace(" ", ""))
    if match is None or int(match[2]) == 0:
        raise InputError(f"cannot read the ratio {ratio!r} of {follower}. Write two integers, NUM/DEN.")
    move = Move(feed, int(match[1]), int(match[2]))
    led = market.prices[lead] * move.numerator // move.denominator
    if led != market.prices[feed]:
        raise InputError(
            f"the ratio {ratio} puts {market.feeds[feed].name}/{market.base_symbol} at {led}, "
            f"but it stands at {market.prices[feed]}. "
            "Use the feed's own ratio, or leave it out to keep the present one."
        )
    return move


def _find_feed(market: Market, name: str) -> int:
    """The one feed that a person means."""
    wanted = name.strip().casefold()
    fitting = [k for k in range(len(market.feeds)) if wanted in _spellings(market, k)]
    if len(fitting) == 1:
        return fitting[0]
    names = [market.feeds[k].name for k in (fitting or range(len(market.feeds)))]
    raise UnknownDriver(name, names if fitting else _closest_first(name, names))


def _spellings(market: Market, feed: int) -> set[str]:
    """What a feed may be called: symbols, with or without the base currency, asset and source addresses."""
    priced = [reserve for reserve in market.reserves if reserve.feed == feed]
    symbols = {market.feeds[feed].name} | {reserve.symbol for reserve in priced}
    symbols |= {symbol.removesuffix(f"-{market.base_symbol}") for symbol in symbols}  # perpetuals: BTC-USD
    named = symbols | {f"{symbol}/{market.base_symbol}" for symbol in symbols}
    named |= {market.feeds[feed].source} | {reserve.asset for reserve in priced}
    return {name.casefold() for name in named}


def _closest_first(name: str, known: Sequence[str]) -> list[str]:
    """The known names, those that look like `name` in front."""
    lowered = {driver.casefold(): driver for driver in reversed(known)}
    close = [lowered[match] for match in get_close_matches(name.casefold(), list(lowered), n=3)]
    return [*close, *(driver for driver in known if driver not in close)]
