"""A Comet in Python behind a node that takes no overrides: every answer can be replaced by a wrong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_abi.abi import encode

from defiliq.chain.calldata import calldata, keccak
from defiliq.chain.node import Call, LogFilter, Logs, Override
from defiliq.errors import CallReverted, RpcError
from defiliq.protocols.compound_v3 import abi
from defiliq.types import Block, Listing
from tests.builders import BLOCK, NOW, address

COMET, EXTENSION = address(0xC0), address(0xE0)
BASE, WETH, WBTC = address(0xA0), address(0xA1), address(0xA2)
BASE_FEED, WETH_FEED, WBTC_FEED = address(0xF0), address(0xF1), address(0xF2)
DEBTOR, HOLDER, SUPPLIER, STRANGER = (address(0x11 * k) for k in (1, 2, 3, 4))
LISTING = Listing("compound-v3", "Local", 31337, 0, {"comet": COMET})
REFUSAL = b"refused"
"""An answer that stands for a revert without a reason."""
BAD_PRICE = keccak(abi.BAD_PRICE)[:4]

Answers = dict[tuple[str, bytes], bytes | CallReverted]


def words(*values: int | str) -> bytes:
    """ABI words of numbers, signed ones too, and of addresses."""
    numbers = [int(value, 16) if isinstance(value, str) else value for value in values]
    return b"".join((number % 2**256).to_bytes(32, "big") for number in numbers)


def text(said: str) -> bytes:
    return encode(["string"], [said])


def info(offset: int, asset: str, feed: str, scale: int = 10**18, *factors: int) -> bytes:
    """What getAssetInfo answers."""
    return words(offset, asset, feed, scale, *(factors or (8 * 10**17, 85 * 10**16, 9 * 10**17)), 10**30)


@dataclass(slots=True)
class FakeComet:
    """Implements `Node` for one Comet of two collaterals and four accounts."""

    answers: Answers = field(default_factory=dict)
    replaced: bool = False
    """Whether the chain has another block at the same height."""
    label: str = "http://fake"
    chain_id: int = 31337

    def __post_init__(self) -> None:
        self._list_market()
        for account, principal, bits, reserved, held in (
            (DEBTOR, -5_000 * 10**6, 0b11, 0, {WETH: 3 * 10**18, WBTC: 10**7}),
            (HOLDER, 0, 0b10, 0, {WBTC: 10**8}),
            (SUPPLIER, 77, 0, 0, {}),
            (STRANGER, 0, 0, 0, {}),
        ):
            self.say(COMET, words(principal, 9, 9, bits, reserved), abi.USER_BASIC, account)
            for asset in (WETH, WBTC):
                self.say(COMET, words(held.get(asset, 0), 0), abi.USER_COLLATERAL, account, asset)

    def _list_market(self) -> None:
        plain: dict[str, int | str] = {
            abi.BASE: BASE, abi.BASE_FEED: BASE_FEED, abi.BASE_SCALE: 10**6, abi.NUM_ASSETS: 2,
            abi.MAX_ASSETS: 24, abi.EXTENSION_DELEGATE: EXTENSION, abi.STORE_FRONT_PRICE_FACTOR: 6 * 10**17,
            abi.TARGET_RESERVES: 10**13, abi.IS_ABSORB_PAUSED: 0, abi.IS_BUY_PAUSED: 0,
            **dict.fromkeys(abi.RATES, 10**9),
        }  # fmt: skip
        for signature, word in plain.items():
            self.say(COMET, words(word), signature)
        self.say(COMET, words(10**15, 10**15, 0, 0, 10**13, 8 * 10**12, NOW - 60, 0), abi.TOTALS_BASIC)
        tokens = ((BASE, BASE_FEED, "USDC", 10**8), (WETH, WETH_FEED, "WETH", 2500 * 10**8),
                  (WBTC, WBTC_FEED, "WBTC", 60_000 * 10**8))  # fmt: skip
        for k, (token, feed, symbol, price) in enumerate(tokens):
            self.say(token, text(symbol), abi.SYMBOL)
            self.say(token, words(10**12), abi.BALANCE_OF, COMET)
            self.say_price(feed, price, f"{symbol} / USD")
            if k:
                self.say(
                    COMET, info(k - 1, token, feed, 10 ** (18 if k == 1 else 8)), abi.GET_ASSET_INFO, k - 1
                )
                self.say(COMET, words(10**11, 0), abi.TOTALS_COLLATERAL, token)

    def say(self, to: str, answer: bytes, signature: str, *arguments: str | int) -> None:
        """Answer a call so from now on; REFUSAL reverts."""
        key = to.lower(), calldata(signature, *arguments)
        self.answers[key] = CallReverted(to, b"") if answer == REFUSAL else answer

    def say_price(self, feed: str, price: int, about: str, decimals: int = 8) -> None:
        """Let a feed, and the Comet about it, answer a price; none where it is not positive."""
        self.say(feed, words(decimals), abi.DECIMALS)
        self.say(feed, text(about), abi.DESCRIPTION)
        self.say(feed, words(1, price, NOW, NOW, 1), "latestRoundData()")
        key = COMET.lower(), calldata(abi.GET_PRICE, feed)
        self.answers[key] = words(price) if price > 0 else CallReverted(COMET, BAD_PRICE)

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
