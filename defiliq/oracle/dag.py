"""The price graph of a market as a networkx DAG: time and drivers -> quantities -> feeds -> reserves.

An edge goes the way that a move goes. So what a driver can move are its descendants, what can move a reserve
are the reserve's ancestors, and a price taken apart is a walk against the edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from defiliq.oracle.drivers import input_drivers
from defiliq.oracle.scale import decimals_of, power_of_ten, price_decimals
from defiliq.pricing.branch import Branch, Role
from defiliq.pricing.graph import Discount, Fixed, Fraction, Growing, Input, Least, PriceGraph, Quantity
from defiliq.types import Market

if TYPE_CHECKING:
    import networkx as nx

Layer: TypeAlias = Literal["time", "driver", "quantity", "feed", "reserve"]


class Node(NamedTuple):
    """A node of the DAG."""

    layer: Layer
    key: int | str
    """A driver's name; the position of a quantity, feed or reserve; 0 for time."""


Dag: TypeAlias = "nx.DiGraph[Node]"

TIME = Node("time", 0)
"""What moves growing caps and discounts."""


def dependency_graph(market: Market) -> Dag:
    """What every price of a market hangs on.

    Nodes carry `kind`, `label`, `value`, `decimals` and `source`; those of quantities also `quantity`, and
    edges into them the `roles` that one plays in the other. A feed that nothing resolves is an input.
    """
    import networkx  # here: its import is slow and many commands need none

    dag: Dag = networkx.DiGraph()
    graph = _whole(market)
    _add_quantities(dag, graph, market)
    _add_drivers(dag, graph, market)
    for position, feed in enumerate(market.feeds):
        node, price = Node("feed", position), market.prices[position]
        decimals = power_of_ten(market.price_unit(position))
        facts = {"value": price, "decimals": decimals, "source": feed.source}
        dag.add_node(node, kind="feed", label=feed.name, **facts)
        dag.add_edge(Node("quantity", graph.feeds[position]), node, roles=("part",))
    for position, reserve in enumerate(market.reserves):
        node, price = Node("reserve", position), market.price_of(position)
        decimals = power_of_ten(market.price_unit(reserve.feed))
        facts = {"value": price, "decimals": decimals, "source": reserve.asset}
        dag.add_node(node, kind="reserve", label=reserve.symbol, **facts)
        dag.add_edge(Node("feed", reserve.feed), node)
    return dag


def prices(dag: Dag) -> list[Node]:
    """Where the graph ends: every reserve, then the feeds that price none (an eMode's own source)."""
    ends = [node for node in dag if node.layer in ("reserve", "feed") and not any(dag.successors(node))]
    return sorted(ends, key=lambda node: (node.layer != "reserve", node.key))


def moved_by(dag: Dag, node: Node) -> list[Node]:
    """The prices that hang on a node, in the order of `prices`."""
    import networkx

    below = networkx.descendants(dag, node)
    return [price for price in prices(dag) if price in below]


def inputs_of(dag: Dag, price: Node) -> list[int]:
    """Graph positions of the inputs that a price hangs on, in order."""
    import networkx

    above = networkx.ancestors(dag, price)
    return sorted(int(k.key) for k in above if isinstance(dag.nodes[k].get("quantity"), Input))


def driver_name(dag: Dag, position: int) -> str:
    """The driver that an input is, or is a part of."""
    return next(str(k.key) for k in dag.predecessors(Node("quantity", position)) if k.layer == "driver")


def limits(dag: Dag, position: int, price: Node) -> Iterator[tuple[Branch, Branch]]:
    """(what is limited, its cap) wherever an input passes under a cap on its way to a price."""
    import networkx

    source = Node("quantity", position)
    moved, above = {source, *networkx.descendants(dag, source)}, networkx.ancestors(dag, price)
    for node in sorted(moved & above):
        if dag.nodes[node]["kind"] != "least":
            continue
        parts = [(part, *dag.edges[part, node]["roles"]) for part in dag.predecessors(node)]
        caps = [part for part, *roles in parts if "cap" in roles and part not in moved]
        limited = [part for part, *_ in parts if part in moved and part not in caps]
        lowest = min(caps, key=lambda part: int(dag.nodes[part]["value"]), default=None)
        if lowest is not None:
            yield from ((_branch(dag, part, "part"), _branch(dag, lowest, "cap")) for part in limited)


