"""`watch` on a terminal: the newest block of each market, who is nearest to liquidation, what was told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from defiliq.types import Level
from defiliq.view.terminal import clean
from defiliq.watch.memory import Memory
from defiliq.watch.schema import Event

NEAREST: Final = 12
LAST_EVENTS: Final = 10
LAST_NOTICES: Final = 3
REDRAWS_PER_S: Final = 4
STYLES: Final[Mapping[str, str]] = {
    "liquidatable": "bold red",
    "liquidated": "magenta",
    "bad_debt": "bold magenta",
    "approaching": "yellow",
    "recovered": "green",
    "gap": "bold red",
    "reorg": "bold red",
    "unread": "red",
}


class Standing(NamedTuple):
    """One account that something was told of."""

    account: str
    status: str
    driver: str
    side: str
    level: float | None
    distance_pct: float | None


@dataclass(frozen=True, slots=True)
class Now:
    """One market after its newest evaluated block."""

    name: str
    block: int
    at: int
    accounts: int
    liquidatable: int
    approaching: int
    unread: int
    took_s: float
    standings: Sequence[Standing] = ()


@dataclass(slots=True)
class Board:
    """What the screen shows. Any thread may put something on it."""

    markets: dict[str, Now] = field(default_factory=dict)
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=LAST_EVENTS))
    notices: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_NOTICES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def show(self, now: Now) -> None:
        """A market's newest block, in place of the one before."""
        with self._lock:
            self.markets[now.name] = now

    def tell(self, event: Event) -> None:
        """An event; updates of oracles are too many for a screen."""
        if event.kind != "oracle_updated":
            with self._lock:
                self.events.append(event)

    def notice(self, line: str) -> None:
        """A line for the person in front."""
        with self._lock:
            self.notices.append(line)

    def __rich__(self) -> Group:
        with self._lock:
            markets, events = list(self.markets.values()), list(self.events)
            notices = list(self.notices)
        parts: list[Any] = [_markets(markets), _nearest(markets)]
        if events:
            parts.append(_events(events))
        parts += [Text(clean(line), style="yellow") for line in notices]
        return Group(*parts)


def live(board: Board, console: Console | None = None) -> Live:
    """The board on a terminal, drawn again a few times a second while it is entered."""
    return Live(board, console=console, refresh_per_second=REDRAWS_PER_S, transient=False)


def _markets(markets: Sequence[Now]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("market")
    for name in ("block", "at (UTC)", "accounts", "liquidatable", "approaching", "unread", "took s"):
        table.add_column(name, justify="right")
    for now in markets:
        at = datetime.fromtimestamp(now.at, UTC).strftime("%H:%M:%S")
        counts = (f"{now.accounts:,}", f"{now.liquidatable:,}", f"{now.approaching:,}", f"{now.unread:,}")
        table.add_row(clean(now.name), str(now.block), at, *counts, f"{now.took_s:.2f}")
    return table


def _nearest(markets: Sequence[Now]) -> Table:
    """Some of the accounts that are liquidatable, then those whose level is nearest."""
    table = Table(box=None, pad_edge=False, title="nearest", title_justify="left", title_style="dim")
    for name in ("account", "status", "driver"):
        table.add_column(name)
    for name in ("level", "distance"):
        table.add_column(name, justify="right")
    every = [one for now in markets for one in now.standings]
    every.sort(key=lambda one: (abs(one.distance_pct or 0.0), one.account))
    broken = [one for one in every if one.status == "liquidatable"]
    near = [one for one in every if one.status != "liquidatable"]
    rows = broken[: max(NEAREST // 2, NEAREST - len(near))]
    rows += near[: NEAREST - len(rows)]
    for one in rows:
        level = "" if one.level is None else f"{one.level:,.6g}"
        distance = "" if one.distance_pct is None else f"{one.distance_pct:+.3f}%"
        driver = f"{clean(one.driver)} {one.side}".strip()
        status = Text(one.status, style=STYLES.get(one.status, ""))
        table.add_row(_short(one.account), status, driver, level, distance)
    if len(every) > len(rows):
        table.add_row(f"and {len(every) - len(rows):,} more", "", "", "", "")
    return table


def _events(events: Sequence[Event]) -> Table:
    table = Table(box=None, pad_edge=False, title="last events", title_justify="left", title_style="dim")
    table.add_column("block", justify="right")
    for name in ("event", "of", ""):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for event in reversed(events):
        kind = Text(event.kind, style=STYLES.get(event.kind, ""))
        table.add_row(str(event.facts["block_number"]), kind, _subject(event), _words(event))
    return table


def _subject(event: Event) -> str:
    for name in ("account", "parameter", "driver"):
        value = event.facts.get(name)
        if isinstance(value, str) and value:
            return _short(value) if name == "account" else clean(value)
    return ""


def _words(event: Event) -> str:
    """The most telling numbers of an event."""
    facts = event.facts
    words = {
        "approaching": f"{facts.get('driver')} {_signed(facts.get('distance_pct'))}% away",
        "liquidatable": f"debt {_dollars(facts.get('debt_usd'))}, net {_dollars(facts.get('net_usd'))}",
        "liquidated": f"{facts.get('predicted')}, repaid {_dollars(facts.get('repaid_usd'))}",
        "recovered": f"{facts.get('cause')}",
        "bad_debt": f"{facts.get('how')}, {_dollars(facts.get('amount_usd'))}",
        "parameter_changed": f"{facts.get('before')} -> {facts.get('after')}",
        "gap": f"blocks {facts.get('first_block')} to {facts.get('last_block')}",
        "reorg": f"{facts.get('depth')} blocks",
        "unread": f"{facts.get('reason')}",
    }
    return clean(words.get(event.kind, ""))[:60]


def _signed(value: object) -> str:
    return f"{value:+.3f}" if isinstance(value, int | float) else "?"


def _dollars(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "unknown"


def _short(account: str) -> str:
    return f"{account[:6]}…{account[-4:]}" if len(account) == 42 else clean(account)


def standings_of(memory: Memory, nearest: Mapping[str, Level]) -> list[Standing]:
    """The accounts that something was told of and that are not quiet, with their `nearest` levels."""
    found = []
    for account, told in memory.told.items():
        if told.now is None:
            continue
        level = nearest.get(account) if told.now == "approaching" else None
        if level is None or level.price is None:
            found.append(Standing(account, told.now, told.driver, told.side, None, None))
            continue
        driver = level.driver
        distance_pct = 100 * (level.price - driver.spot) / driver.spot
        found.append(
            Standing(account, told.now, driver.name, level.side, level.price / driver.unit, distance_pct)
        )
    return found
