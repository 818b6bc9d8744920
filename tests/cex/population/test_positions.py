"""Positions of one side: which leave, when their levels are reached, and who adds margin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defiliq.cex.history import Floats
from defiliq.cex.population.book import (
    Positions,
    close_some,
    first_hits,
    first_hits_after,
    no_positions,
    rescue,
)
from defiliq.cex.population.rules import flat_rule
from defiliq.types import Side


def positions(coins: list[float], level: list[float] | None = None, entry: float = 100.0) -> Positions:
    """Positions with these coins and levels, all alike otherwise."""
    many = len(coins)
    return Positions(
        account=np.arange(many),
        opened_at=np.zeros(many, dtype=np.int64),
        entry_usd=np.full(many, entry),
        coins=np.array(coins, dtype=np.float64),
        leverage=np.full(many, 10.0),
        level_usd=np.full(many, np.nan) if level is None else np.array(level),
        stop_usd=np.full(many, np.nan),
        eagerness=np.ones(many),
        is_rescuable=np.ones(many, dtype=np.bool_),
    )


@given(
    st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60),
    st.floats(0.0, 1.2),
    st.integers(0, 2**32),
)
def test_exactly_so_many_coins_are_closed(coins: list[float], share: float, seed: int) -> None:
    book = positions(coins)
    whole = book.total
    close_some(np.random.default_rng(seed), book, whole * share)
    assert book.total == pytest.approx(whole * max(1 - share, 0.0), rel=1e-9, abs=1e-6 * whole)
    assert (book.coins >= 0).all()
    # All but one are closed whole or not at all.
    assert np.isin(book.coins, coins).sum() >= len(book) - 1


def test_closing_nothing_leaves_everything() -> None:
    book = positions([1.0, 2.0])
    close_some(np.random.default_rng(1), book, 0.0)
    close_some(np.random.default_rng(1), book, -3.0)
    assert book.coins.tolist() == [1.0, 2.0]
    close_some(np.random.default_rng(1), no_positions(), 3.0)


def test_larger_positions_are_closed_as_often_as_small_ones() -> None:
    rng, left = np.random.default_rng(3), np.zeros(4)
    for _ in range(3000):
        book = positions([1.0, 1.0, 1.0, 1.0])
        close_some(rng, book, 2.0)
        left[book.account] += 1
    assert left / 3000 == pytest.approx([0.5] * 4, abs=0.04)


levels = st.lists(st.one_of(st.floats(50, 150), st.just(float("nan"))), min_size=1, max_size=12)
moves = st.lists(st.floats(50, 150), min_size=1, max_size=8)


@given(levels, moves, st.sampled_from(["long", "short"]))
def test_a_level_is_hit_at_the_first_move_that_reaches_it(
    level: list[float], prices: list[float], side: Side
) -> None:
    path = np.array(prices)
    found = first_hits(side, np.array(level), path)
    assert found.tolist() == [_naively(side, one, path, after=-1) for one in level]


@given(levels, moves, st.sampled_from(["long", "short"]), st.integers(0, 7))
def test_a_position_opened_within_the_candle_is_hit_by_later_moves_only(
    level: list[float], prices: list[float], side: Side, opened: int
) -> None:
    path = np.array(prices)
    when = np.full(len(level), min(opened, len(prices) - 1))
    found = first_hits_after(side, positions([1.0] * len(level), level), path, when)
    assert found.tolist() == [_naively(side, one, path, after=int(when[0])) for one in level]


def _naively(side: Side, level: float, path: Floats, after: int) -> int:
    for k, price in enumerate(path):
        if k > after and (price <= level if side == "long" else price >= level):
            return k
    return len(path)


def test_margin_is_doubled_once_three_quarters_of_the_way_are_gone() -> None:
    rule = flat_rule(0.0)
    book = positions([1.0, 1.0], [90.0, 90.0])
    book.is_rescuable[1] = False
    rescue("long", book, 92.6, rule)
    assert book.level_usd.tolist() == [90.0, 90.0]
    rescue("long", book, 92.4, rule)
    # 10x on 100 with a margin of 10; with 20 it lasts until 80.
    assert book.level_usd.tolist() == [80.0, 90.0]
    rescue("long", book, 80.5, rule)
    assert book.level_usd[0] == 80.0


def test_who_doubles_the_margin_of_two_times_leverage_is_liquidated_nowhere() -> None:
    book = positions([1.0], [50.0])
    book.leverage[:] = 2.0
    rescue("long", book, 55.0, flat_rule(0.0))
    assert np.isnan(book.level_usd[0])
