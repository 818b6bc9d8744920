"""Glances read ahead are those that would be read one by one."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.errors import BlockNotFound
from defiliq.types import Block, Head
from defiliq.watch.ahead import Ahead, Basis
from defiliq.watch.glance import Glance
from defiliq.watch.look import Asked, asked_of, followed_in
from tests.builders import account, market


def block(number: int) -> Block:
    return Block(31337, number, f"0x{number:064x}", 1_000 + number)


def book(modes: list[int]) -> Book[Any]:
    accounts = [account(k + 1, mode=mode, WETH=(1, 0), USDC=(0, 100)) for k, mode in enumerate(modes)]
    return Book.build(market(), accounts)


class Looker:
    """Answers with the block asked for, and remembers what it was asked with."""

    def __init__(self, *, is_whole: bool = False, changed: Book[Any] | None = None) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self.is_whole, self.changed = is_whole, changed if changed is not None else book([])
        self.lists_all = False
        self._lock = threading.Lock()
        self.node = SimpleNamespace(head=self._head)
        self.missing: set[int] = set()

    def _head(self, number: int) -> Head:
        if number in self.missing:
            raise BlockNotFound(str(number), None)
        return Head(block(number), block(number - 1).hash)

    def at(self, head: Head, first: int, asked: Asked, followed: Any) -> Glance:
        with self._lock:
            self.asked.append((head.block.number, first, len(followed)))
        return Glance(head, first, self.changed, self.is_whole)


def basis(number: int, of: Book[Any]) -> Basis:
    return Basis(number, asked_of(of), followed_in(of))


def take(
    looker: Looker, numbers: list[int], upto: int, every: int = 1, of: Book[Any] | None = None
) -> list[int]:
    ahead = Ahead(looker, every, 4)  # type: ignore[arg-type]
    known = book([0])
    before, firsts = numbers[0] - every, []
    try:
        for number in numbers:
            head, glance = ahead.take(number, upto, basis(before, known))
            assert head.block.number == glance.head.block.number == number
            firsts.append(glance.first)
            before = number
    finally:
        ahead.close()
    return firsts


def test_blocks_come_in_order_each_asked_once() -> None:
    looker = Looker()
    assert take(looker, list(range(11, 21)), 20) == list(range(11, 21))
    assert sorted(number for number, _, _ in looker.asked) == list(range(11, 21))


def test_logs_of_blocks_between_are_in() -> None:
    looker = Looker()
    assert take(looker, [20, 30, 40], 45, every=10) == [11, 21, 31]


def test_the_first_block_after_an_odd_one_reaches_back_to_it() -> None:
    looker = Looker()
    ahead = Ahead(looker, 10, 4)  # type: ignore[arg-type]
    _, glance = ahead.take(20, 30, basis(17, book([0])))
    assert glance.first == 18
    ahead.close()


def test_a_whole_glance_read_by_an_older_basis_is_read_again() -> None:
    """It was asked for the accounts that were followed then."""
    looker = Looker(is_whole=True)
    ahead = Ahead(looker, 1, 4)  # type: ignore[arg-type]
    ahead.take(11, 14, basis(10, book([0])))
    ahead.take(12, 14, basis(11, book([0, 0])))
    ahead.close()
    assert (12, 12, 2) in looker.asked


def test_an_emode_that_came_into_use_meanwhile_is_asked_for() -> None:
    looker = Looker()
    ahead = Ahead(looker, 1, 4)  # type: ignore[arg-type]
    ahead.take(11, 12, basis(10, book([0])))
    ahead.take(12, 12, basis(11, book([0, 3])))
    ahead.close()
    assert [count for number, _, count in looker.asked if number == 12] == [1, 2]


def test_another_layout_is_looked_at_again() -> None:
    known = book([0])
    other = replace(known, market=replace(known.market, reserves=known.market.reserves[:1]))
    looker = Looker()
    ahead = Ahead(looker, 1, 4)  # type: ignore[arg-type]
    ahead.take(11, 12, basis(10, known))
    ahead.take(12, 12, basis(11, other))
    ahead.close()
    assert len([number for number, _, _ in looker.asked if number == 12]) == 2


def test_an_error_comes_where_its_block_stands() -> None:
    looker = Looker()
    looker.missing = {13}
    ahead = Ahead(looker, 1, 4)  # type: ignore[arg-type]
    known = book([0])
    assert ahead.take(11, 14, basis(10, known))[0].block.number == 11
    assert ahead.take(12, 14, basis(11, known))[0].block.number == 12
    with pytest.raises(BlockNotFound):
        ahead.take(13, 14, basis(12, known))
    ahead.drop()
    looker.missing = set()
    assert ahead.take(13, 14, basis(12, known))[0].block.number == 13
    ahead.close()


def test_whoever_uses_an_emode_stands_for_it() -> None:
    known = book([0, 3, 3, 1])
    asked = asked_of(known)
    assert [mode for mode, _ in asked.modes] == [1, 3]
    keys = {key for _, key in asked.modes}
    assert keys <= {row.tobytes() for row in known.owners}
    assert asked.unseen(known) == set()
    assert asked.unseen(known.keep(np.array([True, False, False, True]))) == {3}
