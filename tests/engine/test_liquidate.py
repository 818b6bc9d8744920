"""Books liquidated in columns: copies, orders, what is refused, and the proof that nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.calls import Calls, Standing
from defiliq.engine.liquidate import ColumnBook
from defiliq.errors import ConservationBroken
from defiliq.model.cascade import LawBook
from defiliq.pipeline.cascade import law_of
from defiliq.protocols import PROTOCOLS
from defiliq.protocols.aave_v3.calls import AaveCalls, call_terms
from tests.bench.compound import synthetic_comptroller
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import account, book, market

LOW = (2500 * 10**8, *market().prices[1:])


def pair() -> ColumnBook:
    return ColumnBook.of(book([account(1, WETH=(1, 0), USDC=(0, 2300))]), call_terms)


def test_a_copy_is_liquidated_apart() -> None:
    first = pair()
    second = first.copy()
    assert first.settle(LOW).accounts == 1
    assert first.settle(LOW).accounts == 0
    assert second.settle(LOW).accounts == 1


def test_copies_share_what_the_first_prices_led_to_and_nothing_else() -> None:
    of = synthetic_market()
    lower = [price * 4 // 5 if k < 5 else price for k, price in enumerate(of.prices)]
    lowest = [price * 3 // 5 if k < 5 else price for k, price in enumerate(of.prices)]
    held = synthetic_book(of, 2000, 3)
    alone = ColumnBook.of(held, call_terms)
    expected = [alone.settle(prices) for prices in (of.prices, lower, lowest)]
    shared = ColumnBook.of(held, call_terms)
    for _ in range(3):
        other = shared.copy()
        assert [other.settle(prices) for prices in (of.prices, lower, lowest)] == expected
    changed = shared.copy()
    assert changed.settle(lower).seized_base != expected[0].seized_base


def test_no_order_of_accounts_changes_a_sum() -> None:
    of = synthetic_market()
    held = synthetic_book(of, 3000, 4)
    accounts = [held.account(i) for i in range(len(held))]
    shuffled = [accounts[i] for i in np.random.default_rng(1).permutation(len(accounts))]
    prices = [price * 7 // 10 if k < 5 else price for k, price in enumerate(of.prices)]
    one, other = (ColumnBook.of(Book.build(of, some), call_terms) for some in (accounts, shuffled))
    for at in (of.prices, prices, of.prices, prices):
        assert one.settle(at) == other.settle(at)


def test_nobody_owes() -> None:
    nothing = ColumnBook.of(book([account(1, WETH=(1, 0))]), call_terms).settle(LOW)
    assert (nothing.accounts, nothing.calls, nothing.seized_base, nothing.refused) == (0, 0, 0.0, {})


def test_what_no_price_makes_callable_is_counted_again_and_again_while_it_breaks() -> None:
    of = market(reserves={"WETH": {"liquidation_bonus_bps": 0}})
    columns = ColumnBook.of(book([account(1, WETH=(1, 0), USDC=(0, 2300))], of), call_terms)
    reason = {"no liquidation bonus": 1}
    assert [columns.settle(at).refused for at in (LOW, LOW, of.prices, LOW)] == [reason, reason, {}, reason]


def test_debts_without_collateral_stay_where_the_pool_does_not_write_them_off() -> None:
    held = [account(1, WETH=(1, 0), USDC=(0, 4000))]
    for revision, refused in ((4, {"no collateral is enabled": 1}), (10, {})):
        columns = ColumnBook.of(book(held, market(revision=revision)), call_terms)
        assert columns.settle(LOW).bad_debt_base > 0
        again = columns.settle(LOW)
        assert (again.calls, again.refused) == (0, refused)


@pytest.mark.parametrize("column", ["seized", "fees", "repaid", "supplied_left", "owed_left"])
def test_a_rule_that_loses_something_is_stopped(monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    honest = AaveCalls.calls

    def lossy(rule: AaveCalls, standing: Standing) -> Calls:
        calls: Calls = honest(rule, standing)
        getattr(calls, column)[:] *= 1.001
        return calls

    monkeypatch.setattr(AaveCalls, "calls", lossy)
    columns = ColumnBook.of(book([account(1, WETH=(1, 0), USDC=(0, 2080))]), call_terms)
    with pytest.raises(ConservationBroken):
        columns.settle(LOW)


def test_bad_debt_excuses_no_more_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool writes off what 1 WETH at 1,000 does not pay of 4,000 USDC, and 60 USDC more than it says."""
    honest = AaveCalls.calls

    def modest(rule: AaveCalls, standing: Standing) -> Calls:
        calls: Calls = honest(rule, standing)
        calls.bad_debt_base[calls.bad_debt_base > 0] -= 60e8
        return calls

    terms = book([account(1, WETH=(1, 0), USDC=(0, 4000))])
    assert ColumnBook.of(terms, call_terms).settle(LOW).bad_debt_base > 60e8
    monkeypatch.setattr(AaveCalls, "calls", modest)
    with pytest.raises(ConservationBroken):
        ColumnBook.of(terms, call_terms).settle(LOW)


def test_prices_that_come_back_find_accounts_as_calls_left_them() -> None:
    """Compound v2 lets half of a debt be repaid: who is short of the bonus is worse off then."""
    of, held = synthetic_comptroller(300)
    law, columns = LawBook(held, law_of(held)), ColumnBook.of(held, PROTOCOLS["compound-v2"].call_terms)
    for percent in (60, 90, 55, 97):
        prices = [price * percent // 100 if k else price for k, price in enumerate(of.prices)]
        wanted, found = law.settle(prices), columns.settle(prices)
        assert (found.accounts, found.refused) == (wanted.accounts, wanted.refused)
