"""Each kind of price adapter on a chain: the tree's integer is the contract's, at many values and times."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from defiliq.chain.evm import EvmNode, connect
from defiliq.oracle.compose import Quote
from defiliq.oracle.resolve import resolve
from defiliq.oracle.survey import LATEST_ANSWER, LATEST_ROUND
from defiliq.pricing.graph import Growing, PriceGraph
from defiliq.types import Block, Feed
from tests.lab.adapters import (
    DAY_S,
    WRAPPED,
    WRAPPER_DELAY_S,
    Bench,
    Deployed,
    Knob,
    deploy_aave,
    deploy_compound,
    deploy_fixed,
    deploy_market_cap,
    deploy_moonwell,
)
from tests.lab.chain import Chain, install_multicall3
from tests.lab.node import BLOCK_SECONDS, Anvil
from tests.lab.packages import anvil, node_modules

pytestmark = pytest.mark.lab
ROWS = 10_000
ROWS_PER_CALL = 2_500
TIMES, ROWS_PER_TIME = 300, 10
STATES, ROWS_PER_STATE = 6, 100
CAP_TIMES, BASES_PER_TIME = 200, 10


class Case(NamedTuple):
    """One adapter and what was made of it."""

    adapter: Deployed
    graph: PriceGraph
    positions: tuple[int, ...]
    """Of its knobs, in the graph."""

    def ours(self, row: Sequence[int], timestamp: int) -> int:
        """The tree's integer."""
        return self.graph.prices(timestamp, dict(zip(self.positions, row, strict=True)))[0]


