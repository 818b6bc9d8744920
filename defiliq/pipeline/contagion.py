"""Contagion over books and ladders: clusters of every driver with a depth, and who pushes whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import networkx as nx
import pandas as pd

from defiliq.book import Book
from defiliq.depth.venue import Depth
from defiliq.model.clusters import Cluster
from defiliq.model.contagion import Flow, Place, build_contagion
from defiliq.model.flows import cluster_flows
from defiliq.model.heat import Heat
from defiliq.model.impact import price_after
from defiliq.oracle.drivers import drivers
from defiliq.pipeline.cascade import quote_usd
from defiliq.pipeline.judge import ladder


def contagion(
    heat: Heat,
    found: Sequence[Cluster],
    tables: Sequence[pd.DataFrame],
    books: Sequence[Book[Any]],
    depths: Mapping[str, Depth],
    look: Callable[[Sequence[pd.DataFrame], str], tuple[Heat, Sequence[Cluster]]],
    *,
    files: Sequence[pd.DataFrame] = (),
    mixed_blocks: bool = False,
) -> nx.DiGraph[Place]:
    """The graph of the clusters on every driver with a depth.

    `heat` and its clusters are of the driver that `tables` are along; on each other driver the books are
    solved anew and `look` makes their heat and clusters. Ladders alone do not say on which driver an asset
    hangs: without books, a cluster trades along its own driver only. What a driver is quoted in may then be
    told by rungs of `files`, which are along every driver.
    """
    heats, clusters, rungs = {heat.driver: heat}, {heat.driver: tuple(found)}, {heat.driver: list(tables)}
    for name in sorted(set(depths) - {heat.driver}):
        solved = [ladder(book, name) for book in books if _has(book, name)]
        if any(len(table) for table in solved):
            heats[name], others = look(solved, name)
            clusters[name], rungs[name] = tuple(others), solved
    flows: dict[Place, Sequence[Flow]] | None = None
    if books:
        drivers_of = _drivers_of(books, tuple(heats))
        flows = {}
        for name, one in heats.items():
            flows |= cluster_flows(rungs[name], one, clusters[name], drivers_of, mixed_blocks=mixed_blocks)
    of = books if books else files if files else tables
    after = {
        name: price_after(depths[name], one.spot_usd, quote_usd(of, name))
        for name, one in heats.items()
        if name in depths
    }
    return build_contagion(tuple(heats.values()), clusters, after, flows)


def _has(book: Book[Any], name: str) -> bool:
    return any(driver.name == name for driver in drivers(book.market))


def _drivers_of(books: Sequence[Book[Any]], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Symbol to those of some drivers that move its price, on the first market that lists it with one."""
    found: dict[str, tuple[str, ...]] = {}
    for book in books:
        moving = [driver for driver in drivers(book.market) if driver.name in names]
        for reserve in book.market.reserves:
            movers = tuple(driver.name for driver in moving if reserve.feed in driver.feeds)
            if movers:
                found.setdefault(reserve.symbol, movers)
    return found
