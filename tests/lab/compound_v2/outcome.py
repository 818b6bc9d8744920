"""What a real liquidateBorrow did, read from its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.lab.compound_v2.market import FAILURE
from tests.lab.contract import topic
from tests.lab.receipts import words_of

LIQUIDATE_BORROW = topic("LiquidateBorrow(address,address,uint256,address,uint256)")


class Failure(NamedTuple):
    """A refusal, as the market's event says it: numbers of ErrorReporter's enums."""

    error: int
    """TokenErrorReporter.Error: 3 is COMPTROLLER_REJECTION."""
    info: int
    """TokenErrorReporter.FailureInfo: what was being done."""
    detail: int
    """What the comptroller answered, ComptrollerErrorReporter.Error: 3 is INSUFFICIENT_SHORTFALL."""


class AccountLiquidity(NamedTuple):
    """What Comptroller.getAccountLiquidity says: in dollars with 18 decimals."""

    error: int
    liquidity: int
    shortfall: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of the contracts to one liquidateBorrow."""

    success: bool
    failure: Failure | None
    """The first Failure event of a transaction that was refused without a revert."""
    error: str
    """What it reverted with, if it did: the native coin's market reverts on every refusal."""
    block_number: int
    """Of the block that held the transaction: what interest is accrued to."""
    account_after: AccountLiquidity
    """The account right after the block, as it is stored."""
    repaid: int = 0
    """As LiquidateBorrow says it."""
    seize_tokens: int = 0
    """The collateral market's tokens, as LiquidateBorrow says it."""
    received_tokens: int = 0
    """How many of them really reached the liquidator."""


def outcome(
    receipt: Mapping[str, Any], error: str, received_tokens: int, account_after: AccountLiquidity
) -> Outcome:
    """Read a receipt."""
    number = int(receipt["blockNumber"], 16)
    if int(receipt["status"], 16) != 1:
        return Outcome(False, None, error, number, account_after)
    failures = [log for log in receipt["logs"] if log["topics"][0] == FAILURE]
    if failures:
        refused = Failure(*words_of(failures[0]["data"]))
        return Outcome(False, refused, "", number, account_after)
    called = next(log for log in receipt["logs"] if log["topics"][0] == LIQUIDATE_BORROW)
    _, _, repaid, _, seize_tokens = words_of(called["data"])
    return Outcome(True, None, "", number, account_after, repaid, seize_tokens, received_tokens)
