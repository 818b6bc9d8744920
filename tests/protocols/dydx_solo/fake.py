"""Solo in Python behind a node that takes no overrides: every answer can be replaced by a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from defiliq.chain.abi import encode_call
from defiliq.protocols.dydx_solo import abi
from defiliq.types import Listing
from defiliq.units import WAD
from tests.builders import NOW, address
from tests.nodes import REFUSAL as REFUSAL
from tests.nodes import TableNode
from tests.nodes import text as text
from tests.nodes import words as words

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
RATE = 10**9


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
class FakeSolo(TableNode):
    """A contract of three markets and four accounts."""

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

    def say_account(self, answer: bytes, signature: str, account: str, *numbers: int) -> None:
        """Answer a call about an account so from now on."""
        self.keep(SOLO, encode_call(signature, key_of(account), *numbers), answer)
