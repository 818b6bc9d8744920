"""Nodes that lose, repeat, mix up, delay or cut what the chain says, over both ways."""

from __future__ import annotations

import sys
from functools import cache, partial
from hashlib import sha256

import pytest
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryAllSubaccountRequest, QuerySubaccountResponse

import defiliq
from defiliq.chain.cosmos import connect_cosmos
from defiliq.errors import (
    BadResponse,
    BlockChanged,
    BlockNotFound,
    DecodeError,
    DefiliqError,
    HistoryUnavailable,
    MissingExtra,
    NodeTimeout,
    RpcError,
    TooLarge,
    WrongChain,
)
from defiliq.protocols.dydx_v4 import ask_many, read, read_market
from defiliq.types import Question
from tests.chain.cosmos_standin import Fault, FaultKind, Handler, PagedList, StandIn, StandInBlock
from tests.dydx.population import Population, population
from tests.dydx.standin import (
    CHAIN_ID,
    HEIGHT,
    LIQUIDATIONS_CONFIGURATION,
    SUBACCOUNT,
    SUBACCOUNT_ALL,
    dydx_standin,
)
from tests.protocols.dydx_v4.stage import (
    BTC,
    LISTING,
    WAYS,
    assert_same_book,
    chain_of,
    keys_of,
    name_of,
    opened,
    read_from,
    refused,
    subaccount,
)

LISTS = (
    "AllPerpetuals",
    "AllLiquidityTiers",
    "AllMarketParams",
    "AllMarketPrices",
    "ClobPairAll",
    "AllAssets",
    "SubaccountAll",
)
EVERY_QUERY = (*LISTS, "LiquidationsConfiguration")


@cache
def held() -> Population:
    """More than two pages."""
    return population(2_500, seed=5)


@pytest.fixture
def model() -> StandIn:
    return dydx_standin(held())


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def instead(model: StandIn, method: str, handler: Handler) -> StandIn:
    """The same chain with another answer to one query."""
    model.handlers = {**model.handlers, method: handler}
    return model


def uncounting(model: StandIn, method: str = SUBACCOUNT_ALL) -> StandIn:
    """The same chain on a node that does not say how many subaccounts, or others, there are."""
    whole = model.handlers[method]
    assert isinstance(whole, PagedList)

    def answer(request: bytes, _: int) -> bytes:
        asked = QueryAllSubaccountRequest.FromString(request).pagination
        plain = QueryAllSubaccountRequest(pagination=PageRequest(key=asked.key, limit=asked.limit))
        return whole.page(plain.SerializeToString(), model.fault_for(f"{method} "))

    return instead(model, method, answer)


@pytest.mark.parametrize("after", [0, 1])
def test_a_page_that_is_left_out_is_missed_by_the_nodes_own_count(
    model: StandIn, way: str, after: int
) -> None:
    model.faults = [Fault("page skipped", "SubaccountAll", after=after)]
    book = read_from(model, way)
    said = book.failed["subaccounts that the node did not list"]
    assert "SubaccountAll: " in said
    assert "where it counts" in said
    assert 0 < len(book) < 2_100


def test_a_page_that_is_left_out_is_missed_in_open_interest(model: StandIn, way: str) -> None:
    """Where a node does not count: each perpetual is short of what the chain knows to be open."""
    model.faults = [Fault("page skipped", "SubaccountAll ", after=0)]
    book = read_from(uncounting(model), way)
    assert 1_000 < len(book) < 2_000
    gaps = {reserve.symbol for reserve in book.market.reserves[1:]}
    assert {f"subaccounts in {symbol}" for symbol in gaps} == set(book.failed)
    assert all("some subaccounts are missing" in why for why in book.failed.values())
    assert any("SubaccountAll: the node does not count" in warning for warning in book.market.graph.warnings)


