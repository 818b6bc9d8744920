"""Contagion: which cluster's forced trades push a price into which other cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import networkx as nx

from defiliq.errors import InputError
from defiliq.model.clusters import Cluster
from defiliq.model.heat import Heat
from defiliq.model.impact import PriceAfter
from defiliq.types import Side


class Place(NamedTuple):
    """A cluster as a node."""

    driver: str
    side: Side
    price_usd: float


class Flow(NamedTuple):
    """What a cluster's liquidations trade of one driver."""

    driver: str
    """Empty for what hangs on no driver that is looked at, or on nobody knows which."""
    side: Side
    """Sold (`long`) or bought (`short`)."""
    usd: float


class ContagionPath(NamedTuple):
    """Clusters of which each triggers the next."""

    places: tuple[Place, ...]
    volume_usd: float
    """The smallest volume along it."""


class Critical(NamedTuple):
    """What one cluster reaches in the end."""

    place: Place
    size_usd: float
    downstream_usd: float
    """Dollars of other clusters that it triggers, and those that they trigger."""
    reached: int
    """How many clusters that are."""


def build_contagion(
    heats: Sequence[Heat],
    clusters: Mapping[str, Sequence[Cluster]],
    price_after: Mapping[str, PriceAfter],
    flows: Mapping[Place, Sequence[Flow]] | None = None,
) -> nx.DiGraph[Place]:
    """The graph of clusters on some drivers: an edge leads to every cluster that a cluster's trades reach.

    A cluster trades all it holds at its near edge, or its `flows`; on other drivers it trades at spot.
    `price_after` tells per driver where that leaves the price; on a driver without it nothing is reached, and
    where the depth runs dry, everything further out is. An edge holds `volume_usd`, the dollars of the other
    cluster's buckets whose price is reached, `share` of that cluster, and `runs_dry`. A node holds
    `size_usd`, `low_usd`, `high_usd`, `accounts`, `distance_pct`, and `elsewhere_usd`: what it trades of no
    driver here.
    """
    by_driver = {heat.driver: heat for heat in heats}
    unknown = sorted(set(clusters) - set(by_driver))
    if unknown or len(by_driver) < len(heats):
        raise InputError(
            f"contagion needs one heat per driver: {', '.join(unknown) or 'one is given twice'}."
        )
    found = {Place(name, each.type, each.price_usd): each for name in clusters for each in clusters[name]}
    nodes = {place: _Node(found[place], by_driver[place.driver]) for place in sorted(found)}
    graph: nx.DiGraph[Place] = nx.DiGraph()
    for place, node in nodes.items():
        graph.add_node(place, **node.about)
    for place, node in nodes.items():
        own = Flow(place.driver, place.side, node.cluster.magnitude_usd)
        traded = (own,) if flows is None else flows.get(place, ())
        for flow in sorted(traded):
            if flow.driver not in by_driver:
                graph.nodes[place]["elsewhere_usd"] += flow.usd
            elif flow.driver in price_after and flow.usd > 0:
                spot = by_driver[flow.driver].spot_usd
                start = node.cluster.near_usd if flow.driver == place.driver else spot
                after = price_after[flow.driver](start, flow.usd, flow.side)
                _add_edges(graph, place, nodes, flow, after)
    return graph


def strongest_paths(graph: nx.DiGraph[Place], count: int = 5) -> tuple[ContagionPath, ...]:
    """The paths along which most is pushed on: the strongest first, by the smallest volume on the way.

    Between two clusters only the strongest path counts, of equally strong ones the shortest. A path that is a
    part of an equally strong one is not told apart from it.
    """
    every = [path for place in sorted(graph.nodes) for path in _widest(graph, place)]
    every.sort(key=lambda path: (-path.volume_usd, -len(path.places), path.places))
    kept: list[ContagionPath] = []
    for path in every:
        if len(kept) == count:
            break
        if not any(path.volume_usd == other.volume_usd and _is_part(path, other) for other in kept):
            kept.append(path)
    return tuple(kept)


def critical_clusters(graph: nx.DiGraph[Place]) -> tuple[Critical, ...]:
    """Every cluster with what it triggers in the end, the most first; of equal ones, the larger.

    What several push into the same cluster overlaps there: only the largest such volume counts.
    """
    found = []
    for place in graph.nodes:
        reached = nx.descendants(graph, place)
        sources = reached | {place}
        volumes = [
            max(
                data["volume_usd"]
                for source, _, data in graph.in_edges(target, data=True)
                if source in sources
            )
            for target in reached
        ]
        found.append(Critical(place, graph.nodes[place]["size_usd"], math.fsum(volumes), len(reached)))
    return tuple(sorted(found, key=lambda each: (-each.downstream_usd, -each.size_usd, each.place)))


