"""Legs as a person reads them, and what the remarks say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from defiliq.book import Book
from defiliq.pipeline.stress import stress
from defiliq.protocols.dydx_v4.explain import explain, remarks, unsettled_funding
from defiliq.protocols.dydx_v4.market import ClobStatus
from defiliq.protocols.dydx_v4.rules import health
from defiliq.protocols.dydx_v4.settle import Position, Subaccount, funding_due, places_of, to_account
from tests.protocols.dydx_v4.states import chain, holding, perpetual
from tests.venue import ALICE, BTC, holder, venue


def test_explained_values_add_up_to_health() -> None:
    market = chain([perpetual(1), perpetual(2, initial_margin_ppm=100_000)], [1000, 50])
    account = holding(-50_000, 100, -300)
    usdc, long, short = explain(account, market)
    assert (usdc.supplied, usdc.owed, usdc.owed_base, usdc.threshold_bps) == (0, 50_000, 50_000, 10_000)
    assert (long.supplied, long.supplied_base, long.threshold_bps) == (100, 100_000, 9_700)
    assert (short.owed, short.owed_base, short.threshold_bps) == (300, 15_000, 9_400)
    assert [leg.counted for leg in (usdc, long, short)] == [False, True, False]
    found = health(account, market)
    assert found.collateral_base == sum(leg.supplied_base for leg in (usdc, long, short))
    assert found.debt_base == sum(leg.owed_base for leg in (usdc, long, short))


def test_all_that_is_owned_pays_whatever_books_are_closed() -> None:
    market = chain([perpetual(1), perpetual(2, clob_status="paused"), perpetual(3)], [1000, 50, 7])
    assert [leg.seizable for leg in explain(holding(5, 1, 1), market)] == [True, True, True]
    assert [leg.seizable for leg in explain(holding(5, 0, -1), market)] == [True, False]
    assert [leg.seizable for leg in explain(holding(-5, 1, 0, -1), market)] == [False, True, False]


def test_a_closed_book_makes_no_bad_debt() -> None:
    usdc, bitcoin, pepe = venue().reserves
    closed = venue(reserves=(usdc, replace(bitcoin, clob_status="paused"), pepe))
    found = stress(Book.build(closed, [holder(ALICE, -50_000, BTC)]), "BTC/USD=-15%")
    (total,) = found.totals.to_dict("records")
    assert (total["liquidatable_accounts"], total["callable_accounts"]) == (1, 0)
    assert (total["collateral_usd"], total["debt_usd"], total["bad_debt_usd"]) == (51_000, 50_000, 0)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("none", "P1-USD has no order book"),
        ("paused", "P1-USD is paused"),
        ("cancel_only", "P1-USD only takes cancellations"),
        ("post_only", "P1-USD only takes orders that rest"),
        ("initializing", "P1-USD is not open yet"),
        ("final_settlement", "P1-USD is in final settlement"),
    ],
)
def test_a_closed_book_is_told(status: ClobStatus, told: str) -> None:
    market = chain([perpetual(1, clob_status=status), perpetual(2)], [1000, 50])
    (remark,) = remarks(holding(10**6, 1, 1), market)
    assert remark.startswith(told)
    assert remarks(holding(10**6, 0, 1), market) == ()


def test_isolation_and_bankruptcy_are_told() -> None:
    market = chain([perpetual(1, is_isolated=True)], [1000])
    assert "an insurance fund of its own" in remarks(holding(0, 10), market)[0]
    _, bankrupt = remarks(holding(-10_001, 10), market)
    assert "deleveraging" in bankrupt
    (empty,) = remarks(holding(-1), market)
    assert "nothing to liquidate" in empty


def test_funding_that_is_not_settled_on_chain_is_told() -> None:
    market = chain([perpetual(1, funding_index=500), perpetual(2, funding_index=-100)], [1000, 50])
    raw = Subaccount("dydx1owner", 0, ((0, 10**9),), (Position(0, 3 * 10**9, 0), Position(1, -(10**7), -100)))
    account = to_account(raw, market)
    assert unsettled_funding(account, market) == funding_due(raw, market, places_of(market)) == -1_500_000
    (remark,) = remarks(account, market)
    assert "it pays 1.500000 USDC of funding" in remark
    received = to_account(Subaccount("dydx1owner", 0, (), (Position(0, -3 * 10**6, 0),)), market)
    assert "it receives 0.001500 USDC" in " ".join(remarks(received, market))
    assert unsettled_funding(holding(5, 7), market) == 0
