"""Aave's own flash loans: what the pool asks for one (Pool.flashLoanSimple)."""

from __future__ import annotations

from typing import Final, NamedTuple

from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, Node
from defiliq.chain.words import WORD
from defiliq.errors import CallReverted, DecodeError
from defiliq.protocols.aave_v3.legs import FIRST_DIRECTED_REVISION
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Block
from defiliq.units import BPS

FLASHLOAN_PREMIUM_TOTAL: Final = "FLASHLOAN_PREMIUM_TOTAL()"
GET_CONFIGURATION: Final = "getConfiguration(address)"
FLASHLOAN_ENABLED_BIT: Final = 63
"""ReserveConfiguration.getFlashLoanEnabled."""


class FlashLoans(NamedTuple):
    """What a pool says of its flash loans."""

    premium_bps: int
    """FLASHLOAN_PREMIUM_TOTAL, of the loan."""
    refused: frozenset[int]
    """Positions of reserves that it lends none of (FlashloanDisabled)."""


def read_flash_loans(node: Node, market: AaveMarket, at: Block) -> FlashLoans:
    """The premium of a market's pool, and which reserves it lends none of."""
    asked = [Call(market.pool, calldata(FLASHLOAN_PREMIUM_TOTAL))]
    asked += [Call(market.pool, calldata(GET_CONFIGURATION, each.asset)) for each in market.reserves]
    premium_bps, *configurations = (_word(answer) for answer in node.call(asked, at))
    if premium_bps > BPS:
        raise DecodeError(FLASHLOAN_PREMIUM_TOTAL, f"{premium_bps} basis points")
    disabled = (k for k, bits in enumerate(configurations) if not bits >> FLASHLOAN_ENABLED_BIT & 1)
    return FlashLoans(premium_bps, frozenset(disabled))


def rounds_premium_up(market: AaveMarket) -> bool:
    """Whether a premium is rounded up (percentMulCeil, revision 9 on), not half up (percentMul).

    FlashLoanLogic.executeFlashLoanSimple, which asks every borrower for it.
    """
    return market.revision >= FIRST_DIRECTED_REVISION


def _word(answer: bytes | CallReverted) -> int:
    if isinstance(answer, CallReverted):
        raise answer
    if len(answer) != WORD:
        raise DecodeError("an answer of the pool about flash loans", f"{len(answer)} bytes")
    return int.from_bytes(answer, "big")
