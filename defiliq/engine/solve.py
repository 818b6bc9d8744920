"""The exact liquidation price: the driver integer nearest to spot at which the law says liquidatable.

Nothing is assumed about the rule but what `Rule.verdict_over` proves: a stretch of prices is left out only
when it is safe throughout. A straight line through two margins says where to cut first, so most accounts
need about ten looks; where rounding makes the verdict flicker, or a rule is not monotone (Aave <= 3.4), the
search goes down to single integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver
from defiliq.types import Level, Rule, Side

MOST_LOOKS = 200_000
"""Where collateral and debt in one asset nearly cancel, rounding can flip the verdict over many prices:
the search gives up by name instead of answering nearly."""
_CUTS = (1 << 30, 1 << 18, 1 << 10, 1 << 4, 1)
"""Distances from the guess at which the range is cut, in driver integers."""


def find_levels(
    rule: Rule,
    account: int,
    prices: Sequence[int],
    driver: Driver,
    sides: Sequence[Side] = ("long", "short"),
    *,
    most_looks: int | None = None,
    brackets: Mapping[Side, tuple[int, int]] = MappingProxyType({}),
) -> list[Level]:
    """Every level of one account on some sides of one driver: `already`, one or two prices, or `never`.

    UnresolvedLevel after `most_looks` on one side; MOST_LOOKS where it is left out.

    `brackets` name, per side, two integers: nothing before the first breaks the account, and everything after
    the second does. Two levels, because rounding lets some accounts break both ways. `prices` are the
    market's, with the driver at spot; `account` is only passed on.
    """
    if rule.liquidatable(driver.lead(prices, driver.spot)):
        return [Level(account, driver, exposed_side(rule, prices, driver), "already", driver.spot)]
    levels = []
    for side in sides:
        search = _Search(rule, prices, driver, MOST_LOOKS if most_looks is None else most_looks)
        level: Level | None
        if side in brackets:
            level = _find_between(search, account, driver, side, brackets[side])
        else:
            end = _lowest(rule, prices, driver) if side == "long" else driver.highest
            level = _find_side(search, account, driver, side, end)
        if level is not None:
            levels.append(level)
    return levels or [Level(account, driver, exposed_side(rule, prices, driver), "never", None)]


def _lowest(rule: Rule, prices: Sequence[int], driver: Driver) -> int:
    """The end of the search downwards.

    Near 0 a price is a handful of integers, and rounding alone breaks whoever borrows what moves with the
    collateral. An account whose margin is not negative with the driver at 0 has no crossing on the straight
    line from there to spot, so it is searched only as far as prices mean something.
    """
    if rule.margin(driver.lead(prices, 0)) < 0:
        return driver.lowest
    return max(driver.lowest, driver.shallow)


def exposed_side(rule: Rule, prices: Sequence[int], driver: Driver) -> Side:
    """The side that hurts: `long` unless the margin shrinks as the driver rises."""
    here = rule.margin(driver.lead(prices, driver.spot))
    above = rule.margin(driver.lead(prices, 2 * driver.spot))
    return "long" if above >= here else "short"


def _find_side(search: _Search, account: int, driver: Driver, side: Side, end: int) -> Level | None:
    """The level on one side of spot; None where nothing breaks between spot and `end`."""
    step = -1 if side == "long" else 1
    first = driver.spot + step
    if (end - first) * step < 0:
        return None
    price = search.nearest(first, end, wanted=True)
    if price is None:
        return None
    return Level(account, driver, side, "price", price, search.band(price, end, step))


def _find_between(
    search: _Search, account: int, driver: Driver, side: Side, bracket: tuple[int, int]
) -> Level:
    """The level on a side where it is known to lie between two integers, both included, or just after."""
    near, far = bracket
    step = -1 if side == "long" else 1
    first = search.crossing(near - step, far + step)
    # Some crossing, and nearly always the only one: what is left is to prove that, or to find the others.
    earlier = None if first == near else search.nearest(near, first - step, wanted=True)
    price = first if earlier is None else earlier
    last_safe = None if first == far + step else search.nearest(far + step, first, wanted=False)
    band = None if earlier is None else first
    if last_safe is not None:
        band = last_safe + step
    return Level(account, driver, side, "price", price, band)


class _Search:
    """Looks for verdicts along one driver, with everything else of the market fixed."""

    def __init__(self, rule: Rule, prices: Sequence[int], driver: Driver, most_looks: int) -> None:
        self._rule, self._prices, self._driver = rule, prices, driver
        self._most_looks = self._looks_left = most_looks

    def crossing(self, safe: int, broken: int) -> int:
        """An integer that breaks the account right after one that does not, between two such.

        The straight line between two margins says where to look; every third look takes the middle.
        """
        above, below, looks = self._margin(safe), self._margin(broken), 0
        step = 1 if broken > safe else -1
        while abs(broken - safe) > 1:
            looks += 1
            way = (broken - safe) * step
            at = way * above // (above - below) if looks % 3 and above >= 0 > below else way // 2
            guess = safe + step * min(max(at, 1), way - 1)
            margin = self._margin(guess)
            if self._rule.liquidatable(self._driver.lead(self._prices, guess)):
                broken, below = guess, margin
            else:
                safe, above = guess, margin
        return broken

    def nearest(self, near: int, far: int, *, wanted: bool) -> int | None:
        """The integer nearest to `near`, on the way to `far`, whose verdict is `wanted`."""
        whole = self._verdict_over(near, far)
        if whole is not None:
            return near if whole is wanted else None
        stretches = list(self._stretches(near, far))[::-1]
        while stretches:
            start, end = stretches.pop()
            verdict = self._verdict_over(start, end)
            if verdict is wanted:
                return start
            if verdict is None:
                middle = start + (abs(end - start) // 2) * (1 if end > start else -1)
                step = 1 if end > start else -1
                stretches.append((middle + step, end))
                stretches.append((start, middle))
        return None

    def band(self, price: int, end: int, step: int) -> int | None:
        """The last integer, away from spot, at which a safe stretch ends; None if that is `price` itself."""
        last = self.nearest(end, price, wanted=True)
        assert last is not None  # noqa: S101 - `price` itself qualifies
        if last == price:
            return None
        safe = self.nearest(last, price, wanted=False)
        return None if safe is None else safe + step

    def _verdict_over(self, start: int, end: int) -> bool | None:
        if self._looks_left == 0:
            raise UnresolvedLevel(self._driver.name, self._most_looks)
        self._looks_left -= 1
        return self._rule.verdict_over(self._driver.stretch(self._prices, start, end))

    def _stretches(self, near: int, far: int) -> Iterator[tuple[int, int]]:
        """`near` to `far` in consecutive stretches, cut around the guessed crossing."""
        step = 1 if far >= near else -1
        guess = self._guess(near, far, step)
        if guess is None:
            yield near, far
            return
        ahead = [guess - step * cut for cut in _CUTS]
        behind = [guess + step * cut for cut in reversed(_CUTS)]
        start = near
        for end in (*ahead, *behind):
            if (end - start) * step >= 0 and (far - end) * step > 0:
                yield start, end
                start = end + step
        yield start, far

    def _guess(self, near: int, far: int, step: int) -> int | None:
        """Where the straight line through two margins meets zero, if that lies ahead."""
        margin_near = self._margin(near)
        other = min(far, 2 * near) if step > 0 else max(far, near // 2)
        slope = self._margin(other) - margin_near
        if other == near or slope == 0:
            return None
        guess = near - margin_near * (other - near) // slope
        return guess if (guess - near) * step >= 0 and (far - guess) * step >= 0 else None

    def _margin(self, at: int) -> int:
        return self._rule.margin(self._driver.lead(self._prices, at))