def test_a_node_that_does_not_count_is_told_of(model: StandIn, way: str) -> None:
    book = read_from(uncounting(model), way)
    assert len(book) == len(held().subaccounts)
    assert dict(book.failed) == {}
    (warning,) = book.market.graph.warnings
    assert (
        warning
        == "SubaccountAll: the node does not count the items: a page that it leaves out would go unseen"
    )


def test_every_list_that_a_node_does_not_count_is_told_of() -> None:
    """One sentence for all of them: a perpetual or a tier that is left out would be missing as silently."""
    model = chain_of()
    for method in (each for each in tuple(model.handlers) if each.rpartition("/")[2] in LISTS):
        uncounting(model, method)
    (warning,) = read_from(model).market.graph.warnings
    assert warning.startswith(f"{', '.join(LISTS[:-1])}: the node does not count the items")
    with opened(model) as node:
        assert read_market(node, LISTING, node.block(HEIGHT)).graph.warnings == (warning,)


def test_open_interest_that_is_one_quantum_off() -> None:
    long, short = subaccount(1, (BTC, 10**8)), subaccount(2, (BTC, -(10**8) + 1), usdc=10**11)
    book = read_from(chain_of(long, short))
    assert set(book.failed) == {"subaccounts in BTC-USD"}
    assert f"longs of {10**8} and shorts of {10**8 - 1} quantums" in book.failed["subaccounts in BTC-USD"]
    assert len(book) == 2
    some = read_from(chain_of(long, short), owners=keys_of([name_of(long)]))
    assert dict(some.failed) == {}, "of some owners nothing follows for the whole"


@pytest.mark.parametrize("kind", ["page repeated", "keys in a circle"])
def test_pages_that_repeat(model: StandIn, way: str, kind: FaultKind) -> None:
    model.faults = [Fault(kind, "SubaccountAll", after=1)]
    assert "its pages repeat" in refused(BadResponse, lambda: read_from(model, way))


@pytest.mark.parametrize("method", EVERY_QUERY)
@pytest.mark.parametrize("off", [-1, 1])
def test_an_answer_of_another_height(model: StandIn, way: str, method: str, off: int) -> None:
    model.faults = [Fault("another height", method, times=-1, amount=off)]
    said = refused(BadResponse, lambda: read_from(model, way))
    assert f"the state after block {HEIGHT + off} when asked for block {HEIGHT}" in said


@pytest.mark.parametrize("method", EVERY_QUERY)
def test_an_answer_that_names_no_height(model: StandIn, way: str, method: str) -> None:
    model.faults = [Fault("no height", method, times=-1)]
    assert "a block that it does not name" in refused(BadResponse, lambda: read_from(model, way))


def test_a_height_that_is_pruned_or_not_there_yet(model: StandIn, way: str) -> None:
    model.lowest_state = HEIGHT
    said = refused(HistoryUnavailable, lambda: read_from(model, way, at=HEIGHT - 1))
    assert str(HEIGHT - 1) in said
    refused(BlockNotFound, lambda: read_from(model, way, at=HEIGHT + 1))


def test_a_block_that_changes_meanwhile(model: StandIn, way: str) -> None:
    """It is the last thing that is asked: whatever was read before may be of either chain."""
    right = model.handlers[LIQUIDATIONS_CONFIGURATION]
    assert not isinstance(right, PagedList)

    def answer(request: bytes, height: int) -> bytes:
        other = StandInBlock(model.blocks[HEIGHT].timestamp, sha256(b"another").digest())
        model.blocks = {**model.blocks, HEIGHT: other}
        return right(request, height)

    first = model.blocks
    for owners in (None, keys_of([name_of(held().subaccounts[0])])):
        instead(model, LIQUIDATIONS_CONFIGURATION, answer)
        model.blocks = first
        refused(BlockChanged, partial(read_from, model, way, owners=owners))
    model.blocks = first
    with opened(model, way) as node:
        refused(BlockChanged, lambda: read_market(node, LISTING, node.block(HEIGHT)))


