"""What joint moves of drivers do to a whole book: exact verdicts, first calls and bad debt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from defiliq.book import Book
from defiliq.errors import InputError
from defiliq.pipeline.judge import liquidatable
from defiliq.pipeline.shocks import Moved, Shock, Shocks, moved_market, read_shocks, resolve_shocks
from defiliq.pipeline.solving import Counter
from defiliq.pipeline.stressed import Broken, Curve, Point, StressResult
from defiliq.pipeline.sums import Held, Owed, Sums
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Liquidation, Market

DEFAULT_STEPS = 20
MOST_STEPS = 1000


def stress(
    book: Book[Any],
    shocks: Shocks,
    groups: Sequence[str] = (),
    *,
    on_progress: Counter | None = None,
) -> StressResult:
    """What happens to a book where drivers move together: 'ETH/USD=-20%', or several such moves.

    Every verdict is exact, and every liquidatable account's first call is to the wei. Nobody acts on it: it
    is the book as it is, at the moved prices. Bad debt is what an account owes beyond its collateral.
    """
    moves, missing = _resolved(book.market, read_shocks(shocks), groups)
    there = replace(book, market=moved_market(book.market, moves))
    before, after = liquidatable(book), liquidatable(there)
    broken: list[Broken] = []
    sums = Sums.of(there.market)
    rows = np.flatnonzero(after).tolist()
    for done, i in enumerate(rows):
        broken.append(_break(there, i, bool(before[i]), sums))
        if on_progress is not None and (done % 64 == 63 or done + 1 == len(rows)):
            on_progress(done + 1, len(rows))
    at_spot = _sum_up(book, before, {})
    return StressResult(
        book=book,
        market=there.market,
        moves=moves,
        missing=missing,
        before=before,
        after=after,
        broken=tuple(broken),
        sums=sums,
        at_spot=at_spot,
    )


def stress_curve(
    book: Book[Any],
    shocks: Shocks,
    groups: Sequence[str] = (),
    *,
    steps: int = DEFAULT_STEPS,
    on_progress: Counter | None = None,
) -> Curve:
    """The same moves in `steps` equal parts, from none to all; exact at each, unknown in between."""
    if not 1 <= steps <= MOST_STEPS:
        raise InputError(f"{steps} steps are too few or too many. Use 1 to {MOST_STEPS}.")
    moves, missing = _resolved(book.market, read_shocks(shocks), groups)
    known: dict[int, Account] = {}
    points = []
    for step in range(steps + 1):
        here = tuple(moved.part_way(step, steps) for moved in moves)
        there = replace(book, market=moved_market(book.market, here))
        flags = liquidatable(there)
        points.append(Point(step, here, int(flags.sum()), _sum_up(there, flags, known)))
        if on_progress is not None:
            on_progress(step + 1, steps + 1)
    return Curve(book.market, moves, missing, steps, tuple(points))


def _resolved(
    market: Market, shocks: Sequence[Shock], groups: Sequence[str]
) -> tuple[tuple[Moved, ...], tuple[Shock, ...]]:
    moves, missing = resolve_shocks(market, shocks, groups)
    if moves:
        return moves, missing
    raise nothing_to_move(market, missing)


def nothing_to_move(market: Market, missing: Sequence[Shock]) -> InputError:
    """Why a market cannot be stressed."""
    asked = ", ".join(shock.text for shock in missing) or "nothing"
    unresolved = "" if market.graph.feeds else " Its price sources were not resolved: read it anew."
    return InputError(
        f"nothing to move in {market.protocol} {market.name}: it has none of the drivers of {asked}."
        f"{unresolved} `defiliq feeds` lists its drivers."
    )


def nothing_to_move_anywhere(shock: Shock) -> InputError:
    """Why a move cannot be made: no market of several has its driver."""
    return InputError(
        f"none of these markets has what {shock.text!r} moves. `defiliq feeds` lists their drivers."
    )


def _break(book: Book[Any], i: int, was: bool, sums: Sums) -> Broken:
    """One liquidatable account: its legs and its first call are added to the sums."""
    protocol, account = PROTOCOLS[book.market.protocol], book.nameless(i)
    held, owed = _legs(account, book.market)
    collateral, debt = sums.add(held, owed)
    taken = protocol.take(account, book.market)
    if isinstance(taken, Liquidation):
        sums.take(taken)
    return Broken(i, was, collateral, debt, taken)


def _sum_up(book: Book[Any], flags: NDArray[np.bool_], known: dict[int, Account]) -> Sums:
    """What the flagged accounts hold and owe; `known` keeps accounts for the next time."""
    sums = Sums.of(book.market)
    for i in np.flatnonzero(flags).tolist():
        if i not in known:
            known[i] = book.nameless(i)
        sums.add(*_legs(known[i], book.market))
    return sums


def _legs(account: Account, market: Market) -> tuple[list[Held], list[Owed]]:
    """What a liquidator may take of the account, and what it owes."""
    values = PROTOCOLS[market.protocol].explain(account, market)
    held = [Held(v.reserve, v.supplied, v.supplied_base) for v in values if v.seizable and v.supplied]
    owed = [Owed(v.reserve, v.owed, v.owed_base) for v in values if v.owed]
    return held, owed