class _Node:
    """A cluster with the buckets that it is made of."""

    def __init__(self, cluster: Cluster, heat: Heat) -> None:
        buckets = heat.side(cluster.type)
        is_inside = buckets["price_low_usd"] >= cluster.low_usd
        is_inside &= buckets["price_high_usd"] <= cluster.high_usd
        inside = buckets[is_inside & buckets["size_usd"].notna()]
        self.cluster = cluster
        self.buckets = list(zip(inside["price_usd"].tolist(), inside["size_usd"].tolist(), strict=True))

    @property
    def about(self) -> dict[str, float]:
        """What the graph tells of it."""
        cluster = self.cluster
        return {
            "size_usd": cluster.magnitude_usd,
            "low_usd": cluster.low_usd,
            "high_usd": cluster.high_usd,
            "accounts": cluster.accounts,
            "distance_pct": cluster.distance_pct,
            "elsewhere_usd": 0.0,
        }

    def reached(self, after: float) -> float:
        """What breaks of it on the way to a price; all of it where nobody knows how far that is."""
        is_long = self.cluster.type == "long"
        return math.fsum(
            size
            for price, size in self.buckets
            if math.isnan(after) or (price >= after if is_long else price <= after)
        )


def _add_edges(
    graph: nx.DiGraph[Place], source: Place, nodes: Mapping[Place, _Node], flow: Flow, after: float
) -> None:
    """Edges to the clusters that a flow reaches, which leaves its driver's price at `after`."""
    for place, node in nodes.items():
        if (place.driver, place.side) != (flow.driver, flow.side) or not _is_beyond(source, place, nodes):
            continue
        volume = node.reached(after)
        if volume > 0:
            share = volume / node.cluster.magnitude_usd
            graph.add_edge(source, place, volume_usd=volume, share=share, runs_dry=math.isnan(after))


def _is_beyond(source: Place, target: Place, nodes: Mapping[Place, _Node]) -> bool:
    """Whether the price comes to one cluster after the other; each other side or driver is still whole."""
    if (source.driver, source.side) != (target.driver, target.side):
        return True
    one, other = nodes[source].cluster, nodes[target].cluster
    return other.high_usd <= one.low_usd if source.side == "long" else other.low_usd >= one.high_usd


def _widest(graph: nx.DiGraph[Place], start: Place) -> list[ContagionPath]:
    """The strongest path from one cluster to each that it reaches."""
    widest = _widths(graph, start)
    found = []
    for volume in sorted(set(widest.values()), reverse=True):
        paths = _shortest(graph, start, volume)
        found += [ContagionPath(paths[place], volume) for place in graph.adj if widest.get(place) == volume]
    return found


def _widths(graph: nx.DiGraph[Place], start: Place) -> dict[Place, float]:
    """To every other cluster that is reached, the smallest volume on the strongest path."""
    found: dict[Place, float] = {}
    waiting = [(-math.inf, start)]
    while waiting:
        volume, place = heappop(waiting)
        if place not in found:
            found[place] = -volume
            for target, data in graph.adj[place].items():
                heappush(waiting, (max(volume, -data["volume_usd"]), target))
    del found[start]
    return found


def _shortest(graph: nx.DiGraph[Place], start: Place, volume: float) -> dict[Place, tuple[Place, ...]]:
    """The shortest path to each cluster over edges of at least so much; of equally long ones, the first."""
    found: dict[Place, tuple[Place, ...]] = {start: (start,)}
    outermost = [start]
    while outermost:
        reached: dict[Place, tuple[Place, ...]] = {}
        for place in sorted(outermost, key=found.__getitem__):
            for target, data in graph.adj[place].items():
                if target not in found and data["volume_usd"] >= volume:
                    reached.setdefault(target, (*found[place], target))
        found |= reached
        outermost = [*reached]
    return found


def _is_part(path: ContagionPath, other: ContagionPath) -> bool:
    size = len(path.places)
    return any(other.places[k : k + size] == path.places for k in range(len(other.places) - size + 1))
