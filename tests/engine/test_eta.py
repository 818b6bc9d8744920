"""The search in time against brute force over every second, on states where much happens within seconds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from defiliq.engine import eta
from defiliq.engine.eta import find_eta
from defiliq.errors import UnresolvedEta
from defiliq.protocols.aave_v3 import rule, rule_over_time
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, Eta, Health, TimeRule
from defiliq.units import RAY, WAD
from tests.builders import NOW, account_in, graph_market
from tests.builders import account as plain_account
from tests.builders import market as plain_market
from tests.protocols.aave_v3.moments import moments
from tests.protocols.aave_v3.states import accounts, markets

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
YEAR_S = 365 * 86_400
SPOT_CHECKS = 12


def breaks_at(account: Account, market: AaveMarket, at: int) -> bool:
    """The law's own word about one second."""
    there = market.at_time(at)
    return rule(account, there).liquidatable(there.prices)


def resolved(law: TimeRule, start: int, horizon_s: int) -> Eta:
    """What is found; draws in which only rounding decides are passed over."""
    try:
        return find_eta(law, start, horizon_s)
    except UnresolvedEta:
        assume(False)
        raise


@MANY
@given(moments(), st.integers(1, 250))
def test_it_equals_brute_force(scene: tuple[AaveMarket, Account], horizon_s: int) -> None:
    market, account = scene
    found = find_eta(rule_over_time(account, market), market.timestamp, horizon_s)
    walk = range(market.timestamp, market.timestamp + horizon_s + 1)
    broken = next((at for at in walk if breaks_at(account, market, at)), None)
    assert found.at == broken
    expected = "never" if broken is None else "already" if broken == market.timestamp else "time"
    assert found.outcome == expected


@st.composite
def real_sized(draw: st.DrawFn) -> tuple[AaveMarket, Account]:
    market = draw(markets())
    return market, draw(accounts(market))


@MANY
@given(st.one_of(real_sized(), moments()), st.lists(st.integers(0, 10 * YEAR_S), min_size=SPOT_CHECKS))
def test_over_years_it_holds_at_the_second_and_not_before(
    scene: tuple[AaveMarket, Account], drawn: list[int]
) -> None:
    market, account = scene
    start, horizon_s = market.timestamp, 10 * YEAR_S
    found = resolved(rule_over_time(account, market), start, horizon_s)
    last = start + horizon_s if found.at is None else found.at - 1
    if found.at is not None:
        assert breaks_at(account, market, found.at)
    if last >= start:
        asked = {start, last, *(start + later % (last - start + 1) for later in drawn)}
        assert not any(breaks_at(account, market, at) for at in asked)


@dataclass
class Counting:
    """A rule that is liquidatable in some stretches, and proves only short ones."""

    broken: list[range]
    widest: int = 10**9
    looks: int = 0
    points: int = 0
    asked: list[int] = field(default_factory=list)

    def health(self, at: int) -> Health:
        self.points += 1
        is_broken = any(at in stretch for stretch in self.broken)
        return Health(1, 1, 0, 0, 0, WAD - 1 if is_broken else WAD + 10**9, is_broken, 0)

    def verdict_over(self, first: int, last: int) -> bool | None:
        self.looks += 1
        if last - first > self.widest:
            return None
        seen = {any(at in stretch for stretch in self.broken) for at in (first, last)}
        inside = any(first <= end <= last for stretch in self.broken for end in (stretch[0], stretch[-1]))
        return None if len(seen) > 1 or (inside and first != last) else seen.pop()


def test_a_short_break_before_the_last_crossing_is_found() -> None:
    """The secant finds 9,000; the proof of what lies before it finds 4,321, which lasts for two seconds."""
    rule = Counting([range(4321, 4323), range(9000, 20_000)])
    assert find_eta(rule, 0, 10_000) == Eta("time", 4321)
    assert rule.looks < 80


