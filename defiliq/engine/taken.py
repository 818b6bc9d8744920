"""What liquidations did to the accounts of one book at one set of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Taken(NamedTuple):
    """What went through until every account was safe, refused, or had nothing left.

    Exact integers where the law liquidates, floats where columns do. Sequences have one entry per reserve.
    """

    accounts: int
    """Accounts that were liquidated at least once."""
    calls: int
    seized: Sequence[float]
    """Collateral that liquidators got, in token base units."""
    fees: Sequence[float]
    """Collateral that went to the protocol, in token base units."""
    repaid: Sequence[float]
    """Debt that liquidators repaid, in token base units."""
    seized_base: float
    repaid_base: float
    bonus_base: float
    bad_debt_base: float
    """Debt that nothing backs any more after these liquidations."""
    refused: Mapping[str, int]
    """Why liquidatable accounts stay as they are, with how many do."""
    deleveraged_base: float = 0
    """Positions that opposite ones took over because a fund could not pay; not in what was seized."""
    fund_spent_base: float = 0
    """What funds whose balance is known paid."""
    fund_left_base: float | None = None
    """What they have then; None where none is known."""
