"""What a liquidation takes, against the contract's steps for every repayment there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defiliq.protocols.compound_v2.market import COIN, CompoundMarket
from defiliq.protocols.compound_v2.rules import rule
from defiliq.protocols.compound_v2.take import (
    CallAmounts,
    call_amounts,
    seize_ratio_wad,
    seize_tokens,
    take,
)
from defiliq.types import Account, Liquidation, Refusal
from defiliq.units import WAD
from tests.builders import NOW
from tests.protocols.compound_v2.contract_says import borrow_balance, liquidate, surplus
from tests.protocols.compound_v2.ctokens import comptroller, ctoken, holds, owner

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ETH, USDC = 0, 1


def eth_and_usdc(eth: dict[str, Any] | None = None, usdc: dict[str, Any] | None = None) -> CompoundMarket:
    """cETH at 3000 dollars with a factor of 0.75 and an exchange rate of 0.02, and cUSDC at 1 with 0.8."""
    whole = comptroller(
        [
            ctoken(ETH, "ETH", 18, exchange_rate_now_wad=2 * 10**26, seize_share_wad=28 * 10**15),
            ctoken(USDC, "USDC", 6, exchange_rate_now_wad=2 * 10**14, collateral_factor_wad=8 * 10**17),
        ],
        [3000 * WAD, 10**30],
    )
    first, second = whole.reserves
    reserves = (replace(first, **(eth or {})), replace(second, **(usdc or {})))
    return replace(whole, reserves=reserves)


def taken(account: Account, market: CompoundMarket) -> Liquidation:
    """The liquidation that there must be."""
    found = take(account, market)
    assert isinstance(found, Liquidation), found
    return found


def refused(account: Account, market: CompoundMarket) -> str:
    """The reason that there must be."""
    found = take(account, market)
    assert isinstance(found, Refusal), found
    return found.reason


def seen(market: CompoundMarket, sent: int) -> CompoundMarket:
    """As the Comptroller sees it while coins come with a call."""
    eth = market.reserves[ETH]
    rate = (eth.cash + sent + eth.total_borrows - eth.total_reserves) * WAD // eth.total_supply
    return replace(market, reserves=(replace(eth, exchange_rate_now_wad=rate), *market.reserves[1:]))


BROKEN = owner(holds(ETH, 100 * 10**8), holds(USDC, 0, 5000 * 10**6))


def test_coins_that_are_sent_count_for_the_borrower() -> None:
    """Of 1000 cETH the account has 100, which back 1.5 of the 1.501 ETH that it owes.

    Whoever sends 1 ETH raises what they back by 0.075, until the debt is repaid: 0.0133 ETH are the most.
    """
    pool = {"total_supply": 1000 * 10**8, "total_borrows": 15 * WAD, "cash": 5 * WAD}
    market, account = (
        eth_and_usdc({"asset": COIN, **pool}),
        owner(holds(ETH, 100 * 10**8, 1501 * WAD // 1000)),
    )
    found = taken(account, market)
    assert found.repaid == found.debt_to_cover == 13333333333333333
    assert (
        surplus(account, seen(market, found.repaid)) < 0 <= surplus(account, seen(market, found.repaid + 1))
    )
    assert taken(account, eth_and_usdc(pool)).repaid == 1501 * WAD // 2000, "a token is no coin"


def test_a_plain_liquidation_in_numbers() -> None:
    """2500 dollars buy 0.9 ETH, which is 45 cETH; 1.26 of them stay with the cToken."""
    assert call_amounts(eth_and_usdc(), USDC, ETH, 2500 * 10**6) == CallAmounts(
        2500 * 10**6, 45 * 10**8, 126 * 10**6
    )
    found = taken(BROKEN, eth_and_usdc())
    assert (found.repay_reserve, found.repaid, found.debt_to_cover) == (USDC, 2500 * 10**6, 2500 * 10**6)
    (seizure,) = found.seizures
    assert seizure.reserve == ETH
    assert seizure.amount == 8748 * 10**14
    assert seizure.protocol_fee == 252 * 10**14
    assert seizure.base == found.seized_base == 26244 * 10**17
    assert found.repaid_base == 2500 * WAD
    assert found.bonus_base == 1244 * 10**17
    assert found.bad_debt_base == 0
    assert (seizure.received, eth_and_usdc().reserves[ETH].receipt[1]) == (4374000000, "cETH")
    assert found.remark == ""


def test_the_balance_limits_the_call() -> None:
    """10 cETH are 600 dollars, which is what 555.555556 repaid seizes; the rest of the debt is bad."""
    account = owner(holds(ETH, 10**9), holds(USDC, 0, 5000 * 10**6))
    found = taken(account, eth_and_usdc())
    assert found.repaid == 555_555556
    assert seize_tokens(eth_and_usdc(), USDC, ETH, found.repaid) == 10**9
    assert found.bad_debt_base == 5000 * WAD - 555_555556 * 10**12


def test_ctokens_too_few_for_any_call_do_not_hide_bad_debt() -> None:
    """A unit of USDC seizes 1.8 cETH units, so one may stay behind: 2e8 wei."""
    account = owner(holds(ETH, 10**9 + 1), holds(USDC, 0, 5000 * 10**6))
    found = taken(account, eth_and_usdc())
    assert found.repaid == 555_555556
    assert seize_tokens(eth_and_usdc(), USDC, ETH, found.repaid + 1) == 10**9 + 2
    assert found.bad_debt_base == 5000 * WAD - 555_555556 * 10**12 - 2 * 10**8 * 3000


def test_what_another_call_could_still_take_is_no_bad_debt() -> None:
    account = owner(holds(ETH, 10 * 10**8), holds(USDC, 50_000 * 10**8, 5000 * 10**6))
    found = taken(account, eth_and_usdc(eth={"seize_share_wad": 0}))
    assert (found.seizures[0].reserve, found.repaid) == (USDC, 925_925925)
    assert found.bad_debt_base == 0


def test_what_was_not_entered_is_seized_as_well() -> None:
    account = owner(holds(ETH, 100 * 10**8, entered=False), holds(USDC, 0, 5000 * 10**6))
    assert taken(account, eth_and_usdc()).seizures[0].reserve == ETH


def test_collateral_and_debt_in_one_market() -> None:
    account = owner(holds(USDC, 50_000 * 10**8, 900 * 10**6))
    found = taken(account, eth_and_usdc())
    assert (found.seizures[0].reserve, found.repay_reserve) == (USDC, USDC)
    assert found.repaid == 450 * 10**6
    assert found.seizures[0].amount == 486 * 10**6


def test_the_whole_debt_in_a_deprecated_market() -> None:
    """Without any shortfall, and no other debt: that one keeps needing a shortfall."""
    market = eth_and_usdc(usdc={"is_deprecated": True, "collateral_factor_wad": 0})
    account = owner(holds(ETH, 100 * 10**8, 10**12), holds(USDC, 0, 1000 * 10**6))
    assert rule(account, market).margin(market.prices) > 0
    found = taken(account, market)
    assert (found.repay_reserve, found.repaid) == (USDC, 1000 * 10**6)


def test_not_more_than_the_ctoken_has_lent_out() -> None:
    """Its own sum is cut at each accrual, so it can fall below a last borrower's balance."""
    debt = {"is_deprecated": True, "collateral_factor_wad": 0, "total_borrows": 1000 * 10**6 - 1}
    account = owner(holds(ETH, 100 * 10**8), holds(USDC, 0, 1000 * 10**6))
    assert taken(account, eth_and_usdc(usdc=debt)).repaid == 1000 * 10**6 - 1
    accruing = debt | {"borrow_rate_wad": WAD // 10**9, "accrued_at": 119}
    assert taken(account, eth_and_usdc(usdc=accruing)).repaid == 1000 * 10**6 - 1
    faster = debt | {"borrow_rate_wad": WAD // 10**6, "accrued_at": 119}
    assert taken(account, eth_and_usdc(usdc=faster)).repaid == 1000 * 10**6
    odd = debt | {"accrues_plainly": False}
    assert taken(account, eth_and_usdc(usdc=odd)).repaid == 1000 * 10**6


def test_dust_is_still_a_call() -> None:
    """A repayment of one unit that seizes nothing: the contract lets it through, and it pays nobody."""
    market = comptroller([ctoken(0, "A", exchange_rate_now_wad=3 * WAD), ctoken(1, "B")], [WAD, WAD])
    account = owner(holds(0, 1), holds(1, 0, 5))
    found = taken(account, market)
    assert (found.repaid, found.seized_base) == (2, 0)
    assert found.bonus_base == -2


@pytest.mark.parametrize(
    ("account", "market", "reason"),
    [
        (owner(holds(ETH, 100 * 10**8), holds(USDC, 0, 1)), eth_and_usdc(), "no shortfall"),
        (BROKEN, replace(eth_and_usdc(), seize_paused=True), "seize is paused"),
        (BROKEN, eth_and_usdc({"is_listed": False}), "MARKET_NOT_LISTED: cETH"),
        (BROKEN, eth_and_usdc(None, {"is_listed": False}), "MARKET_NOT_LISTED: cUSDC"),
        (owner(holds(USDC, 0, 5)), eth_and_usdc(), "no collateral to seize"),
        (
            owner(holds(ETH, 1), holds(USDC, 0, 5 * 10**6)),
            eth_and_usdc({"exchange_rate_now_wad": 10**26}),
            "LIQUIDATE_SEIZE_TOO_MUCH: cETH",
        ),
        (owner(holds(ETH, 1), holds(USDC, 0, 1)), eth_and_usdc(), "no part of the USDC debt"),
        (BROKEN, eth_and_usdc({"exchange_rate_now_wad": 0}), "cETH is worth nothing"),
    ],
)
def test_refusals_say_why(account: Account, market: CompoundMarket, reason: str) -> None:
    assert reason in refused(account, market)


@pytest.mark.parametrize(("rounding", "expected"), [("down", 1), ("half_up", 2)])
def test_products_in_a_seizure_are_rounded_as_the_comptroller_does(rounding: Any, expected: int) -> None:
    """1.5 units over 1, and 3 over 1.5 units."""
    market = comptroller(
        [ctoken(0, "A", exchange_rate_now_wad=WAD), ctoken(1, "B")],
        [1, 1],
        liquidation_incentive_wad=3 * WAD // 2,
        product_rounding=rounding,
    )
    assert seize_ratio_wad(market, 1, 0) == expected * WAD
    below = comptroller(
        [ctoken(0, "A", exchange_rate_now_wad=3 * WAD // 2), ctoken(1, "B")],
        [1, 4],
        liquidation_incentive_wad=WAD,
        product_rounding=rounding,
    )
    assert seize_ratio_wad(below, 1, 0) == 4 * WAD // expected


def test_a_ratio_and_its_tokens_are_cut() -> None:
    market = comptroller([ctoken(0, "A"), ctoken(1, "B")], [3 * WAD, WAD], liquidation_incentive_wad=2 * WAD)
    assert seize_ratio_wad(market, 1, 0) == 2 * WAD // 3
    assert [seize_tokens(market, 1, 0, repaid) for repaid in (1, 2, 3, 4)] == [0, 1, 1, 2]


@st.composite
def small_scenes(draw: st.DrawFn) -> tuple[CompoundMarket, Account]:
    """Two or three cTokens and debts of a few base units, so that every repayment can be tried."""
    count = draw(st.integers(1, 3))
    reserves = [
        ctoken(
            k,
            f"T{k}",
            is_deprecated=draw(st.integers(0, 4)) == 0,
            is_listed=draw(st.integers(0, 9)) > 0,
            collateral_factor_wad=draw(st.sampled_from([0, WAD // 2, 9 * WAD // 10])),
            exchange_rate_now_wad=draw(st.integers(WAD // 9, 4 * WAD)),
            borrow_index_now_wad=draw(st.integers(WAD, 2 * WAD)),
            seize_share_wad=draw(st.sampled_from([0, 28 * 10**15, WAD // 3])),
            total_borrows=draw(st.sampled_from([2**100, 7])),
        )
        for k in range(count)
    ]
    market = comptroller(
        reserves,
        [draw(st.one_of(st.integers(1, 4), st.integers(WAD // 3, 4 * WAD))) for _ in range(count)],
        product_rounding=draw(st.sampled_from(["down", "half_up"])),
        close_factor_wad=draw(st.sampled_from([WAD // 2, WAD // 3, WAD])),
        liquidation_incentive_wad=draw(st.integers(WAD, 3 * WAD // 2)),
        seize_paused=draw(st.integers(0, 19)) == 0,
    )
    legs = (
        holds(
            k,
            draw(st.integers(0, 40)),
            draw(st.integers(0, 30)),
            entered=draw(st.integers(0, 3)) > 0,
            index_wad=draw(st.integers(WAD, 2 * WAD)),
        )
        for k in range(count)
    )
    return market, owner(*legs)


@settings(MANY, max_examples=750)
@given(small_scenes())
def test_the_best_of_every_pairs_largest_call(scene: tuple[CompoundMarket, Account]) -> None:
    market, account = scene
    may = surplus(account, market) < 0 or any(
        leg.debt and market.reserves[leg.reserve].is_deprecated for leg in account.legs
    )
    assert rule(account, market).liquidatable(market.prices) is may
    best: list[tuple[tuple[int, ...], int]] = []
    for debt in account.legs:
        for collateral in account.legs:
            largest = 0
            for repay in range(1, borrow_balance(market, debt) + 2):
                if collateral.collateral and liquidate(account, market, debt, collateral, repay):
                    largest = repay
            if largest:
                seized = liquidate(account, market, debt, collateral, largest)
                assert seized is not None
                held = market.reserves[collateral.reserve]
                amount = seized.liquidator * held.exchange_rate_now_wad // WAD
                gain = amount * market.prices[held.feed] // WAD
                cost = largest * market.price_of(debt.reserve) // WAD
                best.append(((gain - cost, gain, -collateral.reserve, -debt.reserve), largest))
                call = call_amounts(market, debt.reserve, collateral.reserve, largest)
                assert call == (largest, seized.tokens, seized.protocol)
                assert call is not None
                assert call.liquidator_tokens == seized.liquidator
    found = take(account, market)
    if isinstance(found, Refusal):
        assert not best
        return
    ours = (found.bonus_base, found.seized_base, -found.seizures[0].reserve, -found.repay_reserve)
    assert (ours, found.repaid) == max(best)
    assert found.debt_to_cover == found.repaid


@MANY
@given(small_scenes())
def test_bad_debt_is_what_nothing_backs_after_the_call(scene: tuple[CompoundMarket, Account]) -> None:
    market, account = scene
    found = take(account, market)
    if isinstance(found, Refusal):
        return
    call = call_amounts(market, found.repay_reserve, found.seizures[0].reserve, found.repaid)
    assert call is not None
    tokens = {leg.reserve: leg.collateral for leg in account.legs}
    tokens[found.seizures[0].reserve] -= call.seize_tokens
    owed = {leg.reserve: borrow_balance(market, leg) for leg in account.legs}
    owed[found.repay_reserve] -= found.repaid
    owed_base = sum(amount * market.price_of(k) // WAD for k, amount in owed.items())
    assert 0 <= found.bad_debt_base <= owed_base
    if not any(tokens.values()):
        assert found.bad_debt_base == owed_base


def test_a_call_accrues_before_it_judges() -> None:
    """Interest alone breaks the account: the view calls it safe, a liquidation goes through."""
    growing = ctoken(1, "B", borrow_rate_wad=WAD // 10)
    market = comptroller([ctoken(0, "A"), growing], [WAD, WAD]).at_time(NOW + 120)
    stored, account = market.as_stored(), owner(holds(0, 100 * WAD), holds(1, 0, 50 * WAD))
    assert not rule(account, stored).liquidatable(stored.prices)
    assert taken(account, stored) == taken(account, market)
    assert taken(account, stored).repaid == 50 * WAD
    moved = stored.at_prices({0: 2 * WAD})
    assert refused(account, moved) == refused(account, market.at_prices({0: 2 * WAD}))
