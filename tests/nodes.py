"""Stand-ins for nodes of EVM chains: one that says nothing, one that passes all on, one that has a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_abi.abi import encode

from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, LogFilter, Logs, Node, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.types import Block, ChainId, Head, Receipt
from tests.builders import BLOCK

REFUSAL = b"refused"
"""An answer that stands for a revert without a reason."""


class SilentNode:
    """A node that nobody asks anything. Subclasses answer what their tests ask."""

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        raise AssertionError("nothing here makes calls")

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        raise AssertionError("nothing here reads storage")

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        raise AssertionError("nothing here searches logs")

    def head(self, tag: int | str) -> Head:
        raise AssertionError("nothing here follows the chain")

    def receipts(self, hashes: Sequence[str]) -> list[Receipt | None]:
        raise AssertionError("nothing here asks for receipts")


@dataclass
class PassingNode:
    """Another node, unchanged. Subclasses change what it is about."""

    node: Node

    @property
    def chain_id(self) -> ChainId:
        return self.node.chain_id

    @property
    def label(self) -> str:
        return self.node.label

    def block(self, tag: int | str) -> Block:
        return self.node.block(tag)

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        return self.node.call(calls, at, overrides=overrides, timestamp=timestamp, number=number)

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        return self.node.storage(asked, at)

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        return self.node.logs(wanted, first, last)

    def head(self, tag: int | str) -> Head:
        return self.node.head(tag)

    def receipts(self, hashes: Sequence[str]) -> list[Receipt | None]:
        return self.node.receipts(hashes)


@dataclass(slots=True)
class TableNode(SilentNode):
    """Contracts that answer from a table; it takes no overrides, and its storage is empty."""

    answers: dict[tuple[str, bytes], bytes | CallReverted] = field(default_factory=dict)
    """By contract and calldata. What is not here reverts; a contract of which nothing is here has no code."""
    replaced: bool = False
    """Whether the chain has another block at the same height."""
    label: str = "http://fake"
    chain_id: int = 31337

    def say(self, to: str, answer: bytes, signature: str, *arguments: str | int) -> None:
        """Answer a call so from now on; REFUSAL reverts."""
        self.keep(to, calldata(signature, *arguments), answer)

    def keep(self, to: str, data: bytes, answer: bytes) -> None:
        """The same, of a call as it is encoded."""
        self.answers[to.lower(), data] = CallReverted(to, b"") if answer == REFUSAL else answer

    def block(self, tag: int | str) -> Block:
        if self.replaced:
            return Block(BLOCK.chain_id, BLOCK.number, "0x" + "ee" * 32, BLOCK.timestamp)
        return BLOCK

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        if overrides:
            raise RpcError("eth_call", -32602, "too many arguments, want at most 2")
        return [self._answer(call) for call in calls]

    def _answer(self, call: Call) -> bytes | CallReverted:
        known = {to for to, _ in self.answers}
        if call.to.lower() not in known:
            return b""
        return self.answers.get((call.to.lower(), call.data), CallReverted(call.to, b""))

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        return [0 for _ in asked]


def words(*values: int | str) -> bytes:
    """ABI words of numbers, signed ones too, and of addresses."""
    numbers = [int(value, 16) if isinstance(value, str) else value for value in values]
    return b"".join((number % 2**256).to_bytes(32, "big") for number in numbers)


def text(said: str) -> bytes:
    """What a function answers that returns a string."""
    return encode(["string"], [said])
