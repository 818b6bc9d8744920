"""Aave's own flash loans: what the pool asks for one (Pool.flashLoanSimple)."""

from __future__ import annotations

from typing import Final

from defiliq.chain.calldata import calldata
from defiliq.chain.node import Call, Node
from defiliq.errors import CallReverted, DecodeError
from defiliq.protocols.aave_v3.legs import FIRST_DIRECTED_REVISION
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Block
from defiliq.units import BPS

FLASHLOAN_PREMIUM_TOTAL: Final = "FLASHLOAN_PREMIUM_TOTAL()"


def read_premium_bps(node: Node, market: AaveMarket, at: Block) -> int:
    """FLASHLOAN_PREMIUM_TOTAL of a market's pool, in basis points of the loan."""
    (answer,) = node.call([Call(market.pool, calldata(FLASHLOAN_PREMIUM_TOTAL))], at)
    if isinstance(answer, CallReverted):
        raise answer
    premium = int.from_bytes(answer, "big")
    if len(answer) != 32 or premium > BPS:
        raise DecodeError(FLASHLOAN_PREMIUM_TOTAL, f"{answer[:32].hex()!r}")
    return premium


def rounds_premium_up(market: AaveMarket) -> bool:
    """Whether a premium is rounded up (percentMulCeil, revision 9 on), not half up (percentMul).

    FlashLoanLogic.executeFlashLoanSimple, which asks every borrower for it.
    """
    return market.revision >= FIRST_DIRECTED_REVISION
