"""Where a margin balance first falls to a maintenance margin, exactly.

Both are straight lines in some x, the maintenance margin piece by piece. For linear contracts x is the price.
For inverse ones, settled in the asset, it is 1 / price: a long of F dollars gains F * (1/E - x) coins, which
is a short of F units in x. So one walk serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Piece:
    """The maintenance margin on low < x <= high: slope * x - deduction."""

    low: Fraction
    high: Fraction | None
    """None where it goes on for ever."""
    slope: Fraction
    deduction: Fraction


@dataclass(frozen=True, slots=True)
class Line:
    """The margin balance: margin + direction * quantity * (x - entry)."""

    margin: Fraction
    quantity: Fraction
    entry: Fraction
    direction: int
    """1 where it gains as x rises, -1 where it gains as x falls."""


def first_crossing(line: Line, pieces: Sequence[Piece]) -> Fraction | None:
    """The x nearest to entry, on the losing side, from which on balance <= maintenance; None without one.

    The pieces are walked outwards from entry. Within a piece the surplus, balance less maintenance, is a
    straight line, so its first zero is exact. Every x strictly between entry and the answer has a surplus
    above 0, and the answer itself has none, except where maintenance jumps up just above a tier's edge: then
    the edge is returned, and all x right above it have none. Where maintenance drops at an edge the walk
    goes on. With cum as floors and rates make it there are no jumps, maintenance is convex in x, the surplus
    concave, and the answer is the only zero on that side: the one price at which a venue's formula and the
    tier at that price agree. Without, several tiers may agree with themselves, or none; the first is meant.

    An entry that has no surplus is its own answer: liquidated as soon as opened.
    """
    return _downwards(line, pieces) if line.direction > 0 else _upwards(line, pieces)


def _downwards(line: Line, pieces: Sequence[Piece]) -> Fraction | None:
    for piece in reversed(pieces):
        if piece.low >= line.entry:
            continue
        top = line.entry if piece.high is None else min(piece.high, line.entry)
        at_top, rise = _surplus(line, piece, top)
        if at_top <= 0:
            return top
        if rise > 0:
            zero = top - at_top / rise
            if zero > piece.low:
                return zero
    return None


def _upwards(line: Line, pieces: Sequence[Piece]) -> Fraction | None:
    for piece in pieces:
        if piece.high is not None and piece.high < line.entry:
            continue
        bottom = max(piece.low, line.entry)
        at_bottom, rise = _surplus(line, piece, bottom)
        if at_bottom <= 0:
            return bottom
        if rise < 0:
            zero = bottom - at_bottom / rise
            if piece.high is None or zero <= piece.high:
                return zero
    return None


def _surplus(line: Line, piece: Piece, x: Fraction) -> tuple[Fraction, Fraction]:
    """Balance less this piece's maintenance at x, and how it rises with x."""
    rise = line.direction * line.quantity
    balance = line.margin + rise * (x - line.entry)
    return balance - (piece.slope * x - piece.deduction), rise - piece.slope
