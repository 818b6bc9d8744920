"""Pretended contracts, storage in bulk and questions after changes, on a real EVM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from eth_utils.crypto import keccak

from defiliq.chain.abi import encode_call
from defiliq.chain.evm import EvmNode, connect
from defiliq.chain.node import Call, Override, answered
from defiliq.chain.pretend import PROBE, PROBE_CODE, constant_code, require_obedience, table_code
from defiliq.chain.slots import fetch_slots
from defiliq.chain.words import Bytes
from defiliq.chain.worlds import MOST_QUESTIONS, World, ask_after
from defiliq.errors import BadResponse, CallReverted, RpcError
from defiliq.types import Block
from tests.lab import Lab
from tests.nodes import PassingNode

pytestmark = pytest.mark.lab

NOWHERE = "0x" + "ab" * 20
COUNTER = bytes.fromhex("60005460010180600055" + "60005260206000f3")
"""Adds 1 to storage word 0 and answers it."""
BALANCES_SLOT = 0


@pytest.fixture
def node(lab_v36: Lab) -> Iterator[EvmNode]:
    with connect(lab_v36.url) as connected:
        yield connected


@dataclass
class Reluctant(PassingNode):
    """A node that refuses overrides, or takes them and ignores them."""

    refuses: bool

    @property
    def label(self) -> str:
        return "reluctant"

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        if overrides is not None and self.refuses:
            raise RpcError("eth_call", -32602, "too many arguments, want at most 2")
        return self.node.call(calls, at)


def packed(addresses: Sequence[str]) -> Bytes:
    raw = b"".join(bytes.fromhex(address[2:]) for address in addresses)
    return np.frombuffer(raw, np.uint8).reshape(len(addresses), 20)


def words(numbers: Sequence[int]) -> Bytes:
    raw = b"".join(number.to_bytes(32, "big") for number in numbers)
    return np.frombuffer(raw, np.uint8).reshape(len(numbers), 32)


def slots_of(lab: Lab) -> list[int]:
    """Where the test token keeps what each user holds: a mapping at slot 0."""
    owners = (int(owner, 16).to_bytes(32, "big") for owner in lab.owners)
    return [int.from_bytes(keccak(owner + BALANCES_SLOT.to_bytes(32, "big")), "big") for owner in owners]


@pytest.mark.parametrize("way", ["by code", "refused", "ignored"])
def test_storage_in_bulk_is_what_the_contract_says(lab_v36: Lab, node: EvmNode, way: str) -> None:
    asked = node if way == "by code" else Reluctant(node, refuses=way == "refused")
    at, token = node.block("latest"), lab_v36.tokens["USDC"]
    slots = slots_of(lab_v36)
    found = fetch_slots(asked, packed([token] * len(slots)), words(slots), at)
    calls = [Call(token, encode_call("balanceOf(address)", owner)) for owner in lab_v36.owners]
    said = answered(node.call(calls, at))
    assert found.ok.all()
    assert [row.tobytes() for row in found.words[:, 0]] == said
    assert any(any(word) for word in said)


def test_neighbouring_words_of_storage(lab_v36: Lab, node: EvmNode) -> None:
    at, token = node.block("latest"), lab_v36.tokens["USDC"]
    found = fetch_slots(node, packed([token]), words([2]), at, words=3)
    assert [int.from_bytes(row.tobytes(), "big") for row in found.words[0]] == node.storage(
        [(token, 2), (token, 3), (token, 4)], at
    )
    assert found.words.any()


def test_questions_see_what_the_calls_before_them_changed(node: EvmNode) -> None:
    world = World(node.block("latest"), {NOWHERE: Override(code=COUNTER)})
    before, questions = [Call(NOWHERE, b"")] * 3, [Call(NOWHERE, b"\1" * 36)] * 4
    assert ask_after(node, before, questions, world) == [(4,), (5,), (6,), (7,)]
    assert ask_after(node, [], questions[:1], world) == [(1,)]


def test_more_questions_than_one_call_takes(node: EvmNode) -> None:
    world = World(node.block("latest"), {NOWHERE: Override(code=COUNTER)})
    answers = ask_after(node, [Call(NOWHERE, b"")], [Call(NOWHERE, b"")] * (MOST_QUESTIONS + 2), world)
    assert answers[MOST_QUESTIONS - 1 :] == [(MOST_QUESTIONS + 1,), (2,), (3,)]


def test_what_reverts_or_answers_too_little_is_none(node: EvmNode) -> None:
    world = World(node.block("latest"), {NOWHERE: Override(code=bytes.fromhex("602a60005260206000fd"))})
    assert ask_after(node, [], [Call(NOWHERE, b""), Call(PROBE, b"")], world) == [None, None]


def test_the_pretended_time_and_number_are_seen(node: EvmNode) -> None:
    at = node.block("latest")
    world = World(at, {PROBE: Override(code=PROBE_CODE)}, timestamp=at.timestamp + 99, number=at.number + 7)
    assert ask_after(node, [], [Call(PROBE, b"")], world, words=2) == [(at.timestamp + 99, at.number + 7)]


def test_a_table_answers_for_the_addresses_it_has(node: EvmNode) -> None:
    table = {f"0x{k:040x}": 10**30 + k for k in range(1, 40)}
    at = node.block("latest")
    asked = [*table, NOWHERE]
    calls = [Call(PROBE, encode_call("getUnderlyingPrice(address)", one)) for one in asked]
    answers = node.call(calls, at, overrides={PROBE: Override(code=table_code(table))})
    assert [int.from_bytes(one, "big") for one in answers[:-1] if isinstance(one, bytes)] == [*table.values()]
    assert isinstance(answers[-1], CallReverted)


def test_obedience(node: EvmNode) -> None:
    at = node.block("latest")
    require_obedience(node, at, None, None)
    require_obedience(node, at, at.timestamp + 5, at.number + 5)
    deaf = Reluctant(node, refuses=False)
    for timestamp, number in ((None, None), (at.timestamp + 5, None), (None, at.number + 5)):
        with pytest.raises(BadResponse, match="ignores"):
            require_obedience(deaf, at, timestamp, number)
    world = World(at, {NOWHERE: Override(code=constant_code(7))})
    with pytest.raises(BadResponse, match="ignores"):
        ask_after(deaf, [], [Call(NOWHERE, b"")], world)
    with pytest.raises(BadResponse, match="ignores"):
        require_obedience(node, replace(at, timestamp=at.timestamp + 1), None, None)
