"""What the prices of a market hang on, as tables and as trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from defiliq.ladder import IDENTITY, has_named_chain, identity, price_usd, yearly_pct
from defiliq.oracle.dag import (
    Dag,
    Node,
    dependency_graph,
    driver_name,
    feed_of,
    inputs_of,
    limits,
    moved_by,
    price_tree,
    prices,
)
from defiliq.oracle.drivers import find_driver, input_drivers, joint_name
from defiliq.pricing.branch import Branch
from defiliq.pricing.graph import Discount, Growing, Input
from defiliq.types import Market

MAX_INT64 = 2**63 - 1
TIME = "time"
"""In the place of a driver where time alone moves a price: a discount that ends, a growing cap that binds."""

_TIMING = ("updated_at", "age_s", "heartbeat_s", "deviation_bps", "stale")

FEED_COLUMNS = (
    *IDENTITY,
    *("reserve", "asset", "price_raw", "price_usd", "source", "source_label"),
    *("driver", "driver_kind", "driver_raw", "driver_value", "driver_source", *_TIMING),
    *("capped", "cap_raw", "cap_value", "cap_headroom_pct", "cap_growth_pct", "cap_binds_until"),
    "evaluated_at",
    "base_symbol",
)

DRIVER_COLUMNS = (
    *IDENTITY,
    *("driver", "driver_kind", "driver_raw", "driver_value", "driver_source", *_TIMING),
    *("reserves_moved", "reserves", "capped_reserves", "evaluated_at"),
)

_WHOLE = ("chain_id", "block_number", "block_timestamp", "evaluated_at", "reserves_moved")
_GAPPY = ("updated_at", "age_s", "heartbeat_s", "deviation_bps", "cap_binds_until")
"""Whole numbers that are not always known."""
_TRUTHS = ("stale", "capped")
"""Neither true nor false where there is no heartbeat, or no cap."""


@dataclass(frozen=True, slots=True)
class PriceTree:
    """One reserve's price, taken apart."""

    reserve: str
    """Its symbol; an eMode where that has a price of its own."""
    source: str
    """The contract that the oracle asks."""
    price: Branch


def feeds(market: Market, drivers: Sequence[str] = ()) -> pd.DataFrame:
    """One row per reserve and driver of its price; a price that nothing moves has one row without a driver.

    With `drivers`, the reserves that these move, with everything that their prices hang on. A price of an
    eMode's own is a row with no asset.
    A cap stands in the row of the driver that it limits. `cap_headroom_pct` is how far the driver may rise
    before the cap binds, negative where it binds now; `cap_binds_until` is when a binding cap that grows has
    caught up with a driver that stands still. `stale`: the answer is older than the heartbeat.
    """
    dag = dependency_graph(market)
    rows = [
        _price_columns(dag, market, price) | row
        for price in _hanging_on(dag, market, drivers)
        for row in _driver_rows(dag, market, price)
    ]
    return _typed(rows, FEED_COLUMNS)


def feeds_by_driver(market: Market, drivers: Sequence[str] = ()) -> pd.DataFrame:
    """One row per driver: where it stands, and the reserves that it moves; time last, where it moves some.

    With `drivers`, these only. Of several sources of one pair, the one that answered longest ago is shown.
    """
    table, chosen = feeds(market, drivers), _chosen(market, drivers)
    wanted = table["driver"].isin(chosen) if drivers else table["driver_kind"] != "fixed"
    named = table[wanted].sort_values("driver_kind", key=lambda kinds: kinds == TIME, kind="stable")
    rows = [_driver_row(part) for _, part in named.groupby("driver", sort=False)]
    return _typed(rows, DRIVER_COLUMNS)


def _driver_row(part: pd.DataFrame) -> dict[str, object]:
    """The rows of one driver as one. Time has no value: each price has a discount or a cap of its own."""
    first = part.sort_values("updated_at", kind="stable", na_position="last").iloc[0]
    oldest: dict[str, object] = {str(name): value for name, value in first.items()}
    if oldest["driver_kind"] == TIME:
        oldest |= {"driver_raw": "", "driver_value": float("nan")}
    moved = dict.fromkeys(part["reserve"])
    capped = dict.fromkeys(part["reserve"][part["capped"].fillna(value=False)])
    listed = {"reserves": ", ".join(moved), "capped_reserves": ", ".join(capped)}
    return oldest | {"reserves_moved": len(moved)} | listed


def price_trees(market: Market, drivers: Sequence[str] = ()) -> list[PriceTree]:
    """The price of every reserve, or of those that some drivers move, down to what no contract computes."""
    dag = dependency_graph(market)
    return [
        PriceTree(dag.nodes[price]["label"], dag.nodes[feed_of(dag, price)]["source"], price_tree(dag, price))
        for price in _hanging_on(dag, market, drivers)
    ]


def _chosen(market: Market, names: Sequence[str]) -> list[str]:
    """The drivers that a person names, as they are called; all where one of them is all at once."""
    chosen = [find_driver(market, name).name for name in names]
    if joint_name(market) in chosen:
        return [driver.name for driver in input_drivers(market)]
    return chosen


def _hanging_on(dag: Dag, market: Market, names: Sequence[str]) -> list[Node]:
    """The prices that the named drivers move; all of them without names."""
    if not names:
        return prices(dag)
    moved = {price for name in _chosen(market, names) for price in moved_by(dag, Node("driver", name))}
    return [price for price in prices(dag) if price in moved]


