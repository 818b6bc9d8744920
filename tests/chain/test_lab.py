"""The node, the three ways of bulk reading and the ranges, on a real EVM."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from eth_utils.crypto import keccak

from defiliq.chain import multicall
from defiliq.chain.abi import decode, encode_call
from defiliq.chain.evm import EvmNode, connect
from defiliq.chain.logs import scan_logs
from defiliq.chain.multicall import fetch_words
from defiliq.chain.node import Call, LogFilter, Logs, Override, answered
from defiliq.chain.reader import READER, decode_rows, encode_rows, reader_override
from defiliq.chain.replay import record, replay
from defiliq.chain.words import Bytes
from defiliq.errors import BlockNotFound, CallReverted, HistoryUnavailable
from tests.lab import Lab

pytestmark = pytest.mark.lab

BORROW = keccak(text="Borrow(address,address,address,uint256,uint8,uint256,uint16)")
COSTLY = bytes.fromhex("63000aae605b6001900380600557600160005260206000f3")
"""Counts down from 700,000, which costs 18 million gas, then answers 1."""
ECHO = bytes.fromhex("366000600037366000f3")
REVERTS = bytes.fromhex("602a60005260206000fd")
SHORT = bytes.fromhex("60206000f3")


@pytest.fixture
def node(lab_v36: Lab) -> Iterator[EvmNode]:
    with connect(lab_v36.url) as connected:
        yield connected


def packed(addresses: list[str]) -> Bytes:
    raw = b"".join(bytes.fromhex(address.removeprefix("0x")) for address in addresses)
    return np.frombuffer(raw, np.uint8).reshape(len(addresses), 20)


def test_blocks_tags_and_chain_of_a_real_node(lab_v36: Lab, node: EvmNode) -> None:
    head = node.block("latest")
    assert node.chain_id == lab_v36.chain_id
    assert node.block(head.number) == node.block(head.hash) == head
    assert node.block("earliest").number == 0
    node.check_block(head)
    with pytest.raises(BlockNotFound, match=f"its newest block is {head.number}"):
        node.block(head.number + 1)


def test_state_that_a_real_node_dropped_is_named(lab_v36: Lab, node: EvmNode) -> None:
    with pytest.raises(HistoryUnavailable, match="block 1 "):
        node.call([Call(lab_v36.pool, encode_call("getReservesList()"))], node.block(1))


def test_a_real_revert_is_an_answer_with_its_data(lab_v36: Lab, node: EvmNode) -> None:
    nobody = encode_call("getReserveData(address,uint256)", lab_v36.pool, 1)
    (answer,) = node.call([Call(lab_v36.pool, nobody)], node.block("latest"))
    assert isinstance(answer, CallReverted)


def test_time_storage_and_code_can_be_pretended_on_a_real_node(node: EvmNode) -> None:
    at = node.block("latest")
    code = bytes.fromhex("4260005260015460205260406000f3")  # returns the time and storage word 1
    anywhere = "0x" + "5a" * 20
    (answer,) = answered(
        node.call(
            [Call(anywhere, b"")],
            at,
            overrides={anywhere: Override(code=code, storage={1: 99})},
            timestamp=at.timestamp + 86_400,
        )
    )
    assert decode(["uint256", "uint256"], answer, "time and word") == (at.timestamp + 86_400, 99)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("data_bytes", [0, 1, 4, 31, 32, 36, 68, 300])
def test_the_readers_code_does_on_a_real_evm_what_it_says(node: EvmNode, data_bytes: int, width: int) -> None:
    rng = random.Random(data_bytes)
    places = {f"0x{i:02x}" + "5b" * 19: code for i, code in enumerate([ECHO, REVERTS, SHORT, b""], 16)}
    targets = [rng.choice(list(places)) for _ in range(60)]
    data = np.frombuffer(rng.randbytes(60 * data_bytes), np.uint8).reshape(60, data_bytes)
    overrides = {place: Override(code=code) for place, code in places.items()}
    (answer,) = answered(
        node.call(
            [Call(READER, encode_rows(packed(targets), data))],
            node.block("latest"),
            overrides={**overrides, **reader_override(data_bytes, width)},
        )
    )
    found = decode_rows(answer, 60, width)
    assert found is not None
    for i, target in enumerate(targets):
        returned = {ECHO: data[i].tobytes(), SHORT: bytes(32)}.get(places[target], b"")
        assert found.ok[i] == (len(returned) >= 32 * width)
        assert found.words[i].tobytes() == (returned[: 32 * width] if found.ok[i] else bytes(32 * width))


def test_all_ways_of_bulk_reading_agree_with_single_calls(
    lab_v36: Lab, node: EvmNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = node.block("latest")
    signature = "getUserAccountData(address)"
    single = answered(node.call([Call(lab_v36.pool, encode_call(signature, o)) for o in lab_v36.owners], at))
    owners = packed(list(lab_v36.owners))
    data = np.zeros((len(owners), 36), np.uint8)
    data[:, :4] = np.frombuffer(keccak(text=signature)[:4], np.uint8)
    data[:, 16:] = owners
    targets = np.repeat(packed([lab_v36.pool]), len(owners), axis=0)
    targets[3] = 0x77  # nobody there
    original = multicall._Job.run
    for way in ("_Reader", "_Multicall", "_Plain"):

        def only(job: multicall._Job, offered: multicall._Way, way: str = way) -> None:
            if type(offered).__name__ == way:
                original(job, offered)

        monkeypatch.setattr(multicall._Job, "run", only)
        found = fetch_words(node, targets, data, at, words=6)
        assert found.ok.tolist() == [i != 3 for i in range(len(owners))]
        assert [w.tobytes() for w in found.words[found.ok]] == [s for i, s in enumerate(single) if i != 3]


def test_a_call_that_costs_more_than_the_readers_share_is_answered_all_the_same(
    lab_v36: Lab, node: EvmNode
) -> None:
    with lab_v36.rewinding():
        costly = "0x" + "5c" * 20
        lab_v36.rpc("anvil_setCode", costly, f"0x{COSTLY.hex()}")
        lab_v36.rpc("evm_mine")
        owners = list(lab_v36.owners)[:100]
        targets = np.repeat(packed([lab_v36.pool]), 100, axis=0)
        targets[42] = packed([costly])[0]
        data = np.zeros((100, 36), np.uint8)
        data[:, :4] = np.frombuffer(keccak(text="getUserConfiguration(address)")[:4], np.uint8)
        data[:, 16:] = packed(owners)
        found = fetch_words(node, targets, data, node.block("latest"))
    assert found.ok.all()
    assert found.words[42, 0].tobytes() == (1).to_bytes(32, "big")


def test_logs_of_a_real_pool_come_whole_whatever_the_span(lab_v36: Lab, node: EvmNode) -> None:
    wanted = LogFilter((lab_v36.pool,), (BORROW,))
    head = node.block("latest").number
    whole = node.logs(wanted, 0, head)
    assert {f"0x{row[12:].tobytes().hex()}" for row in whole.topics[:, 2]} == {
        owner.lower() for owner in lab_v36.borrowers
    }
    for span in (1, 7, 10_000):
        parts: list[Logs] = []
        scan_logs(
            node,
            wanted,
            0,
            head,
            on_range=lambda _first, _last, logs, parts=parts: parts.append(logs),  # type: ignore[misc]
            first_span=span,
            max_span=max(span, 50),
        )
        assert np.concatenate([part.blocks for part in parts]).tolist() == whole.blocks.tolist()
        assert [each for part in parts for each in part.data] == list(whole.data)


def test_a_recording_of_a_real_node_replays(lab_v36: Lab, tmp_path: Path) -> None:
    def ask(node: EvmNode) -> tuple[bytes, bytes]:
        at = node.block("finalized")
        owners = packed(list(lab_v36.owners))
        data = np.zeros((len(owners), 36), np.uint8)
        data[:, :4] = np.frombuffer(keccak(text="getUserConfiguration(address)")[:4], np.uint8)
        data[:, 16:] = owners
        targets = np.repeat(packed([lab_v36.pool]), len(owners), axis=0)
        logs = node.logs(LogFilter((lab_v36.pool,), (BORROW,)), 0, at.number)
        return fetch_words(node, targets, data, at).words.tobytes(), logs.topics.tobytes()

    with record(lab_v36.url, tmp_path / "lab.json.gz") as live:
        seen = ask(live)
    with replay(tmp_path / "lab.json.gz") as node:
        assert ask(node) == seen


def test_heads_and_receipts_of_a_real_node(lab_v36: Lab, node: EvmNode) -> None:
    head = node.head("latest")
    assert head.block == node.block("latest")
    assert head.parent_hash == node.block(head.block.number - 1).hash
    assert head.base_fee_wei is not None
    assert head.gas_limit > 0
    logs = node.logs(LogFilter((lab_v36.pool,), (BORROW,), traced=True), 0, head.block.number)
    assert logs.traces is not None
    hashes = [f"0x{bytes(row).hex()}" for row in logs.traces.transactions[:3]]
    assert len(hashes) == 3
    *found, none = node.receipts([*hashes, "0x" + "77" * 32])
    assert [receipt.transaction for receipt in found if receipt is not None] == hashes
    assert all(receipt.succeeded and receipt.gas_used > 21_000 for receipt in found if receipt is not None)
    assert none is None
