"""A stress of Compound v2: what was never entered backs nothing, but can be seized."""

from __future__ import annotations

from dataclasses import replace

import defiliq
from defiliq.book import Book
from defiliq.units import WAD
from tests.builders import NOW, address
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner


def test_what_can_be_seized_pays_for_debt() -> None:
    """60 of C that nobody entered: enough for 5 of debt; 180 lack 72 all the same."""
    market = comptroller([ctoken(0, "A"), ctoken(1, "B"), ctoken(2, "C")], [WAD] * 3).at_time(NOW)
    aside = holds(2, 60 * WAD, entered=False)
    accounts = owner(holds(0, 300 * WAD), holds(1, 0, 180 * WAD), aside), owner(holds(1, 0, 5 * WAD), aside)
    book = Book.build(market, [replace(each, owner=address(k)) for k, each in enumerate(accounts, start=1)])
    result = defiliq.stress(book, "A/USD=-84%")  # 300 of A are worth 48
    totals = result.totals.iloc[0]
    assert totals[["liquidatable_accounts", "already_accounts"]].tolist() == [2, 1]
    assert totals[["bad_debt_accounts", "bad_debt_usd"]].tolist() == [1, 180 - 48 - 60]
    assert (totals["spot_bad_debt_accounts"], totals["collateral_usd"]) == (0, 48 + 2 * 60)
    assert result.reserves["collateral_accounts"].tolist() == [1, 0, 2]
    assert result.accounts["shortfall_usd"].tolist() == [72, 0]
