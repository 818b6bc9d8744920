"""What sets off a level: the feed behind its driver, when that answers next, and what the answer would do.

Exact where integers decide: the distance of a level, the deviation that makes a feed answer, the instant of
its heartbeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final, NamedTuple

from defiliq.errors import InputError
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.oev import NONE_KNOWN, Capture, listed_captures
from defiliq.pricing.driver import Driver
from defiliq.pricing.graph import Input
from defiliq.types import Level, Market

BPS: Final = 10_000
NO_CAPTURES: Final[Mapping[str, Capture]] = MappingProxyType({})

TRIGGER_FIELDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("driver", "string", "What moves the account to its level: ETH/USD."),
    ("side", "string", "`long`: it breaks as the driver falls. `short`: as it rises."),
    ("price_raw", "integer string?", "The level: the driver integer nearest to spot that breaks it."),
    ("spot_raw", "integer string", "The driver's integer at the block."),
    ("distance_units", "integer string?", "price_raw - spot_raw, in the feed's own units."),
    ("distance_pct", "number?", "The same in percent of spot."),
    ("feed", "string", "The contract whose answer the driver is; of several, the one behind most prices."),
    ("feed_updated_at", "integer?", "When that answer was written, a unix time; null where nobody says."),
    ("feed_heartbeat_s", "integer?", "The longest time between two answers, where it is known."),
    ("feed_deviation_bps", "integer?", "The move that makes the feed answer sooner, where it is known."),
    ("oev", "string", "Who captures the value of an update: svr, svr possible, oev wrapper, or none known."),
)
"""(name, form, meaning) of what `trigger_fields` gives, in order."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the feeds that are a driver; the leading one speaks for all."""

    kind: str
    """As `Input.kind`; `unresolved` where the driver moves feeds by hand."""
    source: str
    others: tuple[str, ...]
    """Further contracts that quote the same: each answers by itself, and the driver is all of them moved."""
    updated_at: int | None
    heartbeat_s: int | None
    deviation_bps: int | None
    capture: Capture

    def heartbeat_due_at(self) -> int | None:
        """When the feed answers at the latest; None where that is not known."""
        known = self.updated_at is not None and self.heartbeat_s is not None
        return self.updated_at + self.heartbeat_s if known else None  # type: ignore[operator]


class Offchain(NamedTuple):
    """Where a market off the chain, or a pool on it, has a driver's price."""

    price: Fraction
    """Per 1.0 of what the driver quotes."""
    source: str
    """Who says so, for people."""


def trigger_fields(
    market: Market, level: Level, captures: Mapping[str, Capture] = NO_CAPTURES
) -> dict[str, object]:
    """One level and the feed that its driver is, as TRIGGER_FIELDS says.

    `captures` are what contracts said of themselves, by address; those known by name need not be in it.
    """
    driver, price = level.driver, level.price
    facts = facts_of(market, driver, captures=captures)
    distance = None if price is None else price - driver.spot
    return {
        "driver": driver.name,
        "side": level.side,
        "price_raw": None if price is None else str(price),
        "spot_raw": str(driver.spot),
        "distance_units": None if distance is None else str(distance),
        "distance_pct": None if distance is None or driver.spot == 0 else 100 * distance / driver.spot,
        "feed": facts.source,
        "feed_updated_at": facts.updated_at,
        "feed_heartbeat_s": facts.heartbeat_s,
        "feed_deviation_bps": facts.deviation_bps,
        "oev": facts.capture.kind,
    }


def facts_of(
    market: Market,
    driver: Driver,
    given: Promise | None = None,
    captures: Mapping[str, Capture] = NO_CAPTURES,
) -> Facts:
    """What is known of a driver's feeds; `given` goes before what the market knows of the leading one."""
    promised = Promise() if given is None else given
    quoted = inputs_of(market, driver)
    if not quoted:
        sources = tuple(dict.fromkeys(market.feeds[feed].source for feed, _ in driver.outputs))
        lead = Input(driver.name, "unresolved", sources[0] if len(sources) == 1 else "", driver.spot, 0)
        others = sources if len(sources) > 1 else ()
    else:
        lead = quoted[0]
        others = tuple(one.source for one in quoted[1:])
    return Facts(
        kind=lead.kind,
        source=lead.source,
        others=others,
        updated_at=lead.updated_at,
        heartbeat_s=lead.heartbeat_s if promised.heartbeat_s is None else promised.heartbeat_s,
        deviation_bps=lead.deviation_bps if promised.deviation_bps is None else promised.deviation_bps,
        capture=capture_of(market, driver, lead.source, captures),
    )


