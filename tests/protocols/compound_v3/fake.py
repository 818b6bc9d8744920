"""A Comet in Python behind a node that takes no overrides: every answer can be replaced by a wrong one."""

from __future__ import annotations

from dataclasses import dataclass

from defiliq.chain.calldata import calldata, keccak
from defiliq.errors import CallReverted
from defiliq.protocols.compound_v3 import abi
from defiliq.types import Listing
from tests.builders import NOW, address
from tests.nodes import REFUSAL as REFUSAL
from tests.nodes import TableNode
from tests.nodes import text as text
from tests.nodes import words as words

COMET, EXTENSION = address(0xC0), address(0xE0)
BASE, WETH, WBTC = address(0xA0), address(0xA1), address(0xA2)
BASE_FEED, WETH_FEED, WBTC_FEED = address(0xF0), address(0xF1), address(0xF2)
DEBTOR, HOLDER, SUPPLIER, STRANGER = (address(0x11 * k) for k in (1, 2, 3, 4))
LISTING = Listing("compound-v3", "Local", 31337, 0, {"comet": COMET})
BAD_PRICE = keccak(abi.BAD_PRICE)[:4]


def info(offset: int, asset: str, feed: str, scale: int = 10**18, *factors: int) -> bytes:
    """What getAssetInfo answers."""
    return words(offset, asset, feed, scale, *(factors or (8 * 10**17, 85 * 10**16, 9 * 10**17)), 10**30)


@dataclass(slots=True)
class FakeComet(TableNode):
    """One Comet of two collaterals and four accounts."""

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

    def say_price(self, feed: str, price: int, about: str, decimals: int = 8) -> None:
        """Let a feed, and the Comet about it, answer a price; none where it is not positive."""
        self.say(feed, words(decimals), abi.DECIMALS)
        self.say(feed, text(about), abi.DESCRIPTION)
        self.say(feed, words(1, price, NOW, NOW, 1), "latestRoundData()")
        key = COMET.lower(), calldata(abi.GET_PRICE, feed)
        self.answers[key] = words(price) if price > 0 else CallReverted(COMET, BAD_PRICE)
