"""A node whose contracts answer from a table: forks that no lab runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_abi.abi import encode

from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.protocols.compound_v2 import abi
from defiliq.types import Block, ChainId, Listing
from tests.builders import BLOCK, address
from tests.nodes import SilentNode

WAD = 10**18
COMPTROLLER, ORACLE = address(0xC0), address(0x0A)
LISTING = Listing("compound-v2", "Fork", BLOCK.chain_id, 0, {"comptroller": COMPTROLLER})


@dataclass
class Contracts(SilentNode):
    """Contracts by address and calldata; all else reverts, and no override is taken."""

    answers: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    words: dict[tuple[str, int], int] = field(default_factory=dict)
    """Storage; 0 elsewhere."""
    at: Block = BLOCK
    label: str = "http://fake"

    @property
    def chain_id(self) -> ChainId:
        return self.at.chain_id

    def put(
        self, at: str, signature: str, *values: int | str | Sequence[str], about: str | None = None
    ) -> None:
        """Let a contract answer: numbers and addresses as words, a list as addresses, a text as a string."""
        data = calldata(signature, *([] if about is None else [about]))
        self.answers[at.lower(), data] = b"".join(map(_raw, values))

    def forget(self, at: str, signature: str, about: str | None = None) -> None:
        """Let a contract refuse."""
        del self.answers[at.lower(), calldata(signature, *([] if about is None else [about]))]

    def block(self, tag: int | str) -> Block:
        if not isinstance(tag, int) or tag == self.at.number:
            return self.at
        return Block(self.chain_id, tag, f"0x{tag:064x}", self.at.timestamp - 12 * (self.at.number - tag))

    def call(
        self,
        calls: Sequence[Call],
        at: Block,
        *,
        overrides: Mapping[str, Override] | None = None,
        timestamp: int | None = None,
        number: int | None = None,
    ) -> list[bytes | CallReverted]:
        if overrides is not None or timestamp is not None or number is not None:
            raise RpcError("eth_call", -32602, "too many arguments")
        return [self.answers.get((call.to.lower(), call.data), CallReverted(call.to, b"")) for call in calls]

    def storage(self, asked: Sequence[tuple[str, int]], at: Block) -> list[int]:
        return [self.words.get((contract.lower(), slot), 0) for contract, slot in asked]


def fork(*symbols: str, clock: str = "timestamp", decimals: int = 18) -> Contracts:
    """A Comptroller that lists a cToken of each symbol, accruing nothing since this very block."""
    chain = Contracts()
    tokens = [c_token(k) for k in range(len(symbols))]
    chain.put(COMPTROLLER, abi.IS_COMPTROLLER, 1)
    chain.put(COMPTROLLER, abi.GET_ALL_MARKETS, tokens)
    chain.put(COMPTROLLER, abi.ORACLE, ORACLE)
    chain.put(COMPTROLLER, abi.CLOSE_FACTOR, WAD // 2)
    chain.put(COMPTROLLER, abi.LIQUIDATION_INCENTIVE, 11 * WAD // 10)
    chain.put(COMPTROLLER, abi.SEIZE_PAUSED, 0)
    for k, symbol in enumerate(symbols):
        add(chain, k, symbol, clock, decimals)
    return chain


def c_token(k: int) -> str:
    """The address of a cToken by its number."""
    return address(0xD000 + k)


def asset(k: int) -> str:
    """The address of an underlying by its number."""
    return address(0xA000 + k)


def add(chain: Contracts, k: int, symbol: str, clock: str, decimals: int) -> None:
    """A cToken that has lent out a third of what it was given."""
    token = c_token(k)
    state = {
        abi.GET_CASH: 2 * 10**24,
        abi.TOTAL_BORROWS: 10**24,
        abi.TOTAL_RESERVES: 10**21,
        abi.TOTAL_SUPPLY: 10**16,
        abi.EXCHANGE_RATE_STORED: (3 * 10**24 - 10**21) * WAD // 10**16,
        abi.EXCHANGE_RATE_CURRENT: (3 * 10**24 - 10**21) * WAD // 10**16,
        abi.TOTAL_BORROWS_CURRENT: 10**24,
        abi.BORROW_INDEX: 12 * WAD // 10,
        abi.RESERVE_FACTOR: WAD // 5,
    }
    for signature, value in state.items():
        chain.put(token, signature, value)
    chain.put(token, abi.ACCRUAL_BLOCK if clock == "block" else abi.ACCRUAL_TIMESTAMP, _tick(clock))
    chain.put(token, abi.RATE_PER_BLOCK if clock == "block" else abi.RATE_PER_TIMESTAMP, 10**9)
    chain.put(token, abi.UNDERLYING, asset(k))
    chain.answers[token.lower(), calldata(abi.SYMBOL)] = encode(["string"], [f"q{symbol}"])
    chain.answers[asset(k).lower(), calldata(abi.SYMBOL)] = encode(["string"], [symbol])
    chain.put(asset(k), abi.DECIMALS, decimals)
    chain.put(COMPTROLLER, abi.MARKETS, 1, 8 * WAD // 10, 1, about=token)
    chain.put(ORACLE, abi.GET_UNDERLYING_PRICE, (k + 1) * 10 ** (36 - min(decimals, 36)), about=token)


def _tick(clock: str) -> int:
    return BLOCK.number if clock == "block" else BLOCK.timestamp


def _raw(value: int | str | Sequence[str]) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    if isinstance(value, str):
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    return encode(["address[]"], [list(value)])
