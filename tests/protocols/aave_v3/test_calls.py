"""liquidationCall in float columns, against rules_take.py and after.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from defiliq.book import Book
from defiliq.engine.liquidate import ColumnBook
from defiliq.model.cascade import LawBook
from defiliq.pipeline.cascade import law_of
from defiliq.protocols.aave_v3.calls import call_terms
from defiliq.protocols.aave_v3.market import AaveMarket
from defiliq.types import Account, Leg, StableDebt
from defiliq.units import RAY
from tests.bench.synthetic import synthetic_book, synthetic_market
from tests.builders import NOW, account, address, book, market
from tests.calling import first_calls_agree, settles_agree

REVISIONS = (1, 4, 7, 8, 9, 10, 11)
ETHERS = (0, 1, 2, 3, 4, 13, 18)


def at_revision(revision: int) -> AaveMarket:
    plain = synthetic_market()
    return replace(plain, revision=revision).at_time(plain.timestamp)


def moved(of: AaveMarket, percent: int) -> list[int]:
    """ETH and what follows it moved, the dollars and the rest where they are."""
    return [price * (100 + percent) // 100 if k in ETHERS else price for k, price in enumerate(of.prices)]


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("percent", [-35, -5, 0, 20])
def test_first_calls_are_the_laws(revision: int, percent: int) -> None:
    of = at_revision(revision)
    seen = first_calls_agree(synthetic_book(of, 600, 100 * revision + percent), moved(of, percent))
    assert seen["the same"] > 5
    assert seen["another pair that pays the same"] <= seen["the same"] // 20


@pytest.mark.parametrize("revision", REVISIONS)
def test_whole_books_end_as_the_law_ends_them(revision: int) -> None:
    of = at_revision(revision)
    found = settles_agree(synthetic_book(of, 1500, revision), moved(of, -20))
    assert found.calls > found.accounts > 100
    assert found.bad_debt_base > 0


def test_round_after_round_stays_with_the_law() -> None:
    of = at_revision(10)
    held = synthetic_book(of, 800, 5)
    law, columns = LawBook(held, law_of(held)), ColumnBook.of(held, call_terms)
    for percent in (0, -4, -9, -9, -25, -20, -60):
        wanted, found = law.settle(moved(of, percent)), columns.settle(moved(of, percent))
        assert (found.accounts, found.calls) == (wanted.accounts, wanted.calls)
        assert found.seized_base == pytest.approx(wanted.seized_base, rel=1e-7, abs=1e5)


DUSTY = [
    # A call that clears neither leg must leave 1,000 dollars on both.
    account(1, WETH=(1, 0), USDC=(0, 2470)),
    account(2, WETH=(1, 0), USDC=(0, 2800)),
    account(3, WETH=(1.2, 0), WBTC=(0.02, 0), USDC=(0, 3700), DAI=(0, 900)),
    account(4, WETH=(0.4, 0), USDC=(0, 995)),
    account(5, WETH=(0.000001, 0), USDC=(0, 0.0026)),
    account(6, WETH=(3, 0), WBTC=(0.3, 0), USDC=(0, 12000), DAI=(0, 9000)),
    account(7, WETH=(300, 0), WBTC=(30, 0), USDC=(0, 1500000), DAI=(0, 700000)),
]


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("price", [2999, 2950, 2800, 2500, 1800])
def test_dust_is_left_as_the_pool_lets_it_be(revision: int, price: int) -> None:
    # Of two collaterals with one bonus the law takes what rounding leaves more of: here bonuses differ.
    of = market(revision=revision, reserves={"WBTC": {"liquidation_bonus_bps": 10700}})
    prices = [price * 10**8, *of.prices[1:]]
    assert first_calls_agree(book(DUSTY, of), prices)["the same"]
    settles_agree(book(DUSTY, of), prices)


def test_refusals_name_what_the_law_names() -> None:
    underwater = [account(1, WETH=(1, 0), USDC=(0, 2700)), account(2, WBTC=(1, 0), USDC=(0, 50000))]
    for changes, reason in (
        ({"is_paused": True}, "ReservePaused"),
        ({"is_active": False}, "ReserveInactive"),
        ({"grace_period_until": NOW + 5}, "LiquidationGracePeriod"),
        ({"liquidation_bonus_bps": 0}, "no liquidation bonus"),
    ):
        of = market(reserves={"WETH": changes})
        prices = [2900 * 10**8, *of.prices[1:]]
        assert first_calls_agree(book(underwater, of), prices) == Counter(refused=1, **{"the same": 1})
        found = settles_agree(book(underwater, of), prices)
        assert found.refused == {reason: 1}


def test_a_sentinel_holds_back_the_healthier_half() -> None:
    held = [account(1, WETH=(1, 0), USDC=(0, 2470)), account(2, WETH=(1, 0), USDC=(0, 2800))]
    of = replace(market(revision=10), liquidations_allowed=False)
    seen = first_calls_agree(book(held, of), [2950 * 10**8, *of.prices[1:]])
    assert seen == Counter({"refused": 1, "the same": 1})


def test_stable_debts_are_owed_as_well() -> None:
    stable = StableDebt(1_300 * 10**6, RAY // 20, NOW - 86_400 * 300)
    legs = (Leg(0, 10**18, 0, True), Leg(3, 0, 1_300 * 10**6, False, stable))
    of = market(revision=1)
    held = Book.build(of, [Account(address(1), 0, legs)])
    assert first_calls_agree(held, [3000 * 10**8, *of.prices[1:]]) == Counter({"the same": 1})
    settles_agree(held, [3000 * 10**8, *of.prices[1:]])


def test_a_paused_debt_leaves_the_other_one() -> None:
    held = [account(1, WETH=(2, 0), USDC=(0, 2600), DAI=(0, 2600))]
    of = market(reserves={"USDC": {"is_paused": True}})
    assert first_calls_agree(book(held, of), [2900 * 10**8, *of.prices[1:]]) == Counter({"the same": 1})
