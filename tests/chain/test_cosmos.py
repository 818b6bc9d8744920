"""A Cosmos node over both ways: the same blocks, the same bytes, the same errors."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from defiliq.chain.cosmos import CosmosNode, connect_cosmos
from defiliq.chain.rpc import Patience
from defiliq.errors import (
    BadResponse,
    BadUrl,
    BlockChanged,
    BlockNotFound,
    HistoryUnavailable,
    MissingExtra,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    RateLimited,
    RpcError,
    TooLarge,
    WrongChain,
)
from defiliq.types import Block, Head
from tests.chain.cosmos_standin import (
    SERVING,
    Fault,
    FaultKind,
    PagedList,
    Refusal,
    StandIn,
    StandInBlock,
    blocks_at,
)
from tests.chain.rpc_server import Raw, Slept, as_json, serving

ECHO = "/test.Echo/Echo"
LIST = "/test.Echo/List"
KEY = "0123456789abcdef0123456789abcdef"
Ways = dict[str, CosmosNode]


def model() -> StandIn:
    """A chain that answers with the request and the height."""
    items = [(number.to_bytes(4, "big"), b"item %d" % number) for number in range(25)]
    return StandIn(
        "dydx-mainnet-1",
        blocks_at(*range(90, 101)),
        {ECHO: lambda request, height: request + b"@%d" % height, LIST: PagedList(items)},
    )


@pytest.fixture
def chain() -> StandIn:
    return model()


@pytest.fixture(params=SERVING)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
def node(chain: StandIn, way: str, slept: Slept) -> Iterator[CosmosNode]:
    with SERVING[way](chain) as url, connect(url, slept) as opened:
        yield opened


def connect(url: str, slept: Slept | None = None, retries: int = 5, **options: Any) -> CosmosNode:
    """A node whose waits between attempts are only written down."""
    waits = Patience(retries, sleep_ms=slept if slept is not None else Slept(), jitter_ms=lambda most: most)
    return connect_cosmos(url, patience=waits, **options)


def caught(ask: Callable[[], object]) -> NodeError:
    """The error of a question that must fail."""
    with pytest.raises(NodeError) as raised:
        ask()
    assert len(str(raised.value).splitlines()) == 1
    return raised.value


def test_both_ways_give_the_same_blocks_and_the_same_bytes(chain: StandIn) -> None:
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serve(chain)) for name, serve in SERVING.items()}
        nodes = [stack.enter_context(connect(url)) for url in urls.values()]
        for tag in ("latest", "safe", "finalized", "earliest", 90, 95, 100):
            first, second = (node.block(tag) for node in nodes)
            assert first == second
        assert {node.chain_id for node in nodes} == {"dydx-mainnet-1"}
        at = nodes[0].block(97)
        for request in (b"", b"\x00", bytes(range(256)) * 300):
            answers = {node.query(ECHO, request, at) for node in nodes}
            assert answers == {request + b"@97"}
        assert chain.asked[-1][1] == 97


def test_a_block_is_what_the_chain_says(node: CosmosNode, chain: StandIn) -> None:
    block = node.block("latest")
    assert node.head("latest") == Head(block, "")
    known = chain.blocks[100]
    assert block == Block("dydx-mainnet-1", 100, f"0x{known.hash.hex()}", known.timestamp)
    assert node.block("earliest").number == 90


def test_the_oldest_block_is_asked_for_even_if_it_is_the_first(chain: StandIn, way: str) -> None:
    chain.blocks = blocks_at(1, 2, 3)
    with SERVING[way](chain) as url, connect(url) as node:
        assert node.block("earliest").number == 1


@pytest.mark.parametrize(
    "name", ["9" * 5_000, "9" * 19, "x" * 51, "dydx\x1b[31m", "dydx mainnet", "dydx\u202e1", "\n", "\u0661"]
)
def test_a_chain_of_an_impossible_name_is_refused(chain: StandIn, node: CosmosNode, name: str) -> None:
    chain.chain_id = name
    error = caught(lambda: node.chain_id)
    assert isinstance(error, BadResponse)
    assert "a chain of a name that none has" in str(error)


@pytest.mark.parametrize("name", ["x" * 50, "1x", "c-1"])
def test_a_chain_of_any_other_name_is_taken(chain: StandIn, node: CosmosNode, name: str) -> None:
    chain.chain_id = name
    assert node.chain_id == name


def test_a_block_of_an_impossible_time_is_refused(chain: StandIn) -> None:
    for timestamp in (-1, 1 << 60):
        chain.blocks = {100: StandInBlock(timestamp, bytes(32))}
        with SERVING["grpc"](chain) as url, connect(url) as node:
            assert "a time that no calendar has" in str(caught(lambda: node.block("latest")))
    chain.blocks = {100: StandInBlock(-1, bytes(32))}
    with SERVING["comet"](chain) as url, connect(url) as node:
        assert "a time that no calendar has" in str(caught(lambda: node.block("latest")))


def test_a_chain_id_of_digits_is_a_number(chain: StandIn, node: CosmosNode) -> None:
    chain.chain_id = "1337"
    assert node.chain_id == 1337
    assert node.block("latest").chain_id == 1337
    node.expect_chain(1337)


def test_another_chain_is_refused(node: CosmosNode) -> None:
    node.expect_chain("dydx-mainnet-1")
    with pytest.raises(
        WrongChain, match="serves chain dydx-mainnet-1, but the market is on chain dydx-testnet-4"
    ):
        node.expect_chain("dydx-testnet-4")


def test_a_node_that_changes_its_chain_is_refused(chain: StandIn, node: CosmosNode) -> None:
    assert node.chain_id == "dydx-mainnet-1"
    chain.chain_id = "dydx-testnet-4"
    with pytest.raises(WrongChain):
        node.block(95)


def test_a_block_that_changed_meanwhile_is_noticed(chain: StandIn, node: CosmosNode) -> None:
    block = node.block(95)
    node.check_block(block)
    chain.blocks[95] = StandInBlock(block.timestamp, bytes(32))
    with pytest.raises(BlockChanged, match="block 95 changed"):
        node.check_block(block)


@pytest.mark.parametrize("tag", [101, 5_000_000, 2**63 - 1, 2**63, 10**20, 0, -1, "pending", "0x10", ""])
def test_blocks_that_are_not_there(node: CosmosNode, tag: int | str) -> None:
    with pytest.raises(BlockNotFound, match="its newest block is 100"):
        node.block(tag)


def test_a_block_far_ahead_is_not_waited_for(node: CosmosNode, slept: Slept) -> None:
    caught(lambda: node.block(5_000_000))
    assert slept.waits_ms == []
    caught(lambda: node.block(101))
    assert slept.waits_ms == [500, 1_000, 2_000]


@pytest.mark.parametrize("number", [1, 89])
def test_pruned_blocks(node: CosmosNode, number: int) -> None:
    with pytest.raises(HistoryUnavailable, match=f"state of block {number}.*lowest height is 90"):
        node.block(number)


def test_pruned_state(chain: StandIn, node: CosmosNode) -> None:
    block = node.block(92)
    chain.lowest_state = 95
    with pytest.raises(HistoryUnavailable, match=r"state of block 92 \(.*version does not exist"):
        node.query(ECHO, b"", block)


def test_a_state_that_is_not_committed_yet_is_waited_for(
    chain: StandIn, node: CosmosNode, slept: Slept
) -> None:
    block = node.block("latest")
    chain.faults = [Fault("not committed yet", times=2)]
    assert node.query(ECHO, b"x", block) == b"x@100"
    assert slept.waits_ms == [500, 1_000]
    chain.faults = [Fault("not committed yet", times=-1)]
    with pytest.raises(BlockNotFound, match="no block 100"):
        node.query(ECHO, b"x", block)


PASSING: list[FaultKind] = ["unavailable", "rate limited", "aborted"]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_asked_again_with_growing_waits(
    chain: StandIn, node: CosmosNode, slept: Slept, kind: FaultKind
) -> None:
    block = node.block("latest")
    chain.faults = [Fault(kind, times=4)]
    assert node.query(ECHO, b"x", block) == b"x@100"
    assert slept.waits_ms == [500, 1_000, 2_000, 4_000]


def test_a_late_answer_is_asked_for_once_more(chain: StandIn, way: str) -> None:
    with SERVING[way](chain) as url, connect(url, timeout_s=1) as node:
        block = node.block("latest")
        chain.faults = [Fault("late", times=1, amount=1_500)]
        assert node.query(ECHO, b"x", block) == b"x@100"
        chain.faults = [Fault("late", times=-1, amount=1_500)]
        started = time.monotonic()
        with pytest.raises(NodeTimeout, match="no answer within 1 s"):
            node.query(ECHO, b"x", block)
        assert 1.9 < time.monotonic() - started < 4


FINAL: list[tuple[Fault, type[NodeError], str]] = [
    (Fault("unavailable", times=-1), NodeUnreachable, "cannot reach the node at"),
    (Fault("rate limited", times=-1), RateLimited, "after 6 attempts"),
    (
        Fault("another height", times=-1, amount=-3),
        BadResponse,
        "state after block 97 when asked for block 100",
    ),
    (
        Fault("no height", times=-1),
        BadResponse,
        "state after a block that it does not name when asked for block 100",
    ),
    (Fault("unimplemented", times=-1), RpcError, r"/test\.Echo/Echo failed .*does not serve test\.Echo"),
    (Fault("too large", times=-1, amount=300_000), TooLarge, "over the limit of 200000 bytes"),
    (Fault("not allowed", times=-1), BadResponse, "sent an unusable answer"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), FINAL, ids=[fault.kind for fault, _, _ in FINAL])
def test_what_does_not_pass_has_the_same_name_on_both_ways(
    fault: Fault, kind: type[NodeError], words: str
) -> None:
    seen = []
    for serve in SERVING.values():
        chain = model()
        with serve(chain) as url, connect(url, max_message_bytes=200_000) as node:
            block = node.block("latest")
            chain.faults = [Fault(fault.kind, amount=fault.amount, times=-1)]
            with pytest.raises(kind, match=words) as raised:
                node.query(ECHO, b"", block)
            assert type(raised.value) is kind
            assert len(str(raised.value).splitlines()) == 1
            seen.append(type(raised.value))
    assert seen == [kind] * len(SERVING)


def test_a_message_of_the_very_limit_is_read(chain: StandIn, way: str) -> None:
    with SERVING[way](chain) as url, connect(url, max_message_bytes=200_000) as node:
        block = node.block("latest")
        body = bytes(200_000 - len(b"@100"))
        assert len(node.query(ECHO, body, block)) == 200_000
        with pytest.raises(TooLarge):
            node.query(ECHO, body + b"x", block)


def test_http_of_its_own_kind_of_trouble(chain: StandIn) -> None:
    with SERVING["comet"](chain) as url, connect(url) as node:
        block = node.block("latest")
        chain.faults = [Fault("server error", times=2), Fault("no JSON", times=2)]
        assert node.query(ECHO, b"x", block) == b"x@100"
        chain.faults = [Fault("server error", times=-1)]
        assert isinstance(caught(lambda: node.query(ECHO, b"", block)), NodeUnreachable)
        chain.faults = [Fault("no JSON", times=-1)]
        assert "no complete JSON" in str(caught(lambda: node.query(ECHO, b"", block)))


def test_a_host_that_has_no_name() -> None:
    with connect("grpc://nowhere.invalid:9090", retries=0, timeout_s=10) as node:
        error = caught(lambda: node.chain_id)
    assert isinstance(error, NodeUnreachable)


def test_a_server_that_hangs_up(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def hang_up() -> None:
            for _ in range(2):
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        scheme = "grpc" if way == "grpc" else "http"
        with connect(f"{scheme}://127.0.0.1:{port}", retries=0) as node:
            assert "the connection was closed" in str(caught(lambda: node.chain_id))


def test_nobody_there(way: str) -> None:
    slept = Slept()
    with SERVING[way](model()) as url:
        pass
    with connect(url, slept) as node:
        error = caught(lambda: node.chain_id)
    assert isinstance(error, NodeUnreachable)
    assert "connection refused" in str(error)
    assert slept.waits_ms == [500], "an address that never worked is tried once more only"


def test_closing_ends_what_waits(chain: StandIn, way: str) -> None:
    ended: list[NodeError] = []
    with SERVING[way](chain) as url:
        node = connect_cosmos(url, timeout_s=20)
        block = node.block("latest")
        chain.faults = [Fault("unavailable", times=-1)]

        def ask() -> None:
            try:
                node.query(ECHO, b"", block)
            except NodeError as error:
                ended.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not chain.faults[0].times < -2:
            time.sleep(0.01)
        node.close()
        thread.join(5)
        assert not thread.is_alive()
    assert isinstance(ended[0], NodeUnreachable)


def test_several_threads_may_ask_at_once(node: CosmosNode) -> None:
    block = node.block("latest")
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = node.query(ECHO, b"%d" % number, block)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d@100" % number for number in range(12)}


@pytest.mark.parametrize("scheme", ["http", "https", "grpc", "grpcs"])
def test_labels_and_messages_hold_no_secret(scheme: str) -> None:
    urls = [f"{scheme}://{KEY}.node.invalid:9"]
    if scheme.startswith("http"):
        urls += [f"{scheme}://user:{KEY}@127.0.0.1:9/{KEY}?key={KEY}"]
    for url in urls:
        with connect(url, retries=0, timeout_s=5) as node:
            error = caught(lambda node=node: node.block("latest"))  # type: ignore[misc]
            for text in (node.label, repr(node), str(error), repr(error)):
                assert KEY not in text
                assert "***" in text


@pytest.mark.parametrize(
    "url",
    [
        f"grpc://user:{KEY}@127.0.0.1:9090",
        f"grpc://127.0.0.1:9090/{KEY}",
        f"grpcs://127.0.0.1?{KEY}",
        f"grpc://127.0.0.1:9090#{KEY}",
        "grpc://",
        "ws://127.0.0.1:9090",
        "127.0.0.1:9090",
        "grpc://127.0.0.1:99999",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(BadUrl) as raised:
        connect_cosmos(url)
    assert KEY not in str(raised.value)


def test_an_ethereum_node_is_told_from_a_cosmos_node() -> None:
    with (
        serving(lambda *_: "0x1") as server,
        connect(server.url, retries=0) as node,
        pytest.raises(BadResponse, match="not what a CometBFT node says"),
    ):
        node.block("latest")


BLOCK: dict[str, Any] = {
    "block_id": {"hash": "AB" * 32},
    "block": {"header": {"chain_id": "c-1", "height": "7", "time": "2024-02-29T12:00:00Z"}},
}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda header: header.update(chain_id=""),
        lambda header: header.update(height="8"),
        lambda header: header.update(height=7),
        lambda header: header.update(height="-7"),
        lambda header: header.update(time="2023-02-29T12:00:00Z"),
        lambda header: header.update(time="yesterday"),
        lambda header: header.pop("time"),
    ],
)
def test_a_block_that_says_less_than_it_must(spoil: Callable[[dict[str, Any]], object]) -> None:
    header = dict(BLOCK["block"]["header"])
    spoil(header)
    answer = {**BLOCK, "block": {"header": header}}
    with serving(lambda *_: answer) as server, connect(server.url, retries=0) as node:
        assert isinstance(caught(lambda: node.block(7)), BadResponse)
        server.answer = lambda *_: BLOCK
        assert node.block(7).timestamp == 1_709_208_000


@pytest.mark.parametrize(
    "response",
    [
        {"code": 0, "height": "100", "value": "no base64!"},
        {"code": 0, "height": "100", "value": "YQ"},
        {"code": "0", "height": "100", "value": None},
        {"code": 0, "height": 100, "value": None},
        {"code": 0, "value": None},
        [],
        None,
    ],
)
def test_an_abci_answer_of_another_shape(response: Any) -> None:
    at = Block("c-1", 100, "0x", 0)
    with serving(lambda *_: {"response": response}) as server, connect(server.url, retries=0) as node:
        assert isinstance(caught(lambda: node.query(ECHO, b"", at)), BadResponse)
        server.answer = lambda *_: {"response": {"code": 0, "height": "100", "value": "YWI="}}
        assert node.query(ECHO, b"", at) == b"ab"


def test_a_module_that_refuses_says_why(way: str) -> None:
    def refuse(_request: bytes, _height: int) -> bytes:
        raise Refusal(18, "bad owner: invalid request")

    chain = model()
    chain.handlers = {ECHO: refuse}
    with SERVING[way](chain) as url, connect(url) as node:
        at = node.block("latest")
        assert "bad owner: invalid request" in str(caught(lambda: node.query(ECHO, b"", at)))


@pytest.mark.parametrize("said", ["{ValuePerByte}: panic", "out of gas in location: ReadFlat"])
def test_a_node_that_is_thrifty_with_gas_wants_a_smaller_query(way: str, said: str) -> None:
    def refuse(_request: bytes, _height: int) -> bytes:
        raise Refusal(111222, said)

    chain = model()
    chain.handlers = {ECHO: refuse}
    with SERVING[way](chain) as url, connect(url) as node:
        at = node.block("latest")
        error = caught(lambda: node.query(ECHO, b"", at))
    assert isinstance(error, TooLarge)
    assert "more gas than the node allows" in str(error)


def test_a_server_that_says_nothing(way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        scheme = "grpc" if way == "grpc" else "http"
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        with connect(url, retries=0, timeout_s=1) as node:
            started = time.monotonic()
            assert isinstance(caught(lambda: node.chain_id), NodeTimeout)
            assert time.monotonic() - started < 5


def test_plain_http_is_told_from_grpc() -> None:
    with serving(lambda *_: "0x1") as server:
        server.always = Raw(b"hello", 404)
        url = server.url.replace("http://", "grpc://")
        with connect(url, retries=0) as node:
            assert "it does not speak gRPC" in str(caught(lambda: node.chain_id))


def test_grpc_is_told_from_http(chain: StandIn) -> None:
    with SERVING["grpc"](chain) as url, connect(url.replace("grpc://", "http://"), retries=0) as node:
        assert isinstance(caught(lambda: node.chain_id), NodeUnreachable)


def test_tls_where_there_is_none(chain: StandIn) -> None:
    with SERVING["grpc"](chain) as url, connect(url.replace("grpc://", "grpcs://"), retries=0) as node:
        error = caught(lambda: node.chain_id)
    assert isinstance(error, NodeUnreachable)
    assert "it does not speak TLS" in str(error)


def test_without_the_extra_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defiliq.chain.cosmos_grpc.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"grpcio and v4-proto.*defiliq\[dydx\]"):
        connect_cosmos("grpc://127.0.0.1:9090")
    connect_cosmos("http://127.0.0.1:26657").close()


def test_nothing_of_the_extra_is_imported_before_it_is_needed() -> None:
    code = "import defiliq, defiliq.chain.cosmos, defiliq.chain.cosmos_pages, sys; "
    code += "sys.exit(any(name in sys.modules for name in ('grpc', 'v4_proto', 'google.protobuf')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_json_rpc_errors_of_the_node(chain: StandIn) -> None:
    refusal = {"code": -32601, "message": "Method not found", "data": ""}
    with SERVING["comet"](chain) as url, connect(url) as node:
        at = node.block("latest")
    with serving(lambda *_: None) as server, connect(server.url) as node:
        server.always = lambda body: as_json({"jsonrpc": "2.0", "id": body["id"], "error": refusal})
        with pytest.raises(RpcError, match="abci_query failed with -32601: Method not found"):
            node.query(ECHO, b"", at)


def test_a_node_is_closed_by_leaving_it(chain: StandIn, way: str) -> None:
    with SERVING[way](chain) as url:
        opened = connect(url)
        with opened:
            at = opened.block("latest")
        assert isinstance(caught(lambda: opened.query(ECHO, b"", at)), NodeUnreachable)
