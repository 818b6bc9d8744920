"""What any law says over a stretch of prices or of seconds, held against what it says at each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction as Exact
from typing import Any

from hypothesis import event

from defiliq.engine.solve import find_levels
from defiliq.errors import UnresolvedLevel
from defiliq.pricing.driver import Driver
from defiliq.pricing.span import Span
from defiliq.protocols import LendingProtocol
from defiliq.types import Account, Market, Rule, Side


def near_spot(driver: Driver, near: int, width: int, *, falls: bool = False) -> list[int]:
    """Integers of a driver from a little below spot to a little above, or the other way round."""
    start = max(driver.lowest, driver.spot - near)
    walk = [at for at in range(start, driver.spot + width + 1) if driver.lowest <= at <= driver.highest]
    return walk[::-1] if falls else walk


def assert_holds_at_all(law: Rule, market: Market, driver: Driver, walk: Sequence[int]) -> None:
    """The verdict over the walk is that at each of its integers, and known where there is but one."""
    verdict = law.verdict_over(driver.stretch(market.prices, walk[0], walk[-1]))
    verdicts = {law.liquidatable(driver.lead(market.prices, at)) for at in walk}
    event(f"{verdict} where {sorted(verdicts)}")
    if verdict is None:
        assert len(walk) > 1
    else:
        assert verdicts == {verdict}


def assert_decided_at_one(law: Rule, market: Market, driver: Driver, away: int) -> None:
    """At a single integer, so far from spot, the verdict is the law's."""
    at = min(max(driver.lowest, driver.spot + away), driver.highest)
    expected = law.liquidatable(driver.lead(market.prices, at))
    assert law.verdict_over(driver.stretch(market.prices, at, at)) is expected


def assert_levels_are_nearest(law: Rule, market: Market, driver: Driver) -> None:
    """Every integer between spot and the level, or up to 300 of them, is safe; the level is not."""

    def liquidatable(at: int) -> bool:
        return law.liquidatable(driver.lead(market.prices, at))

    try:
        found = find_levels(law, 0, market.prices, driver, most_looks=20_000)
    except UnresolvedLevel:
        event("only rounding decides")
        return
    levels = {level.side: level for level in found}
    event(", ".join(sorted(f"{level.side} {level.outcome}" for level in found)))
    if any(level.outcome == "already" for level in levels.values()):
        assert liquidatable(driver.spot)
        return
    sides: tuple[tuple[int, Side, int], ...] = ((-1, "long", driver.shallow), (1, "short", driver.highest))
    for step, side, end in sides:
        price = levels[side].price if side in levels else None
        last = max(driver.lowest, end, driver.spot - 300) if step < 0 else min(end, driver.spot + 300)
        if price is not None:
            assert liquidatable(price)
            last = max(last, price + 1) if step < 0 else min(last, price - 1)
        assert not any(liquidatable(at) for at in range(driver.spot, last + step, step))


def short_stretches(
    law: Rule, market: Market, driver: Driver, starts: Iterable[int] = range(15, 40)
) -> list[bool | None]:
    """The verdicts over all stretches of up to 16 integers, each of which holds at all of its integers."""
    verdicts = [law.liquidatable(driver.lead(market.prices, at)) for at in range(60)]
    told = []
    for start in starts:
        for end in range(start, start + 16):
            verdict = law.verdict_over(driver.stretch(market.prices, start, end))
            told.append(verdict)
            assert verdict is None or set(verdicts[start : end + 1]) == {verdict}, (start, end)
    return told


def assert_is_the_law(protocol: LendingProtocol, market: Market, account: Account, later: int) -> None:
    """So many seconds later, the rule over time says all that the law says of the market then."""
    there = market.at_time(market.timestamp + later)
    over_time = protocol.rule_over_time(account, market)
    expected = protocol.rule(account, there).health(there.prices)
    assert over_time.health(there.timestamp) == expected
    assert over_time.verdict_over(there.timestamp, there.timestamp) is expected.liquidatable


def assert_holds_at_seconds(
    protocol: LendingProtocol, market: Market, account: Account, later: int, width: int
) -> None:
    """The verdict over some seconds is the law's at each of them."""
    walk = range(market.timestamp + later, market.timestamp + later + width + 1)
    verdict = protocol.rule_over_time(account, market).verdict_over(walk[0], walk[-1])
    verdicts = set()
    for there in map(market.at_time, walk):
        verdicts.add(protocol.rule(account, there).liquidatable(there.prices))
    event(f"{verdict} where {sorted(verdicts)}")
    assert verdict is None or verdicts == {verdict}


def assert_breaks(protocol: LendingProtocol, market: Any, account: Account, at: int) -> None:
    """Safe until a second, and liquidatable at it."""
    before, there = market.at_time(at - 1), market.at_time(at)
    assert not protocol.rule(account, before).liquidatable(before.prices)
    assert protocol.rule(account, there).liquidatable(there.prices)


def assert_spans(span: Span, values: Sequence[int]) -> None:
    """All that a span says is true of the values on the way, first to last."""
    assert (span.start, span.end) == (values[0], values[-1])
    for k, value in enumerate(values):
        line = span.start + Exact(k, max(1, len(values) - 1)) * (span.end - span.start)
        assert span.low <= value <= span.high
        assert abs(value - line) <= span.bend
