"""What a liquidation of the Solo market did, read from its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.lab.contract import topic
from tests.lab.receipts import words_of

_WEI, _PAR = "(bool,uint256)", "(bool,uint128)"
UPDATE = f"({_WEI},{_PAR})"
LOG_LIQUIDATE = topic(
    f"LogLiquidate(address,uint256,address,uint256,uint256,uint256,{','.join([UPDATE] * 4)})"
)
HEAD_WORDS, UPDATE_WORDS = 4, 4
"""Words of its data: two numbers and two markets, then four updates."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of the contracts to one liquidation."""

    success: bool
    error: str
    """What it reverted with; empty on success."""
    timestamp: int
    """Of the block that held it."""
    repaid: int = 0
    """Tokens of the owed market that the liquidated account's debt shrank by."""
    seized: int = 0
    """Tokens of the held market that it lost."""
    owed_par: int = 0
    """Signed par that it is left with in the owed market."""
    held_par: int = 0


def outcome(receipt: Mapping[str, Any], error: str, timestamp: int) -> Outcome:
    """Read a receipt."""
    if int(receipt["status"], 16) != 1:
        return Outcome(False, error, timestamp)
    data = next(log["data"] for log in receipt["logs"] if log["topics"][0] == LOG_LIQUIDATE)
    words = words_of(data)
    held, owed = (_update(words, position) for position in (2, 3))
    return Outcome(True, "", timestamp, owed[0], -held[0], owed[1], held[1])


def _update(words: list[int], position: int) -> tuple[int, int]:
    """Signed tokens that moved, and the signed par after."""
    start = HEAD_WORDS + position * UPDATE_WORDS
    sign, amount, par_sign, par = words[start : start + UPDATE_WORDS]
    return (amount if sign else -amount), (par if par_sign else -par)
