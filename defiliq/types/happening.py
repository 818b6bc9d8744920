"""Liquidations that happened: as the chain told them, and what they were worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

HappeningKind: TypeAlias = Literal["liquidation", "absorption", "vaporization", "deleveraging"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One liquidation as its own log tells it, before anything is known of the market.

    Assets are what the log names them by: a token, a cToken, "market 3", "perpetual 5"; '' is none.
    """

    block: int
    block_hash: str
    transaction: str
    log_index: int
    """The number of its log in the block."""
    kind: HappeningKind
    account: str
    liquidator: str
    seize_asset: str
    seized: int
    """What was taken, in base units of the asset."""
    repay_asset: str
    repaid: int
    """Debt that went away, in base units of the asset."""
    paid: int | None = None
    """What the liquidator gave for it, in the same units; None where that is all of `repaid`."""
    told_seized_base: int | None = None
    """What the log itself says that `seized` is worth; None where it says nothing of it."""
    told_repaid_base: int | None = None
    fees: tuple[tuple[str, int], ...] | None = None
    """(asset, base units) that the protocol got; None where no log tells."""
    written_off: tuple[tuple[str, int], ...] | None = None
    """(asset, base units) of debt that nobody repaid and that is owed no more; None where no log tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a liquidation was worth at a market's prices; None where that is not known."""

    seize_reserve: int | None
    """Position in the market's reserves."""
    repay_reserve: int | None
    seized: int
    """In base units of the reserve's asset."""
    seized_base: int | None
    repaid_base: int | None
    bonus_base: int | None
    """What the liquidator gained, before gas."""
    bad_debt_base: int | None
    """Debt that nobody repaid, or that the protocol repaid."""
    fee_base: int | None
    """What the protocol got beside what was seized."""
