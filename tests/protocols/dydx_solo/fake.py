"""Solo in Python behind a node that takes no overrides: every answer can be replaced by a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_abi.abi import encode

from defiliq.chain.abi import encode_call
from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, LogFilter, Logs, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.protocols.dydx_solo import abi
from defiliq.types import Block, Listing
from defiliq.units import WAD
from tests.builders import BLOCK, NOW, address

SOLO, SETTER = address(0x5010), address(0x5E77)
WETH, USDC, DAI = address(0xA0), address(0xA1), address(0xA2)
ORACLES = WETH_ORACLE, USDC_ORACLE, DAI_ORACLE = address(0xD0), address(0xD1), address(0xD2)
TOKENS = ((WETH, WETH_ORACLE, "WETH", 18), (USDC, USDC_ORACLE, "USDC", 6), (DAI, DAI_ORACLE, "DAI", 18))
PRICES = (200 * 10**18, 10**30, 101 * 10**16)
LONG, SHORT = f"{address(0x1111)}/0", f"{address(0x1111)}/{2**256 - 1}"
HOLDER, STRANGER = f"{address(0x2222)}/7", f"{address(0x3333)}/0"
PARS: Mapping[str, tuple[int, int, int]] = {
    LONG: (10**18, -120 * 10**6, 0),
    SHORT: (-(10**18), 500 * 10**6, 3),
    HOLDER: (0, 0, 5),
    STRANGER: (0, 0, 0),
}
LISTING = Listing("dydx-solo", "Local", 31337, 0, {"solo_margin": SOLO})
REFUSAL = b"refused"
"""An answer that stands for a revert without a reason."""
RATE = 10**9

Answers = dict[tuple[str, bytes], bytes | CallReverted]


def words(*values: int | str) -> bytes:
    """ABI words of numbers and of addresses."""
    numbers = [int(value, 16) if isinstance(value, str) else value for value in values]
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def text(said: str) -> bytes:
    return encode(["string"], [said])


def key_of(account: str) -> tuple[str, int]:
    """As the contract takes it."""
    owner, _, number = account.partition("/")
    return owner, int(number)


def par_words(par: int) -> bytes:
    """What getAccountPar answers."""
    return words(int(par > 0), abs(par))


def market_words(token: str, oracle: str, **changes: int) -> bytes:
    """What getMarket answers of a market that was updated a minute ago."""
    plain = {
        "borrow": 10**24, "supply": 2 * 10**24, "borrow_index": WAD, "supply_index": WAD, "updated": NOW - 60,
        "margin_premium": 0, "spread_premium": 0, "is_closing": 0,
    } | changes  # fmt: skip
    head = words(token, *(plain[name] for name in list(plain)[:5]), oracle, SETTER)
    return head + words(*(plain[name] for name in list(plain)[5:]))


@dataclass(slots=True)
class FakeSolo:
    """Implements `Node` for a contract of three markets and four accounts."""

    answers: Answers = field(default_factory=dict)
    replaced: bool = False
    """Whether the chain has another block at the same height."""
    label: str = "http://fake"
    chain_id: int = 31337

    def __post_init__(self) -> None:
        self.say(SOLO, words(len(TOKENS)), abi.NUM_MARKETS)
        self.say(SOLO, words(15 * WAD // 100, 5 * WAD // 100, 95 * WAD // 100, 5 * 10**34), abi.RISK_PARAMS)
        grown = WAD + 60 * RATE, WAD + 60 * RATE * 95 // 100 // 2, NOW
        for k, ((token, oracle, symbol, decimals), price) in enumerate(zip(TOKENS, PRICES, strict=True)):
            self.say(token, text(symbol), abi.SYMBOL)
            self.say(token, words(decimals), abi.DECIMALS)
            self.say(SOLO, market_words(token, oracle), abi.MARKET, k)
            self.say(SOLO, words(*grown), abi.CURRENT_INDEX, k)
            self.say(SOLO, words(RATE), abi.INTEREST_RATE, k)
            self.say(SOLO, words(price), abi.MARKET_PRICE, k)
            self.say(oracle, words(price), "getPrice(address)", token)
        for account, pars in PARS.items():
            self.say_account(words(0), abi.ACCOUNT_STATUS, account)
            for k, par in enumerate(pars):
                self.say_account(par_words(par), abi.ACCOUNT_PAR, account, k)

    def say(self, to: str, answer: bytes, signature: str, *arguments: str | int) -> None:
        """Answer a call so from now on; REFUSAL reverts."""
        self._keep(to, calldata(signature, *arguments), answer)

    def say_account(self, answer: bytes, signature: str, account: str, *numbers: int) -> None:
        """Answer a call about an account so from now on."""
        self._keep(SOLO, encode_call(signature, key_of(account), *numbers), answer)

    def _keep(self, to: str, data: bytes, answer: bytes) -> None:
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

    def logs(self, wanted: LogFilter, first: int, last: int) -> Logs:
        raise AssertionError("nothing here searches logs")
