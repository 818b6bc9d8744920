"""The EVM node: what it checks of a node's answers, and what it calls each refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from defiliq.chain.evm import EvmNode, connect
from defiliq.chain.node import Call, LogFilter, Override, answered
from defiliq.chain.settled import PinnedLogs
from defiliq.errors import (
    BadResponse,
    BlockChanged,
    BlockNotFound,
    CallReverted,
    HistoryUnavailable,
    NodeTimeout,
    NodeUnreachable,
    RangeTooLarge,
    RateLimited,
    RpcError,
    TooLarge,
    WrongChain,
)
from defiliq.types import Block, Head, Receipt
from tests.chain.rpc_server import Raw, RpcFailure, RpcServer, node_at, serving

HEAD = 1_000
POOL = "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
BORROW = LogFilter((POOL,), (bytes(range(32)),))


def hash_of(number: int) -> str:
    return f"0x{number + 1:064x}"


class Chain:
    """A chain of `HEAD` blocks; tests replace single methods."""

    def __init__(self) -> None:
        self.methods: dict[str, Any] = {}
        self.salt = 0

    def __call__(self, method: str, params: list[Any]) -> Any:
        if method in self.methods:
            planned = self.methods[method]
            return planned(*params) if callable(planned) else planned
        match method:
            case "eth_chainId":
                return "0x1"
            case "eth_blockNumber":
                return hex(HEAD)
            case "eth_getBlockByNumber":
                named = {"latest": HEAD, "finalized": HEAD - 64, "safe": HEAD - 32, "earliest": 0}
                number = named[params[0]] if params[0] in named else int(params[0], 16)
                return self.header(number) if number <= HEAD else None
            case "eth_getBlockByHash":
                number = int(params[0], 16) - 1
                return self.header(number) if 0 <= number <= HEAD else None
            case "eth_call":
                return params[0]["data"]
        return RpcFailure(-32601, f"the method {method} does not exist/is not available")

    def header(self, number: int) -> dict[str, Any]:
        return {"number": hex(number), "hash": hash_of(number + self.salt), "timestamp": hex(12 * number)}


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def server(chain: Chain) -> Iterator[RpcServer]:
    with serving(chain) as running:
        yield running


@pytest.fixture
def node(server: RpcServer) -> Iterator[EvmNode]:
    with node_at(server.url) as connected:
        yield connected


AT = Block(1, HEAD, hash_of(HEAD), 12 * HEAD)


def log(number: int, index: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "address": POOL.lower(),
        "topics": [f"0x{BORROW.topics[0].hex()}", f"0x{number:064x}"],
        "data": f"0x{index:02x}",
        "blockNumber": hex(number),
        "logIndex": hex(index),
        "removed": False,
        **changed,
    }


def test_the_chain_id_is_asked_once(node: EvmNode, server: RpcServer) -> None:
    assert (node.chain_id, node.chain_id) == (1, 1)
    assert len(server.posts) == 1
    node.expect_chain(1)


def test_another_chain_is_named(node: EvmNode) -> None:
    with pytest.raises(WrongChain, match="serves chain 1, but the market is on chain 10"):
        node.expect_chain(10)


@pytest.mark.parametrize(
    "answer", [None, 1, "1", "0x", "0xzz", "0x 1", "-0x1", "0x" + "f" * 65, [], {"a": 1}]
)
def test_a_chain_id_that_is_no_quantity_is_refused(node: EvmNode, chain: Chain, answer: Any) -> None:
    chain.methods["eth_chainId"] = lambda: answer
    with pytest.raises(BadResponse, match="as chain id"):
        _ = node.chain_id


KEY = "abcdef0123456789zz"


@pytest.mark.parametrize("answer", [KEY, f"0x{KEY}", {"error": KEY}, [KEY], f"invalid key {KEY}"])
def test_an_endpoint_that_answers_with_its_own_key_is_not_repeated(server: RpcServer, answer: Any) -> None:
    for method in ("eth_chainId", "eth_getBlockByNumber"):
        server.answer = lambda asked, _, method=method: answer if asked == method else "0x1"  # type: ignore[misc]
        with node_at(f"{server.url}/v2/{KEY}") as keyed, pytest.raises(BadResponse) as caught:
            _ = (keyed.chain_id, keyed.block("latest"))
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "number"),
    [(7, 7), (0, 0), ("latest", HEAD), ("finalized", HEAD - 64), ("safe", HEAD - 32), (hash_of(9), 9)],
)
def test_blocks_by_number_tag_and_hash(node: EvmNode, tag: int | str, number: int) -> None:
    assert node.block(tag) == Block(1, number, hash_of(number), 12 * number)


@pytest.mark.parametrize("tag", [HEAD + 1, 10**12, -1, "0x" + "ee" * 32])
def test_a_block_that_does_not_exist_names_the_newest(node: EvmNode, tag: int | str) -> None:
    with pytest.raises(BlockNotFound, match=f"no block {tag}; its newest block is {HEAD}"):
        node.block(tag)


def test_a_node_without_finality_says_which_block_is_missing(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_getBlockByNumber"] = RpcFailure(-39001, "finalized block not found")
    with pytest.raises(BlockNotFound, match="no block finalized"):
        node.block("finalized")


@pytest.mark.parametrize(
    "changed",
    [
        {"number": "0x8"},
        {"number": None},
        {"hash": "0x1234"},
        {"hash": None},
        {"hash": "0x" + "0g" * 32},
        {"timestamp": 84},
        {"timestamp": "0x"},
    ],
)
def test_a_header_that_is_not_what_was_asked_is_refused(
    node: EvmNode, chain: Chain, changed: dict[str, Any]
) -> None:
    chain.methods["eth_getBlockByNumber"] = lambda *_: {**chain.header(7), **changed}
    with pytest.raises(BadResponse):
        node.block(7)
    chain.methods["eth_getBlockByNumber"] = lambda *_: "0x7"
    with pytest.raises(BadResponse):
        node.block(7)


def test_a_header_with_another_hash_than_asked_is_refused(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_getBlockByHash"] = lambda *_: chain.header(8)
    with pytest.raises(BadResponse):
        node.block(hash_of(7))


def test_a_replaced_block_is_noticed(node: EvmNode, chain: Chain) -> None:
    pinned = node.block(500)
    node.check_block(pinned)
    chain.salt = 1
    with pytest.raises(BlockChanged, match="changed from"):
        node.check_block(pinned)


def test_calls_name_their_block_and_keep_their_order(server: RpcServer) -> None:
    calls = [Call(POOL, i.to_bytes(4, "big")) for i in range(500)]
    with node_at(server.url, concurrency=4) as node:
        assert answered(node.call(calls, AT)) == [call.data for call in calls]
        assert node.call([], AT) == []
    asked = [each for post in server.posts for each in post]
    assert {each["params"][1] for each in asked} == {hex(HEAD)}
    assert {len(each["params"]) for each in asked} == {2}
    assert max(len(post) for post in server.posts) == 64


def test_large_calls_are_not_posted_together(server: RpcServer) -> None:
    calls = [Call(POOL, bytes(200_000)) for _ in range(4)]
    with node_at(server.url) as node:
        assert answered(node.call(calls, AT)) == [call.data for call in calls]
    assert len(server.posts) == 4


def test_overrides_of_state_and_time_are_sent_as_nodes_expect_them(node: EvmNode, server: RpcServer) -> None:
    override = Override(code=b"\x60\x01", storage={0: 7, 2**255: 1})
    node.call([Call(POOL, b"\x01")], AT, overrides={POOL: override}, timestamp=255)
    node.call([Call(POOL, b"\x01")], AT, timestamp=255)
    node.call([Call(POOL, b"\x01")], AT, overrides={POOL: Override(storage={})})
    first, second, third = (post["params"] for post in server.posts)
    slots = {f"0x{0:064x}": f"0x{7:064x}", f"0x{2**255:064x}": f"0x{1:064x}"}
    assert first[2:] == [{POOL: {"code": "0x6001", "stateDiff": slots}}, {"time": "0xff"}]
    assert second[2:] == [{}, {"time": "0xff"}]
    assert third[2:] == [{POOL: {"stateDiff": {}}}]


@pytest.mark.parametrize(
    ("failure", "data"),
    [
        (RpcFailure(3, "execution reverted: 45", "0x08c379a0"), b"\x08\xc3\x79\xa0"),
        (RpcFailure(-32000, "execution reverted"), b""),
        (RpcFailure(-32015, "VM execution error.", "Reverted 0x3435"), b"45"),
        (RpcFailure(-32603, "EVM error OutOfGas"), b""),
        (RpcFailure(-32603, "reverted", {"originalError": {"data": "0x3435"}}), b"45"),
    ],
)
def test_a_revert_is_an_answer_among_others(
    node: EvmNode, chain: Chain, failure: RpcFailure, data: bytes
) -> None:
    chain.methods["eth_call"] = lambda call, *_: failure if call["data"] == "0x02" else call["data"]
    answers = node.call([Call(POOL, b"\x01"), Call(POOL, b"\x02"), Call(POOL, b"\x03")], AT)
    assert (answers[0], answers[2]) == (b"\x01", b"\x03")
    assert isinstance(answers[1], CallReverted)
    assert answers[1].data == data
    with pytest.raises(CallReverted, match=POOL):
        answered(answers)


@pytest.mark.parametrize("message", ["missing trie node ab (path )", "state at block #1000 is pruned"])
def test_lost_state_is_named(node: EvmNode, chain: Chain, message: str) -> None:
    chain.methods["eth_call"] = RpcFailure(-32000, message)
    with pytest.raises(HistoryUnavailable, match="block 1000"):
        node.call([Call(POOL, b"")], AT)


def test_an_unknown_block_is_lost_history_below_the_head_and_not_found_above(
    node: EvmNode, chain: Chain
) -> None:
    chain.methods["eth_call"] = RpcFailure(-32000, "header not found")
    with pytest.raises(HistoryUnavailable):
        node.call([Call(POOL, b"")], AT)
    with pytest.raises(BlockNotFound, match="its newest block is 1000"):
        node.call([Call(POOL, b"")], Block(1, HEAD + 5, hash_of(HEAD + 5), 0))


def test_any_other_refusal_keeps_its_code(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_call"] = RpcFailure(-32602, "too many arguments, want at most 2")
    with pytest.raises(RpcError, match=r"eth_call failed with -32602: too many arguments") as caught:
        node.call([Call(POOL, b"")], AT)
    assert caught.value.code == -32602


@pytest.mark.parametrize("answer", [None, 5, "abc", "0xabc", "0x0g", "0x 12", "0x12 34", ["0x"], True])
def test_an_answer_that_is_no_hex_is_refused(node: EvmNode, chain: Chain, answer: Any) -> None:
    chain.methods["eth_call"] = lambda *_: answer
    with pytest.raises(BadResponse, match="as answer of a call"):
        node.call([Call(POOL, b"")], AT)


def test_code_is_read_at_its_block(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_getCode"] = lambda address, block: (
        "0x6001" if (address, block) == (POOL, "0x3e8") else "0x"
    )
    assert node.code(POOL, AT) == b"\x60\x01"
    assert node.code("0x" + "00" * 20, AT) == b""


def test_logs_become_columns_in_chain_order(node: EvmNode, chain: Chain, server: RpcServer) -> None:
    short = {**log(3, 1), "topics": [f"0x{BORROW.topics[0].hex()}"]}
    chain.methods["eth_getLogs"] = lambda _: [log(9, 4), log(9, 2), short, log(3, 0)]
    logs = node.logs(BORROW, 3, 9)
    assert logs.blocks.tolist() == [3, 3, 9, 9]
    assert logs.data == (b"\x00", b"\x01", b"\x02", b"\x04")
    assert logs.topics.shape == (4, 4, 32)
    assert {row.tobytes() for row in logs.topics[:, 0]} == {BORROW.topics[0]}
    assert [int.from_bytes(row.tobytes(), "big") for row in logs.topics[:, 1]] == [3, 0, 9, 9]
    assert not logs.topics[:, 2:].any()
    asked = server.posts[0]["params"][0]
    assert asked == {
        "address": POOL,
        "topics": [f"0x{BORROW.topics[0].hex()}"],
        "fromBlock": "0x3",
        "toBlock": "0x9",
    }


def test_logs_of_one_block_are_asked_for_by_its_hash(node: EvmNode, chain: Chain, server: RpcServer) -> None:
    """Asked by number, a node that has not seen the block would answer that it has no logs."""
    chain.methods["eth_getLogs"] = lambda _: [log(9, 4)]
    pinned = PinnedLogs(node, Block(1, 9, "0x" + "99" * 32, 1_000))
    assert pinned.logs(BORROW, 9, 9).blocks.tolist() == [9]
    asked = server.posts[-1]["params"][0]
    assert asked["blockHash"] == "0x" + "99" * 32
    assert "fromBlock" not in asked
    assert "toBlock" not in asked
    chain.methods["eth_getLogs"] = RpcFailure(-32000, "unknown block")
    with pytest.raises(BlockNotFound):
        pinned.logs(BORROW, 9, 9)


def test_several_contracts_and_events_in_one_search(node: EvmNode, chain: Chain, server: RpcServer) -> None:
    other, event = "0x" + "77" * 20, bytes(range(32, 64))
    wanted = LogFilter((POOL, other), (BORROW.topics[0], event))
    second = log(4, address=other, topics=[f"0x{event.hex()}"])
    chain.methods["eth_getLogs"] = lambda _: [log(3), second]
    assert node.logs(wanted, 3, 9).blocks.tolist() == [3, 4]
    asked = server.posts[0]["params"][0]
    assert asked["address"] == [POOL, other]
    assert asked["topics"] == [[f"0x{topic.hex()}" for topic in wanted.topics]]
    for spoiled in (log(4, address="0x" + "78" * 20), log(4, topics=["0x" + "cd" * 32])):
        chain.methods["eth_getLogs"] = lambda _, spoiled=spoiled: [log(3), spoiled]
        with pytest.raises(BadResponse, match="another"):
            node.logs(wanted, 3, 9)


def test_storage_is_read_word_by_word_at_its_block(node: EvmNode, chain: Chain) -> None:
    words = {(POOL, f"0x{7:064x}", "0x3e8"): "0x" + "00" * 31 + "2a"}
    chain.methods["eth_getStorageAt"] = lambda *asked: words.get(asked, "0x" + "00" * 32)
    assert node.storage([(POOL, 7), (POOL, 8)], AT) == [42, 0]
    chain.methods["eth_getStorageAt"] = lambda *_: "0x" + "11" * 33
    with pytest.raises(BadResponse, match="33 bytes"):
        node.storage([(POOL, 7)], AT)


def test_no_logs_are_empty_columns(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_getLogs"] = lambda _: []
    logs = node.logs(BORROW, 0, 5)
    assert (logs.topics.shape, logs.blocks.shape, logs.data) == ((0, 4, 32), (0,), ())


WORD = "0x" + "ab" * 32


@pytest.mark.parametrize(
    "spoiled",
    [
        log(2),
        log(10),
        log(5, address="0x" + "11" * 20),
        log(5, address=None),
        log(5, removed=True),
        log(5, topics=[WORD]),
        log(5, topics=[]),
        log(5, topics=None),
        log(5, topics=[f"0x{BORROW.topics[0].hex()}", "0x1234"]),
        log(5, topics=[f"0x{BORROW.topics[0].hex()}", "0x" + " " * 2 + "ab" * 31]),
        log(5, topics=[f"0x{BORROW.topics[0].hex()}", "0x" + "zz" * 32]),
        log(5, topics=[f"0x{BORROW.topics[0].hex()}", "xx" + "ab" * 32]),
        log(5, topics=[f"0x{BORROW.topics[0].hex()}", WORD, WORD, WORD, WORD]),
        log(5, topics=[f"0x{BORROW.topics[0].hex()}", 7]),
        log(5, data="0x1"),
        log(5, data="0x1 1 "),
        log(5, data=None),
        log(5, data="1234"),
        log(5, blockNumber="5"),
        log(5, blockNumber=5),
        log(5, blockNumber=None),
        log(5, blockNumber=["0x5"]),
        log(5, blockNumber="0x" + "f" * 40),
        log(5, logIndex="0x"),
        {"topics": []},
        "nonsense",
        None,
    ],
)
def test_a_log_that_was_not_asked_for_or_is_malformed_is_refused(
    node: EvmNode, chain: Chain, spoiled: Any
) -> None:
    chain.methods["eth_getLogs"] = lambda _: [log(4), spoiled]
    with pytest.raises(BadResponse):
        node.logs(BORROW, 3, 9)


@pytest.mark.parametrize("answer", [None, {}, "0x", 3])
def test_logs_that_are_no_list_are_refused(node: EvmNode, chain: Chain, answer: Any) -> None:
    chain.methods["eth_getLogs"] = lambda _: answer
    with pytest.raises(BadResponse):
        node.logs(BORROW, 3, 9)


@pytest.mark.parametrize(
    ("failure", "named"),
    [
        (RpcFailure(-32005, "query returned more than 10000 results"), RangeTooLarge),
        (RpcFailure(-32005, "rate limit exceeded"), RateLimited),
        (RpcFailure(-32000, "pruned history unavailable"), HistoryUnavailable),
        (RpcFailure(-32602, "block range extends beyond current head block"), BlockNotFound),
        (RpcFailure(-32601, "the method eth_getLogs does not exist/is not available"), RpcError),
    ],
)
def test_refusals_of_logs_have_names(
    node: EvmNode, chain: Chain, failure: RpcFailure, named: type[Exception]
) -> None:
    chain.methods["eth_getLogs"] = failure
    with pytest.raises(named):
        node.logs(BORROW, 0, 900)


def test_a_refused_range_carries_the_suggestion(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_getLogs"] = RpcFailure(-32614, "eth_getLogs is limited to a 100 range")
    with pytest.raises(RangeTooLarge) as caught:
        node.logs(BORROW, 100, 900)
    assert (caught.value.first, caught.value.last, caught.value.suggested_last) == (100, 900, 199)


def test_silence_and_oversize_count_as_a_range_too_large_while_it_can_be_split(server: RpcServer) -> None:
    server.always = Raw(b"{}", delay_ms=1_300)
    with node_at(server.url, timeout_s=1, retries=1) as node:
        with pytest.raises(RangeTooLarge, match="no answer within 1 s"):
            node.logs(BORROW, 0, 1)
        assert len(server.posts) == 1
        with pytest.raises(NodeTimeout):
            node.logs(BORROW, 1, 1)
        assert len(server.posts) == 3
    server.always = Raw(b" " * 2_000)
    with node_at(server.url, max_response_bytes=1_000) as node:
        with pytest.raises(RangeTooLarge, match="1000 bytes"):
            node.logs(BORROW, 0, 1)
        with pytest.raises(TooLarge):
            node.logs(BORROW, 1, 1)


def test_connect_asks_nothing_until_it_is_used() -> None:
    with connect("http://127.0.0.1:1/v3/0123456789abcdef", retries=0) as node:
        assert node.label == "http://127.0.0.1:1/v3/***"
        assert "0123" not in repr(node)
        with pytest.raises(NodeUnreachable):
            _ = node.chain_id


def traced(block: int, index: int = 0, **changes: Any) -> dict[str, Any]:
    """A log with all that tells where it comes from."""
    places = {"blockHash": f"0x{block:064x}", "transactionHash": "0x" + f"{index:02x}" * 32}
    return {**log(block), "logIndex": hex(index), **places, **changes}


def test_traces_follow_the_order_of_their_logs(node: EvmNode, chain: Chain) -> None:
    wanted = replace(BORROW, traced=True)
    chain.methods["eth_getLogs"] = lambda _: [traced(5, 7), traced(5, 2), traced(4, 9)]
    traces = node.logs(wanted, 3, 9).traces
    assert traces is not None
    assert traces.indices.tolist() == [9, 2, 7]
    assert [row.tobytes().hex()[:2] for row in traces.transactions] == ["09", "02", "07"]
    assert [int.from_bytes(row.tobytes(), "big") for row in traces.block_hashes] == [4, 5, 5]
    assert {f"0x{row.tobytes().hex()}" for row in traces.addresses} == {POOL.lower()}
    assert node.logs(BORROW, 3, 9).traces is None
    chain.methods["eth_getLogs"] = lambda _: []
    empty = node.logs(wanted, 3, 9).traces
    assert empty is not None
    assert (len(empty.addresses), len(empty.indices)) == (0, 0)


@pytest.mark.parametrize(
    ("spoiled", "seen"),
    [
        (traced(5, 1, blockHash=None), "hash of a log's block"),
        (traced(5, 1, blockHash="0x" + "11" * 31), "another length"),
        (traced(5, 1, blockHash="0x" + "11" * 32), "several hashes"),
        (traced(5, 1, transactionHash="0x12"), "another length"),
        (traced(5, 1, transactionHash=5), "a log's transaction"),
        (traced(5, 0), "two logs of one number"),
    ],
)
def test_traces_that_are_none(node: EvmNode, chain: Chain, spoiled: dict[str, Any], seen: str) -> None:
    chain.methods["eth_getLogs"] = lambda _: [traced(5, 0), spoiled]
    with pytest.raises(BadResponse, match=seen):
        node.logs(replace(BORROW, traced=True), 3, 9)


PARENT = "0x" + "ab" * 32
FULL = {"parentHash": PARENT, "baseFeePerGas": "0x7", "gasUsed": "0x5208", "gasLimit": "0x1c9c380"}


@pytest.mark.parametrize("tag", [7, "latest", hash_of(9)])
def test_a_head_is_the_block_with_its_parent_and_its_gas(node: EvmNode, chain: Chain, tag: int | str) -> None:
    plain = chain.header
    chain.header = lambda number: {**plain(number), **FULL}  # type: ignore[method-assign]
    assert node.head(tag) == Head(node.block(tag), PARENT, 7, 21_000, 30_000_000)


@pytest.mark.parametrize("fee", [{}, {"baseFeePerGas": None}])
def test_a_chain_without_base_fee_says_none(node: EvmNode, chain: Chain, fee: dict[str, Any]) -> None:
    full = {name: value for name, value in FULL.items() if name != "baseFeePerGas"}
    chain.methods["eth_getBlockByNumber"] = chain.header(5) | full | fee
    assert node.head(5).base_fee_wei is None


@pytest.mark.parametrize("name", ["number", "hash", "timestamp", "parentHash", "gasUsed", "gasLimit"])
@pytest.mark.parametrize("value", [None, 7, "", "0x", "7", "0xzz", "0x" + "f" * 64, [], {}, True])
def test_a_malformed_head_is_refused(node: EvmNode, chain: Chain, name: str, value: Any) -> None:
    if name in ("hash", "parentHash") and isinstance(value, str) and len(value) == 66:
        value += "ff"
    chain.methods["eth_getBlockByNumber"] = chain.header(5) | FULL | {name: value}
    with pytest.raises(BadResponse):
        node.head("latest")


@pytest.mark.parametrize("fee", [7, "", "0x", "0xzz", "0x" + "f" * 33, "0x" + "f" * 65, [], True])
def test_a_malformed_base_fee_is_refused(node: EvmNode, chain: Chain, fee: Any) -> None:
    chain.methods["eth_getBlockByNumber"] = chain.header(5) | FULL | {"baseFeePerGas": fee}
    with pytest.raises(BadResponse):
        node.head(5)


def test_another_head_than_the_one_asked_for_is_refused(node: EvmNode, chain: Chain) -> None:
    chain.methods["eth_getBlockByNumber"] = chain.header(6) | FULL
    chain.methods["eth_getBlockByHash"] = chain.header(6) | FULL
    for tag in (5, hash_of(5)):
        with pytest.raises(BadResponse, match="when asked for"):
            node.head(tag)


def test_a_head_that_does_not_exist_names_the_newest(node: EvmNode) -> None:
    with pytest.raises(BlockNotFound, match=f"its newest block is {HEAD}"):
        node.head(HEAD + 1)


def receipt_of(asked: str, **changed: Any) -> dict[str, Any]:
    return {
        "transactionHash": asked,
        "blockHash": hash_of(4),
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x3b9aca00",
        **changed,
    }


def test_receipts_come_in_order_and_in_batches(node: EvmNode, chain: Chain, server: RpcServer) -> None:
    chain.methods["eth_getTransactionReceipt"] = lambda asked: {
        hash_of(2): None,
        hash_of(3): receipt_of(asked, status="0x0"),
        hash_of(4): RpcFailure(-32000, "transaction indexing is in progress"),
        hash_of(5): RpcFailure(4444, "pruned history unavailable"),
    }.get(asked, receipt_of(asked))
    asked = [hash_of(number) for number in range(1, 100)]
    found = node.receipts(asked)
    assert found[0] == Receipt(hash_of(1), True, 21_000, 10**9)
    assert found[1] is None
    assert found[2] == Receipt(hash_of(3), False, 21_000, 10**9)
    assert found[3:5] == [None, None]
    assert [receipt.transaction for receipt in found[5:] if receipt is not None] == asked[5:]
    assert [len(post) for post in server.posts] == [64, 35]
    assert node.receipts([]) == []
    assert len(server.posts) == 2


def test_the_receipt_of_a_hash_in_capitals_is_the_same(node: EvmNode, chain: Chain) -> None:
    wanted = "0x" + "ab" * 32
    chain.methods["eth_getTransactionReceipt"] = receipt_of(wanted)
    (found,) = node.receipts(["0x" + "AB" * 32])
    assert found is not None
    assert found.transaction == wanted


@pytest.mark.parametrize(
    "changed",
    [
        {"transactionHash": hash_of(9)},
        {"transactionHash": None},
        {"transactionHash": hash_of(1) + "00"},
        {"blockHash": None},
        {"blockHash": "0x"},
        {"status": None},
        {"status": "0x2"},
        {"status": True},
        {"gasUsed": None},
        {"gasUsed": "0x1" + "0" * 16},
        {"gasUsed": 21_000},
        {"effectiveGasPrice": None},
        {"effectiveGasPrice": "0x1" + "0" * 32},
        {"effectiveGasPrice": "-0x1"},
    ],
)
def test_a_malformed_receipt_is_refused(node: EvmNode, chain: Chain, changed: dict[str, Any]) -> None:
    chain.methods["eth_getTransactionReceipt"] = receipt_of(hash_of(1), **changed)
    with pytest.raises(BadResponse):
        node.receipts([hash_of(1)])


@pytest.mark.parametrize("answer", [[], "0x", 1, True, [receipt_of(hash_of(1))]])
def test_a_receipt_that_is_no_object_is_refused(node: EvmNode, chain: Chain, answer: Any) -> None:
    chain.methods["eth_getTransactionReceipt"] = lambda _: answer
    with pytest.raises(BadResponse):
        node.receipts([hash_of(1)])


def test_a_node_that_serves_no_receipts_says_so(node: EvmNode) -> None:
    with pytest.raises(RpcError, match="eth_getTransactionReceipt"):
        node.receipts([hash_of(1)])
