"""The exact instant at which time alone breaks an account: the first second that the law calls liquidatable.

Health in time need not be monotone: collateral can earn more than debt, caps grow, and near 1 rounding makes
verdicts flicker. So a stretch of seconds is left out only where `TimeRule.verdict_over` proves it safe. Some
crossing is found first, by secants; what is left is to prove that nothing breaks before it, or to find what
does.
"""

from __future__ import annotations

from collections.abc import Sequence

from defiliq.errors import UnresolvedEta
from defiliq.types import Eta, TimeRule
from defiliq.units import WAD

MOST_LOOKS = 50_000
"""Where collateral and debt grow nearly alike, rounding can flip the verdict over many seconds: the search
gives up by name instead of answering nearly."""
_CUTS = (1 << 22, 1 << 14, 1 << 7, 1)
"""Seconds before a known crossing at which the way to it is cut: each stretch is short enough for its bend to
be small beside the margin that is left at its end."""


def find_eta(rule: TimeRule, start: int, horizon_s: int) -> Eta:
    """When an account breaks while nothing moves but time, within `horizon_s` seconds after `start`."""
    search, last = _Search(rule), start + horizon_s
    if search.verdict_over(start, last) is False:
        return Eta("never", None)
    if rule.health(start).liquidatable:
        return Eta("already", start)
    crossing = search.some_crossing(start, last)
    found = search.first([(start + 1, last)] if crossing is None else _cut(start + 1, crossing))
    return Eta("never", None) if found is None else Eta("time", found)


def _cut(near: int, far: int) -> list[tuple[int, int]]:
    """`near` to `far` in consecutive stretches, the shorter the nearer to `far`."""
    ends = [far - cut for cut in _CUTS if far - cut >= near]
    return list(zip([near, *(end + 1 for end in ends)], [*ends, far], strict=True))


class _Search:
    """Looks for verdicts along time."""

    def __init__(self, rule: TimeRule) -> None:
        self._rule = rule
        self._looks_left = MOST_LOOKS

    def first(self, ahead: Sequence[tuple[int, int]]) -> int | None:
        """The first liquidatable second in consecutive stretches; None where none is."""
        stretches = list(ahead)[::-1]
        while stretches:
            first, last = stretches.pop()
            verdict = self.verdict_over(first, last)
            if verdict is True:
                return first
            if verdict is None:
                middle = (first + last) // 2
                stretches += [(middle + 1, last), (first, middle)]
        return None

    def some_crossing(self, safe: int, last: int) -> int | None:
        """A second that is liquidatable right after one that is not; None where `last` is safe.

        The straight line between two health factors says where to look. Where one end has stayed for two
        looks, the other side's excess is halved (the Illinois rule), and every fourth look takes the middle.
        """
        broken = last
        above, below = self._excess(safe), self._excess(broken)
        if below >= 0:
            return None
        kept, looks = 0, 0
        while broken - safe > 1:
            looks += 1
            guess = (safe + broken) // 2
            if looks % 4:
                guess = safe + (broken - safe) * above // (above - below)
            guess = min(max(guess, safe + 1), broken - 1)
            excess = self._excess(guess)
            if excess < 0:
                broken, below = guess, excess
                above, kept = (above // 2, 1) if kept > 0 else (above, 1)
            else:
                safe, above = guess, excess
                below, kept = (below // 2, -1) if kept < 0 else (below, -1)
        return broken

    def _excess(self, at: int) -> int:
        """The health factor less 1, negative exactly where the law says liquidatable."""
        health = self._rule.health(at)
        return min(-1, health.factor_wad - WAD) if health.liquidatable else max(0, health.factor_wad - WAD)

    def verdict_over(self, first: int, last: int) -> bool | None:
        """One look: the rule's own, or UnresolvedEta where there have been too many."""
        if self._looks_left == 0:
            raise UnresolvedEta(MOST_LOOKS)
        self._looks_left -= 1
        return self._rule.verdict_over(first, last)