def feed_of(dag: Dag, price: Node) -> Node:
    """The feed that answers a price."""
    return price if price.layer == "feed" else next(iter(dag.predecessors(price)))


def price_tree(dag: Dag, price: Node) -> Branch:
    """A price taken apart, against the edges."""
    return _branch(dag, next(iter(dag.predecessors(feed_of(dag, price)))), "part")


def _branch(dag: Dag, node: Node, role: Role) -> Branch:
    facts = dag.nodes[node]
    parts = tuple(
        _branch(dag, part, played)
        for part in dag.predecessors(node)
        if part.layer == "quantity"
        for played in dag.edges[part, node]["roles"]
    )
    return Branch(facts["quantity"], facts["value"], facts["decimals"], role, parts)


def _whole(market: Market) -> PriceGraph:
    """The market's price graph; where nothing was resolved, one in which every feed is an input."""
    if market.graph.feeds:
        return market.graph
    named = zip(input_drivers(market), market.feeds, market.prices, price_decimals(market), strict=True)
    inputs = tuple(
        Input(driver.name, "unresolved", feed.source, price, 0 if decimals is None else decimals)
        for driver, feed, price, decimals in named
    )
    return PriceGraph(inputs, tuple(range(len(inputs))))


def _add_quantities(dag: Dag, graph: PriceGraph, market: Market) -> None:
    values = graph.values(market.timestamp)
    decimals = decimals_of(graph, price_decimals(market))
    for position, quantity in enumerate(graph.quantities):
        node = Node("quantity", position)
        label = quantity.name if isinstance(quantity, Input) else quantity.label
        facts = {"value": values[position], "decimals": decimals[position], "quantity": quantity}
        dag.add_node(node, kind=_kind(quantity), label=label, source=getattr(quantity, "source", ""), **facts)
        if isinstance(quantity, Growing | Discount):
            dag.add_node(TIME, kind="time", label="time", value=market.timestamp, decimals=0, source="")
            dag.add_edge(TIME, node, roles=("factor",))
        for part in dict.fromkeys(quantity.uses):
            dag.add_edge(Node("quantity", part), node, roles=_roles(quantity, part, graph))


def _add_drivers(dag: Dag, graph: PriceGraph, market: Market) -> None:
    """The name of each input; an input that moves no price alone is called by its own."""
    resolved = bool(market.graph.feeds)
    for k, driver in enumerate(input_drivers(market)):
        facts = {"value": driver.spot, "decimals": power_of_ten(driver.unit), "source": ""}
        node = Node("driver", driver.name)
        dag.add_node(node, kind="driver", label=driver.name, **facts)
        for position in [position for position, _ in driver.inputs] if resolved else [k]:
            dag.add_edge(node, Node("quantity", position), roles=("part",))
    for position, quantity in graph.inputs:
        if not any(dag.predecessors(Node("quantity", position))):
            node = Node("driver", quantity.name)
            if node not in dag:
                facts = {"value": quantity.value, "decimals": quantity.decimals, "source": ""}
                dag.add_node(node, kind="driver", label=quantity.name, **facts)
            dag.add_edge(node, Node("quantity", position), roles=("part",))


def _kind(quantity: Quantity) -> str:
    """An input's own kind, else what the arithmetic is called."""
    return quantity.kind if isinstance(quantity, Input) else type(quantity).__name__.lower()


def _roles(quantity: Quantity, part: int, graph: PriceGraph) -> tuple[Role, ...]:
    """What one quantity is in another, once for each time that it is used there."""
    if isinstance(quantity, Fraction):
        factors: list[Role] = ["factor"] * quantity.over.count(part)
        divisors: list[Role] = ["divisor"] * quantity.under.count(part)
        return (*factors, *divisors)
    if isinstance(quantity, Least) and len(quantity.of) > 1 and is_cap(graph.quantities[part]):
        return ("cap",)
    return ("part",)


def is_cap(quantity: Quantity) -> bool:
    """Whether one part of a least is there to limit the others; one that follows a market says so itself."""
    if isinstance(quantity, Fraction):
        return "cap" in quantity.label.casefold().split()
    return isinstance(quantity, Fixed | Growing)
