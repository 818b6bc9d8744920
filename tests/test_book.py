"""Books: what is kept of one is what it held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from defiliq.book import Book
from defiliq.units import WAD
from tests.builders import address
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds
from tests.protocols.compound_v2.ctokens import owner as account_of


def test_kept_accounts_keep_the_index_of_each_debt() -> None:
    market = comptroller([ctoken(0, "A"), ctoken(1, "B")], [WAD, WAD])
    accounts = [
        account_of(holds(0, 5), holds(1, 0, 7, index_wad=WAD + 1)),
        account_of(holds(1, 3, 9, index_wad=WAD + 2)),
        account_of(holds(0, 0, 11, index_wad=WAD + 3), holds(1, 2)),
    ]
    named = [replace(one, owner=address(0x100 + k)) for k, one in enumerate(accounts)]
    book = Book.build(market, named)
    kept = book.keep(np.array([False, True, True]))
    assert list(kept.accounts()) == named[1:]
    assert list(book.keep(np.array([True, False, True])).accounts()) == [named[0], named[2]]
