"""Which update of which feed makes whom liquidatable, and whom time alone does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import pandas as pd

from defiliq.book import Book
from defiliq.chain.node import AnyNode, Node
from defiliq.ladder import IDENTITY, has_named_chain, identity, to_usd
from defiliq.mev.triggers import (
    NO_CAPTURES,
    Facts,
    Nearest,
    Offchain,
    crossed,
    deviation_bps,
    facts_of,
    is_stale,
    nearest,
    offchain_integer,
    update_expected,
)
from defiliq.oracle.contracts import NOWHERE
from defiliq.oracle.drivers import find_driver, input_drivers
from defiliq.oracle.heartbeats import Promise
from defiliq.oracle.oev import Capture, ask_captures
from defiliq.pipeline.offchain import given_price
from defiliq.pipeline.solving import Counter, Solved, solve_book
from defiliq.pricing.driver import Driver
from defiliq.protocols import PROTOCOLS
from defiliq.types import Level, Liquidation, Market, Untold

_NEAREST: Final = ("raw", "units", "pct", "accounts", "debt_usd")
_IF_UPDATED: Final = ("would_cross", "accounts_if_updated", "debt_usd_if_updated", "bonus_usd_if_updated")

TRIGGER_COLUMNS: Final = (
    *IDENTITY,
    *("driver", "driver_kind", "driver_raw", "driver_value", "driver_source", "other_sources"),
    *("updated_at", "age_s", "heartbeat_s", "deviation_bps", "heartbeat_due_at", "stale"),
    *("oev", "oev_source"),
    *("offchain_raw", "offchain_value", "offchain_source", "deviation_now_bps", "update_expected"),
    *(f"nearest_{side}_{name}" for side in ("long", "short") for name in _NEAREST),
    *_IF_UPDATED,
    *("evaluated_at", "base_symbol"),
)

_WHOLE: Final = ("chain_id", "block_number", "block_timestamp", "evaluated_at")
_GAPPY: Final = (
    *("updated_at", "age_s", "heartbeat_s", "deviation_bps", "heartbeat_due_at", "deviation_now_bps"),
    *("nearest_long_accounts", "nearest_short_accounts", "accounts_if_updated"),
)
_TRUTHS: Final = ("stale", "would_cross")
_MAX_INT64: Final = 2**63 - 1


def triggers(
    book: Book[Any],
    driver: str | Sequence[str] | None = None,
    *,
    offchain: Mapping[str, Offchain | str] | None = None,
    promises: Mapping[str, Promise] | None = None,
    captures: Mapping[str, Capture] = NO_CAPTURES,
    on_progress: Counter | None = None,
) -> pd.DataFrame:
    """One row per driver that has a level for someone, or per named one: its feed, and what it would set off.

    `offchain` and `promises` are by driver, in any spelling: where the market stands ('2500.5' will do), and
    heartbeat and deviation that go before the known ones. `captures` are what contracts said of themselves.
    What an update would do is judged by the law with this driver alone at the off-chain price, and empty
    without one; who is liquidatable already counts nowhere. `attrs["unresolved"]` as in `ladder`.
    """
    market = book.market
    prices = {
        name: given_price(price) if isinstance(price, str) else price
        for name, price in _by_driver(market, {} if offchain is None else offchain).items()
    }
    given = _by_driver(market, {} if promises is None else promises)
    names = (driver,) if isinstance(driver, str) else tuple(() if driver is None else driver)
    asked = {one.name: one for one in (find_driver(market, name) for name in names)}
    chosen = tuple(asked.values()) if asked else input_drivers(market)
    solved = solve_book(book, chosen, on_progress=on_progress)
    levels: dict[str, list[Level]] = {one.name: [] for one in chosen}
    for level in solved.levels:
        levels[level.driver.name].append(level)
    rows = [
        _Row(
            book, one, levels[one.name], solved, facts_of(market, one, given.get(one.name), captures)
        ).columns(prices.get(one.name))
        for one in chosen
        if one.name in asked or one.name in prices or any(k.outcome == "price" for k in levels[one.name])
    ]
    table = _typed(rows)
    table.attrs["unresolved"] = [list(pair) for pair in solved.unresolved]
    return table


def captures_of(market: Market, node: AnyNode | None) -> Mapping[str, Capture]:
    """What the feeds of a market say of themselves at its block; nothing without a node of an EVM chain."""
    if node is None or PROTOCOLS[market.protocol].node_kind != "evm":
        return NO_CAPTURES
    quoted = [one.source for _, one in market.graph.inputs if one.kind == "aggregator"]
    sources = [source for source in (*quoted, *(feed.source for feed in market.feeds)) if source != NOWHERE]
    return ask_captures(cast("Node", node), sources, market.block)


def _by_driver(market: Market, named: Mapping[str, Any]) -> dict[str, Any]:
    """The same by the names that the market gives its drivers."""
    return {find_driver(market, name).name: value for name, value in named.items()}


@dataclass(frozen=True, slots=True)
class _Row:
    """One driver, all of its levels, and its feed."""

    book: Book[Any]
    driver: Driver
    levels: Sequence[Level]
    solved: Solved
    facts: Facts

    def columns(self, offchain: Offchain | None) -> dict[str, object]:
        """The row."""
        market, driver, facts = self.book.market, self.driver, self.facts
        now = market.timestamp
        new = None if offchain is None else offchain_integer(driver, offchain)
        return (
            identity(market)
            | {
                "driver": driver.name,
                "driver_kind": facts.kind,
                "driver_raw": str(driver.spot),
                "driver_value": driver.spot / driver.unit,
                "driver_source": facts.source,
                "other_sources": " ".join(facts.others),
                "updated_at": facts.updated_at,
                "age_s": None if facts.updated_at is None else now - facts.updated_at,
                "heartbeat_s": facts.heartbeat_s,
                "deviation_bps": facts.deviation_bps,
                "heartbeat_due_at": facts.heartbeat_due_at(),
                "stale": is_stale(facts, now),
                "oev": facts.capture.kind,
                "oev_source": facts.capture.source,
                "offchain_raw": "" if new is None else str(new),
                "offchain_value": math.nan if offchain is None else float(offchain.price),
                "offchain_source": "" if offchain is None else offchain.source,
                "deviation_now_bps": None if new is None else deviation_bps(driver.spot, new),
                "update_expected": update_expected(facts, driver.spot, new, now),
                "evaluated_at": now,
            }
            | self._nearest("long")
            | self._nearest("short")
            | self._if_updated(new)
        )

    def _nearest(self, side: str) -> dict[str, object]:
        """The nearest level of a side, what stands there, and how far it is."""
        found = nearest(self.levels, side)
        if found is None:
            return {}
        distance = found.price - self.driver.spot
        values = {
            "raw": str(found.price),
            "units": str(distance),
            "pct": 100 * distance / self.driver.spot if self.driver.spot else math.nan,
            "accounts": len(found.accounts),
            "debt_usd": self._debt_usd(found),
        }
        return {f"nearest_{side}_{name}": value for name, value in values.items()}

    def _debt_usd(self, found: Nearest) -> float:
        """What the accounts of a level owe together, at the prices there."""
        there = self._at(found.price)
        judge = PROTOCOLS[there.protocol].health
        return to_usd(sum(judge(self.book.nameless(i), there).debt_base for i in found.accounts), there)

    def _if_updated(self, new: int | None) -> dict[str, object]:
        """Whom the law calls liquidatable once the driver stands at `new`, and not where it stands."""
        if new is None:
            return {}
        there = self._at(new)
        protocol = PROTOCOLS[there.protocol]
        debt = bonus = broken = 0
        is_told = True
        for i in self._candidates(new):
            account = self.book.account(i)
            health = protocol.health(account, there)
            if not health.liquidatable:
                continue
            taken = protocol.take(account, there)
            broken, debt = broken + 1, debt + health.debt_base
            bonus += taken.bonus_base if isinstance(taken, Liquidation) else 0
            is_told &= not isinstance(taken, Untold)
        told_usd = to_usd(bonus, there) if is_told else math.nan
        return dict(zip(_IF_UPDATED, (broken > 0, broken, to_usd(debt, there), told_usd), strict=True))

    def _candidates(self, new: int) -> list[int]:
        """Who may break on the way, and those whose level only rounding decides: the law tells."""
        found = set(crossed(self.levels, self.driver.spot, new))
        named = [owner for owner, name in self.solved.unresolved if name == self.driver.name]
        rows = (self.book.find(owner) for owner in named)
        return sorted(found | {row for row in rows if row is not None})

    def _at(self, price: int) -> Market:
        """The market with the driver elsewhere."""
        market: Market = self.book.market
        return market if price == self.driver.spot else market.at_prices(self.driver.prices(price))


def _typed(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Rows as a table with one dtype per column."""
    table = pd.DataFrame(list(rows), columns=list(TRIGGER_COLUMNS))
    for name in TRIGGER_COLUMNS:
        if name in _WHOLE and not (name == "chain_id" and has_named_chain(table)):
            table[name] = table[name].astype("int64")
        elif name in _GAPPY:
            table[name] = pd.Series([_in_range(value) for value in table[name]], dtype="Int64")
        elif name in _TRUTHS:
            table[name] = table[name].astype("boolean")
        elif name.endswith(("_usd", "_pct", "_value")) or "_usd_" in name:
            table[name] = table[name].astype("float64")
        else:
            table[name] = table[name].astype(object).fillna("").astype("str")
    return table


def _in_range(value: Any) -> int | None:
    """A whole number that a column can hold; what a contract makes up beyond that counts as not known."""
    return None if pd.isna(value) or not -_MAX_INT64 <= int(value) <= _MAX_INT64 else int(value)