def test_pages_over_the_limit_of_bytes_are_asked_for_in_parts(model: StandIn, way: str) -> None:
    model.asked.clear()
    book = read_from(model, way, max_message_bytes=40_000)
    pages = [request for method, _, request in model.asked if method == SUBACCOUNT_ALL]
    assert len(pages) > 10
    assert_same_book(book, read_from(model, way))


def test_a_subaccount_over_the_limit_of_bytes(way: str) -> None:
    large = subaccount(1, usdc=5)
    large.asset_positions.extend([large.asset_positions[0]] * 5_000)
    said = refused(TooLarge, lambda: read_from(chain_of(large), way, max_message_bytes=30_000))
    assert "with a single item on the page" in said


def test_an_answer_that_does_not_come_in_time(model: StandIn, way: str) -> None:
    model.faults = [Fault("late", "SubaccountAll", after=1, times=-1, amount=1_500)]
    said = refused(NodeTimeout, lambda: read_from(model, way, timeout_s=1, retries=0))
    assert "no answer within 1 s" in said or "timed out" in said


@pytest.mark.parametrize("method", EVERY_QUERY)
def test_a_service_that_the_node_does_not_have(model: StandIn, way: str, method: str) -> None:
    model.faults = [Fault("unimplemented", method, times=-1)]
    said = refused(RpcError, lambda: read_from(model, way))
    assert "does not serve dydxprotocol." in said


@pytest.mark.parametrize("method", EVERY_QUERY)
def test_bytes_that_are_no_message(model: StandIn, way: str, method: str) -> None:
    model.faults = [Fault("malformed", method, times=-1)]
    refused(DefiliqError, lambda: read_from(model, way))


def test_a_message_that_is_broken_inside_a_page() -> None:
    """The pages' own frame is whole, so only who reads the items can see it."""
    model = chain_of()
    model.handlers = {**model.handlers, SUBACCOUNT_ALL: PagedList([(b"\x0a1", b"\x0a\x7fcut short")])}
    assert "bytes that are no such message" in refused(DecodeError, lambda: read_from(model))


def test_another_chain() -> None:
    model = dydx_standin(population(3), chain_id="dydx-testnet-4")
    with opened(model) as node:
        said = refused(WrongChain, lambda: defiliq.read(node, LISTING))
    assert f"serves chain dydx-testnet-4, but the market is on chain {CHAIN_ID}" in said


@pytest.mark.parametrize("number", [0, 1])
def test_another_subaccount_than_the_one_asked_for(way: str, number: int) -> None:
    """It would be read under its own name, and the one asked for would be missing without a word."""
    kept, other = subaccount(1, usdc=5), subaccount(2 - number, usdc=9, number=number)
    model = chain_of(kept, other)
    asked = keys_of([name_of(kept)])
    market = read_from(model, way).market
    raw = bytes(QuerySubaccountResponse(subaccount=other).SerializeToString())
    instead(model, SUBACCOUNT, lambda _request, _height: raw)
    assert "another subaccount" in refused(DecodeError, lambda: read_from(model, way, owners=asked))
    with opened(model, way) as node:
        question = Question(market, name_of(kept))
        assert "another subaccount" in refused(DecodeError, lambda: ask_many(node, [question], market))


MISSING = ("v4_proto.dydxprotocol.assets", "v4_proto.dydxprotocol.subaccounts", "v4_proto.dydxprotocol.clob")


@pytest.mark.parametrize("module", MISSING)
def test_messages_that_are_not_installed(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    model = chain_of()
    with opened(model, "comet") as node:
        at = node.block(HEIGHT)
        monkeypatch.setitem(sys.modules, module, None)
        for ask in (lambda: read(node, LISTING, None, at), lambda: read_market(node, LISTING, at)):
            said = refused(MissingExtra, ask)
            assert "pip install 'defiliq[dydx]'" in said


@pytest.mark.parametrize("module", ["grpc", "v4_proto"])
def test_grpc_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    said = refused(MissingExtra, lambda: connect_cosmos("grpc://127.0.0.1:9"))
    assert "pip install 'defiliq[dydx]'" in said
