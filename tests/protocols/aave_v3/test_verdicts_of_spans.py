"""Verdicts over spans against the verdict at each point of paths that the spans describe exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction as Exact

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from defiliq.pricing.span import Span
from defiliq.protocols.aave_v3 import rules_r8, rules_r9
from defiliq.protocols.aave_v3.over_time import Values, averaged_verdict, direct_verdict
from defiliq.units import BPS, WAD, percent_mul_half_up

MANY = settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
THRESHOLDS = st.one_of(st.sampled_from([0, 5000, 7800, 7801, 8300, 10_000]), st.integers(1, 9700))


def described(path: list[int]) -> Span:
    """The narrowest span of a path over consecutive points."""
    start, end = path[0], path[-1]
    away = [
        abs(value - (start + Exact(k, max(1, len(path) - 1)) * (end - start))) for k, value in enumerate(path)
    ]
    return Span(start, end, min(path), max(path), -(-max(away) // 1))


class Path:
    """Values of a few legs over consecutive points."""

    def __init__(self, collaterals: list[list[int]], debts: list[list[int]], thresholds: list[int]) -> None:
        self.collaterals, self.debts, self.thresholds = collaterals, debts, thresholds

    @property
    def spans(self) -> list[Values]:
        parts = zip(self.collaterals, self.debts, self.thresholds, strict=True)
        return [Values(described(c), described(d), bps) for c, d, bps in parts]

    def direct(self) -> list[bool]:
        """What revisions 9 to 11 say at each point."""
        return [rules_r9.health_factor(self._weighted(cs), sum(ds)) < WAD for cs, ds in self._points()]

    def averaged(self) -> list[bool]:
        """What revisions 1 to 8 say at each point."""
        return [
            rules_r8.health_factor(sum(cs), self._average_bps(cs), sum(ds)) < WAD for cs, ds in self._points()
        ]

    def backing(self, *, averaged: bool) -> list[int]:
        """The debt that the collateral carries at each point, with or without cutting the average."""
        if averaged:
            return [percent_mul_half_up(sum(cs), self._average_bps(cs)) for cs, _ in self._points()]
        return [self._weighted(cs) // BPS for cs, _ in self._points()]

    def _weighted(self, collaterals: Sequence[int]) -> int:
        return sum(c * bps for c, bps in zip(collaterals, self.thresholds, strict=True))

    def _average_bps(self, collaterals: Sequence[int]) -> int:
        return rules_r8.average_bps(self._weighted(collaterals), sum(collaterals))

    def _points(self) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        return list(zip(zip(*self.collaterals, strict=True), zip(*self.debts, strict=True), strict=True))

    def __repr__(self) -> str:
        return f"Path({self.collaterals}, {self.debts}, {self.thresholds})"


@st.composite
def paths(draw: st.DrawFn) -> Path:
    """Lines with some noise, whose debt lies about where the collateral stops backing it."""
    points, legs = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    largest = draw(st.sampled_from([4000, 10**6]))
    noise = draw(st.sampled_from([0, 1, 3, largest // 100, largest // 4]))
    size, thresholds = st.integers(0, largest), [draw(THRESHOLDS) for _ in range(legs)]

    def wobbling(start: int, end: int) -> list[int]:
        line = [start + k * (end - start) // max(1, points - 1) for k in range(points)]
        return [max(0, value + draw(st.integers(-noise, noise))) for value in line]

    collaterals = [wobbling(draw(size), draw(size)) for _ in range(legs)]
    unowed = Path(collaterals, [[0] * points] * legs, thresholds)
    backing = unowed.backing(averaged=draw(st.booleans()))
    least = draw(st.sampled_from([min(backing), max(backing), None]))
    followed = backing if least is None else [least] * points
    owed = [max(0, value + draw(st.integers(-3, 3))) for value in followed]
    return Path(collaterals, [owed, *([0] * points for _ in range(legs - 1))], thresholds)


def agrees(verdict: bool | None, verdicts: list[bool]) -> None:
    if verdict is None:
        assert len(verdicts) > 1
    else:
        assert set(verdicts) == {verdict}


@MANY
@given(paths())
@example(Path([[1000, 998, 1000]], [[800, 799, 800]], [8000]))
@example(Path([[1000, 1002, 1000]], [[801, 801, 801]], [8000]))
def test_a_direct_verdict_holds_at_each_point(path: Path) -> None:
    agrees(direct_verdict(path.spans), path.direct())


@MANY
@given(paths())
@example(Path([[1000, 998, 1000]], [[800, 799, 800]], [8000]))
@example(Path([[1000, 1002, 1000]], [[801, 801, 801]], [8000]))
@example(Path([[100_000, 98_000, 100_000], [100_000] * 3], [[80_500] * 3, [0] * 3], [8300, 7800]))
def test_an_averaged_verdict_holds_at_each_point(path: Path) -> None:
    agrees(averaged_verdict(path.spans), path.averaged())


def test_lines_decide_where_joins_do_not() -> None:
    """Collateral and debt double together: only their straight lines tell that it stays safe, or broken."""
    climbing, points = [1000, 1500, 2000], [0, 1, 2]
    for debts, expected in (([790, 1190, 1590], False), ([810, 1210, 1610], True)):
        path = Path([climbing], [debts], [8000])
        assert path.direct() == path.averaged() == [expected for _ in points]
        assert direct_verdict(path.spans) is expected
        assert averaged_verdict(path.spans) is expected
