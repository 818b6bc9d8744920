"""Cascades over a dYdX v4 book whose insurance funds have an end: what is sold, and what changes hands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defiliq.book import Book
from defiliq.errors import ConservationBroken, InputError
from defiliq.model.cascade import BackedBook, LawBook
from defiliq.pipeline.cascade import cascade, law_of, ledger_of, with_insurance_fund
from defiliq.pipeline.depths import read_law
from defiliq.protocols.dydx_v4.backed import BACKING
from defiliq.protocols.dydx_v4.insurance import with_balance
from defiliq.protocols.dydx_v4.legs import positions_of, usdc_of
from defiliq.protocols.dydx_v4.market import DydxMarket, InsuranceFund
from defiliq.types import Account, SharedOut, Shortfall
from tests.builders import book as lending_book
from tests.dydx.population import population
from tests.dydx.standin import dydx_standin
from tests.protocols.dydx_v4.stage import read_from
from tests.protocols.dydx_v4.states import chain, holding, perpetual

DOLLAR = 10**6
FINE: dict[str, Any] = {"quantum_conversion_exponent": -6, "open_interest": 10**6}


def market(fund: int | None, **changes: Any) -> DydxMarket:
    return with_balance(chain([perpetual(1, **{**FINE, **changes})], [1000]), fund)


def book(there: DydxMarket, **held: Account) -> Book[DydxMarket]:
    return Book.build(there, [replace(account, owner=f"dydx1{name}/0") for name, account in held.items()])


def ledger(one: Book[DydxMarket]) -> BackedBook:
    found = ledger_of(one)
    assert isinstance(found, BackedBook)
    return found


def states(found: BackedBook) -> dict[str, tuple[int, list[int]]]:
    """Name to USDC and positions, of those that changed."""
    return {
        account.owner.removesuffix("/0").removeprefix("dydx1"): (
            usdc_of(account),
            [size for _, size in positions_of(account)],
        )
        for account in found.accounts.values()
    }


BANKRUPT = holding(-100_100, 100)
"""100 quantums of 1,000 against 100,100: the fund pays 400 at worst, 100 for a fill at the oracle price."""


@pytest.mark.parametrize(("fund", "spent"), [(401, 400), (400, 400), (399, 399), (100, 100)])
def test_the_fund_pays_what_it_has(fund: int, spent: int) -> None:
    found = ledger(book(market(fund), aaa=BANKRUPT, bbb=holding(10**6, -100)))
    taken = found.settle(found.book.market.prices)
    assert (taken.accounts, taken.calls, taken.seized_base) == (1, 1, 100_000)
    assert (taken.fund_spent_base, taken.fund_left_base) == (spent, fund - spent)
    assert (taken.bad_debt_base, taken.deleveraged_base, taken.refused) == (spent, 0, {})
    assert states(found) == {"aaa": (0, [])}


@pytest.mark.parametrize("fund", [99, 0])
def test_one_unit_less_and_opposite_positions_take_it_over(fund: int) -> None:
    """At 1,001 a quantum: 30 and 70. Nothing is sold, and the fund keeps what it has."""
    held = {"aaa": BANKRUPT, "bbb": holding(10**6, -30), "ccc": holding(10**6, -90), "ddd": holding(0, 5)}
    found = ledger(book(market(fund), **held))
    taken = found.settle(found.book.market.prices)
    assert (taken.accounts, taken.calls, taken.deleveraged_base) == (1, 0, 100_000)
    assert (taken.seized_base, taken.repaid_base, sum(taken.seized), sum(taken.repaid)) == (0, 0, 0, 0)
    assert (taken.fund_spent_base, taken.fund_left_base, taken.refused) == (0, fund, {})
    assert states(found) == {"aaa": (0, []), "bbb": (969_970, []), "ccc": (929_930, [-20])}
    # They are what they are in the next round.
    again = found.settle(found.book.market.prices)
    assert (again.accounts, again.deleveraged_base) == (0, 0)


def test_nobody_opposite() -> None:
    found = ledger(book(market(0), aaa=BANKRUPT, bbb=holding(10**6, 90)))
    taken = found.settle(found.book.market.prices)
    assert (taken.accounts, taken.deleveraged_base) == (0, 0)
    assert taken.refused == {"nobody on the other side can take it over": 1}
    assert found.accounts == {}


def test_what_nobody_takes_remains() -> None:
    found = ledger(book(market(0), aaa=BANKRUPT, bbb=holding(10**6, -40)))
    taken = found.settle(found.book.market.prices)
    assert (taken.accounts, taken.deleveraged_base) == (1, 40_000)
    assert taken.refused == {"nobody on the other side can take it over": 1}
    assert states(found)["aaa"] == (-60_060, [60])


def test_fees_fill_the_fund_that_pays_in_the_next_block() -> None:
    """499 come in of one, when another one's order has failed: 10 are shared out, and in the next block the
    fund pays 360 for the 90 that are left.
    """
    found = ledger(book(market(0), aaa=BANKRUPT, bbb=holding(-98_000, 100), ccc=holding(102_000, -10)))
    taken = found.settle(found.book.market.prices)
    assert taken.deleveraged_base == 10_000, "a block shares out before it looks at the fund again"
    assert taken.fund_spent_base == 360
    assert taken.fund_left_base == 499 - 360


def test_an_isolated_market_has_its_own_fund() -> None:
    there = market(10**9, is_isolated=True)
    one = book(there, aaa=BANKRUPT, bbb=holding(10**6, -100))
    unread = ledger(one).settle(there.prices)
    assert (unread.fund_spent_base, unread.bad_debt_base) == (0, 400), "what is not known pays always"
    own = replace(there, insurance_funds=(InsuranceFund(place=1, quote_quantums=0),))
    assert ledger(replace(one, market=own)).settle(own.prices).deleveraged_base == 100_000


@cache
def crowd() -> Book[DydxMarket]:
    return read_from(dydx_standin(population(120, seed=11, has_whales=False)))


def fallen(there: DydxMarket, percent: int) -> list[int]:
    return [there.prices[0], *(price * (100 - percent) // 100 for price in there.prices[1:])]


def test_with_enough_in_it_nothing_is_shared_out() -> None:
    """The same to the last unit as where funds pay always."""
    no_end = replace(crowd(), market=with_balance(crowd().market, None))
    there = crowd().market
    places = [0, *(k for k, held in enumerate(there.reserves) if held.is_isolated)]
    full = replace(
        there, insurance_funds=tuple(InsuranceFund(place=k, quote_quantums=10**15) for k in places)
    )
    one, other = LawBook(no_end, law_of(no_end)), ledger(replace(crowd(), market=full))
    for percent in (0, 10, 12):
        mine, theirs = one.settle(fallen(there, percent)), other.settle(fallen(there, percent))
        assert theirs._replace(fund_spent_base=0, fund_left_base=None) == mine
        assert theirs.fund_spent_base == theirs.bad_debt_base
    assert one.accounts == other.accounts


def test_the_order_of_accounts_does_not_matter() -> None:
    order = np.random.default_rng(2).permutation(len(crowd()))
    shuffled = Book.build(crowd().market, [crowd().account(int(k)) for k in order])
    one, other = ledger(crowd()), ledger(shuffled)
    prices = fallen(crowd().market, 20)
    assert one.settle(prices) == other.settle(prices)
    mine, theirs = ({each.owner: each for each in found.accounts.values()} for found in (one, other))
    assert mine == theirs


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**5), st.integers(-40, 40), st.sampled_from([0, 10**9, 10**12]))
def test_what_the_funds_and_all_accounts_have_only_moves(seed: int, percent: int, fund: int) -> None:
    """What accounts and funds together lose or gain in USDC and positions is what the market has of them."""
    read = read_from(dydx_standin(population(25, seed=seed, has_whales=False)))
    one = ledger(replace(read, market=with_balance(read.market, fund)))
    before = sum(one.balances.values())
    taken = one.settle(fallen(read.market, percent))
    net = [0] * len(read.market.reserves)
    for row in range(len(read)):
        net[0] += usdc_of(one.now(row)) - usdc_of(read.account(row))
        for sign, account in ((1, one.now(row)), (-1, read.account(row))):
            for place, size in positions_of(account):
                net[place] += sign * size
    for place in range(1, len(net)):
        assert net[place] == taken.repaid[place] - taken.seized[place], "the market has the rest"
    assert net[0] + sum(one.balances.values()) - before == taken.repaid[0] - taken.seized[0]
    assert all(balance >= 0 for balance in one.balances.values())


def test_a_law_that_loses_something_is_noticed() -> None:
    there = market(0)
    one = book(there, aaa=BANKRUPT, bbb=holding(10**6, -100))

    def careless(account: Account, others: Iterator[Account], at: Any, lacking: Shortfall) -> SharedOut:
        shared = BACKING.share_out(account, others, at, lacking)
        return shared._replace(account=holding(1))

    with pytest.raises(ConservationBroken, match="1 base units of USDC"):
        BackedBook(one, law_of(one), BACKING._replace(share_out=careless)).settle(there.prices)
    rich = replace(one, market=market(10**6))
    with pytest.raises(ConservationBroken, match="the fund"):
        BackedBook(rich, law_of(rich), BACKING._replace(paid=lambda _market, _taken: (0, 0))).settle(
            there.prices
        )


def test_a_cascade_sells_less_where_the_fund_is_empty() -> None:
    driver = "BTC/USD"
    law = {driver: read_law("500M,4%").at("BTC", "USD", Fraction(60_000))}
    found = {
        fund: cascade(with_insurance_fund([crowd()], fund), f"{driver}=-30%", law)
        for fund in (Fraction(0), Fraction(10**9), None)
    }
    none, much, no_end = found.values()
    assert none.deleveraged_usd > 0
    assert none.total_usd < much.total_usd
    assert none.fund_spent_usd < much.fund_spent_usd
    assert math.isnan(no_end.fund_left_usd)
    assert no_end.deleveraged_usd == 0
    last = none.markets.iloc[-1]
    assert last["fund_left_usd"] == none.fund_left_usd >= 0
    assert none.markets["deleveraged_usd"].tolist() == none.rounds["deleveraged_usd"].tolist()


def test_other_protocols_have_no_such_fund() -> None:
    with pytest.raises(InputError, match="insurance fund"):
        with_insurance_fund([lending_book()], Fraction(5))
    lending = lending_book()
    same, funded = with_insurance_fund([lending, crowd()], Fraction(5))
    assert same is lending
    assert funded.market.insurance_funds[0].quote_quantums == 5 * DOLLAR
