"""At which prices liquidating begins to pay, and where it pays most.

Net profit along a driver is smooth in pieces, with jumps where a rule changes: the close factor goes from
half to all, dust has to be cleared, another pair of legs pays better. So both searches look at a grid of
prices first. What they say between grid points they have looked at; a window that is narrower than the grid's
step and lies between two points can be hidden from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

NetAt: TypeAlias = Callable[[int], int | None]
"""Net profit with the driver at an integer; None where it is not known or nothing can be liquidated."""

GRID: Final = 64
"""Steps of the grid, which has one more point."""
ROUNDS: Final = 4
"""How often the neighbourhood of the best point is looked at more closely."""
FINE: Final = 16


def grid(near: int, far: int, steps: int = GRID) -> list[int]:
    """Integers from `near` to `far`, both included, evenly; all of them where there are no more."""
    if abs(far - near) <= steps:
        return list(range(near, far + 1)) if far >= near else list(range(near, far - 1, -1))
    return [near + (far - near) * k // steps for k in range(steps + 1)]


def find_break_even(net_at: NetAt, near: int, far: int, steps: int = GRID) -> int | None:
    """The integer nearest to `near`, on the way to `far`, at which the net is 0 or more.

    Its neighbour towards `near` was looked at, and its net is below 0 or none, unless it is `near` itself.
    None where no point of the grid pays.
    """
    before = None
    for point in grid(near, far, steps):
        if _pays(net_at(point)):
            return point if before is None else _first(net_at, before, point)
        before = point
    return None


def find_peak(net_at: NetAt, near: int, far: int, steps: int = GRID) -> int | None:
    """The integer at which the net is highest, as far as a grid and closer looks around its best see.

    Of equals the one nearest to `near`; None where the net is nowhere known.
    """
    points = grid(near, far, steps)
    best = _best(net_at, points)
    for _ in range(ROUNDS):
        if best is None:
            return None
        place = points.index(best)
        around = points[max(0, place - 1)], points[min(len(points) - 1, place + 1)]
        if abs(around[1] - around[0]) <= 2:
            break
        points = sorted({*grid(*around, FINE), best}, key=lambda point: abs(point - near))
        best = _best(net_at, points)
    return best


def _first(net_at: NetAt, before: int, point: int) -> int:
    """The first integer that pays between one that does not and one that does."""
    while abs(point - before) > 1:
        middle = (before + point) // 2
        if _pays(net_at(middle)):
            point = middle
        else:
            before = middle
    return point


def _best(net_at: NetAt, points: Sequence[int]) -> int | None:
    """The first point with the highest net."""
    known = [(net, -place) for place, point in enumerate(points) if (net := net_at(point)) is not None]
    return points[-max(known)[1]] if known else None


def _pays(net: int | None) -> bool:
    return net is not None and net >= 0
