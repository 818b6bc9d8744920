"""Books: what is kept of one is what it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.protocols.aave_v3 import AaveMarket
from defiliq.types import Account, Leg, StableDebt
from defiliq.units import WAD
from tests.builders import address
from tests.builders import market as market_of
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


def aave_book(accounts: Sequence[Account], failed: Mapping[str, str] | None = None) -> Book[AaveMarket]:
    return Book.build(market_of(), accounts, failed)


def owing(number: int, *debts: int, mode: int = 0, stable: StableDebt | None = None) -> Account:
    """An account with these debts in the first reserves, the first with a stable part."""
    legs = [Leg(k, number, debt, True, stable if k == 0 else None) for k, debt in enumerate(debts)]
    return Account(address(number), mode, tuple(legs))


STABLE = StableDebt(5, 7, 11)


def test_an_updated_book_has_changed_accounts_in_their_places_and_new_ones_last() -> None:
    book = aave_book([owing(1, 10), owing(2, 20, 21, mode=3), owing(3, 30)])
    changed = aave_book([owing(9, 90, 91), owing(2, 22), owing(7)])
    updated = book.updated(changed)
    assert [*updated.accounts()] == [owing(1, 10), owing(2, 22), owing(3, 30), owing(9, 90, 91), owing(7)]
    assert updated.market is changed.market
    assert [*book.accounts()][1] == owing(2, 20, 21, mode=3)


def test_stable_debts_move_with_their_legs() -> None:
    book = aave_book([owing(1, 10, 11, stable=STABLE), owing(2, 20), owing(3, 30, 31, stable=STABLE)])
    changed = aave_book([owing(1, 12), owing(2, 20, 25, 26, stable=replace(STABLE, principal=6))])
    assert [*book.updated(changed).accounts()] == [*changed.accounts(), owing(3, 30, 31, stable=STABLE)]
    assert [*Book.joined(book.market, [book, changed]).accounts()] == [*book.accounts(), *changed.accounts()]


def test_indices_of_both_kinds_move_with_their_legs() -> None:
    def with_indices(number: int, *indices: int | None) -> Account:
        legs = [Leg(k, 1, 2, True, None, index, index) for k, index in enumerate(indices)]
        return Account(address(number), 0, tuple(legs))

    book = aave_book([with_indices(1, 5, -6 % 100), with_indices(2, 7)])
    updated = book.updated(aave_book([with_indices(2, 8, 9), with_indices(3, 10)]))
    assert [*updated.accounts()] == [with_indices(1, 5, 94), with_indices(2, 8, 9), with_indices(3, 10)]
    without = aave_book([owing(1, 10)])
    assert [leg.debt_index for leg in book.updated(without).account(0).legs] == [0]
    assert [leg.debt_index for leg in without.updated(aave_book([owing(1, 11)])).account(0).legs] == [None]


def test_accounts_that_fail_leave_and_those_that_were_read_fail_no_more() -> None:
    book = aave_book([owing(1, 10), owing(2, 20)], {address(5): "no price", address(6): "no answer"})
    changed = aave_book([owing(5, 50)], {address(1): "refused", address(8): "refused"})
    updated = book.updated(changed)
    assert [*updated.accounts()] == [owing(2, 20), owing(5, 50)]
    assert updated.failed == {
        address(6): "no answer",
        address(1): "refused",
        address(8): "refused",
    }


def test_nothing_changed_and_nothing_there() -> None:
    book, none = aave_book([owing(1, 10)]), aave_book([])
    assert [*book.updated(none).accounts()] == [*book.accounts()]
    assert [*none.updated(book).accounts()] == [*book.accounts()]
    assert len(none.updated(none)) == 0


def test_another_layout_or_an_account_twice_is_refused() -> None:
    book = aave_book([owing(1, 10)])
    turned = replace(book.market, reserves=book.market.reserves[::-1])
    with pytest.raises(ValueError, match="other reserves"):
        book.updated(replace(book, market=turned))
    with pytest.raises(ValueError, match="twice"):
        book.updated(aave_book([owing(4, 1), owing(4, 2)]))


@given(st.lists(st.dictionaries(st.integers(1, 12), st.lists(st.integers(0, 2**128 - 1), max_size=3))))
def test_many_updates_are_those_of_a_mapping(rounds: list[dict[int, list[int]]]) -> None:
    book, known = aave_book([]), dict[int, Account]()
    for changed in rounds:
        lost = {number for number, debts in changed.items() if debts == [0]}
        now = {number: owing(number, *debts) for number, debts in changed.items() if number not in lost}
        book = book.updated(aave_book([*now.values()], {address(number): "lost" for number in lost}))
        known = {number: one for number, one in {**known, **now}.items() if number not in lost}
    assert {account.owner: account for account in book.accounts()} == {
        one.owner: one for one in known.values()
    }
    assert not {*book.failed} & {one.owner for one in known.values()}


def test_an_account_is_found_in_any_spelling_and_a_stranger_is_not() -> None:
    known = aave_book([owing(1, 5), owing(2, 7), owing(3, 9)])
    for k in range(3):
        assert known.find(known.owner(k)) == known.find(known.owner(k).lower()) == k
    assert known.find(address(99)) is None
    assert known.keep(np.zeros(3, np.bool_)).find(known.owner(0)) is None
