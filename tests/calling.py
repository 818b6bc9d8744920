"""Calls in float columns held against the law: what each call takes, what it leaves, and whole books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from defiliq.book import Book
from defiliq.calls import NO_LEG, WENT, Calls, CallTerms, Standing, legs_of
from defiliq.engine.calls import first_calls
from defiliq.engine.liquidate import ColumnBook
from defiliq.engine.taken import Taken
from defiliq.model.cascade import LawBook
from defiliq.pipeline.cascade import law_of
from defiliq.protocols import PROTOCOLS
from defiliq.types import Account, Liquidation, Market

SHARE = 1e-9
"""How far columns may be off, as a share of the amount ..."""
UNITS = 2.0
"""... and in base units of each token of the account: one by its own rounding and one by what that moves."""


def first_calls_agree(book: Book[Any], prices: Sequence[int]) -> Counter[str]:
    """The columns' first call on every account that breaks, against `take` and `after`; what was compared.

    Who breaks, which calls are refused, and what they move must be the same. Another pair may only be taken
    where it pays the same to within the tolerance: the law then chooses by what rounding leaves.
    """
    protocol, market = PROTOCOLS[book.market.protocol], book.market.at_prices(dict(enumerate(prices)))
    book = book.keep(book.debtors)
    terms, price = protocol.call_terms(book), np.array(prices, dtype=np.float64)
    price_of_leg = price.take(terms.feeds).take(terms.kind)
    everyone = Standing.apart(terms, np.arange(len(book)), price_of_leg)
    law = [protocol.rule(book.nameless(i), market).liquidatable(market.prices) for i in range(len(book))]
    assert np.flatnonzero(terms.rule.breaks(everyone)).tolist() == np.flatnonzero(law).tolist()
    rows = np.flatnonzero(law)
    legs, first = legs_of(terms.first_leg, rows)
    calls = first_calls(terms, rows, price_of_leg.take(legs))
    seen: Counter[str] = Counter()
    for j, i in enumerate(rows.tolist()):
        span = slice(first[j], first[j + 1])
        seen[_compare(terms, calls, j, legs[span], span, book.account(i), market)] += 1
    return seen


def _compare(
    terms: CallTerms, calls: Calls, j: int, legs: Any, span: slice, account: Account, market: Market
) -> str:
    protocol = PROTOCOLS[market.protocol]
    taken = protocol.take(account, market)
    if not isinstance(taken, Liquidation) or not (taken.repaid or taken.seizures):
        assert calls.reason[j] != WENT, account
        return "refused"
    assert calls.reason[j] == WENT, (account, terms.rule.reasons[calls.reason[j]])
    reserves, unit = terms.reserves.take(terms.kind), terms.unit.take(terms.kind)
    price = np.array([market.prices[feed] for feed in terms.feeds.take(terms.kind[legs]).tolist()])
    slack = 1.0 + UNITS * float((price / unit[legs]).sum())
    seize = None if calls.seize_leg[j] == NO_LEG else int(reserves[calls.seize_leg[j]])
    pair = seize, int(reserves[calls.repay_leg[j]])
    wanted = taken.seizures[0].reserve if taken.seizures else None, taken.repay_reserve
    scale = SHARE * max(taken.seized_base, taken.repaid_base)
    assert calls.bonus_base[j] == pytest.approx(taken.bonus_base, rel=0, abs=scale + slack)
    if pair != wanted:
        return "another pair that pays the same"
    for ours, theirs in (
        (calls.seized_base[j], taken.seized_base),
        (calls.repaid_base[j], taken.repaid_base),
        (calls.bad_debt_base[j], taken.bad_debt_base),
    ):
        assert ours == pytest.approx(theirs, rel=SHARE, abs=scale + slack), (account, taken)
    left = {leg.reserve: leg for leg in protocol.explain(protocol.after(account, market, taken), market)}
    for k, leg in enumerate(legs.tolist(), start=span.start):
        after = left.get(int(reserves[leg]))
        owed = 0 if after is None else after.owed
        assert calls.owed_left[k] == pytest.approx(owed, rel=SHARE, abs=3 + SHARE * terms.owed[leg]), account
        if terms.supplied[leg] or calls.supplied_left[k]:
            supplied = 0 if after is None else after.supplied
            off = 3 + SHARE * terms.supplied[leg] + slack * unit[leg] / price[k - span.start]
            assert calls.supplied_left[k] == pytest.approx(supplied, rel=SHARE, abs=off), account
    return "the same"


def settles_agree(book: Book[Any], prices: Sequence[int], share: float = 1e-8) -> Taken:
    """A whole book liquidated in columns, against its law; what the columns say.

    `share` is of all that is seized: each of many calls may be off by a unit of a token.
    """
    law, columns = (
        LawBook(book, law_of(book)),
        ColumnBook.of(book, PROTOCOLS[book.market.protocol].call_terms),
    )
    wanted, found = law.settle(prices), columns.settle(prices)
    assert (found.accounts, found.calls) == (wanted.accounts, wanted.calls)
    assert sum(found.refused.values()) == sum(wanted.refused.values())
    off = share * float(wanted.seized_base) + 1.0
    for name in ("seized_base", "repaid_base", "bonus_base", "bad_debt_base"):
        assert getattr(found, name) == pytest.approx(float(getattr(wanted, name)), rel=0, abs=off), name
    market = book.market
    for k, reserve in enumerate(market.reserves):
        worth = float(prices[reserve.feed]) / _unit(market, k)
        for name in ("seized", "fees", "repaid"):
            ours, theirs = getattr(found, name)[k], float(getattr(wanted, name)[k])
            assert ours * worth == pytest.approx(theirs * worth, rel=0, abs=off + 3 * worth), (name, k)
    return found


def _unit(market: Market, k: int) -> float:
    """Token base units in one base currency integer at a price of 1."""
    if market.protocol == "dydx-v4":
        return float(10.0 ** -market.reserves[k].quantum_exponent)  # type: ignore[attr-defined]
    return {"compound-v2": 1e18, "dydx-solo": 1.0}.get(market.protocol, float(market.reserves[k].unit))
