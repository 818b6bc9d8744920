"""A node whose contracts answer getters from a dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from defiliq.chain.aggregate import AGGREGATE3, MULTICALL3
from defiliq.chain.node import Call, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.oracle.compose import Quote
from defiliq.oracle.resolve import resolve
from defiliq.oracle.survey import LATEST_ANSWER, LATEST_ROUND
from defiliq.pricing.graph import PriceGraph
from defiliq.types import Block, ChainId, Feed
from tests.builders import BLOCK, NOW, address
from tests.nodes import SilentNode

Answer: TypeAlias = int | str | bytes | tuple[int, ...]
Getters: TypeAlias = dict[str, Answer]

USD = Quote(base_unit=10**8, base_symbol="USD")


def raw(answer: Answer) -> bytes:
    """What a contract returns: words, a text, or bytes as they are."""
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, str):
        return (
            bytes.fromhex(answer[2:].zfill(64)) if answer.startswith("0x") else encode(["string"], [answer])
        )
    words = answer if isinstance(answer, tuple) else (answer,)
    return b"".join((word % 2**256).to_bytes(32, "big") for word in words)


@dataclass
class Chain(SilentNode):
    """Contracts by address; each maps 'name' or 'name(argument)' to its answer. All else reverts."""

    contracts: dict[str, Getters] = field(default_factory=dict)
    burners: set[str] = field(default_factory=set)
    """Contracts that use up a call's gas where they do not know a getter."""
    asked: int = 0
    """How often the node was called."""
    label: str = "http://fake"
    chain_id: ChainId = BLOCK.chain_id

    def put(self, at: str, **getters: Answer) -> str:
        """A contract with some getters, added to those that it has."""
        self.contracts.setdefault(at.lower(), {}).update(getters)
        return at

    def aggregator(self, at: str, answer: int, pair: str = "", decimals: int = 8, age: int = 60) -> str:
        """A feed as Chainlink's proxies answer."""
        rounds = (1, answer, NOW - age, NOW - age, 1)
        plain: dict[str, Answer] = {"latestAnswer": answer, "decimals": decimals, "latestRoundData": rounds}
        return self.put(at, **plain, **({"description": pair} if pair else {}))

    def block(self, tag: int | str) -> Block:
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
        self.asked += 1
        if overrides is not None:
            raise RpcError("eth_call", -32602, "too many arguments")
        return [self._many(call) if call.to == MULTICALL3 else self._one(call) for call in calls]

    def _many(self, call: Call) -> bytes:
        assert call.data[:4] == AGGREGATE3
        (calls,) = decode(["(address,bool,bytes)[]"], call.data[4:])
        answers: list[bytes | CallReverted] = []
        has_gas = True
        for to, _, data in calls:
            answers.append(self._one(Call(to, data)) if has_gas else CallReverted(to, b""))
            has_gas &= isinstance(answers[-1], bytes) or to.lower() not in self.burners
        pairs = [(isinstance(one, bytes), one if isinstance(one, bytes) else b"") for one in answers]
        return encode(["(bool,bytes)[]"], [pairs])

    def _one(self, call: Call) -> bytes | CallReverted:
        for name, answer in self.contracts.get(call.to.lower(), {}).items():
            getter, _, argument = name.partition("(")
            data = keccak(text=f"{getter}({'uint256' if argument else ''})")[:4]
            if argument:
                data += int(argument.rstrip(")")).to_bytes(32, "big")
            if data == call.data:
                return raw(answer)
        return CallReverted(call.to, b"")


def resolved(
    chain: Chain, *sources: str, prices: Sequence[int] | None = None, quote: Quote = USD, **options: Any
) -> PriceGraph:
    """The graph of feeds A, B, ... with some sources; prices are what the sources answer, if not given."""
    asked_by = options.get("asked_by", LATEST_ANSWER)
    feeds = [Feed(chr(ord("A") + k), source) for k, source in enumerate(sources)]
    if prices is None:
        prices = [answer_of(chain.contracts[source.lower()], asked_by) for source in sources]
    names = options.pop("names", None)
    if names is not None:
        feeds = [Feed(name, feed.source) for name, feed in zip(names, feeds, strict=True)]
    return resolve(chain, feeds, prices, BLOCK, quote, **options)


def answer_of(getters: Getters, asked_by: str) -> int:
    """What the oracle would read of a contract."""
    answer = getters[asked_by]
    if asked_by == LATEST_ROUND:
        assert isinstance(answer, tuple)
        return answer[1]
    assert isinstance(answer, int)
    return answer


A, B, C, D, E, F = (address(0xF001 + k) for k in range(6))
"""Addresses for price contracts."""
P, Q = address(0xE0E1), address(0xE0E2)
"""Addresses for what is no price contract."""
