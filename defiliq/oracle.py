"""Drivers: which integer moves which feeds of a market.

Until a feed's own contract is resolved, every feed is a driver of its own, and a driver that moves several
feeds is named by hand as a ratio group.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from defiliq.errors import InputError, UnknownDriver
from defiliq.types import Driver, Market, Move

_RATIO = re.compile(r"(\d+)/(\d+)")


def drivers(market: Market) -> tuple[Driver, ...]:
    """One driver per feed, in feed order; reserves that share a source move together.

    Two sources whose reserves carry the same symbols are told apart by the start of the source's address.
    """
    names = Counter(feed.name.casefold() for feed in market.feeds)
    found = []
    for position, (feed, price) in enumerate(zip(market.feeds, market.prices, strict=True)):
        apart = "" if names[feed.name.casefold()] == 1 else f"[{feed.source[:8]}]"
        name = f"{feed.name}{apart}/{market.base_symbol}"
        found.append(Driver(name, price, market.base_unit, (Move(position),)))
    return tuple(found)


def find_driver(market: Market, name: str, groups: Sequence[Driver] = ()) -> Driver:
    """The driver that a person means: its name, a reserve's symbol, or the address of an asset or a source.

    Spelling is compared without case. A name that fits several feeds is as unknown as one that fits none;
    the error lists what comes close first.
    """
    wanted = name.strip().casefold()
    singles = drivers(market)
    for driver in (*groups, *singles):
        if driver.name.casefold() == wanted:
            return driver
    feeds = [feed for feed in range(len(market.feeds)) if wanted in _spellings(market, feed)]
    if len(feeds) == 1:
        return singles[feeds[0]]
    if feeds:
        raise UnknownDriver(name, [singles[feed].name for feed in feeds])
    raise UnknownDriver(name, _closest_first(name, [driver.name for driver in (*groups, *singles)]))


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
        raise InputError(f"{name} is already the driver of one feed. Give the group {spec!r} another name.")
    lead = find_driver(market, parts[0])
    moves = [lead.moves[0], *(_follow(market, lead, part) for part in parts[1:])]
    feeds = [move.feed for move in moves]
    twice = [market.feeds[feed].name for feed, count in Counter(feeds).items() if count > 1]
    if twice:
        raise InputError(f"the group {spec!r} moves {', '.join(twice)} twice. Name each feed once.")
    return Driver(name, lead.spot, lead.unit, tuple(moves))


def _follow(market: Market, lead: Driver, part: str) -> Move:
    """How a follower's feed hangs on the lead."""
    follower, colon, ratio = part.rpartition(":") if ":" in part else (part, "", "")
    driver = find_driver(market, follower)
    if not colon:
        return Move(driver.moves[0].feed, driver.spot, lead.spot)
    match = _RATIO.fullmatch(ratio.replace(" ", ""))
    if match is None or int(match[2]) == 0:
        raise InputError(f"cannot read the ratio {ratio!r} of {follower}. Write two integers, NUM/DEN.")
    move = Move(driver.moves[0].feed, int(match[1]), int(match[2]))
    if move.price(lead.spot) != driver.spot:
        raise InputError(
            f"the ratio {ratio} puts {driver.name} at {move.price(lead.spot)}, "
            f"but it stands at {driver.spot}. "
            "Use the feed's own ratio, or leave it out to keep the present one."
        )
    return move


def _spellings(market: Market, feed: int) -> set[str]:
    """What a feed may be called, beside its driver's name: symbols, asset addresses, its source's address."""
    priced = [reserve for reserve in market.reserves if reserve.feed == feed]
    named = {market.feeds[feed].name, market.feeds[feed].source}
    named |= {reserve.symbol for reserve in priced} | {reserve.asset for reserve in priced}
    return {name.casefold() for name in named}


def _closest_first(name: str, known: Sequence[str]) -> list[str]:
    """The known names, those that look like `name` in front."""
    lowered = {driver.casefold(): driver for driver in reversed(known)}
    close = [lowered[match] for match in get_close_matches(name.casefold(), list(lowered), n=3)]
    return [*close, *(driver for driver in known if driver not in close)]