def test_a_break_that_is_over_at_the_horizon_is_found() -> None:
    assert find_eta(Counting([range(4321, 4400)]), 0, 10_000) == Eta("time", 4321)


def test_the_horizon_is_part_of_the_search() -> None:
    rule = Counting([range(5000, 6000)])
    assert find_eta(rule, 0, 4999) == Eta("never", None)
    assert find_eta(rule, 0, 5000) == Eta("time", 5000)
    assert find_eta(rule, 0, 0) == Eta("never", None)
    assert find_eta(rule, 5500, 10) == Eta("already", 5500)


def test_what_cannot_be_proved_is_given_up_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eta, "MOST_LOOKS", 1000)
    with pytest.raises(UnresolvedEta, match="no exact instant after 1000 looks"):
        find_eta(Counting([], widest=2), 0, 10**6)


def test_interest_alone_breaks_a_borrower() -> None:
    """$10,000 of WETH at 82.5% against $8,000 at 10% a year: e^(x/10) = 1.03125 after about 112 days."""
    rates = {"USDC": {"variable_borrow_rate_ray": RAY // 10}}
    market = plain_market(reserves=rates, WETH=10_000 * 10**8)
    account = plain_account(1, WETH=(1, 0), USDC=(0, 8000))
    law = rule_over_time(account, market)
    found = find_eta(law, NOW, YEAR_S)
    assert found.at is not None
    assert 112 <= (found.at - NOW) // 86_400 <= 113
    assert breaks_at(account, market, found.at)
    assert not breaks_at(account, market, found.at - 1)
    assert find_eta(law, NOW, 30 * 86_400) == Eta("never", None)


def test_collateral_that_earns_more_than_the_debt_costs_never_breaks() -> None:
    rates = {"DAI": {"variable_borrow_rate_ray": RAY // 100}, "USDC": {"liquidity_rate_ray": RAY // 20}}
    market = plain_market(reserves=rates)
    account = plain_account(1, USDC=(10_000, 0), DAI=(0, 7_799))
    assert find_eta(rule_over_time(account, market), NOW, 10 * YEAR_S) == Eta("never", None)


def test_a_growing_cap_breaks_who_owes_what_it_holds_down() -> None:
    """No interest at all: weETH is held by its cap at 1.088 ETH, and breaks the account at 1.0922."""
    market = graph_market()
    short = account_in(market, 1, {"USDC": (10_000, 0), "weETH": (0, 2.38)})
    found = find_eta(rule_over_time(short, market), NOW, YEAR_S)
    assert found.at is not None
    assert 14 <= (found.at - NOW) // 86_400 <= 16
    assert breaks_at(short, market, found.at)
    assert not breaks_at(short, market, found.at - 1)
    stands = replace(market, graph=type(market.graph)())
    assert find_eta(rule_over_time(short, stands), NOW, YEAR_S).outcome == "never"


@pytest.mark.parametrize("revision", [1, 7, 8, 10])
def test_a_typical_account_takes_few_looks(revision: int) -> None:
    rates = {
        "USDC": {"variable_borrow_rate_ray": RAY * 6 // 100},
        "WETH": {"liquidity_rate_ray": RAY * 2 // 100},
    }
    market = plain_market(revision=revision, reserves=rates)
    account = plain_account(1, WETH=(5, 0), WBTC=(0.1, 0), USDC=(0, 14_000))
    law = rule_over_time(account, market)
    counted = Counted(law)
    found = find_eta(counted, NOW, 10 * YEAR_S)
    assert found.outcome == "time"
    assert counted.looks + counted.points <= 45


@dataclass
class Counted:
    """A rule that counts how often it is asked."""

    law: TimeRule
    looks: int = 0
    points: int = 0

    def health(self, at: int) -> Health:
        self.points += 1
        return self.law.health(at)

    def verdict_over(self, first: int, last: int) -> bool | None:
        self.looks += 1
        return self.law.verdict_over(first, last)