class Stand(NamedTuple):
    """A bare chain with one of each adapter."""

    bench: Bench
    url: str
    cases: tuple[Case, ...]
    now: int


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Deployed and resolved once."""
    with Anvil(anvil()) as process:
        chain = Chain(process.rpc)
        install_multicall3(chain, node_modules())
        chain.wait(200 * DAY_S)
        bench = Bench(chain)
        compound = [*deploy_compound(bench), *deploy_moonwell(bench)]
        adapters = [*deploy_aave(bench), *deploy_fixed(bench), *compound]
        with connect(process.url, retries=0) as node:
            at = node.block("latest")
            cases = tuple(case(node, bench, adapter, at) for adapter in adapters)
        yield Stand(bench, process.url, cases, at.timestamp)


def tree(node: EvmNode, bench: Bench, adapter: Deployed, at: Block) -> PriceGraph:
    """Resolve one adapter, whose price the tree gives back."""
    functions = adapter.contract.functions
    asked_by = LATEST_ANSWER if LATEST_ANSWER in functions else LATEST_ROUND
    said = bench.chain.call(adapter.contract, asked_by, timestamp=at.timestamp)
    price = said if asked_by == LATEST_ANSWER else said[1]
    quote = Quote(10 ** bench.chain.call(adapter.contract, "decimals"), "USD")
    feeds = [Feed("TOKEN", adapter.contract.address)]
    graph = resolve(node, feeds, [price], at, quote, asked_by=asked_by)
    assert graph.prices(at.timestamp) == (price,), adapter.name
    return graph


def case(node: EvmNode, bench: Bench, adapter: Deployed, at: Block) -> Case:
    """Resolve one adapter; each knob is an input of the tree, and there are no others."""
    graph = tree(node, bench, adapter, at)
    if adapter.contract.address in {quantity.source for _, quantity in graph.inputs}:
        assert len(adapter.knobs) == len(graph.inputs) == 1, "taken as it answers"
        return Case(adapter, graph, (graph.inputs[0][0],))
    by_source = {quantity.source: position for position, quantity in graph.inputs}
    assert set(by_source) == {knob.contract.address for knob in adapter.knobs}, (adapter.name, graph)
    return Case(adapter, graph, tuple(by_source[knob.contract.address] for knob in adapter.knobs))


def drawn(draw: random.Random, knob: Knob) -> int:
    """All magnitudes, the integers around each edge, 0 and 1."""
    edge = draw.choice(knob.edges)
    kind = draw.choices(("magnitude", "edge", "near", "least"), (8, 6, 4, 1))[0]
    value = {
        "magnitude": int(knob.highest ** draw.random()),
        "edge": edge + draw.randint(-4, 4),
        "near": edge * draw.randint(900_000, 1_100_000) // 1_000_000,
        "least": draw.randint(0, 3),
    }[kind]
    return max(knob.lowest, value)


def rows_of(draw: random.Random, adapter: Deployed, count: int) -> list[list[int]]:
    """What the knobs are set to, one row after the other; the first is where they stand."""
    rows = [[knob.edges[0] for knob in adapter.knobs]]
    return rows + [[drawn(draw, knob) for knob in adapter.knobs] for _ in range(count - 1)]


def test_ten_thousand_values_of_each(stand: Stand) -> None:
    draw = random.Random(11)
    wrong: dict[str, object] = {}
    zeros = set()
    for case in stand.cases:
        if not case.adapter.knobs:
            continue
        rows = rows_of(draw, case.adapter, ROWS)
        parts = [rows[start : start + ROWS_PER_CALL] for start in range(0, ROWS, ROWS_PER_CALL)]
        answers = stand.bench.answers(case.adapter, [(stand.now, part) for part in parts])
        said = [answer for part in answers for answer in part]
        ours = [case.ours(row, stand.now) for row in rows]
        differing = [each for each in zip(rows, said, ours, strict=True) if each[1] != each[2]]
        if differing:
            wrong[case.adapter.name] = (len(differing), differing[0])
        assert len(set(said)) > 1_000, (case.adapter.name, "it hardly moves")
        if 0 in said:
            zeros.add(case.adapter.name)
    assert wrong == {}
    assert len(zeros) > 15, "the guards were met"


def test_resolved_in_any_state(stand: Stand) -> None:
    """What is made of an adapter does not hang on where its feeds stood: capped or not, tiny, huge."""
    draw = random.Random(13)
    chain = stand.bench.chain
    wrong: dict[str, object] = {}
    with connect(stand.url, retries=0) as node:
        for found in stand.cases:
            for state in rows_of(draw, found.adapter, STATES)[1:] if found.adapter.knobs else ():
                with chain.rewinding():
                    for knob, value in zip(found.adapter.knobs, state, strict=True):
                        chain.send(knob.contract, knob.setter, max(1, value))
                    at = node.block("latest")
                    again = case(node, stand.bench, found.adapter, at)
                    rows = rows_of(draw, found.adapter, ROWS_PER_STATE)
                    said = stand.bench.answers(found.adapter, [(at.timestamp, rows)])[0]
                ours = [again.ours(row, at.timestamp) for row in rows]
                if ours != said:
                    wrong.setdefault(found.adapter.name, (state, rows, said, ours, again.graph))
    assert wrong == {}


def test_fixed_prices(stand: Stand) -> None:
    fixed = {case.adapter.name: case.ours((), stand.now) for case in stand.cases if not case.adapter.knobs}
    assert fixed == {"fixed": 123_456_789, "one dollar": 100_000_000, "constant": 100_000_000}


def test_over_time(stand: Stand) -> None:
    """Seconds, days and years after: caps grow, a discount ends at maturity, all else stands still."""
    draw = random.Random(12)
    wrong: dict[str, object] = {}
    moved = set()
    for case in stand.cases:
        if not case.adapter.knobs:
            continue
        later = {int(3 * 365 * DAY_S ** draw.random()) for _ in range(TIMES)}
        times = [
            stand.now,
            *(stand.now + seconds for seconds in later | {97 * DAY_S + d for d in range(-40, 40)}),
        ]
        rows = rows_of(draw, case.adapter, ROWS_PER_TIME)
        answers = stand.bench.answers(case.adapter, [(at, rows) for at in times])
        for at, said in zip(times, answers, strict=True):
            ours = [case.ours(row, at) for row in rows]
            if ours != said:
                wrong.setdefault(case.adapter.name, (at, rows, said, ours))
        if len({tuple(said) for said in answers}) > 1:
            moved.add(case.adapter.name)
    timed = {case.adapter.name for case in stand.cases if case.graph.is_timed(case.graph.feeds[0])}
    assert wrong == {}
    assert moved == timed
    assert len(timed) == 12


def test_around_growing_caps(stand: Stand) -> None:
    """Ratios at the cap and the integers around it, at moments of three years: 10,000 answers of each."""
    draw = random.Random(14)
    wrong: dict[str, object] = {}
    asked = 0
    for case in stand.cases:
        caps = [quantity for quantity in case.graph.quantities if isinstance(quantity, Growing)]
        if not caps:
            continue
        (cap,) = caps
        base, _ = case.adapter.knobs
        times = [stand.now + draw.randint(0, 3 * 365 * DAY_S) for _ in range(CAP_TIMES)]
        worlds = [
            (at, [[drawn(draw, base), cap.value_at((), at) + d] for d in around])
            for at in times
            for around in [[-2, -1, 0, 1, 2] * BASES_PER_TIME]
        ]
        answers = stand.bench.answers(case.adapter, worlds)
        for (at, rows), said in zip(worlds, answers, strict=True):
            asked += len(rows)
            if [case.ours(row, at) for row in rows] != said:
                wrong.setdefault(case.adapter.name, (at, rows, said))
    assert wrong == {}
    assert asked == 11 * CAP_TIMES * BASES_PER_TIME * 5


def test_a_market_rate_is_part_of_the_ratio(stand: Stand) -> None:
    """A rate and what a market pays for it are one input of the tree: their product, cut by the contract."""
    draw = random.Random(15)
    chain = stand.bench.chain
    with chain.rewinding(), connect(stand.url, retries=0) as node:
        adapter = deploy_market_cap(stand.bench)
        at = node.block("latest")
        graph = tree(node, stand.bench, adapter, at)
        rows = rows_of(draw, adapter, ROWS)
        parts = [rows[start : start + ROWS_PER_CALL] for start in range(0, ROWS, ROWS_PER_CALL)]
        said = stand.bench.answers(adapter, [(at.timestamp, part) for part in parts])
    base, ratio = (
        next(position for position, quantity in graph.inputs if quantity.source == knob.contract.address)
        for knob in adapter.knobs[:2]
    )
    assert len(graph.inputs) == 2
    ours = [
        graph.prices(at.timestamp, {base: price, ratio: rate * market // 10**8})[0]
        for price, rate, market in rows
    ]
    assert ours == [answer for part in said for answer in part]
    assert len(set(ours)) > 1_000


def test_a_price_that_is_held_back_is_not_taken_apart(stand: Stand) -> None:
    """After a round of the base feed the wrapper's earlier answer is an input of its own, to the second."""
    chain = stand.bench.chain
    (wrapped,) = (case.adapter for case in stand.cases if case.adapter.name == WRAPPED)
    base = wrapped.knobs[0]
    with chain.rewinding(), connect(stand.url, retries=0) as node:
        chain.send(base.contract, "setAnswer", 2 * base.edges[0])
        chain.send(wrapped.contract, "setCachedBaseRoundId", 0)
        chain.send(base.contract, "setWrittenAt", chain.now() + BLOCK_SECONDS)
        trees = [tree(node, stand.bench, wrapped, node.block("latest"))]
        for seconds in (WRAPPER_DELAY_S - 1, 1):
            chain.wait(seconds)
            trees.append(tree(node, stand.bench, wrapped, node.block("latest")))
    *held, free = trees
    for graph in held:
        assert [quantity.kind for _, quantity in graph.inputs] == ["unresolved"]
        assert any("ChainlinkCompositeOEVWrapper" in warning for warning in graph.warnings)
    assert [quantity.name for _, quantity in free.inputs] == ["BTC/USD", "LBTC/BTC"]
    assert free.warnings == ()


def test_every_adapter_is_recognised(stand: Stand) -> None:
    """None is taken as it answers, and nothing about any of them is odd."""
    assert all(quantity.kind != "unresolved" for case in stand.cases for _, quantity in case.graph.inputs)
    assert [case.graph.warnings for case in stand.cases if case.graph.warnings] == []