def inputs_of(market: Market, driver: Driver) -> tuple[Input, ...]:
    """The inputs that a driver is, the leading one first: the driver's integer is its answer.

    Empty for what moves many things at once, and where the market's sources were not resolved.
    """
    graph, own = market.graph, dict(driver.inputs)
    quoted = {k: one for k, one in graph.inputs if k in own}
    leads = [k for k in quoted if own[k] == 0]
    if not leads:
        return ()
    lead = leads[0]
    if len(leads) > 1:
        below = [graph.below(feed) for feed in graph.feeds]
        lead = max(leads, key=lambda k: (sum(k in parts for parts in below), -k))
    return tuple(quoted[k] for k in (lead, *(k for k in quoted if k != lead)))


def capture_of(market: Market, driver: Driver, source: str, captures: Mapping[str, Capture]) -> Capture:
    """Who captures the value of a driver's updates: by the list, by its contract, or by what wraps that."""
    listed = listed_captures(market.block.chain_id)
    if source in listed:
        return listed[source]
    if source in captures:
        return captures[source]
    wrapping = [captures.get(market.feeds[feed].source) for feed, _ in driver.outputs]
    held = [one for one in wrapping if one is not None and one.kind == "oev wrapper"]
    return held[0] if held and len(held) == len(wrapping) else NONE_KNOWN


def offchain_integer(driver: Driver, offchain: Offchain) -> int:
    """A price as the integer that the feed would answer, cut to its decimals.

    InputError where it is no price, or so far off that the driver cannot be followed there.
    """
    found = int(offchain.price * driver.unit)
    if not driver.lowest <= found <= driver.highest:
        raise InputError(
            f"{offchain.source} has {driver.name} at {float(offchain.price):.10g}, which is no price of it: "
            f"it stands at {driver.spot / driver.unit:.10g}."
        )
    return found


def deviation_bps(old: int, new: int) -> int | None:
    """The move from one answer to another in whole basis points, cut towards 0; None from 0."""
    if old <= 0:
        return None
    moved = abs(new - old) * BPS // old
    return moved if new >= old else -moved


def deviates(old: int, new: int, threshold_bps: int) -> bool:
    """Whether a feed answers anew because the market moved from `old` to `new`.

    |new - old| / old >= threshold, as integers (libocr, NumericalMedian.Deviates; its first versions asked
    for more than the threshold). From 0 every move does.
    """
    if old <= 0:
        return new != old
    return abs(new - old) * BPS >= threshold_bps * old


def update_expected(facts: Facts, spot: int, offchain: int | None, now: int) -> str:
    """Why the feed should answer next: `deviation`, `heartbeat in 312 s`, or '' where nothing is known.

    A chain that keeps its own prices writes them in every block.
    """
    if facts.kind == "oracle":
        return "every block"
    threshold = facts.deviation_bps
    if offchain is not None and threshold is not None and deviates(spot, offchain, threshold):
        return "deviation"
    due_at = facts.heartbeat_due_at()
    if due_at is None:
        return ""
    if due_at == now:
        return "heartbeat now"
    return f"heartbeat in {due_at - now} s" if due_at > now else f"heartbeat {now - due_at} s overdue"


def is_stale(facts: Facts, now: int) -> bool | None:
    """Whether the answer is older than the heartbeat; None where either is not known."""
    due_at = facts.heartbeat_due_at()
    return None if due_at is None else now > due_at


class Nearest(NamedTuple):
    """The levels of one side that lie nearest to spot: all at the same integer."""

    price: int
    accounts: tuple[int, ...]


def nearest(levels: Sequence[Level], side: str) -> Nearest | None:
    """The nearest level of one driver's on a side, with every account that breaks there."""
    ahead = [level for level in levels if level.side == side and level.outcome == "price"]
    prices = [level.price for level in ahead if level.price is not None]
    if not prices:
        return None
    price = max(prices) if side == "long" else min(prices)
    return Nearest(price, tuple(level.account for level in ahead if level.price == price))


def crossed(levels: Sequence[Level], spot: int, new: int) -> tuple[int, ...]:
    """Accounts with a level on the way from spot to a new price, both included; in order, each once.

    Who breaks at the new price and not at spot is among them. Where a level has a band, or an account a level
    on both sides, the law must still be asked at the price itself.
    """
    low, high = min(spot, new), max(spot, new)
    rows = {
        level.account
        for level in levels
        if level.outcome == "price" and level.price is not None and low <= level.price <= high
    }
    return tuple(sorted(rows))
