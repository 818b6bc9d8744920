"""What SoloMargin.operate takes: accounts, amounts and actions, as tuples of its ABI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from tests.lab.chain import Tx
from tests.lab.contract import Contract
from tests.lab.dydx_solo.specs import IDS
from tests.lab.market import ZERO

Info: TypeAlias = tuple[str, int]
"""An account: owner and number."""
Amount: TypeAlias = tuple[bool, int, int, int]
"""Sign, in wei or par, relative or absolute, value."""
Action: TypeAlias = tuple[int, int, Amount, int, int, str, int, bytes]
DEPOSIT, WITHDRAW, TRANSFER, BUY, SELL, TRADE, LIQUIDATE, VAPORIZE = range(8)
WEI, PAR = 0, 1
RELATIVE, ABSOLUTE = 0, 1
NOTHING: Amount = (False, WEI, ABSOLUTE, 0)
"""Down to nothing: all that is held, or all that is owed."""


def wei(amount: int) -> Amount:
    """So many tokens in, or out if negative."""
    return (amount >= 0, WEI, RELATIVE, abs(amount))


def exactly(par: int) -> Amount:
    """A balance of exactly this par, negative for a debt."""
    return (par >= 0, PAR, ABSOLUTE, abs(par))


def deposit(account: int, symbol: str, amount: Amount, source: str) -> Action:
    """Tokens of `source` to the account at a position."""
    return (DEPOSIT, account, amount, IDS[symbol], 0, source, 0, b"")


def withdraw(account: int, symbol: str, amount: Amount, receiver: str) -> Action:
    """Tokens out of the account at a position, borrowed if it has none."""
    return (WITHDRAW, account, amount, IDS[symbol], 0, receiver, 0, b"")


def transfer(one: int, two: int, symbol: str, amount: Amount) -> Action:
    """Between two accounts; the amount is what happens to the first."""
    return (TRANSFER, one, amount, IDS[symbol], 0, ZERO, two, b"")


def buy(account: int, bought: str, paid: str, amount: Amount, exchange: str, data: bytes) -> Action:
    """So much of one token from an exchange, which says what it costs of another."""
    return (BUY, account, amount, IDS[bought], IDS[paid], exchange, 0, data)


def sell(account: int, sold: str, got: str, amount: Amount, exchange: str, data: bytes) -> Action:
    """So much of one token to an exchange, which says what it gives of another."""
    return (SELL, account, amount, IDS[sold], IDS[got], exchange, 0, data)


def trade(taker: int, maker: int, sold: str, bought: str, amount: Amount, trader: str, data: bytes) -> Action:
    """The amount is what happens to the maker's `sold`; the trader says what that costs in `bought`."""
    return (TRADE, taker, amount, IDS[sold], IDS[bought], trader, maker, data)


def liquidate(solid: int, liquid: int, owed: str, held: str, amount: Amount) -> Action:
    """Repay a debt of the second account with the first one's balance, and take for it."""
    return (LIQUIDATE, solid, amount, IDS[owed], IDS[held], ZERO, liquid, b"")


def vaporize(solid: int, vapor: int, owed: str, held: str, amount: Amount) -> Action:
    """Repay a debt that nothing stands behind, for tokens of the protocol's own surplus."""
    return (VAPORIZE, solid, amount, IDS[owed], IDS[held], ZERO, vapor, b"")


def operate(margin: Contract, sender: str, accounts: Sequence[Info], actions: Sequence[Action]) -> Tx:
    """One operation: all of it, or a revert."""
    return Tx(sender, margin, "operate", (list(accounts), list(actions)))