def _price_columns(dag: Dag, market: Market, price: Node) -> dict[str, object]:
    facts = dag.nodes[price]
    return identity(market) | {
        "reserve": facts["label"],
        "asset": facts["source"] if price.layer == "reserve" else "",
        "price_raw": str(facts["value"]),
        "price_usd": price_usd(facts["value"], market, int(feed_of(dag, price).key)),
        "source": dag.nodes[feed_of(dag, price)]["source"],
        "evaluated_at": market.timestamp,
    }


def _driver_rows(dag: Dag, market: Market, price: Node) -> Iterator[dict[str, object]]:
    tree = price_tree(dag, price)
    about: dict[str, object] = {"source_label": label_of(tree)}
    moved: list[Branch] = [branch for branch in _leaves(tree) if _is_moving_discount(branch, market)]
    positions = inputs_of(dag, price)
    for position in positions:
        tightest = _tightest(list(limits(dag, position, price)))
        if tightest is not None and _binds(*tightest) and isinstance(tightest[1].quantity, Growing):
            moved.append(tightest[1])
        name = driver_name(dag, position)
        facts = dag.nodes[Node("quantity", position)]
        value = _value_columns(name, str(facts["kind"]), facts["value"], facts["decimals"])
        timing = _timing_columns(facts["quantity"], market)
        yield about | value | timing | _cap_columns(tightest)
    for branch in dict.fromkeys(moved):
        yield about | _value_columns(TIME, TIME, branch.value, branch.decimals)
    if not positions and not moved:
        yield about | {"driver": "", "driver_kind": "fixed"}


def label_of(branch: Branch) -> str:
    """What a quantity calls itself."""
    return branch.quantity.name if isinstance(branch.quantity, Input) else branch.quantity.label


def _leaves(branch: Branch) -> Iterator[Branch]:
    if not branch.parts:
        yield branch
    for part in branch.parts:
        yield from _leaves(part)


def _is_moving_discount(branch: Branch, market: Market) -> bool:
    return isinstance(branch.quantity, Discount) and market.timestamp < branch.quantity.maturity


def _tightest(found: Sequence[tuple[Branch, Branch]]) -> tuple[Branch, Branch] | None:
    """The cap that binds first as what it limits rises."""
    return min(found, key=lambda pair: _headroom_pct(*pair), default=None)


def _binds(limited: Branch, cap: Branch) -> bool:
    """Strictly, as the adapters' `isCapped` has it."""
    return limited.value > cap.value


def _headroom_pct(limited: Branch, cap: Branch) -> float:
    return 100 * (cap.value - limited.value) / limited.value if limited.value else float("inf")


def _value_columns(name: str, kind: str, value: int, decimals: int | None) -> dict[str, object]:
    return {
        "driver": name,
        "driver_kind": kind,
        "driver_raw": str(value),
        "driver_value": _scaled(value, decimals),
    }


def _scaled(value: int, decimals: int | None) -> float:
    return float("nan") if decimals is None else value / 10**decimals


def _timing_columns(seen: Input, market: Market) -> dict[str, object]:
    """When an input answered, as of the market's block, and what its operator promises."""
    age_s = None if seen.updated_at is None else market.block.timestamp - seen.updated_at
    return {
        "driver_source": seen.source,
        "updated_at": seen.updated_at,
        "age_s": age_s,
        "heartbeat_s": seen.heartbeat_s,
        "deviation_bps": seen.deviation_bps,
        "stale": None if age_s is None or seen.heartbeat_s is None else age_s > seen.heartbeat_s,
    }


def _cap_columns(limit: tuple[Branch, Branch] | None) -> dict[str, object]:
    if limit is None:
        return {}
    limited, cap = limit
    growing = cap.quantity if isinstance(cap.quantity, Growing) else None
    return {
        "capped": _binds(limited, cap),
        "cap_raw": str(cap.value),
        "cap_value": _scaled(cap.value, cap.decimals),
        "cap_headroom_pct": _headroom_pct(limited, cap),
        "cap_growth_pct": 0.0 if growing is None else yearly_pct(growing),
        "cap_binds_until": growing.reaches(limited.value) if growing and _binds(limited, cap) else None,
    }


def _in_range(value: Any) -> int | None:
    """A whole number that a column can hold; what a contract makes up beyond that counts as not known."""
    return None if pd.isna(value) or not -MAX_INT64 <= int(value) <= MAX_INT64 else int(value)


def _typed(rows: Sequence[dict[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table with one dtype per column; absence is empty, NaN or NA by the kind of column."""
    table = pd.DataFrame(list(rows), columns=list(columns))
    for name in columns:
        if name in _WHOLE and not (name == "chain_id" and has_named_chain(table)):
            table[name] = table[name].astype("int64")
        elif name in _GAPPY:
            table[name] = pd.Series([_in_range(value) for value in table[name]], dtype="Int64")
        elif name in _TRUTHS:
            table[name] = table[name].astype("boolean")
        elif name.endswith(("_usd", "_pct", "_value")):
            table[name] = table[name].astype("float64")
        else:
            table[name] = table[name].astype(object).fillna("").astype("str")
    return table
